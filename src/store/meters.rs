//! What the log measures of itself.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Clones share the numbers.
#[derive(Clone, Debug)]
pub struct Meters {
    /// From the request to append until it was durable, the wait for its turn included; of those that were.
    pub append_seconds: Histogram,
    /// Callers that shared one transaction.
    pub batch: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            // From 0.1 ms to 1.6 s.
            append_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
        }
    }
}
