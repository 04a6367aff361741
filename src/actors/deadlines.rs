//! What falls due and when: one ordered set of instants, some on the wall clock, some on the boot clock.
//!
//! Windows that are not open yet follow the wall clock. Nothing has to be re-derived when it steps, since a wall entry is
//! compared with the wall clock itself each time; only the wait between two looks is an estimate, and it is never longer
//! than [`LONGEST_WAIT`]. Open sessions keep elapsed time on the boot clock. [`Deadlines::fire_due`] is the core and takes
//! the time as an input; [`Deadlines::next`] merely waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use curfew_domain::{BookingId, RobotId, RoomId};
use tokio::sync::Notify;

use crate::clock::{BootInstant, SharedClock};

/// A step of the wall clock is noticed within this time.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How far wall and boot clock may drift apart between two looks before it counts as a step.
const STEP: TimeDelta = TimeDelta::seconds(1);

/// What falls due. Arming one again replaces its instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The end of an open room: fired before all else that is due at the same look.
    RoomEnds(RoomId),
    BookingStarts(BookingId),
    /// The end of a window whose room was never opened, and the retry of an end that could not be recorded.
    BookingEnds(BookingId),
    /// The robot of a booking that starts soon is asked to publish.
    RobotAhead(RobotId, BookingId),
    RoomWarning(RoomId, u32),
    /// A robot that was offline too long for a booking.
    RobotLost(BookingId),
    NoShow(BookingId),
    /// A look at what is idle, at folded refusals and at other housekeeping.
    Sweep,
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) wall: DateTime<Utc>,
    pub(crate) boot: BootInstant,
}

impl Now {
    pub(crate) fn of(clock: &SharedClock) -> Self {
        let reading = clock.reading();
        Self { wall: reading.wall, boot: reading.boot }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    Due(Due),
    /// The wall clock stepped: what it would have read had it not, and what it reads.
    Stepped {
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    },
}

#[derive(Debug)]
pub(crate) struct Deadlines {
    clock: SharedClock,
    state: Mutex<State>,
    changed: Notify,
}

impl Deadlines {
    pub(crate) fn new(clock: SharedClock) -> Self {
        let seen = Now::of(&clock);
        Self { clock, state: Mutex::new(State::new(seen)), changed: Notify::new() }
    }

    /// Fires once the wall clock reads `at` or later, whatever it does until then.
    pub(crate) fn arm_wall(&self, due: Due, at: DateTime<Utc>) {
        self.arm(due, At::Wall(at));
    }

    /// Fires once the boot clock reads `at` or later.
    pub(crate) fn arm_boot(&self, due: Due, at: BootInstant) {
        self.arm(due, At::Boot(at));
    }

    pub(crate) fn disarm(&self, due: Due) {
        self.state().remove(due);
    }

    /// Everything due at `now`, earliest first, ends of rooms before the rest. Never anything early.
    pub(crate) fn fire_due(&self, now: Now) -> Vec<Fired> {
        self.state().fire(now)
    }

