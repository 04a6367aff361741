//! Values that travel from one aggregate's fact into another's command.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Actor, BookingId, PeerId, RobotId, RoomId, Window};

/// What a booking asks of its holder's account and of a robot. `candidates` are the robots still to be tried, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRequest {
    pub booking_id: BookingId,
    pub account_id: AccountId,
    pub window: Window,
    pub candidates: Vec<RobotId>,
    /// The time that must lie between two slots, in seconds.
    pub buffer_s: u32,
}

/// A moved end, on its way through account, robot, booking and room. `change_no` counts a booking's changes, so that a
/// late or repeated delivery never undoes a later change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowChange {
    pub booking_id: BookingId,
    pub account_id: AccountId,
    /// The robot that was confirmed.
    pub robot_id: RobotId,
    pub room_id: RoomId,
    pub change_no: u32,
    pub from: Window,
    pub to: Window,
    pub by: Actor,
    pub reason_hash: Option<String>,
    /// An admin's extension that displaces the slots in its way.
    pub overrides: bool,
    pub buffer_s: u32,
}

impl WindowChange {
    pub fn is_extension(&self) -> bool {
        self.to.ends_at > self.from.ends_at
    }
}

/// A booking that lost its slot, and whose it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    pub booking_id: BookingId,
    pub account_id: AccountId,
    pub window: Window,
}

/// What the media side reports of a peer connection that it has terminated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminatedPeer {
    pub peer_id: PeerId,
    /// How long after it was due the last media packet was sent; 0 when none was sent late.
    pub lateness_us: u64,
    /// RTP and RTCP that was sent; `None` where nobody lived to count it.
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
    /// For a process that died: the interval in which media stopped.
    pub stopped_between: Option<StoppedBetween>,
    /// How a viewer was served; `None` where the relay cannot tell.
    pub quality: Option<PeerQuality>,
}

/// How a viewer's connection was served, from its opening to its end. What it reported lost was before it was mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerQuality {
    /// RTP payload, from the first packet to the last; bits per second.
    pub mean_bitrate_bps: u64,
    pub lost: u64,
    pub retransmitted: u64,
    pub keyframe_requests: u64,
    /// `None` when no report measured it.
    pub mean_round_trip_us: Option<u64>,
    /// As W3C's webrtc-stats counts them, and how long they were in all.
    pub freezes: u64,
    pub frozen_ms: u64,
}

impl TerminatedPeer {
    /// A peer of which nothing is known but that it is gone.
    pub const fn silent(peer_id: PeerId) -> Self {
        Self { peer_id, lateness_us: 0, packets: None, bytes: None, stopped_between: None, quality: None }
    }
}

/// Something stopped after `from` (the last heartbeat) and before `to` (the restart).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedBetween {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Microseconds from `due_at` to `at`; 0 when `at` is not later.
pub(crate) fn late_us(due_at: DateTime<Utc>, at: DateTime<Utc>) -> u64 {
    (at - due_at).num_microseconds().map_or(u64::MAX, |us| u64::try_from(us).unwrap_or_default())
}
