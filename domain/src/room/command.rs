use chrono::{DateTime, Utc};

use super::{RoomKind, Unreported};
use crate::{AccountId, Actor, Basis, BookingId, Cause, PeerId, Reason, RobotId, RoomId, TerminatedPeer};

#[derive(Clone, Debug, PartialEq)]
pub enum RoomCommand {
    /// `holder` is the booking's, or the admin who watches. `due_at` is when it should have opened. A watch owes a reason
    /// and has no booking.
    Open {
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
        now: DateTime<Utc>,
    },
    /// The robot is there. Without effect in a watch, in a room that is not open, and from the second time on.
    RecordRobotCame {
        now: DateTime<Utc>,
    },
    /// Lets an account in. Refused when the room is not open, past its deadline or full.
    Admit {
        account_id: AccountId,
        basis: Basis,
        now: DateTime<Utc>,
    },
    /// Refusals of one account, folded: `count` of them since `since`.
    RecordRefused {
        account_id: AccountId,
        reason: Reason,
        count: u32,
        since: DateTime<Utc>,
    },
    /// Takes somebody out. `terminated` reports of that account's peers, `unreported` says what of the others.
    Leave {
        account_id: AccountId,
        cause: Cause,
        terminated: Vec<TerminatedPeer>,
        unreported: Unreported,
        due_at: DateTime<Utc>,
        now: DateTime<Utc>,
    },
    /// Admits one more peer connection of somebody who is in the room.
    OpenPeer {
        peer_id: PeerId,
        account_id: AccountId,
        now: DateTime<Utc>,
    },
    /// Appended after the relay, so it may come after the room closed.
    RecordNegotiated {
        from: Actor,
        to: Actor,
        peer_id: PeerId,
        offer_sha256: String,
        answer_sha256: String,
        candidates: u32,
    },
    /// Any time after the peer was opened, the room's closing included; a second report of the same peer has no effect.
    RecordPeerTerminated {
        report: TerminatedPeer,
        cause: Cause,
        due_at: DateTime<Utc>,
        now: DateTime<Utc>,
    },
    /// Gives control to `to`. Who holds it may pass it on; the holder and the system may take it.
    GrantControl {
        to: AccountId,
        by: Actor,
        now: DateTime<Utc>,
    },
    ReleaseControl {
        account_id: AccountId,
        now: DateTime<Utc>,
    },
    /// `change_no` of the booking's change. An earlier deadline is never refused, a later one not after the present one
    /// has come.
    MoveDeadline {
        deadline: DateTime<Utc>,
        change_no: u32,
        by: Actor,
        reason_hash: Option<String>,
        now: DateTime<Utc>,
    },
    /// Never refused. `due_at` is the deadline, or when the end was asked for. A room that never opened (`booking_id` says
    /// whose it would have been) will not open after this.
    Close {
        booking_id: Option<BookingId>,
        cause: Cause,
        by: Actor,
        reason_hash: Option<String>,
        terminated: Vec<TerminatedPeer>,
        unreported: Unreported,
        due_at: DateTime<Utc>,
        now: DateTime<Utc>,
    },
}
