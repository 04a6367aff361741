//! The driver on real sockets, with the asynchronous library of the robot's agent as both far ends.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, SettingEngineBuilder,
};

use super::super::types::PeerKind;
use super::super::{ClosedWhy, Media, MediaConfig, MediaError, MediaEvent, PeerSpec};
use super::client::h264;
use super::world::{peer, publisher_kind, robot, room, viewer_kind};
use crate::clock::{BootInstant, Clock as _, SystemClock};

/// What a far end sees.
enum Seen {
    Gathered,
    Connected,
    Packet,
    Text(String),
    ChannelClosed,
}

struct Handler(mpsc::UnboundedSender<Seen>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.0.send(Seen::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            let _ = self.0.send(Seen::Connected);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let seen = self.0.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(_) = event {
                    let _ = seen.send(Seen::Packet);
                }
            }
        });
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let seen = self.0.clone();
        tokio::spawn(async move {
            while let Some(event) = channel.poll().await {
                let told = match event {
                    DataChannelEvent::OnMessage(message) => {
                        Seen::Text(String::from_utf8_lossy(&message.data).into_owned())
                    }
                    DataChannelEvent::OnClose => Seen::ChannelClosed,
                    _ => continue,
                };
                let _ = seen.send(told);
            }
        });
    }
}

struct FarEnd {
    connection: Arc<dyn PeerConnection>,
    seen: mpsc::UnboundedReceiver<Seen>,
    track: Option<Arc<TrackLocalStaticRTP>>,
}

/// A fact that must come; the bound only keeps a broken build from waiting for ever.
async fn fact<T>(what: &str, fact: impl Future<Output = Option<T>>) -> T {
    tokio::time::timeout(Duration::from_secs(20), fact)
        .await
        .unwrap_or_else(|_| panic!("no {what}"))
        .unwrap_or_else(|| panic!("{what}: the source ended"))
}

impl FarEnd {
    async fn new() -> Self {
        let mut media = MediaEngine::default();
        media.register_default_codecs().expect("codecs");
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), None)
            .build();
        let (sender, seen) = mpsc::unbounded_channel();
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler(sender)))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .expect("a connection");
        Self { connection: Arc::new(connection), seen, track: None }
    }

    async fn robot() -> Self {
        let mut robot = Self::new().await;
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(4711), ..Default::default() },
            codec: h264(),
            ..Default::default()
        };
        let track = MediaStreamTrack::new(
            "robot".into(),
            "front".into(),
            "front".into(),
            RtpCodecKind::Video,
            vec![encoding],
        );
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        robot.connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await.expect("a sender");
        robot.track = Some(track);
        robot
    }

    async fn viewer() -> Self {
        let viewer = Self::new().await;
        let receive =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        viewer.connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive)).await.expect("video");
        viewer.connection.create_data_channel("control", None).await.expect("a channel");
        viewer
    }

    async fn negotiate(&mut self, media: &Media, n: u128, kind: PeerKind, deadline: BootInstant) {
        let offer = self.connection.create_offer(None).await.expect("an offer");
        self.connection.set_local_description(offer).await.expect("own offer");
        self.wait("candidates", |seen| matches!(seen, Seen::Gathered)).await;
        let offer = self.connection.local_description().await.expect("an offer").sdp;
        let answer = media
            .answer(PeerSpec { peer: peer(n), kind, deadline, decides: false }, offer)
            .await
            .expect("answered");
        assert!(answer.candidates[0].candidate.contains(&format!(" {} typ host", media.local_addr().port())));
        let answer = RTCSessionDescription::answer(answer.sdp).expect("an answer");
        self.connection.set_remote_description(answer).await.expect("accepted");
    }

    async fn wait(&mut self, what: &str, mut wanted: impl FnMut(&Seen) -> bool) -> Seen {
        fact(what, async {
            loop {
                let seen = self.seen.recv().await?;
                if wanted(&seen) {
                    return Some(seen);
                }
            }
        })
        .await
    }

    /// Sends packets until dropped.
    fn film(&self) -> tokio::task::JoinHandle<()> {
        let track = Arc::clone(self.track.as_ref().expect("a robot"));
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_millis(5));
            for number in 0u16.. {
                every.tick().await;
                let header = rtp::Header {
                    version: 2,
                    payload_type: 125,
                    sequence_number: number,
                    timestamp: u32::from(number) * 450,
                    ssrc: 4711,
                    ..Default::default()
                };
                let payload = Bytes::from(vec![0x61; 900]);
                if track.write_rtp(rtp::Packet { header, payload }).await.is_err() {
                    return;
                }
            }
        })
    }
}

fn config() -> MediaConfig {
    MediaConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..MediaConfig::default() }
}

