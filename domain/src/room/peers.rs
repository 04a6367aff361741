//! Peer connections of a room: each is opened once and terminated exactly once.

use chrono::{DateTime, Utc};

use super::{Decision, Peer, Room, RoomError, RoomEvent, Unreported};
use crate::terms::late_us;
use crate::{AccountId, Actor, Cause, PeerId, TerminatedPeer};

/// How and when something ends.
pub(super) struct End {
    pub(super) cause: Cause,
    pub(super) due_at: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
    pub(super) unreported: Unreported,
}

impl Room {
    pub(super) fn open_peer(&self, peer_id: PeerId, account_id: AccountId, now: DateTime<Utc>) -> Decision {
        let place = self.open_place(now)?;
        if !self.participants.contains_key(&account_id) {
            return Err(RoomError::NotAParticipant);
        }
        let who = Actor::Account(account_id);
        match self.peers.get(&peer_id) {
            Some(peer) if peer.who == who => return Ok(vec![]),
            Some(_) => return Err(RoomError::UnknownPeer),
            None if self.terminated.contains(&peer_id) => return Err(RoomError::PeerTerminated),
            None => {}
        }
        let holder = Actor::Account(place.holder);
        let others = self.peers.values().filter(|peer| peer.who != holder).count();
        self.check_place(who == holder, others, self.peers.len() - others)?;
        Ok(vec![RoomEvent::PeerConnectionOpened { peer_id, who, opened_at: now }])
    }

    pub(super) fn record_negotiated(&self, negotiated: RoomEvent) -> Decision {
        let RoomEvent::Negotiated { peer_id, offer_sha256, .. } = &negotiated else { return Ok(vec![]) };
        match self.peers.get(peer_id) {
            Some(peer) if peer.negotiated.as_ref() == Some(offer_sha256) => Ok(vec![]),
            Some(_) => Ok(vec![negotiated]),
            None if self.terminated.contains(peer_id) => Ok(vec![negotiated]),
            None => Err(RoomError::UnknownPeer),
        }
    }

    pub(super) fn record_peer_terminated(&self, report: &TerminatedPeer, end: &End) -> Decision {
        match self.peers.get(&report.peer_id) {
            Some(peer) => Ok(vec![end.of_peer(peer, report)]),
            None => Ok(vec![]),
        }
    }

    pub(super) fn leave(
        &self,
        account_id: AccountId,
        terminated: &[TerminatedPeer],
        end: &End,
    ) -> Vec<RoomEvent> {
        let mut events = self.terminations(terminated, end, |peer| peer.who == Actor::Account(account_id));
        events.extend(self.release_control(account_id, end.now));
        if self.participants.contains_key(&account_id) {
            events.push(RoomEvent::ParticipantLeft { account_id, cause: end.cause, at: end.now });
        }
        events
    }

    pub(super) fn close(
        &self,
        closed: RoomEvent,
        terminated: &[TerminatedPeer],
        end: &End,
    ) -> Vec<RoomEvent> {
        if self.is_closed {
            // Reports that come with a repeated close are still worth having.
            let reported = End { unreported: Unreported::Await, ..*end };
            return self.terminations(terminated, &reported, |_| true);
        }
        let mut events = self.terminations(terminated, end, |_| true);
        if let Some(account_id) = self.control {
            events.extend(self.release_control(account_id, end.now));
        }
        events.push(closed);
        events
    }

    /// One termination for each open peer that `is_meant`, from its report where there is one.
    fn terminations(
        &self,
        reports: &[TerminatedPeer],
        end: &End,
        is_meant: impl Fn(&Peer) -> bool,
    ) -> Vec<RoomEvent> {
        let terminated = |(peer_id, peer): (&PeerId, &Peer)| {
            let report = reports.iter().find(|report| report.peer_id == *peer_id).cloned();
            let report = report.or_else(|| end.without_report(*peer_id))?;
            Some(end.of_peer(peer, &report))
        };
        self.peers.iter().filter(|(_, peer)| is_meant(peer)).filter_map(terminated).collect()
    }
}

impl End {
    fn without_report(&self, peer_id: PeerId) -> Option<TerminatedPeer> {
        match self.unreported {
            Unreported::Await => None,
            Unreported::Record { lateness_us, stopped_between } => {
                Some(TerminatedPeer { lateness_us, stopped_between, ..TerminatedPeer::silent(peer_id) })
            }
        }
    }

    fn of_peer(&self, peer: &Peer, report: &TerminatedPeer) -> RoomEvent {
        RoomEvent::PeerConnectionTerminated {
            peer_id: report.peer_id,
            who: peer.who,
            cause: self.cause,
            due_at: self.due_at,
            lateness_us: report.lateness_us,
            recorded_late_us: late_us(self.due_at, self.now),
            packets: report.packets,
            bytes: report.bytes,
            stopped_between: report.stopped_between,
            quality: report.quality,
        }
    }
}
