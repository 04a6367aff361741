//! Fuzz bodies: offers as strangers write them, and whatever may come in on the media port.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use curfew_domain::{PeerId, RobotId, RoomId};
use ring::hmac;
use rtc::rtcp;
use rtc::rtp;
use rtc::shared::TransportProtocol;
use rtc::shared::marshal::Unmarshal as _;
use uuid::Uuid;

use super::answer;
use super::build::Builder;
use super::config::MediaConfig;
use super::core::Core;
use super::demux::{Demux, Route};
use super::feedback;
use super::gate::Class;
use super::io::{Batch, Io, Sent};
use super::keys::{MasterKey, Profile};
use super::paths::Path;
use super::publisher::Publisher;
use super::room::Room;
use super::sdp::{Direction, read_offer};
use super::stun::{self, Kind};
use super::tcp::fuzz::frames;
use super::track::Tracks;
use super::types::{Now, PeerKind, PeerSpec};
use super::viewer::Viewer;
use crate::clock::BootInstant;

const BOTH: [Direction; 2] = [Direction::Sends, Direction::Receives];
/// Bytes of a packet.
const CHUNK: usize = 64;
/// Bytes of a header with extensions, and of a tag.
const MAX_ADDED: usize = 128;
const FAR: BootInstant = BootInstant::from_nanos(u64::MAX);
const BOOTED: Duration = Duration::from_secs(1_000);

fn server() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], 8189))
}

fn peer(n: u128) -> PeerId {
    PeerId::from(Uuid::from_u128(n))
}

fn kind(direction: Direction) -> PeerKind {
    let robot = RobotId::from(Uuid::from_u128(1));
    match direction {
        Direction::Sends => PeerKind::Publisher { robot },
        Direction::Receives => PeerKind::Viewer { robot, room: RoomId::from(Uuid::from_u128(2)) },
    }
}

fn sections(sdp: &str) -> usize {
    sdp.lines().filter(|line| line.starts_with("m=")).count()
}

/// An offer is read, written in the canonical form, and answered section by section; without the peer connection, whose
/// building takes milliseconds: see [`answers`].
pub fn offers(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let config = MediaConfig::default();
    for direction in BOTH {
        let Ok(offer) = read_offer(text, direction, &config) else { continue };
        assert!(offer.candidates <= config.max_candidates);
        let canonical = &offer.canonical;
        assert!(canonical.bytes().all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')), "{canonical}");
        assert!(!canonical.contains("a=candidate"), "no candidate is passed on");
        let again = read_offer(canonical, direction, &config).expect("what was written can be read");
        assert_eq!(again.canonical.lines().count(), canonical.lines().count(), "it is canonical already");
        assert_eq!(again.streams().count(), offer.streams().count());
        let sdp = answer::compose(canonical, &offer, &answer::candidates(&[server()], true)).sdp;
        assert_eq!(sections(&sdp), sections(text));
    }
}

thread_local! {
    static BUILDER: Builder =
        Builder::new(MediaConfig::default(), &[server()]).expect("a certificate can be made");
    static RELAYED: RefCell<Option<Relayed>> = const { RefCell::new(None) };
    static PORT: RefCell<Option<Port>> = const { RefCell::new(None) };
}

/// An offer is answered in full, peer connection and all.
pub fn answers(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for direction in BOTH {
        let spec = PeerSpec { peer: peer(1), kind: kind(direction), deadline: FAR, decides: true };
        let Ok(built) = BUILDER.with(|builder| builder.build(Instant::now(), spec, text)) else { continue };
        let answer = built.answer.sdp;
        assert!(answer.is_ascii(), "{answer}");
        assert_eq!(sections(&answer), sections(text), "{answer}");
        assert!(!built.streams.is_empty());
    }
}

/// What comes in on the media port, step by step: bytes from some address, requests that prove a password, time that
/// passes; then the same bytes as RTP and RTCP, as they are once decrypted, and as a stream of datagrams.
pub fn datagrams(input: &[u8]) {
    frames(input);
    let steps: Vec<Step<'_>> = Steps(input).collect();
    assign(&steps);
    RELAYED.with_borrow_mut(|kept| {
        let relayed = kept.get_or_insert_with(Relayed::new);
        steps.iter().for_each(|step| relayed.take(step.bytes));
    });
    PORT.with_borrow_mut(|kept| {
        let port = kept.take().filter(Port::is_fresh).unwrap_or_else(Port::new);
        kept.insert(port).take(&steps);
    });
}

/// One step: what, from which of 8 addresses and over which of both protocols, and its bytes.
struct Step<'a> {
    what: u8,
    path: Path,
    bytes: &'a [u8],
}

