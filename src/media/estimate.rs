//! How fast a viewer can be sent to: what it says of its own (REMB), and what its losses leave of that.

use std::time::{Duration, Instant};

/// Below this no picture is worth sending, so no viewer asks for less.
const FLOOR_BPS: u64 = 100_000;
/// Losses in 256ths of what was sent: above the first the rate falls, below the second it rises (draft-ietf-rmcat-gcc-02,
/// section 6).
const HEAVY_LOSS: u8 = 26;
const LIGHT_LOSS: u8 = 5;
/// Reports come several times a second where a viewer has several streams; one loss counts once.
const FALL_EVERY: Duration = Duration::from_millis(300);
const RISE_EVERY: Duration = Duration::from_secs(1);
/// So many times of what is sent, and the limit limits nothing.
const FORGET_ABOVE: u64 = 2;

/// A receiver has seen no more than it was sent, so what it says it can receive is never much more than that (one and a half
/// times in libwebrtc), begins with that, and follows a picture that begins to move by 8 % a second. From this many fifths of the
/// rate on it is the source that sends little, and only by falling, by more than so many per cent, does it say that the path is full.
const LIMITS_BELOW_FIFTHS: u64 = 6;
const FALL: u64 = 3;
/// Less than this fits every path worth watching over, and is so little that a delay anywhere looks like a full path.
const LITTLE_BPS: u64 = 200_000;
/// How slowly the usual rate follows the present one.
const USUAL_OVER: u64 = 4;

#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// What the viewer said last.
    said_bps: Option<u64>,
    /// That, while it is a limit.
    received_bps: Option<u64>,
    usual_bps: Option<u64>,
    after_loss_bps: Option<u64>,
    moved_at: Option<Instant>,
}

impl Estimate {
    /// The viewer says what it can receive, over all its streams (draft-alvestrand-rmcat-remb-03), while it is sent
    /// `sent_bps`.
    pub(super) fn heard(&mut self, bps: u64, sent_bps: u64) {
        let before = self.usual_bps.unwrap_or(sent_bps);
        self.usual_bps = Some((before * (USUAL_OVER - 1)).saturating_add(sent_bps) / USUAL_OVER);
        let is_fall = self.said_bps.replace(bps).is_some_and(|said| bps < said - said / 100 * FALL);
        // A second that is not like the usual says nothing: a key frame's is one, and so is a lost camera's.
        let rate = before.min(sent_bps);
        let is_full = bps.saturating_mul(5) < rate * LIMITS_BELOW_FIFTHS;
        let begins = is_fall && rate >= LITTLE_BPS;
        let is_limited = is_full && (begins || self.received_bps.is_some());
        self.received_bps = Some(bps).filter(|_| is_limited);
    }

    /// A receiver report: `fraction_lost` as RFC 3550 (6.4.1) has it, and the rate at which the viewer is sent to.
    pub(super) fn reported(&mut self, now: Instant, fraction_lost: u8, sent_bps: u64) {
        let since = self.moved_at.map(|at| now.saturating_duration_since(at));
        let may = |every: Duration| since.is_none_or(|since| since >= every);
        if fraction_lost > HEAVY_LOSS && may(FALL_EVERY) && sent_bps > 0 {
            let base = self.after_loss_bps.map_or(sent_bps, |limit| limit.min(sent_bps));
            self.after_loss_bps = Some(base - base * u64::from(fraction_lost) / 512);
            self.moved_at = Some(now);
        } else if fraction_lost < LIGHT_LOSS && may(RISE_EVERY) {
            let risen = self.after_loss_bps.map(|limit| limit.max(FLOOR_BPS) * 108 / 100);
            self.after_loss_bps = risen.filter(|limit| *limit <= sent_bps.max(FLOOR_BPS) * FORGET_ABOVE);
            self.moved_at = Some(now);
        }
    }

    /// Bits per second the viewer can be sent; `None` while nothing limits it.
    pub(super) fn limit(&self) -> Option<u64> {
        let limits = self.received_bps.into_iter().chain(self.after_loss_bps);
        limits.min().map(|limit| limit.max(FLOOR_BPS))
    }
}

/// How much is sent a second, over the last whole second and in all.
#[derive(Debug)]
pub(super) struct Rate {
    total: u64,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    since: Instant,
    bytes: u64,
    bps: u64,
}

