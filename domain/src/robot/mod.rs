//! A robot: what it is, its credentials, its calendar of reserved slots, and whether it is there.
//!
//! The robot's stream alone decides which slots overlap. Who booked, and why, lives in `booking`; media never lives here
//! beyond the facts that it began and ended.

mod calendar;
mod command;
mod error;
mod event;
mod presence;
#[cfg(test)]
mod tests;

pub use calendar::{Maintenance, Slot};
pub use command::RobotCommand;
pub use error::RobotError;
pub use event::RobotEvent;
pub use presence::{EmergencyStop, Publishing};

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::decide::write_decision;
use crate::{BookingId, ConnectionId, CredentialId, Decide, RobotId, Window};
use calendar::Calendar;
use presence::Presence;

const LONGEST_SLUG: usize = 64;
const LONGEST_NAME: usize = 120;
const MOST_CAMERAS: usize = 16;
const MOST_CREDENTIALS: usize = 16;

/// How media passes between a robot and its viewers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MediaMode {
    /// Through the server.
    #[default]
    Relay,
    /// Between the two themselves.
    Direct,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Robot {
    profile: Option<Profile>,
    /// The credentials in force, with the hex SHA-256 of their tokens.
    credentials: BTreeMap<CredentialId, String>,
    /// Those that were in force once.
    revoked: BTreeSet<CredentialId>,
    calendar: Calendar,
    presence: Presence,
    is_retired: bool,
}

/// What a robot is registered as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub robot_id: RobotId,
    pub slug: String,
    pub name: String,
    pub robot_type: String,
    pub cameras: Vec<String>,
    pub media: MediaMode,
}

impl Robot {
    /// `None` before it is registered.
    pub const fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    pub const fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Registered and not retired.
    pub const fn is_in_service(&self) -> bool {
        self.profile.is_some() && !self.is_retired
    }

    pub fn is_online(&self) -> bool {
        self.presence.connection.is_some()
    }

    /// The signaling connection it is online with.
    pub fn connection(&self) -> Option<ConnectionId> {
        self.presence.connection.map(|connection| connection.connection_id)
    }

    pub const fn publishing(&self) -> Option<&Publishing> {
        self.presence.publishing.as_ref()
    }

    pub const fn emergency_stop(&self) -> Option<&EmergencyStop> {
        self.presence.stop.as_ref()
    }

    pub const fn maintenance(&self) -> Option<&Maintenance> {
        self.calendar.maintenance()
    }

    /// The slots that had not ended at the last change, by start.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.calendar.slots()
    }

    pub fn slot(&self, booking_id: BookingId) -> Option<&Slot> {
        self.calendar.slot(booking_id)
    }

    /// Whether a slot could be reserved now, `buffer_s` seconds away from its neighbours.
    pub fn is_free(&self, window: &Window, buffer_s: u32, now: DateTime<Utc>) -> bool {
        self.is_in_service()
            && !window.has_ended(now)
            && self.calendar.check(window, TimeDelta::seconds(buffer_s.into())).is_ok()
    }

    /// The credentials in force.
    pub fn credentials(&self) -> impl Iterator<Item = CredentialId> {
        self.credentials.keys().copied()
    }

    /// Whether this credential is in force and `token_sha256` (hex) is its token's.
    pub fn accepts(&self, credential_id: CredentialId, token_sha256: &str) -> bool {
        !self.is_retired && self.credentials.get(&credential_id).is_some_and(|known| known == token_sha256)
    }

    fn in_service(&self) -> Result<&Profile, RobotError> {
        let profile = self.profile.as_ref().ok_or(RobotError::NotRegistered)?;
        if self.is_retired { Err(RobotError::Retired) } else { Ok(profile) }
    }

    fn register(&self, profile: Profile) -> Decision {
        profile.check()?;
        match &self.profile {
            Some(known) if *known == profile => Ok(vec![]),
            Some(_) => Err(RobotError::AlreadyRegistered),
            None => Ok(vec![RobotEvent::Registered {
                robot_id: profile.robot_id,
                slug: profile.slug,
                name: profile.name,
                robot_type: profile.robot_type,
                cameras: profile.cameras,
                media: profile.media,
            }]),
        }
    }

    fn update(&self, changed: Profile) -> Decision {
        changed.check()?;
        if self.in_service()? == &changed {
            return Ok(vec![]);
        }
        let Profile { name, robot_type, cameras, media, .. } = changed;
        Ok(vec![RobotEvent::Updated { name, robot_type, cameras, media }])
    }

    fn issue_credential(&self, credential_id: CredentialId, token_sha256: String) -> Decision {
        self.in_service()?;
        if token_sha256.len() != 64 || !token_sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(RobotError::Invalid("token_sha256"));
        }
        match self.credentials.get(&credential_id) {
            Some(known) if *known == token_sha256 => Ok(vec![]),
            Some(_) => Err(RobotError::AlreadyRegistered),
            None if self.credentials.len() >= MOST_CREDENTIALS => Err(RobotError::TooManyCredentials),
            None => Ok(vec![RobotEvent::CredentialIssued { credential_id, token_sha256 }]),
        }
    }
}

