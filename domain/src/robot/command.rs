use chrono::{DateTime, Utc};

use super::MediaMode;
use crate::{
    AccountId, Actor, BookingId, Cause, ConnectionId, CredentialId, PeerId, RobotId, SlotRequest,
    TerminatedPeer, WindowChange,
};

#[derive(Clone, Debug, PartialEq)]
pub enum RobotCommand {
    Register {
        robot_id: RobotId,
        slug: String,
        name: String,
        robot_type: String,
        cameras: Vec<String>,
        media: MediaMode,
    },
    /// What is `None` stays as it is.
    Update {
        name: Option<String>,
        robot_type: Option<String>,
        cameras: Option<Vec<String>>,
        media: Option<MediaMode>,
    },
    /// `token_sha256` in hex; the token itself never comes here.
    IssueCredential {
        credential_id: CredentialId,
        token_sha256: String,
    },
    /// Takes the robot offline when it is online with this credential.
    RevokeCredential {
        credential_id: CredentialId,
        by: Actor,
        now: DateTime<Utc>,
    },
    /// A second connection replaces the first.
    Connect {
        connection_id: ConnectionId,
        credential_id: CredentialId,
        now: DateTime<Utc>,
    },
    /// Without effect when another connection has replaced this one.
    Disconnect {
        connection_id: ConnectionId,
        cause: Cause,
        now: DateTime<Utc>,
    },
    StartPublishing {
        peer_id: PeerId,
        now: DateTime<Utc>,
    },
    EndPublishing {
        report: TerminatedPeer,
        cause: Cause,
        due_at: DateTime<Utc>,
        now: DateTime<Utc>,
    },
    /// Reserves for `request.booking_id`; `request.candidates` are those to try when this robot refuses.
    ReserveSlot {
        request: SlotRequest,
        now: DateTime<Utc>,
    },
    ReleaseSlot {
        booking_id: BookingId,
        now: DateTime<Utc>,
    },
    /// Moves a slot's end. With `change.overrides` the slots in the way are displaced by the same command.
    MoveSlot {
        change: WindowChange,
        now: DateTime<Utc>,
    },
    /// Takes back what `MoveSlot` did for the same change.
    RestoreSlot {
        change: WindowChange,
        now: DateTime<Utc>,
    },
    /// Displaces the slots from now (or `from`) to `until`, for ever when that is `None`.
    StartMaintenance {
        from: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
        by: AccountId,
        reason_hash: String,
        now: DateTime<Utc>,
    },
    EndMaintenance {
        by: AccountId,
        now: DateTime<Utc>,
    },
    EngageEmergencyStop {
        by: Actor,
        reason_hash: String,
        now: DateTime<Utc>,
    },
    /// The robot says that it stands still. Without effect when the stop that it answers is over, or another is engaged since.
    AcknowledgeEmergencyStop {
        /// When the stop that it answers was engaged; `None`: whichever is.
        engaged_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    },
    ClearEmergencyStop {
        by: AccountId,
        reason_hash: String,
        now: DateTime<Utc>,
    },
    /// A reason is owed where others lose their bookings by it.
    Retire {
        by: AccountId,
        reason_hash: Option<String>,
        now: DateTime<Utc>,
    },
}
