//! How long to wait before something that failed is tried again: the signaling connection, a camera.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const FIRST: Duration = Duration::from_millis(500);
/// Longest wait for the server while no session runs.
pub(super) const LONGEST: Duration = Duration::from_secs(30);
/// Longest wait for the server while a deadline is ahead: a person is waiting for the picture.
pub(super) const LONGEST_IN_SESSION: Duration = Duration::from_secs(1);

/// Exponential, with jitter over the upper half, so that robots which lost one server together do not return together.
pub(super) struct Backoff {
    rng: StdRng,
    attempts: u32,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), attempts: 0 }
    }

    /// The wait before the next attempt, `longest` at most, counting it.
    pub(super) fn next(&mut self, longest: Duration) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.attempts.min(16)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        whole.mul_f64(self.rng.random_range(0.5..=1.0))
    }

    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_are_never_equal_for_two_robots() {
        let (mut one, mut other) = (Backoff::new(1), Backoff::new(2));
        let waits: Vec<_> = (0..20).map(|_| (one.next(LONGEST), other.next(LONGEST))).collect();
        for (attempt, (wait, other)) in waits.iter().enumerate() {
            let whole = FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
            assert!(*wait >= whole / 2 && *wait <= whole, "attempt {attempt}: {wait:?}");
            assert_ne!(wait, other);
        }
        one.reset();
        assert!(one.next(LONGEST) <= FIRST);
    }

    #[test]
    fn inside_a_session_no_wait_is_longer_than_a_second() {
        let mut backoff = Backoff::new(3);
        for _ in 0..100 {
            assert!(backoff.next(LONGEST_IN_SESSION) <= LONGEST_IN_SESSION);
        }
    }
}