struct Steps<'a>(&'a [u8]);

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let (&[head, len], rest) = self.0.split_first_chunk()?;
        let (bytes, rest) = rest.split_at(usize::from(len).min(rest.len()));
        self.0 = rest;
        let remote = SocketAddr::from(([192, 0, 2, 1], 1_000 + u16::from(head >> 4 & 0x07)));
        let protocol = if head & 0x80 == 0 { TransportProtocol::UDP } else { TransportProtocol::TCP };
        let path = Path { protocol, local: server(), remote };
        Some(Step { what: head & 0x0f, path, bytes })
    }
}

/// A STUN message with `attributes`, that `ufrag` is asked with and that `password` proves (RFC 8489).
fn proven(kind: [u8; 2], ufrag: &str, attributes: &[u8], password: &str) -> Vec<u8> {
    let mut raw = vec![kind[0], kind[1], 0, 0, 0x21, 0x12, 0xa4, 0x42];
    raw.extend([7; 12]);
    let username = format!("{ufrag}:far");
    raw.extend([0, 6, 0, u8::try_from(username.len()).unwrap_or_default()]);
    raw.extend(username.as_bytes());
    raw.resize(raw.len().next_multiple_of(4), 0);
    raw.extend(attributes);
    raw.resize(raw.len().next_multiple_of(4), 0);
    let length = u16::try_from(raw.len() - 20 + 24).unwrap_or(u16::MAX);
    raw[2..4].copy_from_slice(&length.to_be_bytes());
    let tag = hmac::sign(&stun::key(password), &raw);
    raw.extend([0, 8, 0, 20]);
    raw.extend(tag.as_ref());
    raw
}

/// The datagram of a step, towards peers of these ufrags, passwords and passwords of their own.
fn datagram(step: &Step<'_>, peers: &[[String; 3]; 2]) -> Vec<u8> {
    let [ufrag, password, remote] = &peers[usize::from(step.what & 1)];
    match step.what {
        6 | 7 => proven([0, 1], ufrag, step.bytes, password),
        8 | 9 => proven([1, 1], ufrag, step.bytes, remote),
        // Nominates, so that ICE comes up and DTLS is looked at.
        10 | 11 => {
            let attributes = [
                &[0x00, 0x24, 0, 4, 0x7e, 0, 0, 1, 0x80, 0x2a, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0x25, 0, 0][..],
                step.bytes,
            ];
            proven([0, 1], ufrag, &attributes.concat(), password)
        }
        12 => [&[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0][..], step.bytes].concat(),
        13 => [&[0x80, 96][..], step.bytes].concat(),
        _ => step.bytes.to_vec(),
    }
}

