//! When viewers are sent what came for them: in rounds, so that several packets leave for a viewer in one call of the kernel.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use curfew_domain::{PeerId, RobotId};

/// Sending to many viewers is a call of the kernel each, so it pays to wait for the next packets: so long for each viewer
/// that was sent to, and no longer than nobody notices.
const PAUSE_PER_VIEWER: Duration = Duration::from_micros(45);
const MAX_PAUSE: Duration = Duration::from_micros(3_600);
/// Viewers that are sent to before it is looked whether something came. What comes while others are sent to does not wait for the
/// next round then, nor do commands and deadlines for the end of this one.
const TURN: usize = 16;

pub(super) struct Rounds {
    /// Robots of which there is something to send, and how many watch them.
    waiting: Vec<RobotId>,
    viewers: usize,
    /// Before that there is no round.
    next_at: Instant,
    /// When this round began, and who has not had a turn in it.
    began_at: Instant,
    round: VecDeque<PeerId>,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: Vec::new(), viewers: 0, next_at: now, began_at: now, round: VecDeque::new() }
    }

    /// Adds a robot that was not in the next round yet.
    pub(super) fn add(&mut self, robot: RobotId, viewers: usize) {
        self.waiting.push(robot);
        self.viewers += viewers;
    }

    /// The viewers whose turn it is. `watch` puts a robot's behind those of others.
    pub(super) fn take(
        &mut self,
        now: Instant,
        mut watch: impl FnMut(RobotId, &mut VecDeque<PeerId>),
    ) -> impl Iterator<Item = PeerId> {
        if self.round.is_empty() && !self.waiting.is_empty() && self.next_at <= now {
            let viewers = u32::try_from(std::mem::take(&mut self.viewers)).unwrap_or(u32::MAX);
            self.next_at = now + PAUSE_PER_VIEWER.saturating_mul(viewers).min(MAX_PAUSE);
            self.began_at = now;
            self.waiting.drain(..).for_each(|robot| watch(robot, &mut self.round));
        }
        self.round.drain(..TURN.min(self.round.len()))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if !self.round.is_empty() {
            return Some(self.began_at);
        }
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.round.len()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn robot(n: u128) -> RobotId {
        RobotId::from(Uuid::from_u128(n))
    }

    /// The nth viewer of a robot.
    fn viewer(robot: RobotId, n: u128) -> PeerId {
        PeerId::from(Uuid::from_u128(robot.as_uuid().as_u128() * 1_000 + n))
    }

    /// Whose turn it is, where each robot of that number is watched by as many viewers.
    fn turn(rounds: &mut Rounds, now: Instant) -> Vec<PeerId> {
        let watch = |robot: RobotId, viewers: &mut VecDeque<PeerId>| {
            viewers.extend((0..robot.as_uuid().as_u128()).map(|n| viewer(robot, n)));
        };
        rounds.take(now, watch).collect()
    }

    #[test]
    fn the_first_round_is_at_once_and_the_next_after_a_pause_by_the_number_of_viewers() {
        let (of_one, of_two) = ([viewer(robot(1), 0)], [viewer(robot(2), 0), viewer(robot(2), 1)]);
        for (viewers, pause) in [(1, 45), (10, 450), (75, 3_375), (80, 3_600), (1_000, 3_600)] {
            let now = Instant::now();
            let mut rounds = Rounds::new(now);
            assert_eq!((rounds.poll_timeout(), turn(&mut rounds, now)), (None, vec![]), "nobody waits");
            rounds.add(robot(1), viewers - viewers / 3);
            rounds.add(robot(2), viewers / 3);
            assert_eq!(turn(&mut rounds, now), [&of_one[..], &of_two].concat());
            rounds.add(robot(2), 1);
            let next = now + Duration::from_micros(pause);
            assert_eq!(rounds.poll_timeout(), Some(next));
            assert_eq!(turn(&mut rounds, next - Duration::from_nanos(1)), []);
            assert_eq!(turn(&mut rounds, next), of_two);
            rounds.add(robot(2), 1);
            assert_eq!(rounds.poll_timeout(), Some(next + Duration::from_micros(45)), "one viewer's pause");
        }
    }

    #[test]
    fn a_round_of_many_goes_on_at_once_and_each_viewer_has_one_turn_in_it() {
        let now = Instant::now();
        let mut rounds = Rounds::new(now);
        rounds.add(robot(40), 40);
        let mut turns = Vec::new();
        while rounds.poll_timeout().is_some_and(|at| at <= now) {
            turns.push(turn(&mut rounds, now));
            // What comes meanwhile asks for a round of its own, later.
            if turns.len() == 1 {
                rounds.add(robot(2), 2);
            }
        }
        assert_eq!(turns.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8]);
        assert_eq!(turns.concat(), (0..40).map(|n| viewer(robot(40), n)).collect::<Vec<_>>());
        let next = now + Duration::from_micros(1_800);
        assert_eq!((rounds.poll_timeout(), rounds.len()), (Some(next), 1));
        assert_eq!(turn(&mut rounds, next), [viewer(robot(2), 0), viewer(robot(2), 1)]);
        assert_eq!((rounds.poll_timeout(), rounds.len()), (None, 0));
    }
}
