//! The relay without a socket: datagrams and time in, datagrams and events out.
//!
//! **The contract:** after any call that may have moved something, call [`Core::flush`], then sleep until
//! [`Core::poll_timeout`] at most and call [`Core::handle_timeout`]. Nothing leaves but through [`Io::send`], and nothing is
//! given to that which the peer's gate did not admit by a clock reading taken for it. Peers that ended come out of
//! [`Core::take_spent`], to be freed where it delays nobody.

mod closing;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::build::Built;
use super::config::MediaConfig;
use super::cuts::Cuts;
use super::demux::{Demux, Route};
use super::ends::Ends;
use super::io::{Counting, Io};
use super::paths::Path;
use super::peer::{Happening, Peer};
use super::restart::Credentials;
use super::robots::Robots;
use super::room::Room;
use super::rounds::Rounds;
use super::stats::{MediaStats, PeerStats};
use super::types::{ClosedWhy, MediaError, MediaEvent, Now, PeerKind};
use crate::clock::BootInstant;
use curfew_domain::{PeerId, RobotId, RoomId};
use rtc::shared::TransportProtocol;

/// How often stale addresses are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// When the core wants to be called, on either clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wake {
    pub(super) mono: Option<Instant>,
    pub(super) boot: Option<BootInstant>,
}

/// Writes what a room's `session` channels say when its deadline has come.
pub(super) type ClosingText = Box<dyn Fn(RoomId, BootInstant) -> Arc<str> + Send>;

pub(super) struct Core {
    config: MediaConfig,
    closing_text: ClosingText,
    peers: HashMap<PeerId, Peer>,
    robots: Robots,
    demux: Demux,
    timers: BTreeSet<(Instant, PeerId)>,
    deadlines: BTreeSet<(BootInstant, PeerId)>,
    cuts: Cuts,
    /// Peers that may have something to say or to send.
    active: Vec<PeerId>,
    rounds: Rounds,
    /// What is sent next is written here.
    room: Room,
    /// The viewers that are sent to, meanwhile.
    turn: Vec<PeerId>,
    ends: Ends,
    events: VecDeque<MediaEvent>,
    happenings: Vec<Happening>,
    stats: MediaStats,
    sweep_at: Instant,
}

impl Core {
    pub(super) fn new(config: MediaConfig, closing_text: ClosingText, now: Now) -> Self {
        Self {
            robots: Robots::new(config.queue_packets),
            config,
            closing_text,
            peers: HashMap::new(),
            demux: Demux::default(),
            timers: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            cuts: Cuts::default(),
            active: Vec::new(),
            rounds: Rounds::new(now.mono),
            room: Room::default(),
            turn: Vec::new(),
            ends: Ends::new(now.mono),
            events: VecDeque::new(),
            happenings: Vec::new(),
            stats: MediaStats::default(),
            sweep_at: now.mono + SWEEP_EVERY,
        }
    }

    /// Makes an answered peer reachable. A robot's earlier publisher is closed.
    pub(super) fn register(&mut self, now: Now, mut built: Built) -> Result<(), MediaError> {
        let spec = built.spec;
        if self.peers.contains_key(&spec.peer) {
            return Err(MediaError::Duplicate);
        }
        // A robot that comes back takes its own place.
        let place = usize::from(
            matches!(spec.kind, PeerKind::Publisher { robot } if self.robots.publisher(robot).is_some()),
        );
        if self.peers.len() >= self.config.max_peers + place {
            return Err(MediaError::TooManyPeers { limit: self.config.max_peers });
        }
        if now.boot >= spec.deadline.saturating_sub(self.config.guard) {
            return Err(MediaError::TooLate);
        }
        if !self.demux.register(spec.peer, &built.ufrag, &built.password, &built.remote_password) {
            return Err(MediaError::Duplicate);
        }
        let replaced = self.robots.add(spec.peer, spec.kind, &mut built.streams);
        self.peers.insert(spec.peer, Peer::new(built, &self.config, now));
        self.deadlines.insert((spec.deadline, spec.peer));
        self.stats.peers_total += 1;
        self.activate(spec.peer);
        if let Some(replaced) = replaced {
            self.end(replaced, None, ClosedWhy::Replaced);
        }
        Ok(())
    }

