//! When viewers are sent what came for them: in rounds, so that several packets leave for a viewer in one call of the kernel.

use std::time::{Duration, Instant};

use curfew_domain::PeerId;

/// Sending to many viewers is a call of the kernel each, so it pays to wait for the next packets: so long for each viewer
/// that was sent to, and no longer than nobody notices.
const PAUSE_PER_VIEWER: Duration = Duration::from_micros(40);
const MAX_PAUSE: Duration = Duration::from_millis(3);

pub(super) struct Rounds {
    /// Viewers with media to send.
    waiting: Vec<PeerId>,
    /// Before that there is no round.
    next_at: Instant,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: Vec::new(), next_at: now }
    }

    /// Adds a viewer that was not in the next round yet.
    pub(super) fn add(&mut self, viewer: PeerId) {
        self.waiting.push(viewer);
    }

    /// The viewers of the round, where it is time for one.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<PeerId>> {
        if now < self.next_at || self.waiting.is_empty() {
            return None;
        }
        let viewers = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
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

    fn peers(count: u128) -> Vec<PeerId> {
        (0..count).map(|n| PeerId::from(Uuid::from_u128(n))).collect()
    }

    #[test]
    fn the_first_round_is_at_once_and_the_next_after_a_pause_by_the_number_of_viewers() {
        for (viewers, pause) in [(1, 40), (10, 400), (75, 3_000), (1_000, 3_000)] {
            let now = Instant::now();
            let mut rounds = Rounds::new(now);
            assert_eq!((rounds.poll_timeout(), rounds.take(now)), (None, None), "nobody waits");
            peers(viewers).into_iter().for_each(|viewer| rounds.add(viewer));
            assert_eq!(rounds.take(now), Some(peers(viewers)));
            peers(2).into_iter().for_each(|viewer| rounds.add(viewer));
            let next = now + Duration::from_micros(pause);
            assert_eq!(rounds.poll_timeout(), Some(next));
            assert_eq!(rounds.take(next - Duration::from_nanos(1)), None);
            assert_eq!(rounds.take(next), Some(peers(2)));
        }
    }
}
