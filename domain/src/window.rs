//! The half-open span of time, `[starts_at, ends_at)`, that is booked, claimed and reserved.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// `starts_at` belongs to the window, `ends_at` no longer does: a window may begin at the instant another ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("a window must end after it starts")]
    Empty,
}

impl Window {
    /// A window that is not empty.
    pub fn new(starts_at: DateTime<Utc>, ends_at: DateTime<Utc>) -> Result<Self, WindowError> {
        let window = Self { starts_at, ends_at };
        if window.is_empty() { Err(WindowError::Empty) } else { Ok(window) }
    }

    pub fn is_empty(&self) -> bool {
        self.ends_at <= self.starts_at
    }

    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.starts_at <= at && at < self.ends_at
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.starts_at < other.ends_at && other.starts_at < self.ends_at
    }

    /// Whether less than `gap` (not negative) lies between the two windows, in either order.
    pub fn is_within(&self, gap: TimeDelta, other: &Self) -> bool {
        let widened = |window: &Self| {
            window.ending(window.ends_at.checked_add_signed(gap).unwrap_or(DateTime::<Utc>::MAX_UTC))
        };
        self.starts_at < widened(other).ends_at && other.starts_at < widened(self).ends_at
    }

    pub fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.ends_at <= now
    }

    pub fn length(&self) -> TimeDelta {
        self.ends_at - self.starts_at
    }

    /// The same start with another end.
    #[must_use]
    pub fn ending(self, ends_at: DateTime<Utc>) -> Self {
        Self { ends_at, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).expect("in range")
    }

    fn window(from: i64, to: i64) -> Window {
        Window { starts_at: at(from), ends_at: at(to) }
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        assert!(window(0, 10).contains(at(0)));
        assert!(!window(0, 10).contains(at(10)));
        assert!(window(0, 10).has_ended(at(10)));
    }

    #[test]
    fn windows_that_touch_do_not_overlap() {
        assert!(!window(0, 10).overlaps(&window(10, 20)));
        assert!(window(0, 11).overlaps(&window(10, 20)));
        assert!(window(0, 30).overlaps(&window(10, 20)));
    }

    #[test]
    fn a_gap_counts_on_both_sides() {
        let gap = TimeDelta::minutes(5);
        assert!(window(0, 10).is_within(gap, &window(14, 20)));
        assert!(window(14, 20).is_within(gap, &window(0, 10)));
        assert!(!window(0, 10).is_within(gap, &window(15, 20)));
        assert!(!window(0, 10).is_within(TimeDelta::zero(), &window(10, 20)));
    }

    #[test]
    fn an_empty_window_is_refused() {
        assert_eq!(Window::new(at(1), at(1)), Err(WindowError::Empty));
        assert_eq!(Window::new(at(2), at(1)), Err(WindowError::Empty));
    }
}
