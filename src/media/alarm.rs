//! The kernel's timer that wakes the media thread: to the microsecond, where the poll's own timeout counts milliseconds, and
//! through a suspend, which the poll does not count.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

pub(super) struct Alarm {
    timer: OwnedFd,
    /// When it goes off. A suspended machine's monotonic clock stands still, so that it may go off before that.
    set_for: Option<Instant>,
}

impl Alarm {
    /// An alarm that shows as readiness of `token`.
    pub(super) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        let mut source = mio::unix::SourceFd(&timer.as_raw_fd());
        registry.register(&mut source, token, mio::Interest::READABLE)?;
        Ok(Self { timer, set_for: None })
    }

    /// It went off, and has to be set for whatever comes next.
    pub(super) fn went_off(&mut self) {
        self.set_for = None;
    }

    /// Sees to it that it goes off at `at`, or before: one that is set for an earlier time is left alone, which saves a call
    /// of the kernel for every packet.
    pub(super) fn set(&mut self, now: Instant, at: Instant) -> io::Result<()> {
        if self.set_for.is_some_and(|set_for| now < set_for && set_for <= at) {
            return Ok(());
        }
        // Zero would switch it off.
        let after = at.saturating_duration_since(now).max(Duration::from_nanos(1));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = Timespec::try_from(after).map_err(io::Error::other)?;
        timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: zero, it_value },
        )?;
        self.set_for = Some(at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_off_again_and_again_and_never_late() {
        let mut poll = mio::Poll::new().expect("a poll");
        let mut alarm = Alarm::new(poll.registry(), mio::Token(7)).expect("an alarm");
        let mut ready = mio::Events::with_capacity(4);
        for _ in 0..3 {
            let now = Instant::now();
            let at = now + Duration::from_micros(300);
            alarm.set(now, at).expect("set");
            alarm.set(now, at + Duration::from_secs(3_600)).expect("left alone");
            // The bound only keeps a broken build from waiting for ever.
            while poll.poll(&mut ready, Some(Duration::from_secs(20))).is_err() {}
            assert_eq!(ready.iter().map(|event| event.token()).collect::<Vec<_>>(), [mio::Token(7)]);
            assert!(Instant::now() >= at);
        }
    }

    #[test]
    fn one_that_went_off_is_set_again_though_its_time_has_not_come() {
        let mut poll = mio::Poll::new().expect("a poll");
        let mut alarm = Alarm::new(poll.registry(), mio::Token(7)).expect("an alarm");
        let mut ready = mio::Events::with_capacity(4);
        let now = Instant::now();
        for _ in 0..3 {
            // As if the machine had been suspended meanwhile, and no time had passed.
            alarm.set(now, now + Duration::from_micros(300)).expect("set");
            while poll.poll(&mut ready, Some(Duration::from_secs(20))).is_err() {}
            assert_eq!(ready.iter().count(), 1);
            alarm.went_off();
        }
    }

    #[test]
    fn an_earlier_time_takes_the_place_of_a_later() {
        let mut poll = mio::Poll::new().expect("a poll");
        let mut alarm = Alarm::new(poll.registry(), mio::Token(7)).expect("an alarm");
        let mut ready = mio::Events::with_capacity(4);
        let now = Instant::now();
        alarm.set(now, now + Duration::from_secs(3_600)).expect("set");
        alarm.set(now, now).expect("set anew");
        while poll.poll(&mut ready, Some(Duration::from_secs(20))).is_err() {}
        assert_eq!(ready.iter().count(), 1);
    }
}
