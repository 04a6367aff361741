use chrono::{DateTime, Utc};

use crate::{AccountId, Actor, BookingId, Reason, Role, SlotRequest, WindowChange};

#[derive(Clone, Debug, PartialEq)]
pub enum AccountCommand {
    Register {
        account_id: AccountId,
        role: Role,
    },
    ChangeRole {
        role: Role,
        by: Actor,
    },
    /// The account's coming bookings are cancelled with it.
    Suspend {
        by: Actor,
        reason_hash: String,
        now: DateTime<Utc>,
    },
    Reinstate {
        by: Actor,
        now: DateTime<Utc>,
    },
    ClaimWindow {
        request: SlotRequest,
        now: DateTime<Utc>,
    },
    ReleaseWindow {
        booking_id: BookingId,
        now: DateTime<Utc>,
    },
    /// Follows a booking's extension (before the robot is asked) or its shortening.
    MoveWindow {
        change: WindowChange,
        now: DateTime<Utc>,
    },
    /// Takes back what `MoveWindow` did for the same change.
    RestoreWindow {
        change: WindowChange,
        now: DateTime<Utc>,
    },
    RecordSignIn {
        now: DateTime<Utc>,
    },
    /// Refused attempts, folded: `count` of them since `since`.
    RecordSignInRefused {
        reason: Reason,
        count: u32,
        since: DateTime<Utc>,
    },
    RecordPasswordChanged {
        by: Actor,
        now: DateTime<Utc>,
    },
}
