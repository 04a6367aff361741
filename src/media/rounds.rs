//! When viewers are sent what came for them: in rounds, so that several packets leave for a viewer in one call of the kernel.

use std::time::{Duration, Instant};

use curfew_domain::{PeerId, RobotId};

/// Sending to many viewers is a call of the kernel each, so it pays to wait for the next packets: so long for each viewer
/// that was sent to, and no longer than nobody notices.
const PAUSE_PER_VIEWER: Duration = Duration::from_micros(50);
const MAX_PAUSE: Duration = Duration::from_millis(4);
/// Viewers that are served one right after another. Those of a larger round have their turns spread over its pause: else the last
/// would wait for the pause and then for all the others.
const PART: usize = 20;

pub(super) struct Rounds {
    /// Robots of which there is something to send, and how many watch them.
    waiting: Vec<RobotId>,
    viewers: usize,
    /// Before that there is no round.
    next_at: Instant,
    /// The viewers of the round, and how many of them had their turn.
    round: Vec<PeerId>,
    served: usize,
    part: usize,
    /// When the next part has its turn, and how long after it the one that follows.
    part_at: Instant,
    part_every: Duration,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waiting: Vec::new(),
            viewers: 0,
            next_at: now,
            round: Vec::new(),
            served: 0,
            part: PART,
            part_at: now,
            part_every: Duration::ZERO,
        }
    }

    /// Adds a robot that was not in the next round yet.
    pub(super) fn add(&mut self, robot: RobotId, viewers: usize) {
        self.waiting.push(robot);
        self.viewers += viewers;
    }

    /// Puts the viewers whose turn it is behind `due`. Where a round begins, `take_news` puts those of a robot behind the others.
    pub(super) fn take(
        &mut self,
        now: Instant,
        due: &mut Vec<PeerId>,
        mut take_news: impl FnMut(RobotId, &mut Vec<PeerId>),
    ) {
        self.take_parts(now, due);
        if now < self.next_at || self.waiting.is_empty() || self.is_under_way() {
            return;
        }
        self.round.clear();
        self.waiting.drain(..).for_each(|robot| take_news(robot, &mut self.round));
        let viewers = u32::try_from(std::mem::take(&mut self.viewers)).unwrap_or(u32::MAX);
        let pause = PAUSE_PER_VIEWER.saturating_mul(viewers).min(MAX_PAUSE);
        let parts = self.round.len().div_ceil(PART).max(1);
        self.part = self.round.len().div_ceil(parts);
        self.part_every = pause / u32::try_from(parts).unwrap_or(u32::MAX);
        (self.next_at, self.part_at, self.served) = (now + pause, now, 0);
        self.take_parts(now, due);
    }

    fn take_parts(&mut self, now: Instant, due: &mut Vec<PeerId>) {
        while self.is_under_way() && self.part_at <= now {
            let end = (self.served + self.part).min(self.round.len());
            due.extend(self.round.get(self.served..end).unwrap_or_default());
            self.served = end;
            self.part_at += self.part_every;
        }
    }

    /// Whether some viewers of the round have not had their turn.
    fn is_under_way(&self) -> bool {
        self.served < self.round.len()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_under_way() {
            return Some(self.part_at);
        }
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.round.len() - self.served
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn robot(n: u128) -> RobotId {
        RobotId::from(Uuid::from_u128(n))
    }

    /// Whose turn it is, where so many watch each robot.
    fn take(rounds: &mut Rounds, now: Instant, viewers: u128) -> Vec<u128> {
        let mut due = Vec::new();
        rounds.take(now, &mut due, |robot, round| {
            let first = Uuid::from(robot).as_u128() * 10_000;
            round.extend((first..first + viewers).map(|n| PeerId::from(Uuid::from_u128(n))));
        });
        due.into_iter().map(|id| Uuid::from(id).as_u128()).collect()
    }

    #[test]
    fn the_first_round_is_at_once_and_the_next_after_a_pause_by_the_number_of_viewers() {
        for (viewers, pause) in [(1, 50), (10, 500), (80, 4_000), (1_000, 4_000)] {
            let now = Instant::now();
            let after = |us| now + Duration::from_micros(us);
            let mut rounds = Rounds::new(now);
            assert_eq!((rounds.poll_timeout(), take(&mut rounds, now, 1)), (None, vec![]), "nobody waits");
            rounds.add(robot(1), viewers - viewers / 3);
            rounds.add(robot(2), viewers / 3);
            assert_eq!(take(&mut rounds, now, 1), [10_000, 20_000]);
            rounds.add(robot(2), 1);
            assert_eq!(rounds.poll_timeout(), Some(after(pause)));
            assert_eq!(take(&mut rounds, after(pause) - Duration::from_nanos(1), 1).len(), 0);
            assert_eq!(take(&mut rounds, after(pause), 1), [20_000]);
            rounds.add(robot(2), 1);
            assert_eq!(rounds.poll_timeout(), Some(after(pause + 50)), "one viewer's pause");
        }
    }

    #[test]
    fn the_turns_of_many_are_spread_over_the_pause_and_each_comes_once_a_round() {
        let now = Instant::now();
        let after = |us| now + Duration::from_micros(us);
        let mut rounds = Rounds::new(now);
        for begins in [0, 4_000, 8_000] {
            rounds.add(robot(1), 90);
            let mut served = take(&mut rounds, after(begins), 90);
            for part in 1..5 {
                assert_eq!(served.len(), 18 * part as usize, "the round that began at {begins}");
                let at = after(begins + 800 * part);
                assert_eq!(rounds.poll_timeout(), Some(at));
                assert_eq!(take(&mut rounds, at - Duration::from_nanos(1), 90).len(), 0);
                served.extend(take(&mut rounds, at, 90));
            }
            assert_eq!(served, (10_000..10_090).collect::<Vec<_>>());
            assert_eq!((rounds.poll_timeout(), rounds.len()), (None, 0));
        }
    }

    #[test]
    fn who_comes_late_serves_all_whose_turn_it_was_before_the_next_round() {
        let now = Instant::now();
        let mut rounds = Rounds::new(now);
        rounds.add(robot(1), 60);
        assert_eq!(take(&mut rounds, now, 60).len(), 20);
        rounds.add(robot(2), 60);
        let late = now + Duration::from_millis(3);
        let due = (10_020..10_060).chain(20_000..20_020).collect::<Vec<_>>();
        assert_eq!(take(&mut rounds, late, 60), due);
        assert_eq!(rounds.poll_timeout(), Some(late + Duration::from_millis(1)), "spread as ever");
    }
}
