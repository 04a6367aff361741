//! Shapes on the wire that several routes share. Snake case; times RFC 3339 in UTC with milliseconds; ids as text.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use curfew_domain::robot::Maintenance;
use curfew_domain::{AccountId, BookingId, Cause, CredentialId, MediaMode, Reason, RobotId, Role, RoomId};
use curfew_projections::{BookingRow, RobotRow, Status};
use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::millis;

/// A person with an account.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct User {
    pub id: AccountId,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub suspended: bool,
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    pub created_at: DateTime<Utc>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Booking {
    pub(super) id: BookingId,
    user_id: AccountId,
    /// Null until a booking by type has its robot.
    robot_id: Option<RobotId>,
    robot_type: String,
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    starts_at: DateTime<Utc>,
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    ends_at: DateTime<Utc>,
    room_id: RoomId,
    status: Status,
    guests: BTreeSet<AccountId>,
    /// Why it ended or was cancelled.
    cause: Option<Cause>,
    /// Why it was rejected: a code.
    rejected: Option<&'static str>,
    #[serde(skip)]
    rejected_for: Option<Reason>,
}

impl Booking {
    pub(super) const fn rejected_for(&self) -> Option<Reason> {
        self.rejected_for
    }

    pub(super) fn is_of(&self, account: AccountId) -> bool {
        self.user_id == account
    }

    /// Holder or guest.
    pub(super) fn concerns(&self, account: AccountId) -> bool {
        self.is_of(account) || self.guests.contains(&account)
    }
}

impl From<BookingRow> for Booking {
    fn from(row: BookingRow) -> Self {
        Self {
            id: row.booking_id,
            user_id: row.account_id,
            robot_id: row.robot_id,
            robot_type: row.robot_type,
            starts_at: row.window.starts_at,
            ends_at: row.window.ends_at,
            room_id: row.room_id,
            status: row.status,
            guests: row.guests,
            cause: row.cause,
            rejected: row.rejected.map(Reason::code),
            rejected_for: row.rejected,
        }
    }
}

/// Carried out, and not durable yet.
#[derive(JsonSchema, Serialize)]
pub(super) struct NotRecorded {
    pub(super) recorded: bool,
}

/// An item of the registry.
#[derive(JsonSchema, Serialize)]
pub(super) struct Robot {
    pub(super) id: RobotId,
    slug: String,
    name: String,
    pub(super) r#type: String,
    cameras: Vec<String>,
    media: MediaMode,
    pub(super) online: bool,
    publishing: bool,
    /// Whether it is under maintenance now.
    maintenance: bool,
    /// The maintenance that is or comes next; its end is null until it is said to be over.
    next_maintenance: Option<MaintenanceSpan>,
    emergency_stop: bool,
    retired: bool,
}

/// An item of the registry as admins see it.
#[derive(JsonSchema, Serialize)]
pub(super) struct AdminRobot {
    #[serde(flatten)]
    pub(super) robot: Robot,
    /// When it last came online or went offline; null while it never did.
    last_seen: Option<String>,
    /// The credentials that are good still.
    credentials: Vec<CredentialId>,
}

impl AdminRobot {
    pub(super) fn of(row: RobotRow, now: DateTime<Utc>) -> Self {
        let good = row.credentials.iter().filter(|credential| !credential.revoked);
        Self {
            last_seen: row.seen_at.as_ref().map(millis::to_string),
            credentials: good.map(|credential| credential.credential_id).collect(),
            robot: Robot::of(row, now),
        }
    }
}

#[derive(JsonSchema, Serialize)]
struct MaintenanceSpan {
    starts_at: String,
    ends_at: Option<String>,
}

impl Robot {
    pub(super) fn of(row: RobotRow, now: DateTime<Utc>) -> Self {
        let maintenance = row.maintenance.filter(|maintenance| !maintenance.has_ended(now));
        let span = |maintenance: Maintenance| MaintenanceSpan {
            starts_at: millis::to_string(&maintenance.from),
            ends_at: maintenance.until.as_ref().map(millis::to_string),
        };
        Self {
            online: row.is_online(),
            publishing: row.publishing.is_some(),
            maintenance: maintenance.is_some_and(|maintenance| maintenance.from <= now),
            next_maintenance: maintenance.map(span),
            emergency_stop: row.emergency_stop.is_some(),
            id: row.robot_id,
            slug: row.slug,
            name: row.name,
            r#type: row.robot_type,
            cameras: row.cameras,
            media: row.media,
            retired: row.retired,
        }
    }
}
