//! (being built)
pub(crate) mod http;
pub mod robot;
