//! What the robot's actor is told beside its aggregate's commands.

use std::sync::Arc;

use actix::prelude::*;
use curfew_domain::{Actor as By, Cause, ConnectionId, CredentialId, Reason, RobotCommand};

use super::keeper::Keeper;
use super::lab::{Negotiated, Outbox};
use super::peers::{OfferKey, Owner};
use super::refusal::{Answer, Refused};
use super::robot::{Link, RobotSide, tell_stop};
use super::shell::Shell;
use crate::media::{PeerKind, PeerSpec};

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
        if self.shell.turns.revoked.has(credential) {
            return AtomicResponse::new(Box::pin(fut::ready(Err(Refused::new(Reason::BadToken)))));
        }
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

/// An admin revoked a credential: the line by it ends, whenever that can be recorded.
pub(crate) struct Revoked {
    pub(crate) credential: CredentialId,
}

impl Message for Revoked {
    type Result = ();
}

impl Handler<Revoked> for Keeper<RobotSide> {
    type Result = ();

    fn handle(&mut self, message: Revoked, _: &mut Self::Context) {
        if self.kind.is_linked_by(message.credential) {
            self.kind.shut_out(Cause::CredentialRevoked, &self.shell);
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

/// The emergency stop was recorded: `reason` in words, which the record has not.
pub(crate) struct StopRecorded {
    pub(crate) reason: String,
}

impl Message for StopRecorded {
    type Result = ();
}

impl Handler<StopRecorded> for Keeper<RobotSide> {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, message: StopRecorded, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(self.state().map(move |state, keeper, _| {
            // One before it may have been cleared between the telling and the record, and all were told that.
            if state.is_ok_and(|robot| robot.emergency_stop().is_some()) {
                tell_stop(keeper.id, Some(message.reason), &keeper.shell);
            }
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
        let (deadline, key) = match self.kind.may_publish(connection, &self.shell) {
            Ok((deadline, _)) => (deadline, OfferKey::of(&sdp)),
            Err(refused) => return Box::pin(fut::ready(Err(refused))),
        };
        let Some(key) = key else {
            return Box::pin(fut::ready(Err(Refused::invalid("This is no offer of a peer connection."))));
        };
        let peer = Shell::random_peer();
        let shell = Arc::clone(&self.shell);
        let answering = async move {
            let spec = PeerSpec { peer, kind: PeerKind::Publisher { robot }, deadline, decides: false };
            let answer = shell.media.answer(spec, sdp).await?;
            Ok(Negotiated { peer, robot, sdp: answer.sdp, candidates: answer.candidates })
        };
        Box::pin(answering.into_actor(self).then(move |answer: Answer<Negotiated>, keeper, _| {
            let shell = Arc::clone(&keeper.shell);
            // While it was built, its connection may have been replaced or let go, and its session have ended.
            let still_may = keeper.kind.may_publish(connection, &shell);
            if let (Ok(answer), Ok((until, credential))) = (&answer, &still_may) {
                let owner = Owner::Robot { robot, credential: *credential };
                shell.peers.insert(owner, key, answer.clone());
                if *until != deadline {
                    shell.media.set_robot_deadline(robot, *until);
                }
            }
            let settled = async move {
                if still_may.is_err() && answer.is_ok() {
                    shell.media.close_peer(peer, None).await;
                }
                answer.and_then(|answer| still_may.map(|_| answer))
            };
            settled.into_actor(keeper)
        }))
    }
}