    /// Lets a connected peer be reached by new credentials as well; its connection goes on.
    pub(super) fn restart(&mut self, id: PeerId, credentials: &Credentials) -> Result<(), MediaError> {
        let peer =
            self.peers.get_mut(&id).filter(|peer| peer.is_connected()).ok_or(MediaError::NoSuchPeer)?;
        let Credentials { ufrag, password, remote_password, .. } = credentials;
        if !self.demux.register(id, ufrag, password, remote_password) {
            return Err(MediaError::Duplicate);
        }
        if let Some(former) = peer.restart(credentials) {
            self.demux.forget_oldest(id, &former);
        }
        Ok(())
    }

    /// Takes one datagram; whether it was for a peer. The path's local end is the advertised address it came to.
    pub(super) fn receive(&mut self, now: Now, path: Path, bytes: &[u8]) -> bool {
        self.stats.datagrams_in += 1;
        let id = match self.demux.route(now.mono, path, bytes) {
            Route::To(id) => id,
            Route::Unknown => {
                self.stats.dropped_unknown += 1;
                return false;
            }
            Route::Unproven => {
                self.stats.dropped_unproven += 1;
                return false;
            }
        };
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        if !peer.gate.is_open(now.boot) {
            self.stats.dropped_late += 1;
            return false;
        }
        if path.protocol == TransportProtocol::TCP && !std::mem::replace(&mut peer.over_tcp, true) {
            self.cuts.insert(peer.gate.shuts_at(), id);
        }
        match contain(|| peer.receive(now, path, bytes)) {
            Some(true) => self.activate(id),
            Some(false) => self.stats.dropped_excess += 1,
            None => {
                self.broke(id);
                return false;
            }
        }
        true
    }

    pub(super) fn handle_timeout(&mut self, now: Now) {
        while let Some(id) = self.cuts.next(now.boot) {
            self.cut(id);
        }
        while let Some((deadline, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now.boot) {
            let text = self
                .peers
                .get(&id)
                .and_then(|peer| peer.kind.room())
                .map(|room| (self.closing_text)(room, deadline));
            self.end(id, text.as_deref(), ClosedWhy::Deadline);
        }
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now.mono) {
            self.timers.remove(&(at, id));
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.timer = None;
            let happenings = &mut self.happenings;
            if contain(|| peer.handle_timeout(now, happenings)).is_none() {
                self.broke(id);
                continue;
            }
            self.handle_happenings(now, id);
            self.activate(id);
        }
        if now.mono >= self.sweep_at {
            self.demux.sweep(now.mono);
            self.sweep_at = now.mono + SWEEP_EVERY;
        }
    }

    /// Moves on every peer that has work, and sends. Peers the socket had no room for stay on the list; `true` when there
    /// are any.
    pub(super) fn flush(&mut self, now: Now, io: &mut impl Io) -> bool {
        let mut blocked = Vec::new();
        self.flush_active(now, io, &mut blocked);
        self.flush_turn(now, io, &mut blocked);
        self.flush_active(now, io, &mut blocked);
        for id in &blocked {
            self.activate(*id);
        }
        // Those that go on come first.
        self.ends.work_off(now);
        let mut counting = Counting { io, stats: &mut self.stats };
        self.ends.flush(now, &mut counting) || !blocked.is_empty()
    }

