use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::RobotChoice;
use crate::fact::event_names;
use crate::{AccountId, Actor, BookingId, Cause, Reason, RobotId, RoomId, Window, WindowChange};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BookingEvent {
    Requested {
        booking_id: BookingId,
        room_id: RoomId,
        holder: AccountId,
        choice: RobotChoice,
        robot_type: String,
        candidates: Vec<RobotId>,
        window: Window,
        buffer_s: u32,
        viewer_limit: u16,
    },
    Confirmed {
        robot_id: RobotId,
        at: DateTime<Utc>,
    },
    Rejected {
        holder: AccountId,
        reason: Reason,
        at: DateTime<Utc>,
    },
    /// `is_running` when its session had begun: it ends with its room.
    Cancelled {
        by: Actor,
        cause: Cause,
        reason_hash: Option<String>,
        holder: AccountId,
        robot_id: Option<RobotId>,
        room_id: RoomId,
        is_running: bool,
        at: DateTime<Utc>,
    },
    GuestInvited {
        account_id: AccountId,
        by: AccountId,
    },
    GuestRemoved {
        account_id: AccountId,
        by: AccountId,
        room_id: RoomId,
        is_running: bool,
        at: DateTime<Utc>,
    },
    /// `due_at` is the window's start, `started_at` when it was carried out.
    SessionStarted {
        booking_id: BookingId,
        room_id: RoomId,
        robot_id: RobotId,
        holder: AccountId,
        window: Window,
        change_no: u32,
        viewer_limit: u16,
        due_at: DateTime<Utc>,
        started_at: DateTime<Utc>,
    },
    ExtensionRequested {
        change: WindowChange,
        at: DateTime<Utc>,
    },
    SessionExtended {
        change: WindowChange,
        is_running: bool,
        at: DateTime<Utc>,
    },
    ExtensionRefused {
        change: WindowChange,
        reason: Reason,
        at: DateTime<Utc>,
    },
    SessionShortened {
        change: WindowChange,
        is_running: bool,
        at: DateTime<Utc>,
    },
    /// `has_started` is false for a window that passed without a session, as while the server was down.
    SessionEnded {
        cause: Cause,
        holder: AccountId,
        robot_id: RobotId,
        room_id: RoomId,
        has_started: bool,
        due_at: DateTime<Utc>,
        ended_at: DateTime<Utc>,
    },
    NoShow {
        holder: AccountId,
        robot_id: RobotId,
        room_id: RoomId,
        at: DateTime<Utc>,
    },
}

event_names!(
    BookingEvent,
    Requested,
    Confirmed,
    Rejected,
    Cancelled,
    GuestInvited,
    GuestRemoved,
    SessionStarted,
    ExtensionRequested,
    SessionExtended,
    ExtensionRefused,
    SessionShortened,
    SessionEnded,
    NoShow,
);
