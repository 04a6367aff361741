//! The robot's cameras: made once at the start, streamed anew with each peer connection.

use tokio::sync::mpsc;

use super::camera::Camera;
use super::config::{Filler, Source, SourceKind};
use super::feedback::StreamFeedback;
use super::health::{CameraHealth, Health};
use super::pictures::{Pictures, TestPictures};
use super::stream::{self, Frame, StreamSpec};
use super::{AgentConfig, filler};
use crate::clock::SharedClock;

/// One camera, with the process that reads it where there is one.
pub(super) struct CameraSource {
    name: String,
    robot: String,
    max_bps: u32,
    kind: Kind,
    health: CameraHealth,
    clock: SharedClock,
}

enum Kind {
    Test,
    Camera(Camera),
    Filler(Filler),
}

/// A camera's frames while they are wanted.
pub(super) struct Streaming {
    pub(super) frames: mpsc::Receiver<Frame>,
    _told: Told,
}

/// Says so when the stream is over.
struct Told(CameraHealth);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.streaming(false);
    }
}

impl CameraSource {
    pub(super) fn new(source: &Source, config: &AgentConfig, health: &Health, clock: SharedClock) -> Self {
        let health = health.camera(&source.camera, &source.kind.to_string());
        let kind = match &source.kind {
            SourceKind::Test => Kind::Test,
            SourceKind::Camera(input) => Kind::Camera(Camera::of(input, health.clone(), clock.clone())),
            SourceKind::Filler(filler) => Kind::Filler(filler.clone()),
        };
        Self {
            name: source.camera.clone(),
            robot: config.name.clone(),
            max_bps: config.max_bps,
            kind,
            health,
            clock,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn start(&self, spec: StreamSpec, feedback: StreamFeedback) -> std::io::Result<Streaming> {
        let pictures = match &self.kind {
            Kind::Test => Pictures::Test(TestPictures::new(&self.robot, &self.name, self.clock.clone())),
            Kind::Camera(camera) => Pictures::Camera(camera.pictures()),
            Kind::Filler(filler) => return Ok(self.streaming(filler::start(&spec, filler.clone()))),
        };
        let frames = stream::start(spec, self.max_bps, pictures, feedback, self.health.clone())?;
        Ok(self.streaming(frames))
    }

    fn streaming(&self, frames: mpsc::Receiver<Frame>) -> Streaming {
        self.health.streaming(true);
        Streaming { frames, _told: Told(self.health.clone()) }
    }
}
