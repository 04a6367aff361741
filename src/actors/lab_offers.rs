//! Viewers' peer connections: from an offer to its answer, candidates, teardown.

use std::sync::Arc;

use curfew_domain::{AccountId, Actor, Basis, Cause, PeerId, Reason, RobotId, Role, RoomCommand, RoomId};
use sha2::{Digest, Sha256};

use super::booking::BookingSide;
use super::ending;
use super::folded;
use super::lab::{Lab, Negotiated, OfferTarget, Principal};
use super::live::{End, LiveRoom};
use super::peers::{OfferKey, Owner};
use super::refusal::{Answer, Refused};
use super::room::RoomSide;
use super::shell::{Shell, hex};
use crate::clock::BootInstant;
use crate::media::{self, MediaError, PeerKind, PeerSpec, PeerStats};
use crate::protocol::IceCandidateInit;

impl Lab {
    /// A viewer's offer. The same offer again, by whatever transport, gets the same answer and no second peer. `reason`
    /// opens a watch for an admin who is neither holder nor guest.
    ///
    /// # Errors
    /// `NoActiveBooking` and its like when the caller may not watch; what the media plane says of a bad offer.
    pub async fn offer(
        &self,
        principal: &Principal,
        target: &OfferTarget,
        reason: Option<&str>,
        sdp: String,
    ) -> Answer<Negotiated> {
        let (account, role) = self.person(principal).await?;
        let key =
            OfferKey::of(&sdp).ok_or_else(|| Refused::invalid("This is no offer of a peer connection."))?;
        let (live, basis) = self.room_for(principal, account, role, target, reason).await?;
        // Two copies of one offer at the same time must not become two peers.
        let turn = self.shell.peers.turn(account, live.id).await;
        if let Some(answer) = self.shell.peers.repeated(account, live.id, &key) {
            return Ok(answer);
        }
        let owner = Owner::Viewer { account, room: live.id, connection: target.connection };
        if let Some(answer) = self.restart(owner, &key, &sdp).await? {
            return Ok(answer);
        }
        self.admit(&live, account, basis).await?;
        let deadline = live.deadline().ok_or_else(|| Refused::new(Reason::WindowClosed))?;
        self.make_room(&live, account).await;
        let offer_sha256 = hex(&Sha256::digest(&sdp));
        let answer = self.answer(&live, (owner, key, basis), deadline, sdp).await?;
        self.record_negotiated(live.id, account, &answer, offer_sha256);
        drop(turn);
        self.still_may(principal, live).await?;
        Ok(answer)
    }

    /// Looks once more, now that there is a peer to cut: who was suspended or taken off the guests while it was built was cut
    /// before it was there.
    async fn still_may(&self, principal: &Principal, live: Arc<LiveRoom>) -> Answer<()> {
        let (room, here) = (live.id, Arc::clone(&live));
        let Principal::Account { id: account, .. } = *principal else { return Ok(()) };
        let looked = match self.person(principal).await {
            Ok((account, role)) => self.may_watch(live, account, role).await.map(drop),
            Err(refused) => Err(refused),
        };
        let Err(refused) = looked else { return Ok(()) };
        if here.deadline().is_none() {
            // That it is over is told and recorded by whoever ended it.
            return Err(Refused::new(Reason::WindowClosed));
        }
        let is_suspended = refused.reason == Reason::Suspended;
        let cause = if is_suspended { Cause::AccountSuspended } else { Cause::Cancelled };
        let end = End { cause, at: self.shell.now_in(room), reason: None };
        ending::end_for(&self.shell, room, account, end).await;
        Err(refused)
    }

