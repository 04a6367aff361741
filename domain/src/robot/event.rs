use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::MediaMode;
use crate::fact::event_names;
use crate::{
    AccountId, Actor, BookingId, Cause, ConnectionId, CredentialId, Displaced, PeerId, RobotId, SlotRequest,
    StoppedBetween, Window, WindowChange,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RobotEvent {
    Registered {
        robot_id: RobotId,
        slug: String,
        name: String,
        robot_type: String,
        cameras: Vec<String>,
        media: MediaMode,
    },
    /// All that can be updated, as it is from now on.
    Updated {
        name: String,
        robot_type: String,
        cameras: Vec<String>,
        media: MediaMode,
    },
    CredentialIssued {
        credential_id: CredentialId,
        token_sha256: String,
    },
    CredentialRevoked {
        credential_id: CredentialId,
        by: Actor,
        revoked_at: DateTime<Utc>,
    },
    CameOnline {
        connection_id: ConnectionId,
        credential_id: CredentialId,
        at: DateTime<Utc>,
    },
    WentOffline {
        connection_id: ConnectionId,
        cause: Cause,
        at: DateTime<Utc>,
    },
    PublishingStarted {
        peer_id: PeerId,
        started_at: DateTime<Utc>,
    },
    PublishingEnded {
        peer_id: PeerId,
        cause: Cause,
        due_at: DateTime<Utc>,
        lateness_us: u64,
        recorded_late_us: u64,
        /// `None` where nobody lived to count them; logs of before say 0 then.
        packets: Option<u64>,
        bytes: Option<u64>,
        stopped_between: Option<StoppedBetween>,
    },
    SlotReserved {
        robot_id: RobotId,
        request: SlotRequest,
        at: DateTime<Utc>,
    },
    SlotReleased {
        booking_id: BookingId,
        window: Window,
        at: DateTime<Utc>,
    },
    /// `displaced` lost their slots to an admin's override; `is_restored` when a change that was refused
    /// elsewhere was taken back.
    SlotMoved {
        change: WindowChange,
        displaced: Vec<Displaced>,
        is_restored: bool,
        at: DateTime<Utc>,
    },
    MaintenanceStarted {
        from: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
        by: AccountId,
        reason_hash: String,
        displaced: Vec<Displaced>,
    },
    MaintenanceEnded {
        by: AccountId,
        at: DateTime<Utc>,
    },
    EmergencyStopEngaged {
        by: Actor,
        reason_hash: String,
        at: DateTime<Utc>,
    },
    EmergencyStopAcknowledged {
        at: DateTime<Utc>,
    },
    EmergencyStopCleared {
        by: AccountId,
        reason_hash: String,
        at: DateTime<Utc>,
    },
    Retired {
        by: AccountId,
        reason_hash: Option<String>,
        displaced: Vec<Displaced>,
        at: DateTime<Utc>,
    },
}

event_names!(
    RobotEvent,
    Registered,
    Updated,
    CredentialIssued,
    CredentialRevoked,
    CameOnline,
    WentOffline,
    PublishingStarted,
    PublishingEnded,
    SlotReserved,
    SlotReleased,
    SlotMoved,
    MaintenanceStarted,
    MaintenanceEnded,
    EmergencyStopEngaged,
    EmergencyStopAcknowledged,
    EmergencyStopCleared,
    Retired,
);
