//! The robot's actor: its signaling connection, and until when it is asked to publish.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use curfew_domain::robot::RobotEvent;
use curfew_domain::{Actor, Cause, ConnectionId, CredentialId, Reason, Robot, RobotCommand, RobotId};

use super::deadlines::Due;
use super::entity::Decided;
use super::keeper::Kind;
use super::lab::Outbox;
use super::live::{Phase, Seat, Sitter, send};
use super::live_rooms::{Online, ToldStop};
use super::refusal::{Answer, Refused};
use super::registry::{Registry, Shelf};
use super::robot_messages::Disconnected;
use super::room::{robot_comes, welcome};
use super::shell::Shell;
use crate::clock::BootInstant;
use crate::protocol::{EmergencyStop, Empty, Publish, ServerMessage};

/// How long before a window a robot is asked to publish when somebody waits.
pub(crate) const AHEAD: TimeDelta = TimeDelta::seconds(10);

/// Windows that open this soon count for how long a robot is asked to publish.
pub(crate) const SOON: TimeDelta = TimeDelta::seconds(30);

/// Two ends closer than this are the same one: mapping wall to boot time twice differs by microseconds.
const SAME_END: Duration = Duration::from_millis(5);

/// What of a robot is not in the log.
pub(crate) struct RobotSide {
    id: RobotId,
    pub(super) link: Option<Link>,
    /// Until when the robot was last asked to publish. It outlives the link, as the robot's peer connection does.
    asked_until: Option<BootInstant>,
    /// Whether the link of now was told so.
    is_told: bool,
    /// Why the last of its sessions ended before its time, until the robot is asked again.
    ended_by: Option<Cause>,
}

pub(super) struct Link {
    pub(super) connection: ConnectionId,
    pub(super) credential: CredentialId,
    pub(super) outbox: Outbox,
}

impl Kind for RobotSide {
    type Aggregate = Robot;
    type Id = RobotId;

    fn new(id: RobotId, _: &Arc<Shell>) -> Self {
        Self { id, link: None, asked_until: None, is_told: false, ended_by: None }
    }

    fn shelf(registry: &Registry) -> &Shelf<Self> {
        &registry.robots
    }

    fn published(&mut self, state: &Robot, decided: &Decided<Robot>, shell: &Arc<Shell>) {
        for event in &decided.events {
            match event {
                RobotEvent::CredentialRevoked { credential_id, .. } if self.is_linked_by(*credential_id) => {
                    self.shut_out(Cause::CredentialRevoked, shell);
                }
                RobotEvent::CredentialRevoked { credential_id, .. }
                    if shell.peers.is_by(self.id, *credential_id) =>
                {
                    end_publishing(self.id, Cause::CredentialRevoked, shell);
                }
                RobotEvent::Retired { .. } => self.shut_out(Cause::RobotLost, shell),
                RobotEvent::EmergencyStopCleared { .. } => tell_stop(self.id, None, shell),
                RobotEvent::SlotReserved { .. }
                | RobotEvent::SlotMoved { .. }
                | RobotEvent::SlotReleased { .. }
                | RobotEvent::MaintenanceStarted { .. } => self.refresh(state, shell, None),
                _ => {}
            }
        }
    }

    fn is_needed(id: RobotId, shell: &Shell) -> bool {
        // A robot whose line is down may still publish.
        shell.rooms.is_online(id) || !shell.rooms.of_robot(id).is_empty()
    }

    fn restarted(&mut self, shell: &Arc<Shell>) {
        // The robot connects again; what it was asked is asked again.
        self.unlink(shell, None);
        self.asked_until = None;
    }
}

impl RobotSide {
    pub(super) fn is_linked_by(&self, credential: CredentialId) -> bool {
        self.link.as_ref().is_some_and(|link| link.credential == credential)
    }

