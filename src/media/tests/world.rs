//! The simulated network, its clock, and the server's core in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use curfew_domain::{PeerId, RobotId, RoomId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodec;
use rtc::sansio::Protocol as _;
use rtc::shared::TransportProtocol;
use uuid::Uuid;

use super::super::build::Builder;
use super::super::config::MediaConfig;
use super::super::core::Core;
use super::super::gate::Class;
use super::super::io::{Batch, Io, Sent};
use super::super::paths::Path;
use super::super::types::{Answer, MediaError, MediaEvent, Now, PeerKind, PeerSpec};
use super::client::{Client, h264};
use crate::clock::BootInstant;

pub(super) fn peer(n: u128) -> PeerId {
    PeerId::from(Uuid::from_u128(n))
}

pub(super) fn robot() -> RobotId {
    RobotId::from(Uuid::from_u128(1))
}

pub(super) fn room(n: u128) -> RoomId {
    RoomId::from(Uuid::from_u128(n))
}

pub(super) fn publisher_kind() -> PeerKind {
    PeerKind::Publisher { robot: robot() }
}

pub(super) fn viewer_kind(in_room: u128) -> PeerKind {
    PeerKind::Viewer { robot: robot(), room: room(in_room) }
}

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// Share of datagrams lost, once a session runs.
    pub(super) loss: f64,
    pub(super) delay: Duration,
    /// Up to so much more delay for each datagram by itself, which reorders.
    pub(super) jitter: Duration,
    /// Nothing at all gets through.
    pub(super) blackout: bool,
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) clients: BTreeMap<u128, Client>,
    pub(super) weather: Weather,
    pub(super) events: Vec<MediaEvent>,
    pub(super) wire: Wire,
    builder: Builder,
    rng: StdRng,
    start: Instant,
    elapsed: Duration,
    in_flight: BinaryHeap<Reverse<Flight>>,
    /// Clients behind a NAT, by the address the server sees.
    nat: BTreeMap<SocketAddr, u128>,
    flights: u64,
    next_decides: bool,
    /// What each client was answered last.
    pub(super) answers: BTreeMap<u128, Answer>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Duration,
    number: u64,
    protocol: TransportProtocol,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// The server's socket: what it was given, and whom it makes wait.
#[derive(Default)]
pub(super) struct Wire {
    now: BootInstant,
    out: Vec<(Path, Vec<u8>)>,
    /// Far ends whose connections were reset, and when.
    pub(super) reset: BTreeMap<SocketAddr, BootInstant>,
    /// (when, to whom, what) of everything sent.
    pub(super) log: Vec<(BootInstant, SocketAddr, Class)>,
    /// Addresses the socket has no room for.
    pub(super) blocked: HashSet<SocketAddr>,
    /// Far ends over TCP whose ways have room for so many more datagrams.
    pub(super) narrow: BTreeMap<SocketAddr, usize>,
}

impl Io for Wire {
    fn boot(&self) -> BootInstant {
        self.now
    }

    fn at_once(&self) -> usize {
        8
    }

    fn send(&mut self, batch: Batch<'_>) -> Sent {
        let to = batch.path.remote;
        for (index, datagram) in batch.datagrams().enumerate() {
            if let Some(room) = self.narrow.get_mut(&to) {
                let Some(left) = room.checked_sub(1) else { return Sent::First(index) };
                *room = left;
            }
            if self.blocked.contains(&to) {
                return Sent::Blocked;
            }
            if batch.path.protocol == TransportProtocol::TCP && self.reset.contains_key(&to) {
                return Sent::Lost;
            }
            self.log.push((self.now, to, Class::of(datagram)));
            self.out.push((batch.path, datagram.to_vec()));
        }
        Sent::Done
    }
}

