//! How often a key frame is asked for: at once, then at most once per interval, and never forgotten in between. A camera's
//! interval stays the same. A viewer's grows while it asks on, since a key frame for one is a burden for all who watch.

use std::time::{Duration, Instant};

/// How many times the first interval a growing one becomes.
const GROWS_TO: u32 = 8;
/// Who asked for nothing for so long begins anew.
const CALM_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Keyframes {
    shortest: Duration,
    longest: Duration,
    interval: Duration,
    asked_at: Option<Instant>,
    wanted: bool,
}

impl Keyframes {
    pub(super) fn new(interval: Duration) -> Self {
        Self { shortest: interval, longest: interval, interval, asked_at: None, wanted: false }
    }

    /// The interval doubles with each request.
    pub(super) fn growing(interval: Duration) -> Self {
        Self { longest: interval * GROWS_TO, ..Self::new(interval) }
    }

    /// Somebody needs a key frame.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Somebody needs a key frame, but has no room for it yet: after the interval.
    pub(super) fn want_later(&mut self, now: Instant) {
        self.wanted = true;
        self.calm_down(now);
        if self.asked_at.is_none_or(|at| at + self.interval <= now) {
            self.asked_at = Some(now);
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// A key frame came: nobody needs another.
    pub(super) fn came(&mut self) {
        self.wanted = false;
    }

    /// Whether to ask the camera now. Saying yes counts as having asked.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        self.calm_down(now);
        let due = self.due().is_some_and(|due| due.is_none_or(|due| due <= now));
        if due {
            self.wanted = false;
            if self.asked_at.replace(now).is_some() {
                self.interval = (self.interval * 2).min(self.longest);
            }
        }
        due
    }

    fn calm_down(&mut self, now: Instant) {
        if self.asked_at.take_if(|at| now.saturating_duration_since(*at) >= CALM_AFTER).is_some() {
            self.interval = self.shortest;
        }
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

    #[test]
    fn who_asks_on_and_on_waits_longer_each_time_until_it_was_calm() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut keyframes = Keyframes::growing(Duration::from_millis(500));
        let mut asked = |from: u64, to: u64| -> Vec<u64> {
            let asks = |ms: &u64| {
                keyframes.want();
                keyframes.ask(at(*ms))
            };
            (from..to).step_by(100).filter(asks).collect()
        };
        assert_eq!(asked(0, 13_000), [0, 500, 1_500, 3_500, 7_500, 11_500]);
        assert_eq!(asked(21_500, 22_200), [21_500, 22_000], "it was calm for ten seconds");
    }

    #[test]
    fn who_has_no_room_yet_asks_after_the_interval_and_not_for_what_came_meanwhile() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut keyframes = Keyframes::growing(Duration::from_millis(500));
        keyframes.want_later(at(0));
        assert!(!keyframes.ask(at(499)) && keyframes.ask(at(500)));
        keyframes.want_later(at(700));
        assert_eq!(keyframes.timeout(), Some(at(1_500)), "the pause goes on that has begun");
        keyframes.came();
        assert!(!keyframes.ask(at(1_500)));
        keyframes.want_later(at(30_000));
        assert_eq!(keyframes.timeout(), Some(at(30_500)), "it was calm");
    }
}
