//! How peers end: when, by whom, and what of them is given up at once.

use std::net::SocketAddr;
use std::sync::Arc;

use curfew_domain::{PeerId, RobotId, RoomId};

use super::super::ends::Spent;
use super::super::types::{ClosedWhy, MediaEvent, Now, PeerKind, PeerReport};
use super::{Core, contain};
use crate::clock::BootInstant;

impl Core {
    pub(in crate::media) fn set_room_deadline(&mut self, room: RoomId, deadline: BootInstant) {
        self.set_deadlines(deadline, |kind| kind.room() == Some(room));
    }

    /// Moves the deadline of the robot's own connection; its viewers keep theirs.
    pub(in crate::media) fn set_robot_deadline(&mut self, robot: RobotId, deadline: BootInstant) {
        self.set_deadlines(deadline, |kind| kind == PeerKind::Publisher { robot });
    }

    fn set_deadlines(&mut self, deadline: BootInstant, which: impl Fn(PeerKind) -> bool) {
        for peer in self.peers.values_mut().filter(|peer| which(peer.kind)) {
            self.deadlines.remove(&(peer.gate.deadline(), peer.id));
            self.cuts.remove(peer.gate.shuts_at(), peer.id);
            peer.gate.set_deadline(deadline);
            self.deadlines.insert((deadline, peer.id));
            if peer.over_tcp {
                self.cuts.insert(peer.gate.shuts_at(), peer.id);
            }
        }
    }

    pub(in crate::media) fn session_message(&mut self, now: Now, room: RoomId, text: &Arc<str>) {
        for id in self.of_room(room) {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            match contain(|| peer.session_message(now, text)) {
                Some(()) => self.activate(id),
                None => self.broke(id),
            }
        }
    }

    fn of_room(&self, room: RoomId) -> Vec<PeerId> {
        let peers = self.peers.values();
        peers.filter(|peer| peer.kind.room() == Some(room)).map(|peer| peer.id).collect()
    }

    /// Closes every viewer of a room, `closing` being the last text on its `session` channel.
    pub(in crate::media) fn close_room(&mut self, room: RoomId, closing: Option<&str>) -> Vec<PeerReport> {
        self.of_room(room).into_iter().filter_map(|id| self.close(id, closing)).collect()
    }

    pub(in crate::media) fn close_robot(&mut self, robot: RobotId) -> Option<PeerReport> {
        let publisher = self.robots.publisher(robot)?;
        self.close(publisher, None)
    }

    pub(in crate::media) fn close_all(&mut self) -> Vec<PeerReport> {
        let all: Vec<PeerId> = self.peers.keys().copied().collect();
        all.into_iter().filter_map(|id| self.close(id, None)).collect()
    }

    /// Closes a peer: nothing but what says so leaves for it from here on.
    pub(in crate::media) fn close(&mut self, id: PeerId, closing: Option<&str>) -> Option<PeerReport> {
        let peer = self.peers.get_mut(&id)?;
        peer.shut(self.robots.tracks(peer.kind.robot()));
        let spent = self.remove(id)?;
        let peer = &spent.0;
        let report = peer.report();
        self.stats.dropped_queue += report.dropped.saturating_sub(peer.gate.refused);
        self.stats.refused_by_gate += peer.gate.refused;
        self.ends.push(spent, closing.map(Arc::from));
        Some(report)
    }

    /// Says all that is left to say to peers that were closed, now.
    pub(in crate::media) fn finish(&mut self, now: Now) {
        self.ends.finish(now);
    }

    /// Peers that are closed and have said so.
    pub(in crate::media) fn take_spent(&mut self) -> Vec<Spent> {
        self.ends.take_spent()
    }

    pub(super) fn end(&mut self, id: PeerId, closing: Option<&str>, why: ClosedWhy) {
        if let Some(report) = self.close(id, closing) {
            self.events.push_back(MediaEvent::Closed { report, why });
        }
    }

    /// A panic in the protocol code of one peer ends that peer alone. Its connection is not called again.
    pub(super) fn broke(&mut self, id: PeerId) {
        self.happenings.clear();
        self.stats.broken_peers += 1;
        tracing::error!(peer = %id, "the peer's protocol state broke; it is closed");
        if let Some((peer, _)) = self.remove(id) {
            self.events.push_back(MediaEvent::Closed { report: peer.report(), why: ClosedWhy::Failed });
        }
    }

    fn remove(&mut self, id: PeerId) -> Option<Spent> {
        self.cut(id);
        let peer = self.peers.remove(&id)?;
        self.demux.forget(id, &peer.ufrags);
        self.deadlines.remove(&(peer.gate.deadline(), id));
        if let Some(at) = peer.timer {
            self.timers.remove(&(at, id));
        }
        let unread = self.robots.remove(id, peer.kind);
        if peer.decides {
            self.limit_robot(peer.kind.robot());
        }
        Some((peer, unread))
    }

    /// Gives up a peer's connections over TCP.
    pub(super) fn cut(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id)
            && std::mem::take(&mut peer.over_tcp)
        {
            self.cuts.remove(peer.gate.shuts_at(), id);
            self.cuts.cut(self.demux.forget_connections(id));
        }
    }

    /// A connection over TCP is gone.
    pub(in crate::media) fn disconnected(&mut self, remote: SocketAddr) {
        self.demux.forget_connection(remote);
    }

    /// The far ends of connections over TCP that have to be reset, now.
    pub(in crate::media) fn take_cuts(&mut self) -> Vec<SocketAddr> {
        self.cuts.take()
    }
}
