use chrono::{DateTime, Utc};

use super::RobotChoice;
use crate::{AccountId, Actor, BookingId, Cause, LabRules, Reason, RobotId, RoomId, Window, WindowChange};

#[derive(Clone, Debug, PartialEq)]
pub enum BookingCommand {
    /// `candidates` are the robots to try, in order: the one that was named, or all of the type.
    Request {
        booking_id: BookingId,
        room_id: RoomId,
        holder: AccountId,
        choice: RobotChoice,
        /// The type of the robot that was named, or the type that was asked for.
        robot_type: String,
        candidates: Vec<RobotId>,
        window: Window,
        rules: Box<LabRules>,
        now: DateTime<Utc>,
    },
    Confirm {
        robot_id: RobotId,
        /// The holder, for compensation.
        account_id: AccountId,
        now: DateTime<Utc>,
    },
    /// Without effect once the booking is confirmed, refused once it is over.
    Reject {
        reason: Reason,
        /// The holder, for compensation.
        account_id: AccountId,
        now: DateTime<Utc>,
    },
    /// Never refused because of time. Anybody but the holder and the system owes a reason. A booking whose session runs
    /// ends with its room.
    Cancel {
        by: Actor,
        cause: Cause,
        reason_hash: Option<String>,
        now: DateTime<Utc>,
    },
    InviteGuest {
        account_id: AccountId,
        by: AccountId,
        now: DateTime<Utc>,
    },
    RemoveGuest {
        account_id: AccountId,
        by: AccountId,
        now: DateTime<Utc>,
    },
    StartSession {
        now: DateTime<Utc>,
    },
    /// An extension by anybody but the holder is an admin's: it owes a reason, and with `overrides` it goes beyond the
    /// rules and displaces the slots in its way.
    RequestExtension {
        ends_at: DateTime<Utc>,
        by: Actor,
        reason_hash: Option<String>,
        overrides: bool,
        rules: Box<LabRules>,
        now: DateTime<Utc>,
    },
    /// Carries out an extension for which window and slot were moved.
    Extend {
        change: WindowChange,
        now: DateTime<Utc>,
    },
    RefuseExtension {
        change: WindowChange,
        reason: Reason,
        now: DateTime<Utc>,
    },
    /// Withdraws an extension that is still on its way.
    Shorten {
        ends_at: DateTime<Utc>,
        by: Actor,
        reason_hash: String,
        now: DateTime<Utc>,
    },
    /// `due_at` is when it should have ended. With cause WindowClosed it is refused before the window's end, unless
    /// `room_closed` says that the room has ended already.
    EndSession {
        cause: Cause,
        due_at: DateTime<Utc>,
        room_closed: bool,
        now: DateTime<Utc>,
    },
    RecordNoShow {
        now: DateTime<Utc>,
    },
}
