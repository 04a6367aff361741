//! The two clocks a session lives by.
//!
//! Wall time (UTC) is what people book and what the log says; boot time (`CLOCK_BOOTTIME`) is what an open session keeps,
//! because it neither steps nor stops during suspend, as `std::time::Instant` does on Linux.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A reading of the boot clock: nanoseconds since the machine booted, suspend included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootInstant(u64);

impl BootInstant {
    /// An instant no deadline reaches.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }
}

/// What both clocks read at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub wall: DateTime<Utc>,
    pub boot: BootInstant,
    pub boot_id: Uuid,
}

/// Where time comes from. Everything that decides by time takes its `now` from one of these.
pub trait Clock: Send + Sync + Debug {
    /// The wall clock, UTC. May step.
    fn wall(&self) -> DateTime<Utc>;

    /// The boot clock. Never steps.
    fn boot(&self) -> BootInstant;

    /// Names this boot of the machine: instants of another are not to be compared with this one's.
    fn boot_id(&self) -> Uuid;

    /// Both clocks, read together.
    fn reading(&self) -> Reading {
        let (wall, boot) = together(|| self.wall(), || self.boot());
        Reading { wall, boot, boot_id: self.boot_id() }
    }

    /// The boot instant at which the wall clock will read `at`, if it does not step before then. An instant that is past
    /// maps to a past boot instant, down to zero.
    fn boot_at(&self, at: DateTime<Utc>) -> BootInstant {
        let (wall, boot) = together(|| self.wall(), || self.boot());
        match (at - wall).to_std() {
            Ok(ahead) => boot.saturating_add(ahead),
            Err(_) => boot.saturating_sub((wall - at).to_std().unwrap_or_default()),
        }
    }

    /// The wall reading that goes with a boot instant, by the clock's present offset.
    fn wall_at(&self, at: BootInstant) -> DateTime<Utc> {
        let (wall, boot) = together(|| self.wall(), || self.boot());
        if at >= boot { wall + at.saturating_since(boot) } else { wall - boot.saturating_since(at) }
    }
}

pub type SharedClock = Arc<dyn Clock>;

/// Two readings of the boot clock this close to each other had nothing else between them than one of the wall clock.
const CLOSE: Duration = Duration::from_micros(20);

/// How often both clocks are read before the best pair is taken.
const READINGS: usize = 8;

/// Reads both clocks as if at once. A thread may lose its processor for many milliseconds between two readings, and a
/// deadline that is mapped from one clock to the other would be late by as much.
fn together(
    wall: impl Fn() -> DateTime<Utc>,
    boot: impl Fn() -> BootInstant,
) -> (DateTime<Utc>, BootInstant) {
    let pair = || {
        let (before, at, after) = (boot(), wall(), boot());
        let between = after.saturating_since(before);
        (between, at, before.saturating_add(between / 2))
    };
    let mut best = pair();
    for _ in 1..READINGS {
        if best.0 <= CLOSE {
            break;
        }
        let next = pair();
        if next.0 < best.0 {
            best = next;
        }
    }
    (best.1, best.2)
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn boot(&self) -> BootInstant {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
        BootInstant(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// As random(4) has it; where that cannot be read, of this process.
    fn boot_id(&self) -> Uuid {
        static ID: LazyLock<Uuid> = LazyLock::new(|| {
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            text.trim().parse().unwrap_or_else(|_| Uuid::new_v4())
        });
        *ID
    }
}

/// A clock for tests: wall and boot time move only when told to, together or apart.
#[derive(Debug)]
pub struct ManualClock {
    readings: Mutex<(DateTime<Utc>, BootInstant)>,
}

impl ManualClock {
    pub fn new(wall: DateTime<Utc>, boot: BootInstant) -> Arc<Self> {
        Arc::new(Self { readings: Mutex::new((wall, boot)) })
    }

    /// Lets time pass: both clocks move.
    pub fn advance(&self, by: Duration) {
        let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        readings.0 += by;
        readings.1 = readings.1.saturating_add(by);
    }

    /// Steps the wall clock alone, as an operator or NTP does.
    pub fn step_wall(&self, to: DateTime<Utc>) {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).0 = to;
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> DateTime<Utc> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn boot(&self) -> BootInstant {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn boot_id(&self) -> Uuid {
        Uuid::nil()
    }
}

fn nanos(of: Duration) -> u64 {
    u64::try_from(of.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_instant_maps_to_the_boot_clock_and_back() {
        let wall = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let clock = ManualClock::new(wall, BootInstant::from_nanos(5_000_000_000));
        let later = wall + Duration::from_secs(60);
        assert_eq!(clock.boot_at(later), BootInstant::from_nanos(65_000_000_000));
        assert_eq!(clock.wall_at(clock.boot_at(later)), later);
        assert_eq!(clock.boot_at(wall - Duration::from_secs(2)), BootInstant::from_nanos(3_000_000_000));
    }

    #[test]
    fn losing_the_processor_between_two_readings_moves_no_deadline() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let passed = std::cell::Cell::new(Duration::ZERO);
        let readings = std::cell::Cell::new(0);
        let read = |cost: Duration| {
            readings.set(readings.get() + 1);
            // Somebody else has the processor after the second reading, for as long as two frames last.
            let lost = if readings.get() == 2 { Duration::from_millis(66) } else { Duration::ZERO };
            let now = passed.get();
            passed.set(now + cost + lost);
            now
        };
        let step = Duration::from_micros(2);
        let (wall, boot) =
            together(|| start + read(step), || BootInstant::from_nanos(0).saturating_add(read(step)));
        let since = (wall - start).to_std().expect("after the start");
        assert_eq!(boot, BootInstant::from_nanos(0).saturating_add(since), "one instant of both");
    }

    #[test]
    fn a_step_of_the_wall_clock_leaves_the_boot_clock_alone() {
        let wall = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let clock = ManualClock::new(wall, BootInstant::from_nanos(7));
        clock.step_wall(wall + Duration::from_secs(3600));
        assert_eq!(clock.boot(), BootInstant::from_nanos(7));
    }

    #[test]
    fn the_system_clock_moves_forward() {
        let first = SystemClock.boot();
        assert!(SystemClock.boot() >= first);
        assert!(first > BootInstant::default());
        assert_eq!(SystemClock.boot_id(), SystemClock.boot_id());
    }
}
