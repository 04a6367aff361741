//! Media over TCP, in virtual time and on real sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::super::config::TcpLimits;
use super::super::gate::Class;
use super::super::stun::{self, Kind, Message};
use super::super::types::{ClosedWhy, MediaEvent, PeerSpec};
use super::super::{Media, MediaConfig};
use super::world::{World, peer, publisher_kind, room, viewer_kind};
use crate::clock::{Clock as _, SystemClock};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_session_over_tcp_is_reset_when_the_gate_shuts() {
    let mut world = World::new(1);
    let (hour, end) = (world.in_future(HOUR), world.in_future(Duration::from_secs(4)));
    world.add_over_tcp(1, publisher_kind(), hour);
    world.add_over_tcp(2, viewer_kind(7), end);
    world.connect(&[1, 2]);
    world.film(1, 100, 10 * MS);
    assert_eq!(world.core.stats().tcp_peers, 2);
    assert!(world.client(2).frames.len() > 90, "the picture comes");
    world.film(1, 400, 10 * MS);
    let (viewer, shut) = (world.address_of(2), end.saturating_sub(2 * MS));
    assert_eq!(world.wire.reset.get(&viewer), Some(&shut));
    assert!(world.wire.log.iter().all(|(at, to, _)| *to != viewer || *at < shut), "nothing follows");
    let media = world.wire.log.iter().filter(|(_, to, class)| *to == viewer && *class == Class::Media);
    assert!(media.count() > 300);
    let ended = world.events.iter().find_map(|event| match event {
        MediaEvent::Closed { report, why } if report.peer == peer(2) => Some((report.clone(), *why)),
        _ => None,
    });
    let (report, why) = ended.expect("it ended");
    assert_eq!((why, report.lateness, report.deadline), (ClosedWhy::Deadline, Duration::ZERO, end));
    assert!(!world.wire.reset.contains_key(&world.address_of(1)), "the robot goes on");
}

#[test]
fn a_way_that_is_too_narrow_shows_whole_pictures_and_spares_the_others() {
    let mut world = World::new(1);
    let hour = world.in_future(HOUR);
    world.add_robot(1, hour, &[super::client::h264()]);
    world.add_viewer(2, 7, hour, 1);
    world.add_over_tcp(3, viewer_kind(8), hour);
    world.connect(&[1, 2, 3]);
    world.client(1).obeys = true;
    world.film(1, 100, 10 * MS);
    world.pass(100 * MS);
    let narrow = world.address_of(3);
    let (asked, beside) = (world.client(1).keyframes_asked.len(), world.client(2).frames.len());
    let media = |world: &World| {
        let to = world.wire.log.iter().filter(|(_, to, class)| *to == narrow && *class == Class::Media);
        to.count() as u64
    };
    // Five packets at once every second, where a hundred come.
    for _ in 0..20 {
        world.wire.narrow.insert(narrow, 5);
        world.film(1, 100, 10 * MS);
    }
    world.pass(100 * MS);
    let viewer = &world.clients[&3];
    let gaps = viewer.sequence.windows(2).filter(|pair| pair[1] != pair[0].wrapping_add(1)).count();
    assert!(gaps <= 20, "{gaps}: it misses no number but of what was on its way when there was no room");
    let shown: Vec<u32> = viewer.frames.iter().copied().collect();
    let longest = shown.windows(2).map(|pair| 10 * MS * (pair[1] - pair[0])).max().unwrap_or_default();
    assert!(longest < Duration::from_millis(4_500), "{longest:?}: its interval for key frames grows to 4 s");
    assert!(shown.last().is_some_and(|last| world.clients[&1].frames_sent() - last < 450), "to the end");
    let asked = world.client(1).keyframes_asked.len() - asked;
    assert!((3..=8).contains(&asked), "{asked} in twenty seconds");
    assert_eq!(world.client(2).frames.len(), beside + 2_000, "the other viewer misses none");
    let sent = media(&world);
    let report = world.core.close(peer(3), None).expect("it was there");
    assert_eq!(report.packets, sent, "what left is booked, and no more");
    assert!(report.dropped > 1_500, "{report:?}");
}

