//! One peer connection with its gate: datagrams and time in, datagrams and happenings out.

mod exchange;
mod restarts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use curfew_domain::PeerId;
use rtc::peer_connection::RTCPeerConnection;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::state::{RTCIceConnectionState, RTCPeerConnectionState};
use rtc::peer_connection::transport::RTCDtlsTransportState;
use rtc::rtcp::sender_report::SenderReport;
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportProtocol};

use super::build::Built;
use super::config::MediaConfig;
use super::feedback;
use super::forward::CameraPacket;
use super::gate::{Class, Gate};
use super::guard::Guard;
use super::io::Io;
use super::keys::Keys;
use super::outbox::{Flushed, Outbox};
use super::paths::{Path, Paths};
use super::publisher::Publisher;
use super::restart::Generation;
use super::room::Room;
use super::sender_reports::Reading;
use super::session::Session;
use super::stats::PeerStats;
use super::track::Tracks;
use super::types::{ClosedWhy, Now, PeerKind, PeerReport};
use super::viewer::Viewer;

/// DTLS datagrams kept until ICE is up: a client's first flight may overtake the check that selects the pair, and its
/// retransmission would cost tens of milliseconds.
const MAX_EARLY: usize = 8;
/// Data channels that open in a connection's life: a page has two, and the library keeps each with its names.
const MAX_CHANNELS: usize = 16;

pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) kind: PeerKind,
    /// Those by which it is known, oldest first.
    pub(super) ufrags: Vec<String>,
    pub(super) gate: Gate,
    pub(super) candidates: usize,
    /// Whether the robot slows down for it.
    pub(super) decides: bool,
    /// Whether it has been heard over TCP, and what it has there is to be reset.
    pub(super) over_tcp: bool,
    /// Whether the core has it on its list of peers with work.
    pub(super) listed: bool,
    /// Whether more than media to forward came since the last flush: then all of the protocols are moved on.
    pub(super) fresh: bool,
    /// When the core is to call [`Self::handle_timeout`], as registered.
    pub(super) timer: Option<Instant>,
    role: Role,
    /// Apart from all else: it is some kilobytes, of which forwarding needs none, and what it needs is to lie close together.
    connection: Box<RTCPeerConnection>,
    keys: Keys,
    /// When connecting has taken too long; `None` once connected.
    connect_by: Option<Instant>,
    silence_timeout: Duration,
    paths: Paths,
    guard: Guard,
    session: Session,
    /// Data channels that were opened.
    channels: usize,
    ice_up: bool,
    early: Vec<TaggedBytesMut>,
    outbox: Outbox,
    media_seen: bool,
    check_transport: bool,
    /// What answers checks since restarts of ICE, oldest first; the first credentials are the library's.
    generations: Vec<Generation>,
    /// A test wants to see it panic.
    #[cfg(test)]
    pub(super) breaks: bool,
}

enum Role {
    Publisher(Publisher),
    Viewer(Box<Viewer>),
}

/// What a peer tells the core.
pub(super) enum Happening {
    Connected,
    FirstMedia,
    /// A packet of the robot's camera, or sound, with that slot.
    Camera(usize, CameraPacket),
    /// The robot told the clocks of the stream with that slot.
    Clocks(usize, Reading),
    /// A viewer needs a key frame of that camera.
    KeyFrameWanted(usize),
    /// What the viewer can be sent has become another.
    Limit,
    Repaired(usize),
    Ended(ClosedWhy),
}

impl Peer {
    pub(super) fn new(built: Built, config: &MediaConfig, now: Now) -> Self {
        // A viewer's offer names none: its streams have the server's own.
        let named = match built.spec.kind {
            PeerKind::Publisher { .. } => &built.streams[..],
            PeerKind::Viewer { .. } => &[],
        };
        let guard = Guard::keeping(named.iter().flat_map(|stream| [stream.ssrc, stream.rtx_ssrc]).flatten());
        let role = match built.spec.kind {
            PeerKind::Publisher { .. } => {
                Role::Publisher(Publisher::new(built.spec.peer, built.streams, config.keyframe_interval))
            }
            PeerKind::Viewer { .. } => {
                let (packets, interval) = (config.queue_packets, config.keyframe_interval);
                Role::Viewer(Box::new(Viewer::new(now.mono, built.streams, packets, interval)))
            }
        };
        Self {
            id: built.spec.peer,
            kind: built.spec.kind,
            ufrags: vec![built.ufrag],
            gate: Gate::new(built.spec.deadline, config.guard),
            candidates: built.candidates,
            decides: built.spec.decides,
            over_tcp: false,
            listed: false,
            fresh: false,
            timer: None,
            role,
            connection: Box::new(built.connection),
            keys: built.keys,
            connect_by: Some(now.mono + config.connect_timeout),
            silence_timeout: config.silence_timeout,
            paths: Paths::new(now.mono),
            guard,
            session: Session::new(built.session_channel),
            channels: 0,
            ice_up: false,
            early: Vec::new(),
            outbox: Outbox::default(),
            media_seen: false,
            check_transport: false,
            generations: Vec::new(),
            #[cfg(test)]
            breaks: false,
        }
    }

