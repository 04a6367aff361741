//! What bitrate a robot is told to keep to for each of its cameras, and when: a fall at once, the rest twice a second at most, and all of it again
//! now and then, since RTCP gets lost.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(500);
const REPEAT_EVERY: Duration = Duration::from_secs(2);
/// A fall by more than this, in per cent, does not wait.
const STEEP_FALL: u64 = 3;
/// What "as much as you like" is in REMB.
const UNLIMITED_BPS: u64 = 1_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Advice {
    /// `None` while nobody ever limited anything: the robot is left alone.
    wanted_bps: Option<u64>,
    said: Option<(u64, Instant)>,
}

impl Advice {
    /// The slowest viewer that counts takes so much; `None` when none limits the robot.
    pub(super) fn want(&mut self, limit_bps: Option<u64>) {
        self.wanted_bps = limit_bps.or(self.wanted_bps.map(|_| UNLIMITED_BPS));
    }

    /// What to tell the robot now. Saying it counts as told.
    pub(super) fn tell(&mut self, now: Instant) -> Option<u64> {
        let wanted = self.wanted_bps?;
        if self.due().is_some_and(|due| due > now) {
            return None;
        }
        self.said = Some((wanted, now));
        Some(wanted)
    }

    /// When to tell next; `None` when at once or never.
    fn due(&self) -> Option<Instant> {
        let (wanted, (said, at)) = (self.wanted_bps?, self.said?);
        if wanted < said - said * STEEP_FALL / 100 {
            return None;
        }
        Some(at + if wanted == said { REPEAT_EVERY } else { EVERY })
    }

    /// The instant at which [`Self::tell`] has something to say, where that is not now.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.due()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_told_at_once_and_the_rest_twice_a_second() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut advice = Advice::default();
        advice.want(None);
        assert_eq!((advice.tell(at(0)), advice.timeout()), (None, None), "nobody limits it");
        advice.want(Some(2_000_000));
        assert_eq!(advice.tell(at(0)), Some(2_000_000));
        advice.want(Some(1_000_000));
        assert_eq!(advice.tell(at(10)), Some(1_000_000), "half is a fall");
        advice.want(Some(980_000));
        assert_eq!(advice.tell(at(20)), None, "two per cent is not");
        assert_eq!(advice.timeout(), Some(at(510)));
        assert_eq!(advice.tell(at(510)), Some(980_000));
        advice.want(Some(1_500_000));
        assert_eq!(advice.tell(at(600)), None, "a rise waits its turn");
        assert_eq!(advice.tell(at(1_010)), Some(1_500_000));
    }

    #[test]
    fn what_was_told_is_repeated_and_the_end_of_a_limit_is_told() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut advice = Advice::default();
        advice.want(Some(500_000));
        assert_eq!(advice.tell(at(0)), Some(500_000));
        assert_eq!((advice.tell(at(1_999)), advice.tell(at(2_000))), (None, Some(500_000)));
        advice.want(None);
        assert_eq!(advice.tell(at(2_500)), Some(UNLIMITED_BPS));
    }
}
