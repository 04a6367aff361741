//! (being built)
pub mod robot;
