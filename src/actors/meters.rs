//! What the lab measures of its sessions.

use prometheus_client::metrics::histogram::Histogram;

use crate::media::PeerReport;

/// Clones share the numbers.
#[derive(Clone, Debug)]
pub struct Meters {
    /// How long after its deadline a peer was still sent media, in seconds; 0 for those that were not.
    pub lateness: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        let lateness = Histogram::new([0.0, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0]);
        Self { lateness }
    }
}

impl Meters {
    pub(super) fn ended(&self, report: &PeerReport) {
        self.lateness.observe(report.lateness.as_secs_f64());
    }
}