    pub(super) fn link_up(&mut self, link: Link, shell: &Arc<Shell>) {
        self.unlink(shell, Some(Reason::Conflict));
        let Link { connection, credential, outbox } = &link;
        let online = Online { connection: *connection, credential: *credential, outbox: outbox.clone() };
        let is_new = shell.rooms.set_online(self.id, Some(online));
        for room in shell.rooms.of_robot(self.id) {
            // Before people hear that it is there, or some would hear next that it was lost.
            robot_comes(&room, shell);
            if let Some(booking) = room.place().booking {
                shell.deadlines.disarm(Due::RobotLost(booking));
            }
        }
        if is_new {
            shell.rooms.tell_presence(self.id, true);
        }
        if let Some(stop) = shell.rooms.stop(self.id) {
            send(&link.outbox, stop_message_for_robot(self.id, Some(stop)));
        }
        self.link = Some(link);
        self.is_told = false;
        self.take_seats(shell);
    }

    /// A robot needs no `join-room`: it is in the room of whatever session it has now, and waits for the next.
    pub(super) fn take_seats(&self, shell: &Arc<Shell>) {
        let Some(link) = &self.link else { return };
        for room in shell.rooms.of_robot(self.id) {
            let seat = Seat { who: Sitter::Robot(self.id), outbox: link.outbox.clone(), admitted: false };
            if room.sit_once(link.connection, seat) && room.deadline().is_some() {
                shell.spawn(welcome(Arc::clone(shell), room));
            }
        }
    }

    /// Lets the connection go: its owner closes it when the last sender to it is dropped.
    pub(super) fn unlink(&mut self, shell: &Arc<Shell>, why: Option<Reason>) {
        let Some(link) = self.link.take() else { return };
        for room in shell.rooms.of_robot(self.id) {
            room.stand_up(link.connection);
        }
        if shell.rooms.set_online(self.id, None) {
            shell.rooms.tell_presence(self.id, false);
        }
        match why {
            Some(Reason::Conflict) => {
                let text = "Another connection of the same robot has replaced this one.";
                send(&link.outbox, ServerMessage::error(Reason::Conflict.code(), text));
            }
            Some(reason) => send(&link.outbox, ServerMessage::error(reason.code(), reason.text())),
            None => {}
        }
    }

    /// What it sends was ended when this was asked for; whatever it negotiated until this was recorded ends with it.
    pub(super) fn shut_out(&mut self, cause: Cause, shell: &Arc<Shell>) {
        self.unlink(shell, Some(Reason::BadToken));
        self.asked_until = None;
        end_publishing(self.id, cause, shell);
    }

    /// Asks the robot to publish as long as it is needed, or no longer when a session ended before its time. Its peer
    /// connection follows, whether or not there is a line to tell the robot by.
    pub(super) fn refresh(&mut self, state: &Robot, shell: &Arc<Shell>, ended: Option<Cause>) {
        let (wall, boot) = (shell.clock.wall(), shell.clock.boot());
        let rooms = shell.rooms.of_robot(self.id);
        let ended = ended.or_else(|| rooms.iter().find_map(|room| room.cut_by()));
        self.ended_by = ended.or(self.ended_by);
        let is_awaited = rooms.iter().any(|room| {
            room.phase() == Phase::Waiting
                && room.has_company()
                && room.place().window.starts_at - wall <= AHEAD
        });
        let open_until = rooms.iter().filter_map(|room| room.deadline()).max();
        let soon = state.slots().map(|slot| slot.window);
        let soon = soon.filter(|window| wall < window.starts_at && window.starts_at - wall <= SOON);
        let soon_until = soon.map(|window| shell.clock.boot_at(window.ends_at)).max();
        let was_asked = self.asked_until.filter(|until| *until > boot);
        if open_until.is_none() && !is_awaited {
            if was_asked.is_some() && soon_until.is_none() {
                self.tell(ServerMessage::Unpublish(Empty {}));
                self.asked_until = None;
                end_publishing(self.id, self.ended_by.take().unwrap_or(Cause::WindowClosed), shell);
            }
            return;
        }
        let Some(until) = open_until.max(soon_until).filter(|until| *until > boot) else { return };
        if self.is_told && was_asked.is_some_and(|asked| differs_little(asked, until)) {
            return;
        }
        (self.asked_until, self.is_told, self.ended_by) = (Some(until), self.link.is_some(), None);
        let in_ms = u64::try_from(until.saturating_since(boot).as_millis()).unwrap_or(u64::MAX);
        self.tell(ServerMessage::Publish(Publish { cameras: None, in_ms }));
        shell.media.set_robot_deadline(self.id, until);
    }