const RATE_OVER: Duration = Duration::from_secs(1);

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self { total: 0, first_at: None, last_at: None, since: now, bytes: 0, bps: 0 }
    }

    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        self.settle(now);
        self.bytes += bytes as u64;
        self.total += bytes as u64;
        self.first_at.get_or_insert(now);
        self.last_at = Some(now);
    }

    pub(super) fn last_at(&self) -> Option<Instant> {
        self.last_at
    }

    /// Bits per second: of the last whole second, or since then where less came.
    pub(super) fn bps(&self, now: Instant) -> u64 {
        self.over(now).unwrap_or(self.bps)
    }

    /// The rate of the second that is counted, once it is over.
    fn over(&self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.since);
        let ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        (passed >= RATE_OVER).then(|| self.bytes.saturating_mul(8_000) / ms)
    }

    /// Bits per second from the first packet to the last; zero of less than a second.
    pub(super) fn mean_bps(&self) -> u64 {
        let span = self.last_at.zip(self.first_at).map(|(last, first)| last.saturating_duration_since(first));
        let ms = span.filter(|span| *span >= RATE_OVER).map(|span| span.as_millis());
        ms.map_or(0, |ms| u64::try_from(u128::from(self.total) * 8_000 / ms).unwrap_or(u64::MAX))
    }

    fn settle(&mut self, now: Instant) {
        if let Some(bps) = self.over(now) {
            (self.bps, self.since, self.bytes) = (bps, now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_a_viewer_says_is_its_limit_and_never_under_the_floor() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.limit(), None);
        estimate.heard(1_000_000, 1_000_000);
        assert_eq!(estimate.limit(), None, "what it says first is what it was sent");
        estimate.heard(700_000, 1_000_000);
        assert_eq!(estimate.limit(), Some(700_000));
        estimate.heard(3, 1_000_000);
        assert_eq!(estimate.limit(), Some(FLOOR_BPS));
    }

    #[test]
    fn a_picture_that_needs_little_is_not_taken_for_a_narrow_path() {
        let mut estimate = Estimate::default();
        for _ in 0..10 {
            estimate.heard(300_000, 200_000);
            assert_eq!(estimate.limit(), None, "half as much again as is sent");
        }
        estimate.heard(310_000, 290_000);
        assert_eq!(estimate.limit(), None, "the second of a key frame");
        for _ in 0..10 {
            estimate.heard(600_000, 580_000);
        }
        assert_eq!(estimate.limit(), None, "what is sent may fill the path, and does not overfill it");
        estimate.heard(550_000, 580_000);
        assert_eq!(estimate.limit(), Some(550_000), "now it does");
        estimate.heard(560_000, 500_000);
        assert_eq!(estimate.limit(), Some(560_000), "still");
        estimate.heard(620_000, 500_000);
        assert_eq!(estimate.limit(), None);
    }

    #[test]
    fn neither_a_key_frame_nor_a_picture_that_begins_to_move_is_taken_for_a_narrow_path() {
        let mut estimate = Estimate::default();
        for (receivable, sent) in [(300_000, 60_000), (66_000, 66_000), (56_000, 66_000), (60_000, 300_000)] {
            estimate.heard(receivable, sent);
            assert_eq!(estimate.limit(), None, "{receivable} of {sent} as it begins");
        }
        for sent in [77_000, 77_000, 300_000, 77_000, 77_000, 77_000, 0, 0, 0, 40_000, 300_000, 77_000] {
            estimate.heard(115_000, sent);
            assert_eq!(estimate.limit(), None, "{sent} of a still picture");
        }
        let mut receivable = 115_000;
        for _ in 0..30 {
            receivable += receivable * 8 / 100;
            estimate.heard(receivable, 1_000_000);
            assert_eq!(estimate.limit(), None, "it rises to {receivable}");
        }
        estimate.heard(850_000, 1_000_000);
        assert_eq!(estimate.limit(), Some(850_000), "it fell: the path is full");
    }

    #[test]
    fn heavy_loss_lowers_the_limit_by_half_of_it_once_for_one_loss() {
        let (mut estimate, now) = (Estimate::default(), Instant::now());
        estimate.heard(5_000_000, 4_500_000);
        estimate.reported(now, 128, 2_000_000);
        assert_eq!(estimate.limit(), Some(1_500_000));
        estimate.reported(now + FALL_EVERY / 2, 128, 2_000_000);
        assert_eq!(estimate.limit(), Some(1_500_000));
        estimate.reported(now + FALL_EVERY, 128, 2_000_000);
        assert_eq!(estimate.limit(), Some(1_125_000));
        estimate.reported(now + 2 * SECOND, 15, 1_000_000);
        assert_eq!(estimate.limit(), Some(1_125_000), "six per cent is neither");
    }

    #[test]
    fn without_loss_the_limit_rises_until_it_limits_nothing() {
        let (mut estimate, now) = (Estimate::default(), Instant::now());
        estimate.reported(now, 128, 1_000_000);
        let mut last = estimate.limit();
        let forgotten = (1..60).find(|second| {
            estimate.reported(now + SECOND * *second, 0, 800_000);
            let risen = estimate.limit();
            assert!(risen.is_none() || risen > last, "{risen:?} after {last:?}");
            last = risen;
            risen.is_none()
        });
        assert!(forgotten.is_some_and(|seconds| (5..20).contains(&seconds)), "{forgotten:?}");
    }

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        for ms in 0..1_000 {
            rate.add(now + Duration::from_millis(ms), 125);
        }
        assert_eq!(rate.bps(now + SECOND), 1_000_000);
        assert_eq!(rate.bps(now + 4 * SECOND), 250_000, "nothing more came");
        rate.add(now + 2 * SECOND, 125_000);
        assert_eq!(rate.mean_bps(), 1_000_000);
    }
}
