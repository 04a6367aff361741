//! A robot as the registry shows it.

use chrono::{DateTime, Utc};
use curfew_domain::robot::{Maintenance, Profile};
use curfew_domain::{CredentialId, MediaMode, RobotId};
use curfew_projections::RobotRow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::millis;

/// An item of the registry.
#[derive(JsonSchema, Serialize)]
pub(in crate::api) struct Robot {
    pub(in crate::api) id: RobotId,
    slug: String,
    name: String,
    pub(in crate::api) r#type: String,
    cameras: Vec<String>,
    media: MediaMode,
    pub(in crate::api) online: bool,
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
pub(in crate::api) struct AdminRobot {
    #[serde(flatten)]
    pub(in crate::api) robot: Robot,
    /// When it last came online or went offline; null while it never did.
    last_seen: Option<String>,
    /// The credentials that are good still.
    credentials: Vec<CredentialId>,
    /// Null unless its emergency stop is engaged.
    stop: Option<Stop>,
}

/// An emergency stop that is engaged.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "EmergencyStop")]
struct Stop {
    engaged_at: String,
    /// When the robot said that it stands still; null while it did not.
    acknowledged_at: Option<String>,
    /// In words; null once they were erased.
    reason: Option<String>,
}

#[derive(JsonSchema, Serialize)]
struct MaintenanceSpan {
    starts_at: String,
    ends_at: Option<String>,
}

/// How a robot is, wherever that was read.
struct Condition {
    online: bool,
    publishing: bool,
    maintenance: Option<Maintenance>,
    emergency_stop: bool,
    retired: bool,
}

impl AdminRobot {
    /// `reason` in words, of the emergency stop.
    pub(in crate::api) fn of(row: RobotRow, reason: Option<String>, now: DateTime<Utc>) -> Self {
        let good = row.credentials.iter().filter(|credential| !credential.revoked);
        let stop = row.emergency_stop.as_ref().map(|stop| Stop {
            engaged_at: millis::to_string(&stop.engaged_at),
            acknowledged_at: stop.acknowledged_at.as_ref().map(millis::to_string),
            reason,
        });
        Self {
            stop,
            last_seen: row.seen_at.as_ref().map(millis::to_string),
            credentials: good.map(|credential| credential.credential_id).collect(),
            robot: Robot::of(row, now),
        }
    }
}

impl Robot {
    pub(in crate::api) fn of(row: RobotRow, now: DateTime<Utc>) -> Self {
        let condition = Condition {
            online: row.is_online(),
            publishing: row.publishing.is_some(),
            maintenance: row.maintenance,
            emergency_stop: row.emergency_stop.is_some(),
            retired: row.retired,
        };
        let profile = Profile {
            robot_id: row.robot_id,
            slug: row.slug,
            name: row.name,
            robot_type: row.robot_type,
            cameras: row.cameras,
            media: row.media,
        };
        Self::new(profile, condition, now)
    }

    /// From the aggregate itself; `None` before it is registered.
    pub(in crate::api) fn from_state(robot: &curfew_domain::Robot, now: DateTime<Utc>) -> Option<Self> {
        let condition = Condition {
            online: robot.is_online(),
            publishing: robot.publishing().is_some(),
            maintenance: robot.maintenance().copied(),
            emergency_stop: robot.emergency_stop().is_some(),
            retired: robot.is_retired(),
        };
        Some(Self::new(robot.profile()?.clone(), condition, now))
    }

    fn new(profile: Profile, condition: Condition, now: DateTime<Utc>) -> Self {
        let maintenance = condition.maintenance.filter(|maintenance| !maintenance.has_ended(now));
        let span = |maintenance: Maintenance| MaintenanceSpan {
            starts_at: millis::to_string(&maintenance.from),
            ends_at: maintenance.until.as_ref().map(millis::to_string),
        };
        Self {
            online: condition.online,
            publishing: condition.publishing,
            maintenance: maintenance.is_some_and(|maintenance| maintenance.from <= now),
            next_maintenance: maintenance.map(span),
            emergency_stop: condition.emergency_stop,
            retired: condition.retired,
            id: profile.robot_id,
            slug: profile.slug,
            name: profile.name,
            r#type: profile.robot_type,
            cameras: profile.cameras,
            media: profile.media,
        }
    }
}