    /// Takes a datagram that the demux assigned to this peer. False when the guard keeps it from the peer's protocols, which drop
    /// what is malformed by themselves.
    pub(super) fn receive(&mut self, now: Now, path: Path, bytes: &[u8]) -> bool {
        let class = Class::of(bytes);
        let is_connected = self.is_connected();
        let admitted = match class {
            Class::Media => self.guard.admits_media(bytes, matches!(self.role, Role::Viewer(_))),
            Class::Dtls => self.guard.admits_dtls(bytes, is_connected),
            Class::Stun | Class::Other => true,
        };
        if !admitted {
            return false;
        }
        if let Role::Viewer(viewer) = &mut self.role {
            viewer.heard(now.mono);
        }
        let message = datagram(now.mono, path, BytesMut::from(bytes));
        if class == Class::Dtls && !self.ice_up {
            if self.early.len() < MAX_EARLY {
                self.early.push(message);
            }
            return true;
        }
        if class == Class::Stun {
            self.paths.received(now.mono, path, bytes);
            if self.answer_check(&message) {
                return true;
            }
        }
        self.check_transport |= class == Class::Dtls;
        self.read(message);
        true
    }

    fn read(&mut self, message: TaggedBytesMut) {
        if let Err(error) = self.connection.handle_read(message) {
            tracing::debug!(peer = %self.id, %error, "datagram not understood");
        }
    }

