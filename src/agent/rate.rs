//! What bit rate and frame rate a camera's encoder is to have, from what its receivers report. **Time and reports in, settings
//! out; no I/O.**
//!
//! Quickly down, slowly up: too much for a path costs everybody frames at once, too little costs some sharpness. A new setting
//! costs a key frame, so small differences are let pass.

use std::time::{Duration, Instant};

use super::feedback::Reports;

/// Bits per second below which no picture is worth sending.
pub const MIN_BPS: u32 = 150_000;
/// Bits per second of a camera unless configured.
pub const DEFAULT_MAX_BPS: u32 = 1_500_000;
/// Bits per second below which a large picture falls to pieces.
const HALVED_BELOW: u32 = 400_000;
/// Part of an estimate that is left for RTP headers and retransmissions.
const HEADROOM: f64 = 0.1;
/// An estimate that is not repeated for so long does not count any more: whoever made it has left.
const ESTIMATE_LASTS: Duration = Duration::from_secs(10);
/// Growth within one second.
const GROWTH: f64 = 0.08;
/// Losses above which the rate is cut, and above which it stays where it is: those of loss-based control in
/// draft-ietf-rmcat-gcc-02 section 6.
const LOSS_CUTS: f32 = 0.10;
const LOSS_HOLDS: f32 = 0.02;
const HOLD_FOR: Duration = Duration::from_secs(3);
/// The least difference that is worth a key frame, as parts of the present rate.
const WORTH_DOWN: f64 = 0.1;
const WORTH_UP: f64 = 0.25;
const DOWN_EVERY: Duration = Duration::from_millis(500);
const UP_EVERY: Duration = Duration::from_secs(5);

/// What an encoder is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) bits_per_second: u32,
    pub(super) frames_per_second: u32,
    /// Whether large pictures are to be sent with half their pixels across and down.
    pub(super) is_halved: bool,
}

impl Setting {
    pub(super) fn of(bits_per_second: u32) -> Self {
        // Fewer frames that can be made out are worth more than many that cannot; a picture of 640 x 480 can be made out
        // at 30 frames/s down to about 250 kbit/s, and larger ones are halved before that.
        let frames_per_second = match bits_per_second {
            250_000.. => 30,
            180_000.. => 15,
            _ => 10,
        };
        Self { bits_per_second, frames_per_second, is_halved: bits_per_second < HALVED_BELOW }
    }

    pub(super) fn frame_interval(self) -> Duration {
        Duration::from_secs(1) / self.frames_per_second.max(1)
    }
}

/// Follows one camera's receivers.
pub(super) struct RateControl {
    max_bps: u32,
    /// Where the rate is going, bits per second.
    target: f64,
    estimate: Option<(Instant, f64)>,
    hold_until: Instant,
    looked_at: Instant,
    present: Setting,
    changed_at: Instant,
}

impl RateControl {
    /// Starts at the highest rate: most paths carry it, and the first report comes within a second.
    pub(super) fn new(now: Instant, max_bps: u32) -> Self {
        let max_bps = max_bps.max(MIN_BPS);
        Self {
            max_bps,
            target: f64::from(max_bps),
            estimate: None,
            hold_until: now,
            looked_at: now,
            present: Setting::of(max_bps),
            changed_at: now,
        }
    }

    pub(super) fn present(&self) -> Setting {
        self.present
    }

    /// Takes what was reported since the last call; gives a setting when it is time for a new one.
    pub(super) fn follow(&mut self, now: Instant, reports: Reports) -> Option<Setting> {
        let passed = now.saturating_duration_since(self.looked_at);
        self.looked_at = now;
        self.hear(now, reports);
        let ceiling = self.ceiling(now);
        if now >= self.hold_until {
            self.target *= (1.0 + GROWTH).powf(passed.as_secs_f64());
        }
        self.target = self.target.min(ceiling).max(f64::from(MIN_BPS));
        self.settle(now)
    }

    fn hear(&mut self, now: Instant, reports: Reports) {
        if let Some(bps) = reports.receivable_bps {
            self.estimate = Some((now, f64::from(bps) * (1.0 - HEADROOM)));
        }
        match reports.lost {
            Some(lost) if lost > LOSS_CUTS => {
                self.target *= 1.0 - 0.5 * f64::from(lost.min(1.0));
                self.hold_until = now + HOLD_FOR;
            }
            Some(lost) if lost > LOSS_HOLDS => self.hold_until = now + HOLD_FOR,
            _ => {}
        }
    }

    fn ceiling(&mut self, now: Instant) -> f64 {
        self.estimate.take_if(|(heard_at, _)| now.saturating_duration_since(*heard_at) >= ESTIMATE_LASTS);
        let max = f64::from(self.max_bps);
        self.estimate.map_or(max, |(_, bps)| bps.min(max))
    }

