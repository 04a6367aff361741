//! Robots: the registry and its credentials, and how a robot is taken out of use: for maintenance, for ever, or by its
//! emergency stop.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use curfew_domain::{
    Actor, BookingId, Cause, CredentialId, Decide, Reason, Robot, RobotCommand, RobotEvent, RobotId, RoomId,
};
use uuid::Uuid;

use super::ending::{self, Cut};
use super::lab::{Lab, NewRobot, Principal, Recorded, RobotChange};
use super::lab_access::account_of;
use super::lab_bookings::{required, told};
use super::live::End;
use super::refusal::{Answer, Refused};
use super::robot::{self, RobotSide};
use super::robot_messages::{Revoked, StopRecorded};
use super::shell::Shell;
use crate::correlation;

impl Lab {
    /// A slug names one robot for ever, a retired one too. To be carried to its end: what is dropped halfway may be recorded all
    /// the same, when the next one has looked already.
    pub async fn register_robot(&self, principal: &Principal, new: NewRobot) -> Answer<RobotId> {
        let admin = self.admin(principal).await?;
        let mut given = self.shell.turns.slugs.lock().await;
        self.shell.up_to(self.shell.turns.began_at).await?;
        let is_given = match self.shell.robot_named(&new.slug).await {
            Ok(_) => true,
            Err(refused) if refused.reason == Reason::NotFound => given.contains(&new.slug),
            Err(unread) => return Err(unread),
        };
        if is_given {
            return Err(Refused::because(Reason::Conflict, "Another robot has this slug."));
        }
        let id = RobotId::from(Uuid::now_v7());
        let NewRobot { slug, name, robot_type, cameras, media } = new;
        let taken = slug.clone();
        let command = RobotCommand::Register { robot_id: id, slug, name, robot_type, cameras, media };
        let registered = self.shell.carry::<RobotSide>(id, command, Shell::metadata(admin)).await?;
        given.insert(taken);
        drop(given);
        self.shell.shown(registered.position).await;
        Ok(id)
    }

    pub async fn update_robot(&self, principal: &Principal, id: RobotId, change: RobotChange) -> Answer<()> {
        let admin = self.admin(principal).await?;
        let RobotChange { name, robot_type, cameras, media } = change;
        self.robot_command(id, RobotCommand::Update { name, robot_type, cameras, media }, admin).await
    }

    /// A robot as it is now, in service or not.
    pub async fn robot(&self, id: RobotId) -> Answer<Robot> {
        let robot = self.shell.state::<RobotSide>(id).await?;
        if robot.profile().is_none() { Err(Refused::not_found("robot")) } else { Ok(robot) }
    }

    /// `token_sha256` in hex; the token itself never comes here.
    pub async fn issue_credential(
        &self,
        principal: &Principal,
        robot: RobotId,
        credential: CredentialId,
        token_sha256: String,
    ) -> Answer<()> {
        let admin = self.admin(principal).await?;
        let command = RobotCommand::IssueCredential { credential_id: credential, token_sha256 };
        self.robot_command(robot, command, admin).await
    }

    /// Cuts the robot's peer connection at once when it is connected with this credential, or negotiated with it before its line
    /// was lost; then records it.
    pub async fn revoke_credential(
        &self,
        principal: &Principal,
        robot: RobotId,
        credential: CredentialId,
    ) -> Answer<Recorded> {
        let by = self.admin(principal).await?;
        let now = self.shell.clock.wall();
        let command = RobotCommand::RevokeCredential { credential_id: credential, by, now };
        self.would(robot, &command).await?;
        self.shell.turns.revoked.add(credential);
        if self.shell.rooms.credential(robot) == Some(credential) || self.shell.peers.is_by(robot, credential)
        {
            robot::end_publishing(robot, Cause::CredentialRevoked, &self.shell);
        }
        let shell = Arc::clone(&self.shell);
        self.shell.spawn(async move {
            // Fails only when the actors are gone.
            let _ = shell.robot(robot).ask(Revoked { credential }).await;
        });
        self.record_robot(robot, command, by, vec![]).await
    }

