//! Freezes of a picture, as W3C's webrtc-stats counts them (`freezeCount`): a frame that came so much later than its
//! predecessors that people notice. Seen from here a frame comes when it is sent on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Intervals that the mean is over.
const MEAN_OVER: usize = 30;
const NOTICEABLE: Duration = Duration::from_millis(150);

#[derive(Debug, Default)]
pub(super) struct Freezes {
    /// The frame that came last: when, and its RTP timestamp.
    last: Option<(Instant, u32)>,
    intervals: VecDeque<Duration>,
    sum: Duration,
    pub(super) count: u64,
    pub(super) total: Duration,
}

impl Freezes {
    /// A frame is complete. One that is mended late is no new one.
    pub(super) fn frame(&mut self, now: Instant, timestamp: u32) {
        let is_newer = |last: u32| (1..0x8000_0000).contains(&timestamp.wrapping_sub(last));
        if self.last.is_some_and(|(_, last)| !is_newer(last)) {
            return;
        }
        let Some((last, _)) = self.last.replace((now, timestamp)) else { return };
        let interval = now.saturating_duration_since(last);
        let known = u32::try_from(self.intervals.len()).unwrap_or(u32::MAX);
        if let Some(mean) = self.sum.checked_div(known)
            && interval >= (mean * 3).max(mean + NOTICEABLE)
        {
            self.count += 1;
            self.total += interval;
        }
        if self.intervals.len() == MEAN_OVER {
            self.sum -= self.intervals.pop_front().unwrap_or_default();
        }
        self.intervals.push_back(interval);
        self.sum += interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames with these milliseconds between them.
    fn played(intervals: &[u64]) -> (u64, Duration) {
        let (mut freezes, mut now) = (Freezes::default(), Instant::now());
        let mut timestamp = u32::MAX - 90_000;
        freezes.frame(now, timestamp);
        for interval in intervals {
            // What was sent again meanwhile changes nothing.
            freezes.frame(now + Duration::from_millis(*interval / 2), timestamp.wrapping_sub(3_000));
            now += Duration::from_millis(*interval);
            timestamp = timestamp.wrapping_add(3_000);
            freezes.frame(now, timestamp);
            freezes.frame(now, timestamp);
        }
        (freezes.count, freezes.total)
    }

    #[test]
    fn a_pause_that_people_notice_is_a_freeze_with_its_length() {
        let even = [33; 40];
        assert_eq!(played(&even), (0, Duration::ZERO));
        assert_eq!(
            played(&[&even[..], &[182], &even].concat()),
            (0, Duration::ZERO),
            "under 150 ms over the mean"
        );
        assert_eq!(played(&[&even[..], &[183], &even].concat()), (1, Duration::from_millis(183)));
        assert_eq!(played(&[&even[..], &[500, 33, 900]].concat()), (2, Duration::from_millis(1_400)));
    }

    #[test]
    fn slow_pictures_are_no_frozen_ones() {
        assert_eq!(played(&[500; 20]).0, 0);
        assert_eq!(played(&[&[500; 20][..], &[1_400]].concat()).0, 0, "not three times the mean");
        assert_eq!(played(&[&[500; 20][..], &[1_500]].concat()).0, 1);
    }
}