    fn settle(&mut self, now: Instant) -> Option<Setting> {
        let present = f64::from(self.present.bits_per_second);
        let since = now.saturating_duration_since(self.changed_at);
        let is_lowest = self.target <= f64::from(MIN_BPS) && present > self.target;
        let is_highest = self.target >= f64::from(self.max_bps) && present < self.target;
        let is_down = (self.target < present * (1.0 - WORTH_DOWN) || is_lowest) && since >= DOWN_EVERY;
        let is_up = (self.target > present * (1.0 + WORTH_UP) || is_highest) && since >= UP_EVERY;
        if !is_down && !is_up {
            return None;
        }
        // Between the bounds, which fit.
        self.present = Setting::of(self.target as u32);
        self.changed_at = now;
        Some(self.present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    /// A controller and the virtual time it lives in.
    struct Run {
        now: Instant,
        control: RateControl,
    }

    impl Run {
        fn new() -> Self {
            let now = Instant::now();
            Self { now, control: RateControl::new(now, DEFAULT_MAX_BPS) }
        }

        /// Frames for `seconds`, with `reports` once a second; the settings and when they came, in ms.
        fn run(&mut self, seconds: u32, reports: Reports) -> Vec<(u128, u32)> {
            let started = self.now;
            let mut settings = Vec::new();
            let mut next_report = started;
            while self.now < started + Duration::from_secs(seconds.into()) {
                self.now += FRAME;
                let is_due = self.now >= next_report;
                if is_due {
                    next_report += Duration::from_secs(1);
                }
                let reports = if is_due { reports } else { Reports::default() };
                if let Some(setting) = self.control.follow(self.now, reports) {
                    settings.push(((self.now - started).as_millis(), setting.bits_per_second));
                }
            }
            settings
        }

        fn bps(&self) -> u32 {
            self.control.present().bits_per_second
        }
    }

    fn estimate(bps: u32) -> Reports {
        Reports { receivable_bps: Some(bps), ..Reports::default() }
    }

    fn loss(lost: f32) -> Reports {
        Reports { lost: Some(lost), ..Reports::default() }
    }

    #[test]
    fn an_estimate_is_followed_down_at_once_and_stays_followed() {
        let mut run = Run::new();
        assert_eq!(run.run(5, Reports::default()), []);
        let settings = run.run(60, estimate(600_000));
        assert_eq!(settings.len(), 1, "{settings:?}");
        assert!(settings[0].0 < 100 && settings[0].1 == 540_000, "{settings:?}");
    }

    #[test]
    fn the_way_up_takes_time_and_few_steps() {
        let mut run = Run::new();
        run.run(5, estimate(300_000));
        assert_eq!(run.bps(), 270_000);
        let settings = run.run(60, estimate(10_000_000));
        assert_eq!(run.bps(), DEFAULT_MAX_BPS);
        assert!(settings.len() <= 8, "{settings:?}");
        let gaps = settings.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(gaps.min().is_some_and(|gap| gap >= UP_EVERY.as_millis()), "{settings:?}");
        assert!(settings.last().is_some_and(|last| last.0 > 15_000), "from 270 k not at once: {settings:?}");
    }

    #[test]
    fn the_bounds_hold_whatever_is_reported() {
        let mut run = Run::new();
        run.run(3, estimate(0));
        assert_eq!(run.bps(), MIN_BPS);
        run.run(3, loss(1.0));
        assert_eq!(run.bps(), MIN_BPS);
        run.run(120, estimate(u32::MAX));
        assert_eq!(run.bps(), DEFAULT_MAX_BPS);
        assert_eq!(RateControl::new(run.now, 1).present().bits_per_second, MIN_BPS);
    }

    #[test]
    fn an_estimate_that_is_not_repeated_is_forgotten() {
        let mut run = Run::new();
        run.run(1, estimate(300_000));
        run.run(9, Reports::default());
        assert_eq!(run.bps(), 270_000);
        run.run(60, Reports::default());
        assert_eq!(run.bps(), DEFAULT_MAX_BPS);
    }

    #[test]
    fn estimates_that_waver_cause_no_changes() {
        let mut run = Run::new();
        run.run(2, estimate(1_000_000));
        for bps in [1_030_000, 970_000, 1_000_000, 960_000, 1_040_000].repeat(6) {
            assert_eq!(run.run(1, estimate(bps)), []);
        }
    }

    #[test]
    fn losses_cut_the_rate_small_ones_hold_it() {
        let mut run = Run::new();
        run.run(3, loss(0.3));
        let cut = run.bps();
        assert!(cut < 1_000_000, "{cut}");
        assert_eq!(run.run(20, loss(0.05)), []);
        run.run(60, loss(0.0));
        assert_eq!(run.bps(), DEFAULT_MAX_BPS);
    }

    #[test]
    fn frames_become_fewer_where_bits_do() {
        let rates =
            [1_500_000, 250_000, 249_999, 180_000, 150_000].map(|bps| Setting::of(bps).frames_per_second);
        assert_eq!(rates, [30, 30, 15, 15, 10]);
        assert_eq!(Setting::of(MIN_BPS).frame_interval(), Duration::from_millis(100));
    }
}
