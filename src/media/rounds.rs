//! When viewers are sent what came for them: in rounds, so that several packets leave for a viewer in one call of the kernel.

use std::time::{Duration, Instant};

use curfew_domain::RobotId;

/// Sending to many viewers is a call of the kernel each, so it pays to wait for the next packets: so long for each viewer
/// that was sent to, and no longer than nobody notices.
const PAUSE_PER_VIEWER: Duration = Duration::from_micros(40);
const MAX_PAUSE: Duration = Duration::from_millis(3);

pub(super) struct Rounds {
    /// Robots of which there is something to send, and how many watch them.
    waiting: Vec<RobotId>,
    viewers: usize,
    /// Before that there is no round.
    next_at: Instant,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: Vec::new(), viewers: 0, next_at: now }
    }

    /// Adds a robot that was not in the next round yet.
    pub(super) fn add(&mut self, robot: RobotId, viewers: usize) {
        self.waiting.push(robot);
        self.viewers += viewers;
    }

    /// The robots of the round, where it is time for one.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<RobotId>> {
        if now < self.next_at || self.waiting.is_empty() {
            return None;
        }
        let viewers = u32::try_from(std::mem::take(&mut self.viewers)).unwrap_or(u32::MAX);
        self.next_at = now + PAUSE_PER_VIEWER.saturating_mul(viewers).min(MAX_PAUSE);
        Some(std::mem::take(&mut self.waiting))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn robot(n: u128) -> RobotId {
        RobotId::from(Uuid::from_u128(n))
    }

    #[test]
    fn the_first_round_is_at_once_and_the_next_after_a_pause_by_the_number_of_viewers() {
        for (viewers, pause) in [(1, 40), (10, 400), (75, 3_000), (1_000, 3_000)] {
            let now = Instant::now();
            let mut rounds = Rounds::new(now);
            assert_eq!((rounds.poll_timeout(), rounds.take(now)), (None, None), "nobody waits");
            rounds.add(robot(1), viewers - viewers / 3);
            rounds.add(robot(2), viewers / 3);
            assert_eq!(rounds.take(now), Some(vec![robot(1), robot(2)]));
            rounds.add(robot(2), 1);
            let next = now + Duration::from_micros(pause);
            assert_eq!(rounds.poll_timeout(), Some(next));
            assert_eq!(rounds.take(next - Duration::from_nanos(1)), None);
            assert_eq!(rounds.take(next), Some(vec![robot(2)]));
            rounds.add(robot(2), 1);
            assert_eq!(rounds.poll_timeout(), Some(next + Duration::from_micros(40)), "one viewer's pause");
        }
    }
}