async fn event(
    events: &mut mpsc::Receiver<MediaEvent>,
    what: &str,
    wanted: impl Fn(&MediaEvent) -> bool,
) -> MediaEvent {
    fact(what, async {
        loop {
            let event = events.recv().await?;
            if wanted(&event) {
                return Some(event);
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_loopback_ends_at_its_deadline() {
    let clock = SystemClock::shared();
    let (media, mut events) = Media::start(config(), clock).expect("started");
    assert_eq!(media.local_addr().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let hour = SystemClock.boot().saturating_add(Duration::from_secs(3_600));
    let mut publisher = FarEnd::robot().await;
    publisher.negotiate(&media, 1, publisher_kind(), hour).await;
    publisher.wait("the robot's connection", |seen| matches!(seen, Seen::Connected)).await;
    let filming = publisher.film();
    let mut viewer = FarEnd::viewer().await;
    viewer.negotiate(&media, 2, viewer_kind(7), hour).await;
    viewer.wait("a packet", |seen| matches!(seen, Seen::Packet)).await;
    event(
        &mut events,
        "first media",
        |e| matches!(e, MediaEvent::FirstMedia { peer: p, .. } if *p == peer(2)),
    )
    .await;
    media.session_message(room(7), "hello".into());
    viewer.wait("the text", |seen| matches!(seen, Seen::Text(text) if text == "hello")).await;

    let end = SystemClock.boot().saturating_add(Duration::from_millis(300));
    media.set_room_deadline(room(7), end);
    let closed = event(&mut events, "the end", |e| matches!(e, MediaEvent::Closed { .. })).await;
    let MediaEvent::Closed { report, why } = closed else { unreachable!() };
    assert_eq!((report.peer, report.deadline, why), (peer(2), end, ClosedWhy::Deadline));
    assert!(report.packets > 20, "{report:?}");
    // The library may tell a channel's end before the message that came before it.
    let (mut text, mut closed) = (None, false);
    let wanted = |seen: &Seen| {
        match seen {
            Seen::Text(said) => text = Some(said.clone()),
            Seen::ChannelClosed => closed = true,
            _ => {}
        }
        text.is_some() && closed
    };
    viewer.wait("the closing text and the channel's end", wanted).await;
    assert!(text.is_some_and(|text| text.contains("session-ended") && text.contains("window_closed")));

    let stats = media.stats().await;
    assert_eq!((stats.publishers, stats.viewers, stats.broken_peers), (1, 0, 0));
    filming.abort();
    assert_eq!(media.close_robot(robot()).await.map(|report| report.peer), Some(peer(1)));
    assert!(media.close_robot(robot()).await.is_none());
    media.shutdown().await;
    assert_eq!(media.add_remote_candidate(peer(1), Default::default()).await, Err(MediaError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_refused_with_their_reason() {
    let config = MediaConfig { max_peers: 1, max_candidates: 3, max_sdp: 8 * 1024, ..config() };
    let (media, _events) = Media::start(config, SystemClock::shared()).expect("started");
    let hour = SystemClock.boot().saturating_add(Duration::from_secs(3_600));
    let spec = |n| PeerSpec { peer: peer(n), kind: viewer_kind(7), deadline: hour, decides: false };
    let offer = |sdp: &str| format!("{}{sdp}", "v=0\r\n");
    let refused = |sdp: String| media.answer(spec(9), sdp);
    assert_eq!(refused("x".repeat(9_000)).await, Err(MediaError::TooLarge { limit: 8 * 1024 }));
    assert!(matches!(refused(offer("")).await, Err(MediaError::Invalid(_))));
    let mut viewer = FarEnd::viewer().await;
    viewer.negotiate(&media, 1, viewer_kind(7), hour).await;
    let second = viewer.connection.local_description().await.expect("an offer").sdp;
    assert_eq!(media.answer(spec(2), second.clone()).await, Err(MediaError::TooManyPeers { limit: 1 }));
    assert_eq!(media.answer(spec(1), second.clone()).await, Err(MediaError::Duplicate));
    assert_eq!(media.add_remote_candidate(peer(5), Default::default()).await, Err(MediaError::NoSuchPeer));
    let mut taken = 0;
    while media.add_remote_candidate(peer(1), Default::default()).await.is_ok() {
        taken += 1;
    }
    assert!((1..=3).contains(&taken), "those of the offer count as well");
    assert_eq!(media.close_peer(peer(1), None).await.map(|report| report.packets), Some(0));
    let late = PeerSpec { deadline: SystemClock.boot(), ..spec(3) };
    assert_eq!(media.answer(late, second).await, Err(MediaError::TooLate));
    assert!(media.close_room(room(7), None).await.is_empty());
}
