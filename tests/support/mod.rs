//! What tests of the whole share: the server as a process of its own, and clients that know only its public interfaces.
//! Nothing here looks into the server.

pub(crate) mod client;
pub(crate) mod lab;
pub(crate) mod server;
pub(crate) mod signaling;
