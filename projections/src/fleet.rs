//! Robots, by robot id.

use chrono::{DateTime, Utc};
use curfew_domain::robot::{EmergencyStop, Maintenance};
use curfew_domain::{ConnectionId, CredentialId, Fact, MediaMode, PeerId, Recorded, RobotEvent, RobotId};
use serde::{Deserialize, Serialize};

use crate::Projection;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialRow {
    pub credential_id: CredentialId,
    /// Hex.
    pub token_sha256: String,
    pub revoked: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobotRow {
    pub robot_id: RobotId,
    pub slug: String,
    pub name: String,
    pub robot_type: String,
    pub cameras: Vec<String>,
    pub media: MediaMode,
    pub registered_at: DateTime<Utc>,
    /// The signaling connection it is online with.
    pub connection_id: Option<ConnectionId>,
    /// When it last came online or went offline.
    pub seen_at: Option<DateTime<Utc>>,
    pub publishing: Option<PeerId>,
    pub maintenance: Option<Maintenance>,
    pub emergency_stop: Option<EmergencyStop>,
    pub retired: bool,
    pub credentials: Vec<CredentialRow>,
}

impl RobotRow {
    pub const fn is_online(&self) -> bool {
        self.connection_id.is_some()
    }
}

/// The robots and how they are.
pub struct Fleet;

impl Projection for Fleet {
    const NAME: &'static str = "fleet";
    type Row = RobotRow;

    fn keys(recorded: &Recorded) -> Vec<String> {
        match &recorded.fact {
            // Slots are the calendar's; they are too many to touch a robot's row for each.
            Fact::Robot(
                RobotEvent::SlotReserved { .. }
                | RobotEvent::SlotReleased { .. }
                | RobotEvent::SlotMoved { .. },
            ) => vec![],
            Fact::Robot(_) => vec![recorded.aggregate_id.clone()],
            _ => vec![],
        }
    }

    fn fold(_key: &str, row: Option<RobotRow>, recorded: &Recorded) -> Option<RobotRow> {
        let Fact::Robot(event) = &recorded.fact else { return row };
        match row {
            None => registered(event, recorded.recorded_at),
            Some(mut row) => {
                if matches!(event, RobotEvent::CameOnline { .. } | RobotEvent::WentOffline { .. }) {
                    row.seen_at = Some(recorded.recorded_at);
                }
                row.apply(event);
                Some(row)
            }
        }
    }
}

fn registered(event: &RobotEvent, registered_at: DateTime<Utc>) -> Option<RobotRow> {
    let RobotEvent::Registered { robot_id, slug, name, robot_type, cameras, media } = event else {
        return None;
    };
    Some(RobotRow {
        robot_id: *robot_id,
        slug: slug.clone(),
        name: name.clone(),
        robot_type: robot_type.clone(),
        cameras: cameras.clone(),
        media: *media,
        registered_at,
        connection_id: None,
        seen_at: None,
        publishing: None,
        maintenance: None,
        emergency_stop: None,
        retired: false,
        credentials: vec![],
    })
}

impl RobotRow {
    fn apply(&mut self, event: &RobotEvent) {
        match event {
            RobotEvent::Updated { name, robot_type, cameras, media } => {
                self.name.clone_from(name);
                self.robot_type.clone_from(robot_type);
                self.cameras.clone_from(cameras);
                self.media = *media;
            }
            RobotEvent::CredentialIssued { credential_id, token_sha256 } => {
                self.credentials.push(CredentialRow {
                    credential_id: *credential_id,
                    token_sha256: token_sha256.clone(),
                    revoked: false,
                });
            }
            RobotEvent::CredentialRevoked { credential_id, .. } => {
                let is_meant = |row: &&mut CredentialRow| row.credential_id == *credential_id;
                if let Some(credential) = self.credentials.iter_mut().find(is_meant) {
                    credential.revoked = true;
                }
            }
            RobotEvent::CameOnline { connection_id, .. } => self.connection_id = Some(*connection_id),
            RobotEvent::WentOffline { .. } => self.connection_id = None,
            RobotEvent::PublishingStarted { peer_id, .. } => self.publishing = Some(*peer_id),
            RobotEvent::PublishingEnded { .. } => self.publishing = None,
            RobotEvent::MaintenanceStarted { from, until, .. } => {
                self.maintenance = Some(Maintenance { from: *from, until: *until });
            }
            RobotEvent::MaintenanceEnded { .. } => self.maintenance = None,
            RobotEvent::EmergencyStopEngaged { by, reason_hash, at } => {
                self.emergency_stop = Some(EmergencyStop {
                    by: *by,
                    reason_hash: reason_hash.clone(),
                    engaged_at: *at,
                    acknowledged_at: None,
                });
            }
            RobotEvent::EmergencyStopAcknowledged { at } => {
                if let Some(stop) = &mut self.emergency_stop {
                    stop.acknowledged_at = Some(*at);
                }
            }
            RobotEvent::EmergencyStopCleared { .. } => self.emergency_stop = None,
            RobotEvent::Retired { .. } => self.retired = true,
            RobotEvent::Registered { .. }
            | RobotEvent::SlotReserved { .. }
            | RobotEvent::SlotReleased { .. }
            | RobotEvent::SlotMoved { .. } => {}
        }
    }
}