    /// `token_sha256` in hex, of the whole token.
    pub async fn authenticate_robot(
        &self,
        robot: RobotId,
        credential: CredentialId,
        token_sha256: &str,
    ) -> Answer<Principal> {
        let state = self.shell.state::<RobotSide>(robot).await?;
        if state.accepts(credential, token_sha256) && !self.shell.turns.revoked.has(credential) {
            Ok(Principal::Robot { id: robot, credential })
        } else {
            Err(Refused::new(Reason::BadToken))
        }
    }

    /// Takes a robot out of service: its sessions end at once, its coming bookings are cancelled.
    ///
    /// # Errors
    /// `ReasonRequired` where there are bookings to cancel and `reason` is empty.
    pub async fn retire_robot(&self, principal: &Principal, id: RobotId, reason: &str) -> Answer<Recorded> {
        let admin = self.admin(principal).await?;
        let by = account_of(admin)?;
        let reason_hash = Some(self.shell.reason_hash(reason)).filter(|hash| !hash.is_empty());
        let command = RobotCommand::Retire { by, reason_hash, now: self.shell.clock.wall() };
        let mut cuts = self.displace(id, &command, true, Cause::RobotLost, admin, reason.trim()).await?;
        cuts.extend(ending::cut_watches(&self.shell, id, admin));
        robot::end_publishing(id, Cause::RobotLost, &self.shell);
        self.record_robot(id, command, admin, cuts).await
    }

    /// From `from` (now, when that is past) to `until`, or until it is said to be over: bookings that overlap are cancelled,
    /// sessions of theirs that run end at once. A maintenance that this one touches is moved by it.
    pub async fn start_maintenance(
        &self,
        principal: &Principal,
        id: RobotId,
        from: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
        reason: &str,
    ) -> Answer<Recorded> {
        let (admin, reason) = self.admin_because(principal, reason).await?;
        let by = account_of(admin)?;
        let (reason_hash, now) = (self.shell.reason_hash(reason), self.shell.clock.wall());
        let from = from.unwrap_or(now);
        let command = RobotCommand::StartMaintenance { from, until, by, reason_hash, now };
        let begins_now = from <= now && until.is_none_or(|until| until > now);
        let cuts = self.displace(id, &command, begins_now, Cause::Maintenance, admin, reason).await?;
        self.record_robot(id, command, admin, cuts).await
    }

    pub async fn end_maintenance(&self, principal: &Principal, id: RobotId) -> Answer<()> {
        let admin = self.admin(principal).await?;
        let command = RobotCommand::EndMaintenance { by: account_of(admin)?, now: self.shell.clock.wall() };
        self.would(id, &command).await?;
        self.robot_command(id, command, admin).await
    }

    /// Tells the robot and everybody in its rooms at once, then records it. Media goes on, so that people see what it does.
    pub async fn engage_stop(&self, principal: &Principal, id: RobotId, reason: &str) -> Answer<Recorded> {
        let by = match *principal {
            Principal::Robot { id: itself, .. } if itself == id => Actor::Robot(id),
            _ => self.admin(principal).await?,
        };
        let reason = required(reason)?;
        let (reason_hash, now) = (self.shell.reason_hash(reason), self.shell.clock.wall());
        let command = RobotCommand::EngageEmergencyStop { by, reason_hash, now };
        self.would(id, &command).await?;
        robot::tell_stop(id, Some(reason.to_owned()), &self.shell);
        self.shell.keep_reason_soon(reason);
        let (shell, reason) = (Arc::clone(&self.shell), reason.to_owned());
        self.patiently(async move {
            let engaged = shell.insist::<RobotSide>(id, command, Shell::metadata(by)).await;
            let position = told(engaged)?.position;
            shell.robot(id).ask(StopRecorded { reason }).await?;
            shell.caught_up(position).await;
            Ok(())
        })
        .await
    }

    /// The robot says that it stands still, whichever stop it may have been told of.
    pub async fn acknowledge_stop(&self, robot: RobotId) -> Answer<()> {
        let now = self.shell.clock.wall();
        let command = RobotCommand::AcknowledgeEmergencyStop { engaged_at: None, now };
        self.robot_command(robot, command, Actor::Robot(robot)).await
    }

