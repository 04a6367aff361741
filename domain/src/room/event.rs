use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::RoomKind;
use crate::fact::event_names;
use crate::{
    AccountId, Actor, Basis, BookingId, Cause, PeerId, PeerQuality, Reason, RobotId, RoomId, StoppedBetween,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RoomEvent {
    Opened {
        room_id: RoomId,
        kind: RoomKind,
        robot_id: RobotId,
        booking_id: Option<BookingId>,
        holder: AccountId,
        deadline: DateTime<Utc>,
        change_no: u32,
        viewer_limit: u16,
        reason_hash: Option<String>,
        due_at: DateTime<Utc>,
        opened_at: DateTime<Utc>,
    },
    /// A session's robot is there for the first time since its room opened.
    RobotCame {
        at: DateTime<Utc>,
    },
    ParticipantAdmitted {
        account_id: AccountId,
        basis: Basis,
        at: DateTime<Utc>,
    },
    ParticipantRefused {
        account_id: AccountId,
        reason: Reason,
        count: u32,
        since: DateTime<Utc>,
    },
    ParticipantLeft {
        account_id: AccountId,
        cause: Cause,
        at: DateTime<Utc>,
    },
    Negotiated {
        from: Actor,
        to: Actor,
        peer_id: PeerId,
        offer_sha256: String,
        answer_sha256: String,
        candidates: u32,
    },
    PeerConnectionOpened {
        peer_id: PeerId,
        who: Actor,
        opened_at: DateTime<Utc>,
    },
    /// `lateness_us` is the last media sent after `due_at`; `recorded_late_us` how long after it this was decided.
    PeerConnectionTerminated {
        peer_id: PeerId,
        who: Actor,
        cause: Cause,
        due_at: DateTime<Utc>,
        lateness_us: u64,
        recorded_late_us: u64,
        /// `None` where nobody lived to count them; logs of before say 0 then.
        packets: Option<u64>,
        bytes: Option<u64>,
        stopped_between: Option<StoppedBetween>,
        /// `None` in logs of before it was measured as well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quality: Option<PeerQuality>,
    },
    ControlGranted {
        to: AccountId,
        by: Actor,
        at: DateTime<Utc>,
    },
    ControlReleased {
        account_id: AccountId,
        at: DateTime<Utc>,
    },
    DeadlineMoved {
        from: Option<DateTime<Utc>>,
        to: DateTime<Utc>,
        change_no: u32,
        by: Actor,
        reason_hash: Option<String>,
        at: DateTime<Utc>,
    },
    Closed {
        booking_id: Option<BookingId>,
        cause: Cause,
        by: Actor,
        reason_hash: Option<String>,
        due_at: DateTime<Utc>,
        ended_at: DateTime<Utc>,
        /// A session that went from its opening to this without its robot; logs of before do not say so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        robot_missed: bool,
    },
}

event_names!(
    RoomEvent,
    Opened,
    RobotCame,
    ParticipantAdmitted,
    ParticipantRefused,
    ParticipantLeft,
    Negotiated,
    PeerConnectionOpened,
    PeerConnectionTerminated,
    ControlGranted,
    ControlReleased,
    DeadlineMoved,
    Closed,
);