#[test]
fn a_connection_is_reset_when_its_moved_deadline_says_and_when_it_is_closed() {
    let mut world = World::new(2);
    let (hour, soon) = (world.in_future(HOUR), world.in_future(Duration::from_secs(2)));
    for n in [2, 3] {
        world.add_over_tcp(n, viewer_kind(n), soon);
    }
    world.connect(&[2, 3]);
    world.core.set_room_deadline(room(2), hour);
    world.core.set_room_deadline(room(3), hour);
    world.pass(Duration::from_secs(3));
    assert!(world.wire.reset.is_empty());
    let end = world.in_future(100 * MS);
    world.core.set_room_deadline(room(2), end);
    assert!(world.core.close(peer(3), Some("over")).is_some());
    let closed = world.boot();
    world.settle();
    world.pass(200 * MS);
    assert_eq!(world.wire.reset.get(&world.address_of(2)), Some(&end.saturating_sub(2 * MS)));
    assert_eq!(world.wire.reset.get(&world.address_of(3)), Some(&closed));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.core.entries(), 0, "nothing is left of them");
}

const OFFER: &str = include_str!("../../../fuzz/corpus/offers/browser.sdp");
const REMOTE_PASSWORD: &str = "x9cml/YzichV2+XlhiMu8gd2";

/// Whoever connects to the media port.
struct Stranger(TcpStream);

impl Stranger {
    async fn connect(media: &Media) -> Self {
        Self(TcpStream::connect(media.local_addr()).await.expect("connected"))
    }

    async fn send(&mut self, frame: &[u8]) {
        let length = u16::try_from(frame.len()).expect("a frame").to_be_bytes();
        self.send_raw(&[&length[..], frame].concat()).await;
    }

    async fn send_raw(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("written");
    }

    async fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; usize::from(self.0.read_u16().await?)];
        self.0.read_exact(&mut frame).await?;
        Ok(frame)
    }

    /// Reads until the server ends it; how.
    async fn ended(&mut self) -> io::ErrorKind {
        let reads = async {
            loop {
                if let Err(error) = self.frame().await {
                    return error.kind();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reads).await.expect("it ended")
    }

    /// Proves with a check to be the viewer that was answered so, and takes the answer to it.
    async fn prove(&mut self, answer: &str) -> io::Result<()> {
        let value =
            |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).expect("an attribute");
        let username = format!("{}:F7gI", value("a=ice-ufrag:"));
        let password = stun::key(value("a=ice-pwd:"));
        let check = stun::write(0x0001, [7; 12], &[(stun::USERNAME, username.as_bytes())], &password);
        self.send(&check).await;
        let mut kinds = Vec::new();
        while !(kinds.contains(&Kind::BindingSuccess) && kinds.contains(&Kind::BindingRequest)) {
            let frame = self.frame().await?;
            let message = Message::parse(&frame).expect("STUN");
            let key = if message.kind == Kind::BindingRequest {
                stun::key(REMOTE_PASSWORD)
            } else {
                password.clone()
            };
            assert!(message.is_from(&key), "the server proves itself, and checks back");
            kinds.push(message.kind);
        }
        Ok(())
    }
}

fn start(limits: TcpLimits) -> (Media, mpsc::Receiver<MediaEvent>) {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = MediaConfig { listen, tcp: Some(limits), ..MediaConfig::default() };
    Media::start(config, SystemClock::shared()).expect("started")
}

async fn answered(media: &Media, n: u128) -> String {
    let deadline = SystemClock.boot().saturating_add(HOUR);
    let spec = PeerSpec { peer: peer(n), kind: viewer_kind(n), deadline, decides: false };
    media.answer(spec, OFFER.to_owned()).await.expect("answered").sdp
}