    /// The robot stands still in answer to the stop that was told as `stop_id`. Without effect when that is over: an answer that
    /// crosses an admin's word that the stop is cleared engages nothing anew.
    pub fn answer_stop(&self, robot: RobotId, stop_id: &str) {
        let (shell, stop_id) = (Arc::clone(&self.shell), stop_id.to_owned());
        let is_told = move |shell: &Shell| shell.rooms.stop(robot).is_some_and(|told| told.id == stop_id);
        correlation::spawn(async move {
            let mut head = shell.log.head();
            while is_told(&shell) {
                head.borrow_and_update();
                let Ok(state) = shell.state::<RobotSide>(robot).await else { return };
                if let Some(stop) = state.emergency_stop() {
                    let engaged_at = Some(stop.engaged_at);
                    let now = shell.clock.wall();
                    let command = RobotCommand::AcknowledgeEmergencyStop { engaged_at, now };
                    shell.insist::<RobotSide>(robot, command, Shell::metadata(Actor::Robot(robot))).await;
                    return;
                }
                // It was told before it was recorded.
                tokio::select! {
                    changed = head.changed() => if changed.is_err() { return },
                    () = shell.stopped() => return,
                }
            }
        });
    }

    /// Lets the robot move again; told once it is durable.
    pub async fn clear_stop(&self, principal: &Principal, id: RobotId, reason: &str) -> Answer<()> {
        let (admin, reason) = self.admin_because(principal, reason).await?;
        let reason_hash = self.shell.keep_reason(reason).await?;
        let now = self.shell.clock.wall();
        let command = RobotCommand::ClearEmergencyStop { by: account_of(admin)?, reason_hash, now };
        self.would(id, &command).await?;
        self.robot_command(id, command, admin).await
    }

    /// What a command would come to, decided without recording it.
    async fn would(&self, id: RobotId, command: &RobotCommand) -> Answer<Vec<RobotEvent>> {
        told(Some(self.robot(id).await?.decide(command.clone())))
    }

    /// Cuts the sessions of the bookings that a command is going to displace, before it is recorded; where what it does
    /// `begins_now`, whatever runs.
    async fn displace(
        &self,
        id: RobotId,
        command: &RobotCommand,
        begins_now: bool,
        cause: Cause,
        by: Actor,
        reason: &str,
    ) -> Answer<Vec<Cut>> {
        let displaced: Vec<BookingId> =
            self.would(id, command)
                .await?
                .iter()
                .flat_map(|event| match event {
                    RobotEvent::MaintenanceStarted { displaced, .. }
                    | RobotEvent::Retired { displaced, .. } => displaced.as_slice(),
                    _ => &[],
                })
                .map(|gone| gone.booking_id)
                .collect();
        self.shell.keep_reason_soon(reason);
        let reason_of = || Some(reason.to_owned());
        let end = |room: RoomId| End { cause, at: self.shell.now_in(room), reason: reason_of() };
        let rooms = self.shell.rooms.of_robot(id).into_iter();
        // A session that runs is hit also where the wall clock stepped out of its window since it began.
        let is_hit = |booking| begins_now || displaced.contains(&booking);
        let hit = rooms.filter(|room| room.place().booking.is_some_and(is_hit));
        let open = hit.filter(|room| room.deadline().is_some());
        let hash = Some(self.shell.reason_hash(reason));
        Ok(open
            .filter_map(|room| ending::cut(&self.shell, room.id, end(room.id), by, hash.clone()))
            .collect())
    }

    /// Records what was carried out already, however long the disk takes.
    async fn record_robot(
        &self,
        id: RobotId,
        command: RobotCommand,
        by: Actor,
        cuts: Vec<Cut>,
    ) -> Answer<Recorded> {
        let shell = Arc::clone(&self.shell);
        self.patiently(async move {
            let recording = shell.insist::<RobotSide>(id, command, Shell::metadata(by));
            let (outcome, ()) = tokio::join!(recording, ending::finish_all(&shell, cuts));
            shell.caught_up(told(outcome)?.position).await;
            Ok(())
        })
        .await
    }

    async fn robot_command(&self, id: RobotId, command: RobotCommand, by: Actor) -> Answer<()> {
        let decided = self.shell.carry::<RobotSide>(id, command, Shell::metadata(by)).await?;
        self.shell.shown(decided.position).await;
        Ok(())
    }
}
