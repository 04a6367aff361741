//! The robot's actor: its signaling connection, and until when it is asked to publish.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use chrono::TimeDelta;
use curfew_domain::robot::RobotEvent;
use curfew_domain::{Actor as By, Cause, ConnectionId, CredentialId, Reason, Robot, RobotCommand, RobotId};

use super::entity::Decided;
use super::keeper::{Keeper, Kind, Needed};
use super::lab::{Negotiated, Outbox};
use super::live::{Phase, Seat, Sitter, send};
use super::peers::{OfferKey, Owner};
use super::refusal::{Answer, Refused};
use super::registry::{Registry, Shelf};
use super::room::welcome;
use super::shell::Shell;
use crate::clock::BootInstant;
use crate::media::{PeerKind, PeerSpec};
use crate::protocol::{Empty, Publish, ServerMessage};

/// How long before a window a robot is asked to publish when somebody waits.
pub(crate) const AHEAD: TimeDelta = TimeDelta::seconds(10);

/// Windows that open this soon count for how long a robot is asked to publish.
pub(crate) const SOON: TimeDelta = TimeDelta::seconds(30);

/// Two ends closer than this are the same one: mapping wall to boot time twice differs by microseconds.
const SAME_END: Duration = Duration::from_millis(5);

/// What of a robot is not in the log.
pub(crate) struct RobotSide {
    id: RobotId,
    needed: Arc<Needed>,
    link: Option<Link>,
    /// Until when the robot was last asked to publish.
    asked_until: Option<BootInstant>,
}

struct Link {
    connection: ConnectionId,
    credential: CredentialId,
    outbox: Outbox,
}

impl Kind for RobotSide {
    type Aggregate = Robot;
    type Id = RobotId;

    fn new(id: RobotId, _: &Arc<Shell>, needed: Arc<Needed>) -> Self {
        Self { id, needed, link: None, asked_until: None }
    }

    fn shelf(registry: &Registry) -> &Shelf<Self> {
        &registry.robots
    }

    fn published(&mut self, state: &Robot, decided: &Decided<Robot>, shell: &Arc<Shell>) {
        for event in &decided.events {
            match event {
                RobotEvent::CredentialRevoked { credential_id, .. } => {
                    if self.link.as_ref().is_some_and(|link| link.credential == *credential_id) {
                        self.unlink(shell, Some(Reason::BadToken));
                    }
                }
                RobotEvent::Retired { .. } => self.unlink(shell, Some(Reason::BadToken)),
                RobotEvent::SlotReserved { .. } | RobotEvent::SlotMoved { .. } => {
                    self.refresh(state, shell, None)
                }
                _ => {}
            }
        }
    }

    fn restarted(&mut self) {
        self.link = None;
        self.asked_until = None;
        self.needed.set(false);
    }
}

impl RobotSide {
    fn link_up(&mut self, link: Link, shell: &Arc<Shell>) {
        self.unlink(shell, Some(Reason::Conflict));
        shell.rooms.robot_online(self.id, Some((link.connection, link.credential)));
        self.link = Some(link);
        self.asked_until = None;
        self.needed.set(true);
        self.take_seats(shell);
    }

    /// A robot needs no `join-room`: it is in the room of whatever session it has now, and waits for the next.
    fn take_seats(&self, shell: &Arc<Shell>) {
        let Some(link) = &self.link else { return };
        for room in shell.rooms.of_robot(self.id) {
            let seat = Seat { who: Sitter::Robot(self.id), outbox: link.outbox.clone(), admitted: false };
            if room.sit_once(link.connection, seat) && room.deadline().is_some() {
                shell.spawn(welcome(Arc::clone(shell), room));
            }
        }
    }

    /// Lets the connection go: its owner closes it when the last sender to it is dropped.
    fn unlink(&mut self, shell: &Arc<Shell>, why: Option<Reason>) {
        let Some(link) = self.link.take() else { return };
        for room in shell.rooms.of_robot(self.id) {
            room.stand_up(link.connection);
        }
        shell.rooms.robot_online(self.id, None);
        match why {
            Some(Reason::Conflict) => {
                let text = "Another connection of the same robot has replaced this one.";
                send(&link.outbox, ServerMessage::error(Reason::Conflict.code(), text));
            }
            Some(reason) => send(&link.outbox, ServerMessage::error(reason.code(), reason.text())),
            None => {}
        }
        self.needed.set(false);
    }

    /// Asks the robot to publish as long as it is needed, or no longer when a session ended before its time.
    fn refresh(&mut self, state: &Robot, shell: &Arc<Shell>, ended: Option<Cause>) {
        let Some(link) = &self.link else { return };
        let (wall, boot) = (shell.clock.wall(), shell.clock.boot());
        let rooms = shell.rooms.of_robot(self.id);
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
                send(&link.outbox, ServerMessage::Unpublish(Empty {}));
                self.asked_until = None;
                end_publishing(self.id, ended.unwrap_or(Cause::WindowClosed), shell);
            }
            return;
        }
        let Some(until) = open_until.max(soon_until).filter(|until| *until > boot) else { return };
        if was_asked.is_some_and(|asked| differs_little(asked, until)) {
            return;
        }
        self.asked_until = Some(until);
        let in_ms = u64::try_from(until.saturating_since(boot).as_millis()).unwrap_or(u64::MAX);
        send(&link.outbox, ServerMessage::Publish(Publish { cameras: None, in_ms }));
        shell.media.set_robot_deadline(self.id, until);
    }

    fn may_publish(&self, connection: ConnectionId, now: BootInstant) -> Answer<BootInstant> {
        if self.link.as_ref().is_none_or(|link| link.connection != connection) {
            return Err(Refused::because(
                Reason::Conflict,
                "Another connection of this robot has replaced this one.",
            ));
        }
        self.asked_until
            .filter(|until| *until > now)
            .ok_or_else(|| Refused::because(Reason::WindowNotOpen, "This robot was not asked to publish."))
    }
}