fn server() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], 8189))
}

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// Boot time when a test begins.
const BOOTED: Duration = Duration::from_secs(1_000);

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self::with(seed, MediaConfig::default())
    }

    pub(super) fn with(seed: u64, config: MediaConfig) -> Self {
        let start = Instant::now();
        let builder = Builder::new(config.clone(), &[server()]).expect("a builder");
        let now = Now { mono: start, boot: BootInstant::default().saturating_add(BOOTED) };
        let text = Box::new(|room, _| format!("{room} is over").into());
        Self {
            core: Core::new(config, text, now),
            clients: BTreeMap::new(),
            weather: Weather { delay: Duration::from_millis(10), ..Weather::default() },
            events: Vec::new(),
            wire: Wire::default(),
            builder,
            rng: StdRng::seed_from_u64(seed),
            start,
            elapsed: Duration::ZERO,
            in_flight: BinaryHeap::new(),
            nat: BTreeMap::new(),
            flights: 0,
            next_decides: false,
            answers: BTreeMap::new(),
        }
    }

    /// A robot of one camera, number 1, with an hour before it, and nobody connected yet.
    pub(super) fn with_robot(seed: u64) -> Self {
        let mut world = Self::new(seed);
        let hour = world.in_future(HOUR);
        world.add_robot(1, hour, &[h264()]);
        world
    }

    /// As [`Self::with_robot`], with a viewer in room 7, number 2, that has an hour too; both are connected.
    pub(super) fn watched(seed: u64) -> Self {
        let mut world = Self::with_robot(seed);
        let hour = world.in_future(HOUR);
        world.add_viewer(2, 7, hour, 1);
        world.connect(&[1, 2]);
        world
    }

    pub(super) fn mono(&self) -> Instant {
        self.start + self.elapsed
    }

    pub(super) fn boot(&self) -> BootInstant {
        BootInstant::default().saturating_add(BOOTED + self.elapsed)
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: self.mono(), boot: self.boot() }
    }

    pub(super) fn in_future(&self, by: Duration) -> BootInstant {
        self.boot().saturating_add(by)
    }

    pub(super) fn address(n: u128) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 10_000 + n as u16))
    }

    pub(super) fn address_of(&self, n: u128) -> SocketAddr {
        self.clients[&n].address
    }

    /// Adds a robot's connection, numbered `n`, and negotiates it.
    pub(super) fn add_robot(&mut self, n: u128, deadline: BootInstant, cameras: &[RTCRtpCodec]) {
        let names = ["camera0", "camera1", "camera2"].into_iter();
        let cameras: Vec<_> = names.zip(cameras.iter().cloned()).collect();
        self.add_robot_with(n, deadline, &cameras);
    }

    /// Adds a robot whose cameras have names of their own.
    pub(super) fn add_robot_with(&mut self, n: u128, deadline: BootInstant, cameras: &[(&str, RTCRtpCodec)]) {
        let client = Client::robot(self.mono(), Self::address(n), cameras);
        self.negotiate(n, client, publisher_kind(), deadline);
    }

    /// Adds a viewer that holds the booking.
    pub(super) fn add_holder(&mut self, n: u128, in_room: u128, deadline: BootInstant, cameras: usize) {
        self.next_decides = true;
        self.add_viewer(n, in_room, deadline, cameras);
    }

    pub(super) fn add_viewer(&mut self, n: u128, in_room: u128, deadline: BootInstant, cameras: usize) {
        let client = Client::viewer(self.mono(), Self::address(n), cameras);
        self.negotiate(n, client, viewer_kind(in_room), deadline);
    }

    /// Adds a viewer that knows AES in counter mode alone.
    pub(super) fn add_old_viewer(&mut self, n: u128, in_room: u128, deadline: BootInstant) {
        let client = Client::old_viewer(self.mono(), Self::address(n));
        self.negotiate(n, client, viewer_kind(in_room), deadline);
    }

    /// Adds a client whose network lets no UDP through.
    pub(super) fn add_over_tcp(&mut self, n: u128, kind: PeerKind, deadline: BootInstant) {
        let mut client = match kind {
            PeerKind::Publisher { .. } => {
                Client::robot(self.mono(), Self::address(n), &[("camera0", super::client::h264())])
            }
            PeerKind::Viewer { .. } => Client::viewer(self.mono(), Self::address(n), 1),
        };
        client.protocol = TransportProtocol::TCP;
        self.negotiate(n, client, kind, deadline);
    }

    fn negotiate(&mut self, n: u128, client: Client, kind: PeerKind, deadline: BootInstant) {
        self.negotiate_as(n, client, kind, deadline, |offer| offer);
    }

    /// Negotiates, `edit` being what becomes of the offer on its way.
    pub(super) fn negotiate_as(
        &mut self,
        n: u128,
        client: Client,
        kind: PeerKind,
        deadline: BootInstant,
        edit: impl FnOnce(String) -> String,
    ) {
        self.try_negotiate_as(n, client, kind, deadline, edit).expect("registered");
    }

    /// Negotiates with an hour before it, if the server lets it.
    pub(super) fn try_negotiate(
        &mut self,
        n: u128,
        client: Client,
        kind: PeerKind,
    ) -> Result<(), MediaError> {
        self.try_negotiate_as(n, client, kind, self.in_future(HOUR), |offer| offer)
    }

    fn try_negotiate_as(
        &mut self,
        n: u128,
        mut client: Client,
        kind: PeerKind,
        deadline: BootInstant,
        edit: impl FnOnce(String) -> String,
    ) -> Result<(), MediaError> {
        let now = self.now();
        let offer = edit(client.offer(now.mono));
        let decides = std::mem::take(&mut self.next_decides);
        let spec = PeerSpec { peer: peer(n), kind, deadline, decides };
        let built = self.builder.build(now.mono, spec, &offer).expect("answered");
        let answer = built.answer.clone();
        self.core.register(now, built)?;
        client.accept(now.mono, &answer.sdp);
        self.answers.insert(n, answer);
        self.clients.insert(n, client);
        self.settle();
        Ok(())
    }

    /// Has a datagram come in as if the client had sent it, which whoever forges its address does.
    pub(super) fn inject(&mut self, n: u128, bytes: &[u8]) {
        let path = Path { protocol: TransportProtocol::UDP, local: server(), remote: self.outside(n) };
        self.core.receive(self.now(), path, bytes);
    }

    /// Has a viewer restart ICE.
    pub(super) fn restart(&mut self, n: u128) -> Result<(), MediaError> {
        let former = self.answers[&n].clone();
        self.restart_with(n, &former)
    }

    /// As [`Self::restart`], with `former` as the answer before.
    pub(super) fn restart_with(&mut self, n: u128, former: &Answer) -> Result<(), MediaError> {
        let now = self.now();
        let offer = self.client(n).offer_restart(now.mono);
        let (credentials, answer) = self.builder.restart(&offer, former)?;
        self.core.restart(peer(n), &credentials)?;
        self.client(n).accept(now.mono, &answer.sdp);
        self.answers.insert(n, answer);
        self.settle();
        Ok(())
    }

    /// Gives the client a new address as the server sees it; what goes to the old one is lost from now on.
    pub(super) fn rebind(&mut self, n: u128, port: u16) -> SocketAddr {
        self.nat.retain(|_, client| *client != n);
        let outside = SocketAddr::from(([198, 51, 100, 1], port));
        self.nat.insert(outside, n);
        outside
    }

    fn outside(&self, n: u128) -> SocketAddr {
        let mapped = self.nat.iter().find(|(_, client)| **client == n).map(|(outside, _)| *outside);
        mapped.unwrap_or_else(|| Self::address(n))
    }

    pub(super) fn client(&mut self, n: u128) -> &mut Client {
        self.clients.get_mut(&n).expect("the client exists")
    }

    /// Sends all that is ready and gives it to the network.
    pub(super) fn settle(&mut self) {
        self.wire.now = self.boot();
        let now = self.now();
        self.core.flush(now, &mut self.wire);
        self.events.extend(std::iter::from_fn(|| self.core.poll_event()));
        self.wire.reset.extend(self.core.take_cuts().into_iter().map(|remote| (remote, self.wire.now)));
        let mut out = std::mem::take(&mut self.wire.out);
        let outside: Vec<SocketAddr> = self.clients.keys().map(|n| self.outside(*n)).collect();
        for (client, from) in self.clients.values_mut().zip(outside) {
            client.poll();
            while let Some(datagram) = client.connection.poll_write() {
                out.push((Path { local: from, ..Path::of(&datagram.transport) }, datagram.message.to_vec()));
            }
        }
        for (Path { protocol, local: from, remote: to }, bytes) in out {
            // Losing handshakes makes tests slow and shows nothing that media does not.
            let lost = Class::of(&bytes) == Class::Media && self.rng.random_bool(self.weather.loss);
            if lost || self.weather.blackout {
                continue;
            }
            let jitter = self.weather.jitter.mul_f64(self.rng.random());
            let at = self.elapsed + self.weather.delay + jitter;
            self.flights += 1;
            self.in_flight.push(Reverse(Flight { at, number: self.flights, protocol, from, to, bytes }));
        }
    }

    /// Lets virtual time pass until `until`, event by event.
    fn step(&mut self, until: Duration) {
        let mono = |at: Instant| at.saturating_duration_since(self.start);
        let wake = self.core.poll_timeout();
        let since_boot = |at: BootInstant| at.saturating_since(BootInstant::default()).saturating_sub(BOOTED);
        let mut next =
            [wake.mono.map(mono), wake.boot.map(since_boot), self.in_flight.peek().map(|f| f.0.at)]
                .into_iter()
                .flatten()
                .fold(until, Duration::min);
        for client in self.clients.values_mut() {
            if let Some(at) = client.connection.poll_timeout() {
                next = next.min(at.saturating_duration_since(self.start));
            }
        }
        // Timers that are due over and over still let time pass.
        self.elapsed = next.max(self.elapsed + Duration::from_micros(50)).min(until);
        let now = self.now();
        while self.in_flight.peek().is_some_and(|flight| flight.0.at <= self.elapsed) {
            let Some(Reverse(flight)) = self.in_flight.pop() else { break };
            if flight.to == server() {
                let path = Path { protocol: flight.protocol, local: server(), remote: flight.from };
                self.core.receive(now, path, &flight.bytes);
                continue;
            }
            let to = self.clients.keys().copied().find(|n| self.outside(*n) == flight.to);
            if let Some(client) = to.and_then(|n| self.clients.get_mut(&n)) {
                client.receive(now.mono, flight.from, &flight.bytes);
            }
        }
        self.core.handle_timeout(now);
        for client in self.clients.values_mut() {
            if client.connection.poll_timeout().is_some_and(|at| at <= now.mono) {
                let _ = client.connection.handle_timeout(now.mono);
            }
        }
        self.settle();
    }

    pub(super) fn pass(&mut self, by: Duration) {
        let until = self.elapsed + by;
        while self.elapsed < until {
            self.step(until);
        }
    }

    /// Passes virtual time until `met`, for ten seconds at most.
    pub(super) fn pass_until(&mut self, what: &str, mut met: impl FnMut(&mut Self) -> bool) {
        let until = self.elapsed + Duration::from_secs(10);
        while !met(self) {
            assert!(self.elapsed < until, "not within ten seconds: {what}");
            self.step(until);
        }
    }

    pub(super) fn connected(&self) -> BTreeSet<PeerId> {
        let connected = self.events.iter().filter_map(|event| match event {
            MediaEvent::Connected { peer, .. } => Some(*peer),
            _ => None,
        });
        connected.collect()
    }

    pub(super) fn connect(&mut self, all: &[u128]) {
        self.pass_until("all are connected", |world| {
            let connected = world.connected();
            all.iter().all(|n| connected.contains(&peer(*n)) && world.clients[n].is_connected)
        });
    }

    /// Sends so many frames of the robot's connection `n`, one every `every`.
    pub(super) fn film(&mut self, n: u128, frames: u32, every: Duration) {
        for _ in 0..frames {
            let now = self.mono();
            self.client(n).send_frame(now, 0);
            self.settle();
            self.pass(every);
        }
    }
}
