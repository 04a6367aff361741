//! Counters of the media plane.

/// Totals since the start, and how many peers there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaStats {
    pub publishers: u64,
    pub viewers: u64,
    /// Peers answered since the start.
    pub peers_total: u64,
    pub datagrams_in: u64,
    pub datagrams_out: u64,
    /// RTP and RTCP datagrams sent, and their bytes.
    pub media_out: u64,
    pub media_bytes_out: u64,
    /// RTP packets that came from robots, repaired ones included.
    pub camera_packets: u64,
    /// Packets sent again to viewers that reported them lost.
    pub repairs: u64,
    /// Key frames asked of robots.
    pub keyframe_requests: u64,
    /// Datagrams from nobody known.
    pub dropped_unknown: u64,
    /// Datagrams that claimed a peer and did not prove it.
    pub dropped_unproven: u64,
    /// Datagrams that came from peers whose time was over.
    pub dropped_late: u64,
    /// Media that a gate held back.
    pub refused_by_gate: u64,
    /// Packets dropped from full queues of slow viewers.
    pub dropped_queue: u64,
    /// Datagrams the socket would not take.
    pub send_errors: u64,
    /// Peers closed because their protocol state broke; more than zero is a bug.
    pub broken_peers: u64,
}
