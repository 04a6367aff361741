//! How often a camera is asked for a key frame: at once, then at most once per interval, and never forgotten in between.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Keyframes {
    interval: Duration,
    asked_at: Option<Instant>,
    wanted: bool,
}

impl Keyframes {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, asked_at: None, wanted: false }
    }

    /// Somebody needs a key frame.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether to ask the camera now. Saying yes counts as having asked.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due.is_none_or(|due| due <= now));
        if due {
            self.wanted = false;
            self.asked_at = Some(now);
        }
        due
    }

    /// When to ask next: nothing is wanted (`None`), at once (`Some(None)`), or at an instant.
    fn due(&self) -> Option<Option<Instant>> {
        self.wanted.then(|| self.asked_at.map(|at| at + self.interval))
    }

    /// The instant at which [`Self::ask`] will say yes, where it is not now.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.due().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_goes_at_once_and_later_ones_wait_for_the_interval() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut keyframes = Keyframes::new(Duration::from_millis(500));
        assert!(!keyframes.ask(at(0)), "nobody wants one");
        keyframes.want();
        assert!(keyframes.ask(at(1)));
        keyframes.want();
        keyframes.want();
        assert!(!keyframes.ask(at(400)));
        assert_eq!(keyframes.timeout(), Some(at(501)));
        assert!(keyframes.ask(at(501)), "it was not forgotten");
        assert!(!keyframes.ask(at(2_000)), "and is asked once");
    }
}
