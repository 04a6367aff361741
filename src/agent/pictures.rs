//! Where an encoder takes its pictures from: drawn for the instant, or a camera's newest.

use std::sync::Arc;

use tokio::sync::watch;

use super::image::Image;
use super::picture::Picture;
use crate::clock::SharedClock;

/// A picture that a camera took.
pub(super) struct Shot {
    /// Counts how often the camera was started; what comes of another start has nothing to do with what came before.
    pub(super) run: u64,
    pub(super) image: Image,
}

/// A source, as the encoder sees it.
pub(super) enum Pictures {
    Test(TestPictures),
    Camera(CameraPictures),
}

/// What is new since the call before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    /// A picture that does not go on from the one before: the first, or the first of a camera that came back.
    First,
    Next,
    None,
}

impl Pictures {
    /// Takes a new picture if there is one; never waits.
    pub(super) fn next(&mut self) -> Fresh {
        match self {
            Self::Test(test) => test.next(),
            Self::Camera(camera) => camera.next(),
        }
    }

    /// The picture that was taken last.
    pub(super) fn last(&self) -> Option<&Image> {
        match self {
            Self::Test(test) => test.is_drawn.then(|| test.picture.image()),
            Self::Camera(camera) => camera.last.as_ref().map(|shot| &shot.image),
        }
    }
}

/// Draws for each instant: always new.
pub(super) struct TestPictures {
    picture: Picture,
    clock: SharedClock,
    is_drawn: bool,
}

impl TestPictures {
    pub(super) fn new(robot: &str, camera: &str, clock: SharedClock) -> Self {
        Self { picture: Picture::new(robot, camera), clock, is_drawn: false }
    }

    fn next(&mut self) -> Fresh {
        self.picture.draw(self.clock.wall());
        if std::mem::replace(&mut self.is_drawn, true) { Fresh::Next } else { Fresh::First }
    }
}

/// Follows a camera.
pub(super) struct CameraPictures {
    shots: watch::Receiver<Option<Arc<Shot>>>,
    last: Option<Arc<Shot>>,
}

impl CameraPictures {
    pub(super) fn new(mut shots: watch::Receiver<Option<Arc<Shot>>>) -> Self {
        shots.mark_changed();
        Self { shots, last: None }
    }

    fn next(&mut self) -> Fresh {
        if !self.shots.has_changed().unwrap_or(false) {
            return Fresh::None;
        }
        // What the camera has none of any more is kept: the last state is better than nothing.
        let Some(shot) = self.shots.borrow_and_update().clone() else { return Fresh::None };
        let goes_on = self.last.as_ref().is_some_and(|last| last.run == shot.run);
        self.last = Some(shot);
        if goes_on { Fresh::Next } else { Fresh::First }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(run: u64) -> Option<Arc<Shot>> {
        Some(Arc::new(Shot { run, image: Image::black(16, 16).expect("a size") }))
    }

    #[test]
    fn a_cameras_pictures_come_once_and_a_restart_is_told() {
        let shots = watch::Sender::new(None);
        let mut pictures = Pictures::Camera(CameraPictures::new(shots.subscribe()));
        assert_eq!(pictures.next(), Fresh::None);
        assert!(pictures.last().is_none());
        for (run, expected) in [(1, Fresh::First), (1, Fresh::Next), (2, Fresh::First), (2, Fresh::Next)] {
            shots.send_replace(shot(run));
            assert_eq!(pictures.next(), expected);
            assert_eq!(pictures.next(), Fresh::None, "the same picture is not new again");
        }
        shots.send_replace(None);
        assert_eq!(pictures.next(), Fresh::None);
        assert!(pictures.last().is_some(), "the last state stays");
    }

    #[test]
    fn who_comes_later_starts_with_the_picture_that_is_there() {
        let shots = watch::Sender::new(shot(3));
        assert_eq!(CameraPictures::new(shots.subscribe()).next(), Fresh::First);
    }
}
