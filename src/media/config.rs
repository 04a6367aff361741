//! The media plane's settings and limits.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Settings of the media plane. The limits are enforced where they are named.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// The address of all peers, over UDP and, where `tcp` is given, over TCP. Port 0 picks a free one.
    pub listen: SocketAddr,
    /// Addresses put into candidates, best first, each with the bound port. Empty: the address listened on.
    pub advertise: Vec<IpAddr>,
    /// Bounds of media over TCP (RFC 6544); `None` leaves it at UDP.
    pub tcp: Option<TcpLimits>,
    /// How long before a deadline media stops. It covers what lies between the check and the wire.
    pub guard: Duration,
    /// Packets of one stream that wait for one viewer; beyond, the oldest is dropped.
    pub queue_packets: usize,
    /// Peers at a time.
    pub max_peers: usize,
    /// Candidates a peer may send, those of its offer included.
    pub max_candidates: usize,
    /// Bytes of a session description.
    pub max_sdp: usize,
    /// At most one key frame is asked of a camera in this time.
    pub keyframe_interval: Duration,
    /// How long a peer may take from its answer to ICE and DTLS being up.
    pub connect_timeout: Duration,
    /// How long a connected peer may be silent: RFC 7675's consent.
    pub silence_timeout: Duration,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8189)),
            advertise: Vec::new(),
            tcp: Some(TcpLimits::default()),
            guard: Duration::from_millis(2),
            queue_packets: 512,
            max_peers: 1024,
            max_candidates: 64,
            max_sdp: 64 * 1024,
            keyframe_interval: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(30),
        }
    }
}

/// What bounds those who connect to the media port over TCP.
#[derive(Clone, Copy, Debug)]
pub struct TcpLimits {
    /// Open connections, and those of one address.
    pub connections: usize,
    pub per_address: usize,
    /// How long a connection may take to prove that it belongs to a peer.
    pub prove_timeout: Duration,
    /// How long nothing may come over a connection for its peer.
    pub idle_timeout: Duration,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_address: 256,
            prove_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// Bytes of the largest datagram that is read; larger ones are cut by the kernel and fail authentication. No frame over TCP
/// is longer.
pub(super) const MAX_DATAGRAM: usize = 2048;