    fn tell(&self, message: ServerMessage) {
        if let Some(link) = &self.link {
            send(&link.outbox, message);
        }
    }

    /// Until when the robot may publish, and with which credential it is connected.
    pub(super) fn may_publish(
        &self,
        connection: ConnectionId,
        shell: &Shell,
    ) -> Answer<(BootInstant, CredentialId)> {
        let now = shell.clock.boot();
        let Some(link) = self.link.as_ref().filter(|link| link.connection == connection) else {
            return Err(Refused::because(
                Reason::Conflict,
                "Another connection of this robot has replaced this one.",
            ));
        };
        if shell.turns.revoked.has(link.credential) {
            return Err(Refused::new(Reason::BadToken));
        }
        let until = self
            .asked_until
            .filter(|until| *until > now)
            .ok_or_else(|| Refused::because(Reason::WindowNotOpen, "This robot was not asked to publish."))?;
        Ok((until, link.credential))
    }
}

/// Tells the robot and everybody in its rooms that its emergency stop is engaged, and why, or that it is cleared.
pub(crate) fn tell_stop(robot: RobotId, why: Option<String>, shell: &Shell) {
    let stop = why.map(ToldStop::because);
    if !shell.rooms.set_stop(robot, stop.clone()) {
        return;
    }
    let message = stop_message(robot, stop.as_ref());
    let link = shell.rooms.online(robot);
    if let Some(link) = &link {
        send(&link.outbox, stop_message_for_robot(robot, stop));
    }
    for room in shell.rooms.of_robot(robot) {
        room.tell(&message, link.as_ref().map(|link| link.connection));
        shell.media.session_message(room.id, message.to_text().into());
    }
}

/// What people are told.
pub(crate) fn stop_message(robot: RobotId, stop: Option<&ToldStop>) -> ServerMessage {
    ServerMessage::EmergencyStop(EmergencyStop {
        robot_id: robot.to_string(),
        engaged: stop.is_some(),
        reason: stop.map(|stop| stop.reason.clone()).unwrap_or_default(),
        stop_id: None,
    })
}

/// What the robot is told: with what its answer repeats.
fn stop_message_for_robot(robot: RobotId, stop: Option<ToldStop>) -> ServerMessage {
    let (stop_id, reason) = stop.map(|stop| (stop.id, stop.reason)).unzip();
    ServerMessage::EmergencyStop(EmergencyStop {
        robot_id: robot.to_string(),
        engaged: stop_id.is_some(),
        reason: reason.unwrap_or_default(),
        stop_id,
    })
}

fn differs_little(one: BootInstant, other: BootInstant) -> bool {
    one.saturating_since(other).max(other.saturating_since(one)) < SAME_END
}

/// Lets a robot's connection go and insists on recording it: the record has the robot online until then.
pub(crate) async fn disconnected(robot: RobotId, connection: ConnectionId, cause: Cause, shell: &Arc<Shell>) {
    let command = RobotCommand::Disconnect { connection_id: connection, cause, now: shell.clock.wall() };
    match shell.robot(robot).ask(Disconnected { connection, cause }).await {
        Ok(Err(refused)) => {
            tracing::warn!(%robot, %refused, "a robot went offline, which is not recorded yet")
        }
        Ok(Ok(())) | Err(_) => return,
    }
    // Refused it is nowhere; a server that stops has it recorded by its next start.
    let _ = shell.insist::<RobotSide>(robot, command, Shell::metadata(Actor::Robot(robot))).await;
}

/// Closes the robot's peer connection, but none that it opens later, and records its end.
pub(crate) fn end_publishing(robot: RobotId, cause: Cause, shell: &Arc<Shell>) {
    shell.spawn(publishing_ended(robot, cause, shell));
}

/// As `end_publishing`, for whoever waits until it is recorded.
pub(crate) fn publishing_ended(
    robot: RobotId,
    cause: Cause,
    shell: &Arc<Shell>,
) -> impl Future<Output = ()> + use<> {
    let closed = shell.media.close_robot(robot);
    let shell = Arc::clone(shell);
    async move {
        let _turn = shell.peers.publishing(robot).await;
        if let Some(report) = closed.await {
            shell.record_publisher_end(robot, &report, cause, shell.clock.wall()).await;
        }
    }
}