    /// Moves the connection on and collects what happened.
    pub(super) fn poll(&mut self, now: Now, happenings: &mut Vec<Happening>) {
        #[cfg(test)]
        assert!(!self.breaks, "made to break");
        self.poll_messages(now, happenings);
        if let Role::Viewer(viewer) = &mut self.role
            && self.connect_by.is_none()
        {
            happenings.extend(viewer.wishes(now.mono).map(Happening::KeyFrameWanted));
        }
        while let Some(event) = self.connection.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnIceConnectionStateChangeEvent(
                    RTCIceConnectionState::Connected | RTCIceConnectionState::Completed,
                ) => self.ice_connected(now),
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(RTCPeerConnectionState::Failed) => {
                    happenings.push(Happening::Ended(ClosedWhy::Failed));
                }
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(RTCPeerConnectionState::Connected) => {
                    let connecting = self.connect_by.take();
                    happenings.extend(connecting.map(|_| self.connected()));
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                    self.session.opened(&mut self.connection, now.mono, id);
                    self.channels += 1;
                    if self.channels == MAX_CHANNELS + 1 {
                        tracing::debug!(peer = %self.id, "it opens too many data channels");
                        happenings.push(Happening::Ended(ClosedWhy::Failed));
                    }
                }
                _ => {}
            }
        }
        if std::mem::take(&mut self.check_transport)
            && self.dtls_state() == Some(RTCDtlsTransportState::Closed)
        {
            happenings.push(Happening::Ended(ClosedWhy::Remote));
        }
    }

    /// DTLS is done: a viewer's media can be protected from here on.
    fn connected(&mut self) -> Happening {
        if let Role::Viewer(viewer) = &mut self.role
            && !self.keys.take().is_some_and(|master| viewer.protect_with(&master))
        {
            tracing::error!(peer = %self.id, "the connection has no keys for media");
            return Happening::Ended(ClosedWhy::Failed);
        }
        Happening::Connected
    }

    fn poll_messages(&mut self, now: Now, happenings: &mut Vec<Happening>) {
        while let Some(tagged) = self.connection.poll_read() {
            match (&mut self.role, tagged.message) {
                (Role::Publisher(publisher), RTCMessage::RtpPacket(_, packet)) => {
                    if let Some((slot, packet)) = publisher.sort(packet) {
                        if !std::mem::replace(&mut self.media_seen, true) {
                            happenings.push(Happening::FirstMedia);
                        }
                        happenings.push(Happening::Camera(slot, packet));
                    }
                }
                (Role::Publisher(publisher), RTCMessage::RtcpPacket(_, packets)) => {
                    let reports =
                        packets.iter().filter_map(|packet| packet.as_any().downcast_ref::<SenderReport>());
                    let read = reports.filter_map(|report| publisher.read(now.mono, report));
                    happenings.extend(read.map(|(slot, reading)| Happening::Clocks(slot, reading)));
                }
                (Role::Viewer(viewer), RTCMessage::RtcpPacket(_, packets)) => {
                    let limit = viewer.limit();
                    let said = packets.iter().filter_map(|packet| feedback::feedback(packet.as_ref()));
                    said.for_each(|feedback| viewer.take(now.mono, feedback));
                    happenings.extend((viewer.limit() != limit).then_some(Happening::Limit));
                }
                // Nobody sends the server anything else that it needs.
                _ => {}
            }
        }
    }

    fn ice_connected(&mut self, now: Now) {
        self.ice_up = true;
        for mut message in std::mem::take(&mut self.early) {
            message.now = now.mono;
            self.read(message);
        }
    }

    /// The far end's `close_notify` shows here only: the connection's own state follows ICE.
    fn dtls_state(&mut self) -> Option<RTCDtlsTransportState> {
        if let Some(sctp) = self.connection.sctp() {
            return Some(sctp.transport().state());
        }
        match self.role {
            Role::Publisher(_) => {
                self.connection.rtp_receiver(0.into())?.transport().map(|transport| transport.state())
            }
            Role::Viewer(_) => {
                self.connection.rtp_sender(0.into())?.transport().map(|transport| transport.state())
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Now, happenings: &mut Vec<Happening>) {
        if self.gives_up_at() <= now.mono {
            happenings.push(Happening::Ended(ClosedWhy::Timeout));
            return;
        }
        if let Err(error) = self.connection.handle_timeout(now.mono) {
            tracing::debug!(peer = %self.id, %error, "a timer's work failed");
        }
    }

    /// When to call [`Self::handle_timeout`].
    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        let asks = match &self.role {
            Role::Publisher(publisher) if self.is_connected() => publisher.timeout(),
            Role::Publisher(_) => None,
            Role::Viewer(viewer) if self.is_connected() => viewer.timeout(),
            Role::Viewer(_) => None,
        };
        [self.connection.poll_timeout(), Some(self.gives_up_at()), asks].into_iter().flatten().min()
    }

    /// When the peer has taken too long to connect, or been silent for too long since.
    fn gives_up_at(&self) -> Instant {
        self.connect_by.unwrap_or_else(|| self.paths.consent_ends(self.silence_timeout))
    }

    /// Whether it is sent to over TCP.
    pub(super) fn is_sent_tcp(&self) -> bool {
        self.paths.current().is_some_and(|path| path.protocol == TransportProtocol::TCP)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connect_by.is_none()
    }

    /// Sends a text on the `session` channel, once it is open. Without a channel there is nobody to tell.
    pub(super) fn session_message(&mut self, now: Now, text: &Arc<str>) {
        if self.gate.is_open(now.boot) {
            self.session.say(&mut self.connection, now.mono, text);
        }
    }

    /// Sends what is ready, each send past the gate with a reading of its own. `true` when the socket would take no
    /// more; the rest waits, the oldest media first to be dropped.
    pub(super) fn flush(
        &mut self,
        now: Now,
        io: &mut impl Io,
        tracks: &Tracks,
        room: &mut Room,
        happenings: &mut Vec<Happening>,
    ) -> bool {
        if self.fresh {
            self.report_to_viewer(now);
            self.collect();
        }
        let mut flushed = self.outbox.flush(&mut self.gate, io);
        self.note(now, flushed, happenings);
        while !flushed.blocked
            && let Some(path) = self.write(now, tracks, room, happenings)
        {
            flushed = self.outbox.flush_media(now.mono, path, room, &mut self.gate, io);
            self.note(now, flushed, happenings);
        }
        flushed.blocked
    }

    fn note(&mut self, now: Now, flushed: Flushed, happenings: &mut Vec<Happening>) {
        let Role::Viewer(viewer) = &mut self.role else { return };
        let begins = flushed.rtp && !self.media_seen;
        self.media_seen |= begins;
        happenings.extend(begins.then_some(Happening::FirstMedia));
        if flushed.cut {
            let limit = viewer.limit();
            viewer.cut(now.mono);
            happenings.extend((viewer.limit() != limit).then_some(Happening::Limit));
        }
        // Reports are due from the first packet on, and a key frame after a cut.
        self.fresh |= begins | flushed.cut;
    }

    /// Takes datagrams out of the connection.
    fn collect(&mut self) {
        while let Some(datagram) = self.connection.poll_write() {
            let datagram = self.direct(datagram);
            self.outbox.push(datagram);
        }
    }

    /// Sends everything but checks and their answers the way that the peer nominated last.
    fn direct(&mut self, mut datagram: TaggedBytesMut) -> TaggedBytesMut {
        if Class::of(&datagram.message) == Class::Stun {
            self.paths.sending(Path::of(&datagram.transport), &datagram.message);
        } else if let Some(path) = self.paths.current() {
            datagram.transport = path.transport();
        }
        datagram
    }

    /// Writes the next of the viewer's packets into `room`, as soon as there is a path for them; where to, when there were any.
    fn write(
        &mut self,
        now: Now,
        tracks: &Tracks,
        room: &mut Room,
        happenings: &mut Vec<Happening>,
    ) -> Option<Path> {
        let Role::Viewer(viewer) = &mut self.role else { return None };
        viewer.begin(tracks);
        let path = self.paths.current()?;
        if !viewer.is_waiting(tracks) {
            return None;
        }
        if !self.gate.is_open(now.boot) {
            viewer.clear(tracks);
            return None;
        }
        room.clear();
        let repairs = viewer.write(now.mono, tracks, room);
        if repairs > 0 {
            happenings.push(Happening::Repaired(repairs));
        }
        (!room.is_empty()).then_some(path)
    }

    /// Shuts the gate and drops what waits. What is left to do is [`Self::say_goodbye`].
    pub(super) fn shut(&mut self, tracks: &Tracks) {
        self.gate.close();
        if let Role::Viewer(viewer) = &mut self.role {
            viewer.clear(tracks);
        }
        self.gate.refused += self.outbox.shut() as u64;
    }

    /// Closes the connection: the closing text, the channel, SCTP and DTLS. What is returned is all that is left to send;
    /// the peer takes part in nothing more.
    pub(super) fn say_goodbye(&mut self, now: Now, closing: Option<&str>) -> Vec<TaggedBytesMut> {
        let mut last = Vec::new();
        if let Some(text) = closing {
            self.session.send(&mut self.connection, now.mono, text);
            // A channel that is closed drops what it was given before.
            self.take_closing(&mut last);
        }
        self.session.close(&mut self.connection);
        if let Err(error) = self.connection.close() {
            tracing::debug!(peer = %self.id, %error, "closing was not clean");
        }
        self.take_closing(&mut last);
        last
    }

    fn take_closing(&mut self, last: &mut Vec<TaggedBytesMut>) {
        self.collect();
        self.outbox.shut();
        last.extend(self.outbox.take());
    }

    /// How a viewer is served, now or when it was sent something last; `None` of a robot's connection.
    pub(super) fn stats(&self, now: Option<Instant>) -> Option<PeerStats> {
        let Role::Viewer(viewer) = &self.role else { return None };
        Some(PeerStats { packets: self.gate.packets, bytes: self.gate.bytes, ..viewer.stats(now) })
    }

    /// Packets that a viewer's full queues dropped.
    pub(super) fn dropped_from_queue(&self) -> u64 {
        let waiting = match &self.role {
            Role::Viewer(viewer) => viewer.dropped(),
            Role::Publisher(_) => 0,
        };
        waiting + self.outbox.dropped
    }

    pub(super) fn report(&self) -> PeerReport {
        PeerReport {
            peer: self.id,
            kind: self.kind,
            deadline: self.gate.deadline(),
            last_media_sent: self.gate.last_media_sent(),
            lateness: self.gate.lateness(),
            packets: self.gate.packets,
            bytes: self.gate.bytes,
            dropped: self.dropped_from_queue() + self.gate.refused,
            stats: self.stats(None),
        }
    }
}

fn datagram(now: Instant, path: Path, message: BytesMut) -> TaggedBytesMut {
    TaggedBytesMut { now, transport: path.transport(), message }
}

/// The track id is not looked at on this path: the SSRC says all.
fn write_rtcp(connection: &mut RTCPeerConnection, now: Instant, packet: Box<dyn rtc::rtcp::Packet>) {
    let message = RTCMessage::RtcpPacket(String::new(), vec![packet]);
    if let Err(error) = connection.handle_write(TaggedRTCMessage { now, message }) {
        tracing::debug!(%error, "packet not written");
    }
}