impl Profile {
    fn check(&self) -> Result<(), RobotError> {
        let is_word = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let is_line = |text: &str| {
            !text.trim().is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control)
        };
        // What reads like an id is taken for one wherever a robot is named.
        if !is_word(&self.slug, LONGEST_SLUG) || self.slug.parse::<RobotId>().is_ok() {
            return Err(RobotError::Invalid("slug"));
        }
        if !is_line(&self.name) {
            return Err(RobotError::Invalid("name"));
        }
        if !is_word(&self.robot_type, LONGEST_SLUG) {
            return Err(RobotError::Invalid("type"));
        }
        let is_camera = |name: &String| is_word(name, LONGEST_SLUG);
        let distinct: BTreeSet<_> = self.cameras.iter().collect();
        let is_list =
            (1..=MOST_CAMERAS).contains(&self.cameras.len()) && distinct.len() == self.cameras.len();
        if !is_list || !self.cameras.iter().all(is_camera) {
            return Err(RobotError::Invalid("cameras"));
        }
        Ok(())
    }
}

type Decision = Result<Vec<RobotEvent>, RobotError>;

impl Decide for Robot {
    fn decide(&self, command: RobotCommand) -> Decision {
        use RobotCommand as C;
        match command {
            C::Register { robot_id, slug, name, robot_type, cameras, media } => {
                self.register(Profile { robot_id, slug, name, robot_type, cameras, media })
            }
            C::Update { name, robot_type, cameras, media } => {
                let known = self.in_service()?.clone();
                self.update(Profile {
                    name: name.unwrap_or(known.name),
                    robot_type: robot_type.unwrap_or(known.robot_type),
                    cameras: cameras.unwrap_or(known.cameras),
                    media: media.unwrap_or(known.media),
                    ..known
                })
            }
            C::IssueCredential { credential_id, token_sha256 } => {
                self.issue_credential(credential_id, token_sha256)
            }
            C::RevokeCredential { credential_id, by, now } => self.revoke_credential(credential_id, by, now),
            C::Connect { connection_id, credential_id, now } => {
                self.connect(connection_id, credential_id, now)
            }
            C::Disconnect { connection_id, cause, now } => Ok(self.disconnect(connection_id, cause, now)),
            C::StartPublishing { peer_id, now } => self.start_publishing(peer_id, now),
            C::EndPublishing { report, cause, due_at, now } => {
                Ok(self.end_publishing(&report, cause, due_at, now))
            }
            C::ReserveSlot { request, now } => self.reserve_slot(request, now),
            C::ReleaseSlot { booking_id, now } => Ok(self.release_slot(booking_id, now)),
            C::MoveSlot { change, now } => self.move_slot(change, now),
            C::RestoreSlot { change, now } => Ok(self.restore_slot(change, now)),
            C::StartMaintenance { from, until, by, reason_hash, now } => {
                self.start_maintenance(Maintenance { from: from.max(now), until }, by, reason_hash, now)
            }
            C::EndMaintenance { by, now } => Ok(self.end_maintenance(by, now)),
            C::EngageEmergencyStop { by, reason_hash, now } => self.engage_stop(by, reason_hash, now),
            C::AcknowledgeEmergencyStop { engaged_at, now } => self.acknowledge_stop(engaged_at, now),
            C::ClearEmergencyStop { by, reason_hash, now } => self.clear_stop(by, reason_hash, now),
            C::Retire { by, reason_hash, now } => self.retire(by, reason_hash, now),
        }
    }
}

impl Aggregate for Robot {
    const TYPE: &'static str = "robot";
    type Command = RobotCommand;
    type Event = RobotEvent;
    type Error = RobotError;
    type Services = ();

    async fn handle(
        &mut self,
        command: RobotCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), RobotError> {
        write_decision(self, command, sink).await
    }

    fn apply(&mut self, event: RobotEvent) {
        self.calendar.apply(&event);
        self.presence.apply(&event);
        match event {
            RobotEvent::Registered { robot_id, slug, name, robot_type, cameras, media } => {
                self.profile = Some(Profile { robot_id, slug, name, robot_type, cameras, media });
            }
            RobotEvent::Updated { name, robot_type, cameras, media } => {
                if let Some(known) = self.profile.take() {
                    self.profile = Some(Profile { name, robot_type, cameras, media, ..known });
                }
            }
            RobotEvent::CredentialIssued { credential_id, token_sha256 } => {
                self.credentials.insert(credential_id, token_sha256);
            }
            RobotEvent::CredentialRevoked { credential_id, .. } => {
                self.credentials.remove(&credential_id);
                self.revoked.insert(credential_id);
            }
            RobotEvent::Retired { .. } => self.is_retired = true,
            _ => {}
        }
    }
}

fn require_reason(reason_hash: &str) -> Result<(), RobotError> {
    if reason_hash.is_empty() { Err(RobotError::ReasonRequired) } else { Ok(()) }
}