/// An address, of one protocol, belongs to a peer only after a request from there that proved the peer's password.
fn assign(steps: &[Step<'_>]) {
    let peers = ["one", "two"].map(|name| [name.to_owned(), format!("{name}-near"), format!("{name}-far")]);
    let mut demux = Demux::default();
    for (n, [ufrag, password, remote]) in (1..).zip(&peers) {
        assert!(demux.register(peer(n), ufrag, password, remote));
    }
    let mut proven: Vec<(Path, PeerId)> = Vec::new();
    let mut now = Instant::now();
    for step in steps {
        now += Duration::from_millis(step.bytes.len() as u64 * 100);
        let bytes = datagram(step, &peers);
        let message = stun::Message::parse(&bytes).filter(|_| Class::of(&bytes) == Class::Stun);
        let of = peers.iter().position(|[ufrag, password, _]| {
            message.is_some_and(|message| {
                message.kind == Kind::BindingRequest
                    && message.local_ufrag == Some(ufrag)
                    && message.is_from(&stun::key(password))
            })
        });
        let route = demux.route(now, step.path, &bytes);
        if let Some(index) = of {
            let claims = peer(index as u128 + 1);
            // A connection over TCP stays with the peer that proved it first.
            let is_taken = step.path.protocol == TransportProtocol::TCP
                && proven.iter().any(|(path, peer)| *path == step.path && *peer != claims);
            assert_eq!(route, if is_taken { Route::Unproven } else { Route::To(claims) });
            if !is_taken {
                proven.push((step.path, claims));
            }
        } else if let Route::To(peer) = route {
            let last = proven.iter().rfind(|(path, _)| *path == step.path);
            assert_eq!(last, Some(&(step.path, peer)), "nothing proved this address");
        }
    }
}

/// A robot's cameras and a viewer of theirs, without the connections around them.
struct Relayed {
    publisher: Publisher,
    tracks: Tracks,
    viewer: Viewer,
    room: Room,
}

impl Relayed {
    fn new() -> Self {
        let [robot, viewer] =
            [(Direction::Sends, ROBOT), (Direction::Receives, VIEWER)].map(|(direction, offer)| {
                let spec = PeerSpec { peer: peer(1), kind: kind(direction), deadline: FAR, decides: true };
                BUILDER.with(|builder| builder.build(Instant::now(), spec, offer)).expect("answered").streams
            });
        let mut viewer = Viewer::new(Instant::now(), viewer, 4, Duration::from_millis(500));
        assert!(viewer.protect_with(&MasterKey { profile: Profile::Gcm, key: [1; 16], salt: [2; 14] }));
        let tracks = Tracks::new(4);
        viewer.begin(&tracks);
        let publisher = Publisher::new(peer(1), robot, Duration::from_millis(500));
        Self { publisher, tracks, viewer, room: Room::default() }
    }

    /// Decrypted RTP and RTCP: a robot's packets on their way to a viewer, and that viewer's feedback. A packet of every
    /// 64 bytes.
    fn take(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(CHUNK) {
            let mut raw = chunk;
            if let Ok(packet) = rtp::Packet::unmarshal(&mut raw)
                && let Some((camera, packet)) = self.publisher.sort(packet)
            {
                self.tracks.push(camera, packet);
                self.send();
            }
            let mut raw = chunk;
            let Ok(packets) = rtcp::packet::unmarshal(&mut raw) else { continue };
            for said in packets.iter().filter_map(|packet| feedback::feedback(packet.as_ref())) {
                self.viewer.take(Instant::now(), said);
            }
            self.send();
        }
    }

    fn send(&mut self) {
        let path = Path { protocol: TransportProtocol::UDP, local: server(), remote: server() };
        while self.viewer.is_waiting(&self.tracks) {
            self.room.clear();
            self.viewer.write(Instant::now(), &self.tracks, &mut self.room);
            for datagram in self.room.batches(path, 8).flat_map(|batch| batch.datagrams()) {
                assert!(datagram.len() <= CHUNK + MAX_ADDED, "nothing is added to a payload");
            }
        }
    }
}

/// The core with a robot and a viewer, used for many inputs because building them takes milliseconds.
struct Port {
    core: Core,
    peers: [[String; 3]; 2],
    start: Instant,
    elapsed: Duration,
    inputs: u32,
}

const ROBOT: &str = include_str!("../../fuzz/corpus/offers/robot.sdp");
const VIEWER: &str = include_str!("../../fuzz/corpus/offers/browser.sdp");

impl Port {
    fn new() -> Self {
        let start = Instant::now();
        let now = Now { mono: start, boot: BootInstant::default().saturating_add(BOOTED) };
        let mut core = Core::new(MediaConfig::default(), Box::new(|_, _| "over".into()), now);
        let mut n = 0;
        let peers = [(Direction::Sends, ROBOT), (Direction::Receives, VIEWER)].map(|(direction, offer)| {
            n += 1;
            let deadline = now.boot.saturating_add(Duration::from_secs(86_400));
            let spec = PeerSpec { peer: peer(n), kind: kind(direction), deadline, decides: true };
            let built = BUILDER.with(|builder| builder.build(start, spec, offer)).expect("answered");
            let credentials = [built.ufrag.clone(), built.password.clone(), built.remote_password.clone()];
            core.register(now, built).expect("registered");
            credentials
        });
        Self { core, peers, start, elapsed: Duration::ZERO, inputs: 0 }
    }

    /// Peers that fall silent end; those are replaced.
    fn is_fresh(&self) -> bool {
        let stats = self.core.stats();
        self.inputs < 2_000 && stats.publishers + stats.viewers == 2
    }

    fn take(&mut self, steps: &[Step<'_>]) {
        self.inputs += 1;
        for step in steps {
            let wait = if step.what == 14 { step.bytes.len() as u64 } else { 0 };
            self.elapsed += Duration::from_millis(1 + wait);
            let now = Now {
                mono: self.start + self.elapsed,
                boot: BootInstant::default().saturating_add(BOOTED + self.elapsed),
            };
            self.core.receive(now, step.path, &datagram(step, &self.peers));
            self.core.handle_timeout(now);
            self.core.flush(now, &mut Nowhere(now.boot));
            while self.core.poll_event().is_some() {}
        }
        assert_eq!(self.core.stats().broken_peers, 0, "nothing a stranger sends breaks a peer");
    }
}

struct Nowhere(BootInstant);

impl Io for Nowhere {
    fn boot(&self) -> BootInstant {
        self.0
    }

    fn at_once(&self) -> usize {
        8
    }

    fn send(&mut self, _: Batch<'_>) -> Sent {
        Sent::Done
    }
}
