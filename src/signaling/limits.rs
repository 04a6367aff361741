//! A token bucket over the boot clock.

use std::time::Duration;

use crate::clock::BootInstant;

/// Lets `per_second` messages a second through, `burst` of them at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Nanoseconds of credit that one message costs.
    cost: Duration,
    credit: Duration,
    most: Duration,
    filled_at: BootInstant,
}

impl Bucket {
    pub(super) fn new(per_second: u32, burst: u32, now: BootInstant) -> Self {
        let cost = Duration::from_secs(1) / per_second.max(1);
        let most = cost * burst.max(1);
        Self { cost, credit: most, most, filled_at: now }
    }

    /// Takes one message's worth; false when there is none left.
    pub(super) fn take(&mut self, now: BootInstant) -> bool {
        let passed = now.saturating_since(self.filled_at);
        self.credit = self.credit.saturating_add(passed).min(self.most);
        self.filled_at = self.filled_at.max(now);
        match self.credit.checked_sub(self.cost) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = BootInstant::from_nanos(1);
        let mut bucket = Bucket::new(100, 200, start);
        assert_eq!((0..300).filter(|_| bucket.take(start)).count(), 200);
        let later = start.saturating_add(Duration::from_millis(100));
        assert_eq!((0..300).filter(|_| bucket.take(later)).count(), 10);
    }

    #[test]
    fn credit_does_not_grow_past_the_burst() {
        let start = BootInstant::from_nanos(1);
        let mut bucket = Bucket::new(100, 200, start);
        let later = start.saturating_add(Duration::from_secs(3600));
        assert_eq!((0..300).filter(|_| bucket.take(later)).count(), 200);
    }
}
