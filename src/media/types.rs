//! What the media plane takes and gives, as the rest of the server sees it.

use std::time::{Duration, Instant};

use curfew_domain::{PeerId, RobotId, RoomId};
use thiserror::Error;

use super::stats::PeerStats;
use crate::clock::BootInstant;
use crate::protocol::IceCandidateInit;

/// Which side of a session a peer connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerKind {
    /// A robot that sends its cameras. One per robot: a second replaces the first.
    Publisher { robot: RobotId },
    /// Somebody who watches a robot's cameras, in a room.
    Viewer { robot: RobotId, room: RoomId },
}

impl PeerKind {
    pub fn robot(self) -> RobotId {
        match self {
            Self::Publisher { robot } | Self::Viewer { robot, .. } => robot,
        }
    }

    pub fn room(self) -> Option<RoomId> {
        match self {
            Self::Publisher { .. } => None,
            Self::Viewer { room, .. } => Some(room),
        }
    }
}

/// A peer to be answered. It was admitted by the caller; `deadline` is when its connection ends, whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSpec {
    pub peer: PeerId,
    pub kind: PeerKind,
    pub deadline: BootInstant,
    /// Whether the robot slows down for this viewer, as it does for those who hold the booking; others may fall behind.
    pub decides: bool,
}

/// The server's half of a negotiation. The candidates are in `sdp` as well; no others follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub sdp: String,
    pub candidates: Vec<IceCandidateInit>,
}

/// How a peer connection ended. Every peer that was answered yields exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReport {
    pub peer: PeerId,
    pub kind: PeerKind,
    /// The deadline in force when it ended.
    pub deadline: BootInstant,
    /// When the last RTP or RTCP datagram had been handed to the socket.
    pub last_media_sent: Option<BootInstant>,
    /// How long after the deadline media was still sent; zero when none was.
    pub lateness: Duration,
    /// RTP and RTCP datagrams sent to the peer, retransmissions included.
    pub packets: u64,
    /// Their bytes, SRTP included, UDP and IP headers not.
    pub bytes: u64,
    /// Packets meant for the peer that were not sent: dropped from its full queue or on a way that was full, of no use without those,
    /// or refused by the gate.
    pub dropped: u64,
    /// How a viewer was served; `None` of a robot's connection.
    pub stats: Option<PeerStats>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedWhy {
    /// Its time was up.
    Deadline,
    /// The far end closed it.
    Remote,
    /// The far end fell silent, or never finished connecting.
    Timeout,
    /// Its protocol state broke.
    Failed,
    /// The same robot published anew.
    Replaced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// ICE and DTLS are up.
    Connected { peer: PeerId, kind: PeerKind, at: BootInstant },
    /// The first RTP packet came from a publisher, or was sent to a viewer.
    FirstMedia { peer: PeerId, kind: PeerKind, at: BootInstant },
    /// The peer ended by itself. A peer closed by a call is reported to that call instead.
    Closed { report: PeerReport, why: ClosedWhy },
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MediaError {
    #[error("the session description is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the candidate is larger than {limit} bytes")]
    CandidateTooLarge { limit: usize },
    #[error("the session description cannot be used: {0}")]
    Invalid(String),
    #[error("the offer has no video section that goes in the needed direction")]
    NoVideo,
    #[error("the offer has neither H.264 nor VP8")]
    NoCodec,
    #[error("the server's limit of {limit} peer connections is reached")]
    TooManyPeers { limit: usize },
    #[error("a peer may send {limit} candidates")]
    TooManyCandidates { limit: usize },
    #[error("there is no such peer")]
    NoSuchPeer,
    #[error("this peer was answered before")]
    Duplicate,
    #[error("the peer's time is up")]
    TooLate,
    #[error("the media plane is not running")]
    Stopped,
}

/// One reading of the two clocks: `mono` for the protocols' timers, `boot` for deadlines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) mono: Instant,
    pub(super) boot: BootInstant,
}