/// Bounds that no test reaches by accident.
fn patient() -> TcpLimits {
    TcpLimits { prove_timeout: HOUR, idle_timeout: HOUR, ..TcpLimits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_names_the_port_over_tcp_after_udp_and_its_end_resets_the_connection() {
    let (media, mut events) = start(patient());
    let answer = answered(&media, 1).await;
    let port = media.local_addr().port();
    let candidates: Vec<&str> =
        answer.lines().filter(|line| line.starts_with("a=candidate:")).take(2).collect();
    let expected = [
        format!("a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host"),
        format!("a=candidate:2 1 tcp 1520435199 127.0.0.1 {port} typ host tcptype passive"),
    ];
    assert_eq!(candidates, expected);
    let mut viewer = Stranger::connect(&media).await;
    viewer.send(&[]).await;
    viewer.prove(&answer).await.expect("a connection");
    assert_eq!(media.stats().await.tcp_connections, 1);

    media.set_room_deadline(room(1), SystemClock.boot().saturating_add(50 * MS));
    assert_eq!(viewer.ended().await, io::ErrorKind::ConnectionReset);
    let closed = events.recv().await.expect("an event");
    assert!(matches!(closed, MediaEvent::Closed { why: ClosedWhy::Deadline, .. }));
    let mut late = Stranger::connect(&media).await;
    assert!(late.prove(&answer).await.is_err(), "its credentials are nobody's any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tcp_nothing_listens_and_nothing_is_offered() {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = MediaConfig { listen, tcp: None, ..MediaConfig::default() };
    let (media, _events) = Media::start(config, SystemClock::shared()).expect("started");
    assert!(!answered(&media, 1).await.contains(" tcp "));
    assert!(TcpStream::connect(media.local_addr()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_what_is_no_peers_is_reset_at_its_first_frame() {
    let (media, _events) = start(patient());
    let answer = answered(&media, 1).await;
    let wrong = answer.replace("a=ice-pwd:", "a=ice-pwd:not-");
    assert!(Stranger::connect(&media).await.prove(&wrong).await.is_err());
    let none: [&[u8]; 4] = [&[0, 1, 9], &[0, 4, 22, 0xfe, 0xfd, 0], &[0xff, 0xff], b"GET / HTTP/1.1\r\n\r\n"];
    for bytes in none {
        let mut stranger = Stranger::connect(&media).await;
        stranger.send_raw(bytes).await;
        assert_eq!(stranger.ended().await, io::ErrorKind::ConnectionReset, "{bytes:?}");
    }
    let mut viewer = Stranger::connect(&media).await;
    viewer.prove(&answer).await.expect("the others changed nothing");
    // A length that no datagram has ends a proven connection as well.
    viewer.send_raw(&[0xff, 0xff]).await;
    assert_eq!(viewer.ended().await, io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_empty_ones_and_silence_hold_a_connection_for_its_time_to_prove_only() {
    let (media, _events) = start(TcpLimits { prove_timeout: 100 * MS, ..patient() });
    let answer = answered(&media, 1).await;
    for bytes in [&[][..], &[0], &[0, 20, 0, 1], &[0, 0, 0, 0]] {
        let mut stranger = Stranger::connect(&media).await;
        stranger.send_raw(bytes).await;
        assert_eq!(stranger.ended().await, io::ErrorKind::ConnectionReset, "{bytes:?}");
    }
    let mut viewer = Stranger::connect(&media).await;
    viewer.prove(&answer).await.expect("a connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_proves_nothing_makes_room_for_the_next() {
    let (media, _events) = start(TcpLimits { connections: 2, ..patient() });
    let answer = answered(&media, 1).await;
    let mut viewer = Stranger::connect(&media).await;
    viewer.prove(&answer).await.expect("a connection");
    let mut first = Stranger::connect(&media).await;
    let mut second = Stranger::connect(&media).await;
    assert_eq!(first.ended().await, io::ErrorKind::ConnectionReset);
    second.prove(&answer).await.expect("there is room for it");
    // The reset may come before connecting is seen to be done.
    let third = match TcpStream::connect(media.local_addr()).await {
        Ok(stream) => Stranger(stream).ended().await,
        Err(error) => error.kind(),
    };
    assert_eq!(third, io::ErrorKind::ConnectionReset, "both others are used");
    viewer.prove(&answer).await.expect("it stayed");
    let stats = media.stats().await;
    assert_eq!((stats.tcp_connections, stats.tcp_turned_away), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_which_nothing_comes_is_closed() {
    let (media, _events) = start(TcpLimits { idle_timeout: 100 * MS, ..patient() });
    let answer = answered(&media, 1).await;
    let mut viewer = Stranger::connect(&media).await;
    viewer.prove(&answer).await.expect("a connection");
    assert_eq!(viewer.ended().await, io::ErrorKind::ConnectionReset);
}