    /// Sends viewers what came for them, when it is their turn.
    fn flush_turn(&mut self, now: Now, io: &mut impl Io, blocked: &mut Vec<PeerId>) {
        let mut turn = std::mem::take(&mut self.turn);
        let robots = &mut self.robots;
        turn.extend(self.rounds.take(now.mono, |robot, viewers| robots.take_news(robot, viewers)));
        for id in turn.drain(..) {
            if self.flush_peer(now, io, id) {
                blocked.push(id);
            }
        }
        // Keeps its capacity for the next time.
        self.turn = turn;
    }

    /// What a peer says may make others active, so further rounds follow the first.
    fn flush_active(&mut self, now: Now, io: &mut impl Io, blocked: &mut Vec<PeerId>) {
        while !self.active.is_empty() {
            for id in std::mem::take(&mut self.active) {
                if self.flush_peer(now, io, id) {
                    blocked.push(id);
                }
            }
        }
    }

    fn flush_peer(&mut self, now: Now, io: &mut impl Io, id: PeerId) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        peer.listed = false;
        let happenings = &mut self.happenings;
        if peer.fresh && contain(|| peer.poll(now, happenings)).is_none() {
            self.broke(id);
            return false;
        }
        self.handle_happenings(now, id);
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let mut counting = Counting { io, stats: &mut self.stats };
        let (happenings, room) = (&mut self.happenings, &mut self.room);
        let tracks = self.robots.tracks(peer.kind.robot());
        let moved_on = contain(|| {
            let asked = peer.ask_robot(now);
            let blocked = peer.flush(now, &mut counting, tracks, room, happenings);
            (asked, blocked, std::mem::take(&mut peer.fresh).then(|| peer.poll_timeout()))
        });
        let Some((asked, blocked, next)) = moved_on else {
            self.broke(id);
            return false;
        };
        self.stats.keyframe_requests += asked as u64;
        if let Some(next) = next.filter(|next| peer.timer != *next) {
            if let Some(at) = peer.timer {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = next {
                self.timers.insert((at, id));
            }
            peer.timer = next;
        }
        self.handle_happenings(now, id);
        blocked
    }

    fn handle_happenings(&mut self, now: Now, id: PeerId) {
        if self.happenings.is_empty() {
            return;
        }
        let mut happenings = std::mem::take(&mut self.happenings);
        for happening in happenings.drain(..) {
            let Some(kind) = self.peers.get(&id).map(|peer| peer.kind) else { break };
            match happening {
                Happening::Connected => {
                    self.events.push_back(MediaEvent::Connected { peer: id, kind, at: now.boot });
                    self.want_keyframes(id);
                    self.tell_clocks(id, kind.robot());
                    self.limit_robot(kind.robot());
                }
                Happening::FirstMedia => {
                    self.events.push_back(MediaEvent::FirstMedia { peer: id, kind, at: now.boot });
                }
                Happening::Camera(slot, packet) => {
                    self.stats.camera_packets += 1;
                    if let Some(viewers) = self.robots.push(kind.robot(), slot, packet) {
                        self.rounds.add(kind.robot(), viewers);
                    }
                }
                Happening::Clocks(slot, reading) => {
                    for viewer in self.robots.viewers(kind.robot()) {
                        if let Some(peer) = self.peers.get_mut(viewer) {
                            peer.take_clocks(slot, reading);
                        }
                    }
                }
                Happening::KeyFrameWanted(slot) => self.want_keyframe(kind.robot(), slot),
                Happening::Limit => self.limit_robot(kind.robot()),
                Happening::Repaired(count) => self.stats.repairs += count as u64,
                Happening::Ended(why) => self.end(id, None, why),
            }
        }
        // Keeps its capacity for the next time.
        self.happenings = happenings;
    }

    /// A peer came: what it is to see, or sends, begins with a key frame.
    fn want_keyframes(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let robot = peer.kind.robot();
        for slot in peer.slots() {
            self.want_keyframe(robot, slot);
        }
    }

