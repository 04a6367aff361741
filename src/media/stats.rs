//! Counters of the media plane, and of each viewer's connection.

use std::time::Duration;

/// Totals since the start, and how many peers there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaStats {
    pub publishers: u64,
    pub viewers: u64,
    /// Those of them that are sent to over TCP.
    pub tcp_peers: u64,
    /// Open connections over TCP, and those that found no room or had to make it.
    pub tcp_connections: u64,
    pub tcp_turned_away: u64,
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
    /// Datagrams of peers past what a session has use for: their protocols did not get to see them.
    pub dropped_excess: u64,
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

/// How a viewer is served. What it reports of losses is before they were mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// RTP and RTCP datagrams sent, retransmissions included, and their bytes without UDP and IP headers.
    pub packets: u64,
    pub bytes: u64,
    /// RTP payload sent in the last whole second, in bits per second.
    pub bitrate_bps: u64,
    /// As [`Self::bitrate_bps`], over the time from the first packet to the last.
    pub mean_bitrate_bps: u64,
    /// Packets that the viewer reported lost.
    pub lost: u64,
    /// Thousandths of what was sent, in the report that came last.
    pub loss_permille: u16,
    /// As the report that came last measured it, and the mean.
    pub round_trip: Option<Duration>,
    pub mean_round_trip: Option<Duration>,
    pub retransmitted: u64,
    /// PLI and FIR of the viewer.
    pub keyframe_requests: u64,
    /// Freezes of all its pictures (W3C webrtc-stats, `freezeCount`), as frames were sent on, and how long they were.
    pub freezes: u64,
    pub frozen: Duration,
}
