//! Curfew gives people live, timed access to robots and ends every session on the instant.
//!
//! `docs/ARCHITECTURE.md` is the map. The domain is in `curfew-domain`, the read models in `curfew-projections`; this
//! crate is the shell around them.

pub mod actors;
pub mod address;
pub mod agent;
pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod correlation;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod media;
pub mod protocol;
pub mod signaling;
pub mod store;
pub mod telemetry;
