//! The robot's side: signaling client, peer connection, sources, encoder.
//!
//! Knows the public protocol and the clock only, nothing of the server's inside. `core` decides, in virtual time; `run`
//! carries out. What a robot *does* with messages of its viewers never lives here.

mod backoff;
pub(crate) mod client;
mod config;
mod core;
mod encoder;
mod filler;
mod font;
mod keyframes;
mod link;
pub(crate) mod peer;
mod picture;
mod publisher;
mod run;

pub use client::EndpointError;
pub use config::{AgentConfig, AgentError, Filler, Source, SourceError, SourceKind};
pub use run::run;

#[cfg(test)]
mod tests;