    /// The answer to an offer that restarts ICE of a connection that `owner` has: its network is another now. `None` when there
    /// is none, and it takes a new one.
    async fn restart(&self, owner: Owner, key: &OfferKey, sdp: &str) -> Answer<Option<Negotiated>> {
        let Owner::Viewer { account, room, .. } = owner else { return Ok(None) };
        let Some(former) = self.shell.peers.restarted(account, room, key) else { return Ok(None) };
        let Negotiated { peer, robot, sdp: answered, candidates } = former;
        let former = media::Answer { sdp: answered, candidates };
        let media::Answer { sdp: answered, candidates } =
            match self.shell.media.restart(peer, sdp, &former).await {
                Ok(answer) => answer,
                Err(MediaError::NoSuchPeer) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
        let answer = Negotiated { peer, robot, sdp: answered, candidates };
        self.shell.peers.insert(owner, key.clone(), answer.clone());
        self.record_negotiated(room, account, &answer, hex(&Sha256::digest(sdp)));
        Ok(Some(answer))
    }

    /// Appended after the answer went out: signaling does not wait for the disk.
    fn record_negotiated(&self, room: RoomId, account: AccountId, answer: &Negotiated, offer_sha256: String) {
        let negotiated = RoomCommand::RecordNegotiated {
            from: Actor::Account(account),
            to: Actor::Robot(answer.robot),
            peer_id: answer.peer,
            offer_sha256,
            answer_sha256: hex(&Sha256::digest(&answer.sdp)),
            candidates: u32::try_from(answer.candidates.len()).unwrap_or(u32::MAX),
        };
        let shell = Arc::clone(&self.shell);
        self.shell.spawn(async move {
            shell.insist::<RoomSide>(room, negotiated, Shell::metadata(Actor::Account(account))).await;
        });
    }

    /// A candidate for a peer of the caller's, a viewer's or a robot's.
    pub async fn candidate(
        &self,
        principal: &Principal,
        peer: PeerId,
        candidate: IceCandidateInit,
    ) -> Answer<()> {
        self.owned(principal, peer)?;
        Ok(self.shell.media.add_remote_candidate(peer, candidate).await?)
    }

    /// The server's candidates for a peer of the caller's.
    pub fn candidates(&self, principal: &Principal, peer: PeerId) -> Answer<Vec<IceCandidateInit>> {
        self.owned(principal, peer)?;
        Ok(self.shell.peers.answer(peer).map(|answer| answer.candidates).unwrap_or_default())
    }

    /// How a peer of the caller's is served; a robot's own connection is not there for this.
    pub async fn peer_stats(&self, principal: &Principal, peer: PeerId) -> Answer<PeerStats> {
        self.owned(principal, peer)?;
        let stats = self.shell.media.peer_stats(peer).await;
        stats.ok_or_else(|| Refused::not_found("viewer\'s peer connection"))
    }

    /// Closes a peer of the caller's.
    pub async fn close_peer(&self, principal: &Principal, peer: PeerId) -> Answer<()> {
        match self.owned(principal, peer)? {
            Owner::Viewer { account, room, .. } => {
                ending::end_peer(&self.shell, room, peer, Cause::ParticipantLeft).await;
                ending::leave_if_gone(&self.shell, room, account).await;
            }
            Owner::Robot { robot, .. } => {
                super::robot::end_publishing(robot, Cause::ParticipantLeft, &self.shell)
            }
        }
        Ok(())
    }

    fn owned(&self, principal: &Principal, peer: PeerId) -> Answer<Owner> {
        let owner = self.shell.peers.owner(peer).ok_or_else(|| Refused::not_found("peer connection"))?;
        let is_theirs = match (owner, *principal) {
            (Owner::Viewer { account, .. }, Principal::Account { id, .. }) => account == id,
            (Owner::Robot { robot, .. }, Principal::Robot { id, .. }) => robot == id,
            _ => false,
        };
        // Somebody else's peer is not there for them.
        if is_theirs { Ok(owner) } else { Err(Refused::not_found("peer connection")) }
    }

    /// Builds the peer, then admits it durably: nobody is answered who is not in the log.
    async fn answer(
        &self,
        live: &LiveRoom,
        (owner, key, basis): (Owner, OfferKey, Basis),
        deadline: BootInstant,
        sdp: String,
    ) -> Answer<Negotiated> {
        let Owner::Viewer { account, .. } = owner else { return Err(Refused::new(Reason::WrongRole)) };
        let (peer, robot) = (Shell::random_peer(), live.place().robot);
        let kind = PeerKind::Viewer { robot, room: live.id };
        let spec = PeerSpec { peer, kind, deadline, decides: basis == Basis::Holder };
        let media::Answer { sdp, candidates } = self.shell.media.answer(spec, sdp).await?;
        let answer = Negotiated { peer, robot, sdp, candidates };
        // Known before it can be cut, or it would be known for ever.
        self.shell.peers.insert(owner, key, answer.clone());
        let opened = if live.add_peer(peer, account) {
            let command =
                RoomCommand::OpenPeer { peer_id: peer, account_id: account, now: self.shell.now_in(live.id) };
            self.shell
                .carry::<RoomSide>(live.id, command, Shell::metadata(Actor::Account(account)))
                .await
                .map(drop)
        } else {
            Err(Refused::new(Reason::WindowClosed))
        };
        if let Err(refused) = opened {
            live.remove_peer(peer);
            self.shell.peers.remove(peer);
            self.shell.media.close_peer(peer, None).await;
            folded::refused(&self.shell, live.id, account, refused.reason);
            return Err(refused);
        }
        if live.deadline() != Some(deadline) {
            live.settle(|moved| self.shell.media.set_room_deadline(live.id, moved));
        }
        Ok(answer)
    }

    /// An account beyond its number of peers loses its oldest one: most often a page that was loaded anew.
    async fn make_room(&self, live: &LiveRoom, account: AccountId) {
        while live.peers_of(account).len() >= self.shell.config.peers_per_account {
            let Some(oldest) = live.peers_of(account).first().copied() else { return };
            live.remove_peer(oldest);
            ending::end_peer(&self.shell, live.id, oldest, Cause::Replaced).await;
        }
    }

    /// The open room that the caller may watch in.
    async fn room_for(
        &self,
        principal: &Principal,
        account: AccountId,
        role: Role,
        target: &OfferTarget,
        reason: Option<&str>,
    ) -> Answer<(Arc<LiveRoom>, Basis)> {
        let robot = match (&target.room, &target.robot) {
            (Some(room), _) => match self.shell.rooms.get(*room) {
                Some(live) => {
                    let room = live.id;
                    let found = self.may_watch(live, account, role).await;
                    self.note_owed(room, account, &found);
                    return found;
                }
                None => return Err(Refused::new(Reason::NoActiveBooking)),
            },
            (None, Some(robot)) => self.shell.robot_named(robot).await?,
            (None, None) => return Err(Refused::invalid("The offer names neither a room nor a robot.")),
        };
        let mut refused = None;
        for live in self.shell.rooms.of_robot(robot.robot_id) {
            let room = live.id;
            let found = self.may_watch(live, account, role).await;
            if reason.is_none() {
                self.note_owed(room, account, &found);
            }
            match found {
                Ok(found) => return Ok(found),
                Err(other) if other.reason == Reason::NotYourBooking => {}
                Err(other) => refused = Some(other),
            }
        }
        if role == Role::Admin
            && refused.as_ref().is_none_or(|refused| refused.reason == Reason::ReasonRequired)
        {
            return self.watch_for(principal, robot.robot_id, reason).await;
        }
        let coming = self.shell.next_booking(account, |row| row.robot_id == Some(robot.robot_id)).await?;
        if coming.is_some_and(|row| row.window.starts_at > self.shell.clock.wall()) {
            return Err(Refused::new(Reason::WindowNotOpen));
        }
        let text = format!("No active booking session for robot {}.", robot.slug);
        Err(refused.unwrap_or_else(|| Refused::because(Reason::NoActiveBooking, text)))
    }

    async fn may_watch(
        &self,
        live: Arc<LiveRoom>,
        account: AccountId,
        role: Role,
    ) -> Answer<(Arc<LiveRoom>, Basis)> {
        let Some(booking) = live.place().booking else {
            return match role {
                Role::Admin if live.place().holder == account => Ok((live, Basis::Admin)),
                Role::Admin => Err(Refused::new(Reason::ReasonRequired)),
                _ => Err(Refused::new(Reason::NotYourBooking)),
            };
        };
        let state = self.shell.state::<BookingSide>(booking).await?;
        match state.admission(account, role, self.shell.now_in(live.id)) {
            Ok(Basis::Admin) => Err(Refused::new(Reason::ReasonRequired)),
            Ok(basis) => Ok((live, basis)),
            Err(reason) => {
                folded::refused(&self.shell, live.id, account, reason);
                Err(Refused::new(reason))
            }
        }
    }

    /// An admin who gives no reason is refused like anybody else: that is in the log too.
    fn note_owed<T>(&self, room: RoomId, account: AccountId, found: &Answer<T>) {
        if found.as_ref().is_err_and(|refused| refused.reason == Reason::ReasonRequired) {
            folded::refused(&self.shell, room, account, Reason::ReasonRequired);
        }
    }

    async fn watch_for(
        &self,
        principal: &Principal,
        robot: RobotId,
        reason: Option<&str>,
    ) -> Answer<(Arc<LiveRoom>, Basis)> {
        let reason = reason.ok_or_else(|| {
            Refused::because(Reason::ReasonRequired, "To see this robot without a booking, give a reason.")
        })?;
        let watch = self.watch(principal, robot, reason).await?;
        let live: Option<Arc<LiveRoom>> = self.live_room(watch.room_id);
        live.map(|live| (live, Basis::Admin)).ok_or_else(|| Refused::new(Reason::WindowClosed))
    }

    fn live_room(&self, id: RoomId) -> Option<Arc<LiveRoom>> {
        self.shell.rooms.get(id)
    }
}