fn differs_little(one: BootInstant, other: BootInstant) -> bool {
    one.saturating_since(other).max(other.saturating_since(one)) < SAME_END
}

/// Closes the robot's peer connection and records its end.
pub(crate) fn end_publishing(robot: RobotId, cause: Cause, shell: &Arc<Shell>) {
    let shell = Arc::clone(shell);
    shell.clone().spawn(async move { end_publishing_now(robot, cause, &shell).await });
}

pub(crate) async fn end_publishing_now(robot: RobotId, cause: Cause, shell: &Arc<Shell>) {
    if let Some(report) = shell.media.close_robot(robot).await {
        shell.record_publisher_end(robot, &report, cause, shell.clock.wall()).await;
    }
}

/// The robot's signaling connection was authenticated.
pub(crate) struct Connected {
    pub(crate) connection: ConnectionId,
    pub(crate) credential: CredentialId,
    pub(crate) outbox: Outbox,
}

impl Message for Connected {
    type Result = Answer<()>;
}

impl Handler<Connected> for Keeper<RobotSide> {
    type Result = AtomicResponse<Self, Answer<()>>;

    fn handle(&mut self, message: Connected, _: &mut Self::Context) -> Self::Result {
        let Connected { connection, credential, outbox } = message;
        let now = self.shell.clock.wall();
        let command = RobotCommand::Connect { connection_id: connection, credential_id: credential, now };
        let metadata = Shell::metadata(By::Robot(self.id));
        AtomicResponse::new(Box::pin(self.decide(command, metadata).map(move |outcome, keeper, _| {
            outcome.map_err(Refused::from)?;
            keeper.kind.link_up(Link { connection, credential, outbox }, &keeper.shell);
            keeper.refresh(None);
            Ok(())
        })))
    }
}

impl Keeper<RobotSide> {
    fn refresh(&mut self, ended: Option<Cause>) {
        if let Some(state) = self.entity.held() {
            self.kind.refresh(state, &self.shell, ended);
        }
    }
}

pub(crate) struct Disconnected {
    pub(crate) connection: ConnectionId,
    pub(crate) cause: Cause,
}

impl Message for Disconnected {
    type Result = Answer<()>;
}

impl Handler<Disconnected> for Keeper<RobotSide> {
    type Result = AtomicResponse<Self, Answer<()>>;

    fn handle(&mut self, message: Disconnected, _: &mut Self::Context) -> Self::Result {
        let Disconnected { connection, cause } = message;
        if self.kind.link.as_ref().is_some_and(|link| link.connection == connection) {
            self.kind.unlink(&self.shell, None);
        }
        let command =
            RobotCommand::Disconnect { connection_id: connection, cause, now: self.shell.clock.wall() };
        let metadata = Shell::metadata(By::Robot(self.id));
        AtomicResponse::new(Box::pin(
            self.decide(command, metadata).map(|outcome, _, _| outcome.map(drop).map_err(Refused::from)),
        ))
    }
}

/// The robot's rooms changed. `ended`: why one of them ended, if one did.
pub(crate) struct RoomsChanged {
    pub(crate) ended: Option<Cause>,
}

impl Message for RoomsChanged {
    type Result = ();
}

impl Handler<RoomsChanged> for Keeper<RobotSide> {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, message: RoomsChanged, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(self.state().map(move |state, keeper, _| {
            if state.is_err() {
                return;
            }
            keeper.kind.take_seats(&keeper.shell);
            keeper.refresh(message.ended);
        })))
    }
}

/// A robot's offer, which sends.
pub(crate) struct RobotOffer {
    pub(crate) connection: ConnectionId,
    pub(crate) sdp: String,
}

impl Message for RobotOffer {
    type Result = Answer<Negotiated>;
}

impl Handler<RobotOffer> for Keeper<RobotSide> {
    type Result = ResponseActFuture<Self, Answer<Negotiated>>;

    fn handle(&mut self, message: RobotOffer, _: &mut Self::Context) -> Self::Result {
        let RobotOffer { connection, sdp } = message;
        let robot = self.id;
        let (deadline, key) = match self.kind.may_publish(connection, self.shell.clock.boot()) {
            Ok(deadline) => (deadline, OfferKey::of(&sdp)),
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        let Some(key) = key else {
            return Box::pin(fut::ready(Err(Refused::invalid("This is no offer of a peer connection."))));
        };
        let peer = Shell::random_peer();
        let shell = Arc::clone(&self.shell);
        let answering = async move {
            let spec = PeerSpec { peer, kind: PeerKind::Publisher { robot }, deadline };
            let answer = shell.media.answer(spec, sdp).await?;
            Ok(Negotiated { peer, robot, sdp: answer.sdp, candidates: answer.candidates })
        };
        Box::pin(answering.into_actor(self).map(move |answer: Answer<Negotiated>, keeper, _| {
            let answer = answer?;
            keeper.shell.peers.insert(Owner::Robot { robot, connection }, key, answer.clone());
            if let Some(until) = keeper.kind.asked_until.filter(|until| *until != deadline) {
                keeper.shell.media.set_robot_deadline(robot, until);
            }
            Ok(answer)
        }))
    }
}
