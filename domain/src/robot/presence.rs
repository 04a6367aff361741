//! Whether the robot is there, whether it publishes, and whether its emergency stop is engaged.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Decision, Robot, RobotError, RobotEvent, require_reason};
use crate::terms::late_us;
use crate::{AccountId, Actor, Cause, ConnectionId, CredentialId, PeerId, TerminatedPeer};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Presence {
    pub(super) connection: Option<Connection>,
    pub(super) publishing: Option<Publishing>,
    pub(super) stop: Option<EmergencyStop>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Connection {
    pub(super) connection_id: ConnectionId,
    pub(super) credential_id: CredentialId,
}

/// The peer connection that the robot sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publishing {
    pub peer_id: PeerId,
    pub started_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyStop {
    pub by: Actor,
    pub reason_hash: String,
    pub engaged_at: DateTime<Utc>,
    pub acknowledged_at: Option<DateTime<Utc>>,
}

impl Presence {
    pub(super) fn apply(&mut self, event: &RobotEvent) {
        match event {
            RobotEvent::CameOnline { connection_id, credential_id, .. } => {
                self.connection =
                    Some(Connection { connection_id: *connection_id, credential_id: *credential_id });
            }
            RobotEvent::WentOffline { .. } => self.connection = None,
            RobotEvent::PublishingStarted { peer_id, started_at } => {
                self.publishing = Some(Publishing { peer_id: *peer_id, started_at: *started_at });
            }
            RobotEvent::PublishingEnded { .. } => self.publishing = None,
            RobotEvent::EmergencyStopEngaged { by, reason_hash, at } => {
                self.stop = Some(EmergencyStop {
                    by: *by,
                    reason_hash: reason_hash.clone(),
                    engaged_at: *at,
                    acknowledged_at: None,
                });
            }
            RobotEvent::EmergencyStopAcknowledged { at } => {
                if let Some(stop) = &mut self.stop {
                    stop.acknowledged_at = Some(*at);
                }
            }
            RobotEvent::EmergencyStopCleared { .. } => self.stop = None,
            _ => {}
        }
    }
}

impl Robot {
    pub(super) fn connect(
        &self,
        connection_id: ConnectionId,
        credential_id: CredentialId,
        now: DateTime<Utc>,
    ) -> Decision {
        self.in_service()?;
        if !self.credentials.contains_key(&credential_id) {
            return Err(RobotError::UnknownCredential);
        }
        if self.connection() == Some(connection_id) {
            return Ok(vec![]);
        }
        let mut events = self.go_offline(Cause::Replaced, now);
        events.push(RobotEvent::CameOnline { connection_id, credential_id, at: now });
        Ok(events)
    }

    pub(super) fn disconnect(
        &self,
        connection_id: ConnectionId,
        cause: Cause,
        now: DateTime<Utc>,
    ) -> Vec<RobotEvent> {
        if self.connection() == Some(connection_id) { self.go_offline(cause, now) } else { vec![] }
    }

    pub(super) fn go_offline(&self, cause: Cause, now: DateTime<Utc>) -> Vec<RobotEvent> {
        let gone = |connection_id| RobotEvent::WentOffline { connection_id, cause, at: now };
        self.connection().map(gone).into_iter().collect()
    }

    pub(super) fn revoke_credential(
        &self,
        credential_id: CredentialId,
        by: Actor,
        now: DateTime<Utc>,
    ) -> Decision {
        if self.profile.is_none() {
            return Err(RobotError::NotRegistered);
        }
        if !self.credentials.contains_key(&credential_id) {
            // Whoever means one that leaked and names another is not to believe that it opens nothing any more.
            return if self.revoked.contains(&credential_id) {
                Ok(vec![])
            } else {
                Err(RobotError::NoSuchCredential)
            };
        }
        let mut events = vec![RobotEvent::CredentialRevoked { credential_id, by, revoked_at: now }];
        if self.presence.connection.is_some_and(|connection| connection.credential_id == credential_id) {
            events.extend(self.go_offline(Cause::CredentialRevoked, now));
        }
        Ok(events)
    }

    /// The connection was admitted when it was answered: it counts also where the robot's line is down by now. It takes the place of
    /// the one before, whose end is recorded first by `EndPublishing` or, when nobody said so, here.
    pub(super) fn start_publishing(&self, peer_id: PeerId, now: DateTime<Utc>) -> Decision {
        if self.profile.is_none() {
            return Err(RobotError::NotRegistered);
        }
        if self.publishing().is_some_and(|publishing| publishing.peer_id == peer_id) {
            return Ok(vec![]);
        }
        let mut events = match self.publishing() {
            Some(former) => {
                self.end_publishing(&TerminatedPeer::silent(former.peer_id), Cause::Replaced, now, now)
            }
            None => vec![],
        };
        events.push(RobotEvent::PublishingStarted { peer_id, started_at: now });
        Ok(events)
    }

    pub(super) fn end_publishing(
        &self,
        report: &TerminatedPeer,
        cause: Cause,
        due_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<RobotEvent> {
        if self.publishing().is_none_or(|publishing| publishing.peer_id != report.peer_id) {
            return vec![];
        }
        vec![RobotEvent::PublishingEnded {
            peer_id: report.peer_id,
            cause,
            due_at,
            lateness_us: report.lateness_us,
            recorded_late_us: late_us(due_at, now),
            packets: report.packets,
            bytes: report.bytes,
            stopped_between: report.stopped_between,
        }]
    }

    /// Never refused to a robot that exists, in service or not.
    pub(super) fn engage_stop(&self, by: Actor, reason_hash: String, now: DateTime<Utc>) -> Decision {
        if self.profile.is_none() {
            return Err(RobotError::NotRegistered);
        }
        require_reason(&reason_hash)?;
        if self.emergency_stop().is_some() {
            return Ok(vec![]);
        }
        Ok(vec![RobotEvent::EmergencyStopEngaged { by, reason_hash, at: now }])
    }

    pub(super) fn acknowledge_stop(&self, answered: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Decision {
        match self.emergency_stop() {
            None if answered.is_none() => Err(RobotError::NotStopped),
            None => Ok(vec![]),
            Some(stop) if answered.is_some_and(|engaged_at| engaged_at != stop.engaged_at) => Ok(vec![]),
            Some(stop) if stop.acknowledged_at.is_some() => Ok(vec![]),
            Some(_) => Ok(vec![RobotEvent::EmergencyStopAcknowledged { at: now }]),
        }
    }

    pub(super) fn clear_stop(&self, by: AccountId, reason_hash: String, now: DateTime<Utc>) -> Decision {
        require_reason(&reason_hash)?;
        let cleared = |_| RobotEvent::EmergencyStopCleared { by, reason_hash, at: now };
        Ok(self.emergency_stop().map(cleared).into_iter().collect())
    }
}
