//! The robot's side: signaling client, peer connection, sources, cameras, encoder.
//!
//! Knows the public protocol and the clock only, nothing of the server's inside. `core` decides, in virtual time; `run`
//! carries out. What a robot *does* with messages of its viewers never lives here.

mod backoff;
mod camera;
pub(crate) mod client;
mod config;
mod core;
mod encoder;
pub(crate) mod endpoint;
pub(crate) mod feedback;
mod ffmpeg;
mod filler;
mod font;
mod health;
mod image;
mod link;
mod over_tcp;
pub(crate) mod peer;
mod picture;
mod pictures;
mod publisher;
mod rate;
mod run;
mod sources;
mod stop;
mod stream;
mod ways;
mod y4m;

pub use config::{AgentConfig, AgentError, Filler, Source, SourceError, SourceKind};
pub use endpoint::EndpointError;
pub use ffmpeg::{CameraInput, RtspUrl};
pub use health::{Beat, CameraState, CameraStatus, Failure, Health, ServerStatus, Status};
pub use rate::{DEFAULT_MAX_BPS, MIN_BPS};
pub use run::run;
pub use stop::StopStatus;