    /// A viewer came: it is to know the robot's clocks before the robot tells them next.
    fn tell_clocks(&mut self, viewer: PeerId, robot: RobotId) {
        let publisher = self.robots.publisher(robot).and_then(|id| self.peers.get(&id));
        let clocks = publisher.map(Peer::clocks).unwrap_or_default();
        if let Some(peer) = self.peers.get_mut(&viewer) {
            for (slot, reading) in clocks {
                peer.take_clocks(slot, reading);
            }
        }
    }

    fn want_keyframe(&mut self, robot: RobotId, slot: usize) {
        if let Some(peer) = self.robots.publisher(robot).and_then(|id| self.peers.get_mut(&id)) {
            peer.want_keyframe(slot);
            list(&mut self.active, peer);
        }
    }

    /// The robot keeps to what the slowest viewer takes that it is to wait for.
    fn limit_robot(&mut self, robot: RobotId) {
        let viewers = self.robots.viewers(robot).iter().filter_map(|id| self.peers.get(id));
        let limits: Vec<_> = viewers.filter(|viewer| viewer.decides).filter_map(Peer::limit).collect();
        if let Some(peer) = self.robots.publisher(robot).and_then(|id| self.peers.get_mut(&id)) {
            peer.set_limits(&limits);
            list(&mut self.active, peer);
        }
    }

    /// Counts a candidate. It is not used: the far end's checks show its addresses.
    pub(super) fn add_remote_candidate(&mut self, id: PeerId) -> Result<(), MediaError> {
        let peer = self.peers.get_mut(&id).ok_or(MediaError::NoSuchPeer)?;
        if peer.candidates >= self.config.max_candidates {
            return Err(MediaError::TooManyCandidates { limit: self.config.max_candidates });
        }
        peer.candidates += 1;
        Ok(())
    }

    pub(super) fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Wake {
        let timer = self.timers.first().map(|(at, _)| *at);
        Wake {
            mono: [timer, self.rounds.poll_timeout(), self.ends.poll_timeout(), Some(self.sweep_at)]
                .into_iter()
                .flatten()
                .min(),
            boot: self.deadlines.first().map(|(at, _)| *at).into_iter().chain(self.cuts.poll_timeout()).min(),
        }
    }

    /// How a viewer is served; `None` where there is no such viewer.
    pub(super) fn peer_stats(&self, now: Now, id: PeerId) -> Option<PeerStats> {
        self.peers.get(&id)?.stats(Some(now.mono))
    }

    pub(super) fn stats(&self) -> MediaStats {
        let mut stats = self.stats;
        for peer in self.peers.values() {
            match peer.kind {
                PeerKind::Publisher { .. } => stats.publishers += 1,
                PeerKind::Viewer { .. } => stats.viewers += 1,
            }
            stats.tcp_peers += u64::from(peer.is_sent_tcp());
            stats.refused_by_gate += peer.gate.refused;
            stats.dropped_queue += peer.dropped_from_queue();
        }
        stats
    }

    /// What the tables hold, whose peers are all over: nothing, once their closing words were said.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        let lists = self.active.len() + self.rounds.len();
        let own = [self.peers.len(), self.timers.len(), self.deadlines.len(), self.cuts.len(), lists];
        let others = [self.robots.len(), self.demux.len(), self.ends.len(), self.events.len()];
        own.into_iter().chain(others).sum()
    }

    /// Makes a peer's protocol code panic the next time that it is moved on.
    #[cfg(test)]
    pub(super) fn break_peer(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.breaks = true;
            list(&mut self.active, peer);
        }
    }

    fn activate(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            list(&mut self.active, peer);
        }
    }
}

/// Puts a peer on the list of those with work.
fn list(active: &mut Vec<PeerId>, peer: &mut Peer) {
    peer.fresh = true;
    if !std::mem::replace(&mut peer.listed, true) {
        active.push(peer.id);
    }
}

/// Runs one peer's protocol code; `None` when it panicked. What strangers send must not end everybody's media.
pub(super) fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
