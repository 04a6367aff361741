//! (being built)
pub(crate) mod http;
pub mod load;
pub mod robot;