    /// Waits until something is due and takes it.
    pub(crate) async fn next(&self) -> Vec<Fired> {
        loop {
            let fired = self.fire_due(Now::of(&self.clock));
            if !fired.is_empty() {
                return fired;
            }
            let wait = self.state().wait(Now::of(&self.clock));
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn arm(&self, due: Due, at: At) {
        let mut state = self.state();
        state.remove(due);
        state.insert(due, at);
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug)]
enum At {
    Wall(DateTime<Utc>),
    Boot(BootInstant),
}

#[derive(Debug)]
struct State {
    armed: HashMap<Due, At>,
    wall: BTreeMap<(DateTime<Utc>, Due), ()>,
    boot: BTreeMap<(BootInstant, Due), ()>,
    seen: Now,
}

impl State {
    fn new(seen: Now) -> Self {
        Self { armed: HashMap::new(), wall: BTreeMap::new(), boot: BTreeMap::new(), seen }
    }

    fn insert(&mut self, due: Due, at: At) {
        self.armed.insert(due, at);
        match at {
            At::Wall(at) => self.wall.insert((at, due), ()),
            At::Boot(at) => self.boot.insert((at, due), ()),
        };
    }

    fn remove(&mut self, due: Due) {
        match self.armed.remove(&due) {
            Some(At::Wall(at)) => self.wall.remove(&(at, due)),
            Some(At::Boot(at)) => self.boot.remove(&(at, due)),
            None => None,
        };
    }

    fn fire(&mut self, now: Now) -> Vec<Fired> {
        let mut fired: Vec<Fired> = self.step(now).into_iter().collect();
        let mut due = Vec::new();
        while let Some(entry) = self.boot.first_entry().filter(|entry| entry.key().0 <= now.boot) {
            let (at, what) = entry.remove_entry().0;
            due.push((now.boot.saturating_since(at), what));
        }
        while let Some(entry) = self.wall.first_entry().filter(|entry| entry.key().0 <= now.wall) {
            let (at, what) = entry.remove_entry().0;
            due.push(((now.wall - at).to_std().unwrap_or_default(), what));
        }
        due.sort_by_key(|(late, what)| (!matches!(what, Due::RoomEnds(_)), std::cmp::Reverse(*late), *what));
        for (_, what) in due {
            self.armed.remove(&what);
            fired.push(Fired::Due(what));
        }
        fired
    }

    fn step(&mut self, now: Now) -> Option<Fired> {
        let passed = TimeDelta::from_std(now.boot.saturating_since(self.seen.boot)).ok()?;
        let expected = self.seen.wall + passed;
        self.seen = now;
        let off = now.wall - expected;
        (off.abs() > STEP).then_some(Fired::Stepped { from: expected, to: now.wall })
    }

    fn wait(&self, now: Now) -> Duration {
        let wall =
            self.wall.first_key_value().map(|((at, _), ())| (*at - now.wall).to_std().unwrap_or_default());
        let boot = self.boot.first_key_value().map(|((at, _), ())| at.saturating_since(now.boot));
        wall.into_iter().chain(boot).fold(LONGEST_WAIT, Duration::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use uuid::Uuid;

    fn room(number: u128) -> Due {
        Due::RoomEnds(RoomId::from(Uuid::from_u128(number)))
    }

    fn booking(number: u128) -> Due {
        Due::BookingStarts(BookingId::from(Uuid::from_u128(number)))
    }

    fn set() -> (std::sync::Arc<ManualClock>, Deadlines) {
        let wall = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let clock = ManualClock::new(wall, BootInstant::from_nanos(0));
        (clock.clone(), Deadlines::new(clock))
    }

    fn now(clock: &ManualClock) -> Now {
        Now { wall: clock.wall(), boot: clock.boot() }
    }

    #[test]
    fn nothing_fires_early_and_ends_of_rooms_fire_first() {
        let (clock, deadlines) = set();
        let second = Duration::from_secs(1);
        deadlines.arm_wall(booking(1), clock.wall() + second);
        deadlines.arm_boot(room(2), clock.boot().saturating_add(second));
        deadlines.arm_boot(Due::Sweep, clock.boot().saturating_add(second / 2));
        clock.advance(second - Duration::from_nanos(1));
        assert_eq!(deadlines.fire_due(now(&clock)), [Fired::Due(Due::Sweep)]);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(deadlines.fire_due(now(&clock)), [Fired::Due(room(2)), Fired::Due(booking(1))]);
        assert_eq!(deadlines.fire_due(now(&clock)), []);
    }

    #[test]
    fn arming_again_moves_and_disarming_removes() {
        let (clock, deadlines) = set();
        let start = clock.boot();
        deadlines.arm_boot(room(1), start.saturating_add(Duration::from_secs(1)));
        deadlines.arm_boot(room(1), start.saturating_add(Duration::from_secs(3)));
        deadlines.arm_boot(room(2), start.saturating_add(Duration::from_secs(1)));
        deadlines.disarm(room(2));
        clock.advance(Duration::from_secs(2));
        assert_eq!(deadlines.fire_due(now(&clock)), []);
        clock.advance(Duration::from_secs(1));
        assert_eq!(deadlines.fire_due(now(&clock)), [Fired::Due(room(1))]);
    }

    #[test]
    fn a_step_of_the_wall_clock_moves_windows_ahead_and_leaves_open_sessions_alone() {
        let (clock, deadlines) = set();
        let (wall, hour) = (clock.wall(), Duration::from_secs(3600));
        deadlines.arm_wall(booking(1), wall + hour);
        deadlines.arm_boot(room(2), clock.boot().saturating_add(hour));
        clock.step_wall(wall + hour);
        let stepped = Fired::Stepped { from: wall, to: wall + hour };
        assert_eq!(deadlines.fire_due(now(&clock)), [stepped, Fired::Due(booking(1))]);
        clock.step_wall(wall - hour);
        let back = Fired::Stepped { from: wall + hour, to: wall - hour };
        assert_eq!(deadlines.fire_due(now(&clock)), [back]);
        clock.advance(hour);
        assert_eq!(deadlines.fire_due(now(&clock)), [Fired::Due(room(2))]);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_an_earlier_deadline() {
        let (clock, deadlines) = set();
        deadlines.arm_boot(room(1), BootInstant::FAR_FUTURE);
        let (fired, ()) = tokio::join!(deadlines.next(), async {
            deadlines.arm_boot(room(2), clock.boot());
        });
        assert_eq!(fired, [Fired::Due(room(2))]);
    }
}
