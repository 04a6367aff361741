use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::fact::event_names;
use crate::{AccountId, Actor, BookingId, Displaced, Reason, Role, SlotRequest, Window, WindowChange};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AccountEvent {
    Registered {
        account_id: AccountId,
        role: Role,
    },
    RoleChanged {
        from: Role,
        to: Role,
        by: Actor,
    },
    /// `cancelled` are the bookings whose windows were claimed and not over.
    Suspended {
        by: Actor,
        reason_hash: String,
        cancelled: Vec<Displaced>,
        at: DateTime<Utc>,
    },
    Reinstated {
        by: Actor,
        at: DateTime<Utc>,
    },
    WindowClaimed {
        request: SlotRequest,
        at: DateTime<Utc>,
    },
    WindowReleased {
        booking_id: BookingId,
        window: Window,
        at: DateTime<Utc>,
    },
    /// `is_restored` when a change that the robot refused was taken back.
    WindowMoved {
        change: WindowChange,
        is_restored: bool,
        at: DateTime<Utc>,
    },
    SignedIn {
        at: DateTime<Utc>,
    },
    SignInRefused {
        reason: Reason,
        count: u32,
        since: DateTime<Utc>,
    },
    PasswordChanged {
        by: Actor,
        at: DateTime<Utc>,
    },
}

event_names!(
    AccountEvent,
    Registered,
    RoleChanged,
    Suspended,
    Reinstated,
    WindowClaimed,
    WindowReleased,
    WindowMoved,
    SignedIn,
    SignInRefused,
    PasswordChanged,
);
