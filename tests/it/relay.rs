//! The robot agent, the relay and a viewer on loopback: a real picture goes through, and stops at the deadline.

use std::sync::Arc;
use std::time::Duration;

use curfew::agent::{self, AgentConfig};
use curfew::clock::{BootInstant, Clock, SystemClock};
use curfew::media::{Media, MediaConfig, MediaEvent, PeerKind, PeerSpec};
use curfew::protocol::{
    ClientMessage, IncomingAnswer, Publish, Registered, ServerMessage, SessionDescription, UserType, stamp,
};
use curfew_domain::{PeerId, RobotId, RoomId};
use futures_util::{SinkExt, StreamExt};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::rtp::codec::h264::H264Packet;
use rtc::rtp::packetizer::Depacketizer;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};
use uuid::Uuid;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, Registry, SettingEngineBuilder, register_default_interceptors,
};

const LONG: Duration = Duration::from_secs(20);

/// Fails the test where a fact does not come.
async fn fact<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.unwrap_or_else(|_| panic!("no {what} within {LONG:?}"))
}

fn some_peer(kind: PeerKind, deadline: BootInstant) -> PeerSpec {
    PeerSpec { peer: PeerId::from(Uuid::from_u128(rand::random())), kind, deadline, decides: false }
}

/// The server's end of an agent's signaling, as far as publishing needs it.
struct AgentLink(WebSocketStream<TcpStream>);

impl AgentLink {
    async fn accept(listener: &TcpListener) -> Self {
        let (tcp, _) = fact("connection", listener.accept()).await.expect("accepts");
        let mut link = Self(accept_async(tcp).await.expect("a WebSocket"));
        assert!(matches!(link.next().await, ClientMessage::Register(_)));
        let user_id = "robot".to_owned();
        link.send(&ServerMessage::Registered(Registered {
            success: true,
            user_id,
            user_type: UserType::Robot,
        }))
        .await;
        link
    }

    async fn next(&mut self) -> ClientMessage {
        loop {
            if let Message::Text(text) = fact("message", self.0.next()).await.expect("open").expect("a frame")
            {
                return serde_json::from_str(text.as_str()).expect("a message");
            }
        }
    }

    async fn send(&mut self, message: &ServerMessage) {
        self.0.send(Message::text(message.to_text())).await.expect("sends");
    }

    async fn publish(&mut self, media: &Media, robot: RobotId, deadline: BootInstant) {
        let left = deadline.saturating_since(SystemClock.boot());
        let in_ms = u64::try_from(left.as_millis()).expect("short");
        self.send(&ServerMessage::Publish(Publish { cameras: None, in_ms })).await;
        let ClientMessage::Offer(offer) = self.next().await else { panic!("an offer is awaited") };
        let spec = some_peer(PeerKind::Publisher { robot }, deadline);
        let answer = media.answer(spec, offer.offer.sdp).await.expect("answered");
        let answer = SessionDescription::answer(answer.sdp);
        self.send(&ServerMessage::Answer(IncomingAnswer { from: "server".into(), answer })).await;
    }
}

struct ViewerEvents {
    track: mpsc::Sender<Arc<dyn TrackRemote>>,
    gathered: mpsc::Sender<()>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for ViewerEvents {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.track.try_send(track);
    }
}

struct Viewer {
    track: Arc<dyn TrackRemote>,
    depacketizer: H264Packet,
    _peer: Box<dyn PeerConnection>,
}

impl Viewer {
    async fn watch(media: &Media, robot: RobotId, deadline: BootInstant) -> Self {
        let (track, mut tracks) = mpsc::channel(1);
        let (gathered, mut gathering) = mpsc::channel(1);
        let mut codecs = MediaEngine::default();
        codecs.register_default_codecs().expect("codecs");
        let registry = register_default_interceptors(Registry::new(), &mut codecs).expect("interceptors");
        let peer = PeerConnectionBuilder::new()
            .with_media_engine(codecs)
            .with_interceptor_registry(registry)
            .with_setting_engine(
                SettingEngineBuilder::new()
                    .with_ice_connection_attempts(Some(Duration::from_millis(20)), None)
                    .build(),
            )
            .with_handler(Arc::new(ViewerEvents { track, gathered }))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await
            .expect("a peer connection");
        let receive =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        peer.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive)).await.expect("a transceiver");
        peer.create_data_channel("control", None).await.expect("a data channel");
        let offer = peer.create_offer(None).await.expect("an offer");
        peer.set_local_description(offer).await.expect("set");
        fact("candidates", gathering.recv()).await.expect("gathered");
        let offer = peer.local_description().await.expect("set").sdp;
        let room = RoomId::from(Uuid::from_u128(rand::random()));
        let spec = some_peer(PeerKind::Viewer { robot, room }, deadline);
        let answer = media.answer(spec, offer).await.expect("answered");
        peer.set_remote_description(RTCSessionDescription::answer(answer.sdp).expect("parses"))
            .await
            .expect("taken");
        let track = fact("track", tracks.recv()).await.expect("a track");
        Self { track, depacketizer: H264Packet::default(), _peer: Box::new(peer) }
    }

    /// The next access unit; `None` when the track ends.
    async fn frame(&mut self) -> Option<Vec<u8>> {
        let mut frame = Vec::new();
        loop {
            match self.track.poll().await? {
                TrackRemoteEvent::OnRtpPacket(packet) => {
                    frame.extend(self.depacketizer.depacketize(&packet.payload).expect("H.264"));
                    if packet.header.marker {
                        return Some(frame);
                    }
                }
                TrackRemoteEvent::OnEnded => return None,
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robots_picture_reaches_its_viewers_until_the_deadline() {
    let config = MediaConfig { listen: ([127, 0, 0, 1], 0).into(), ..MediaConfig::default() };
    let (media, mut events) = Media::start(config, SystemClock::shared()).expect("starts");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let robot_side = tokio::spawn(agent::run(
        AgentConfig {
            server: format!("http://{}", listener.local_addr().expect("bound")),
            token: "curfew_robot_test".into(),
            sources: vec!["test".parse().expect("a source")],
            name: "arm-1".into(),
        },
        SystemClock::shared(),
        std::future::pending(),
    ));
    let robot = RobotId::from(Uuid::from_u128(7));
    let deadline = SystemClock.boot().saturating_add(Duration::from_secs(4));
    let ends_at = SystemClock.wall_at(deadline);
    let mut link = AgentLink::accept(&listener).await;
    link.publish(&media, robot, deadline).await;
    fact("robot's media", async {
        while !matches!(events.recv().await, Some(MediaEvent::FirstMedia { .. })) {}
    })
    .await;

    // The second comes in the middle of a stream: without a key frame of its own it would see nothing.
    for _ in 0..2 {
        let mut viewer = Viewer::watch(&media, robot, deadline).await;
        let mut decoder = Decoder::new().expect("decoder");
        let mut stamps = Vec::new();
        while stamps.len() < 20 {
            let frame = fact("frame", viewer.frame()).await.expect("media goes on");
            if let Ok(Some(picture)) = decoder.decode(&frame) {
                stamps.extend(stamp::read(picture.y(), picture.strides().0));
            }
        }
        assert!(stamps.is_sorted(), "{stamps:?}");
    }

    let mut viewer = Viewer::watch(&media, robot, deadline).await;
    let mut last = 0;
    let mut decoder = Decoder::new().expect("decoder");
    // Silence of half a second is what tells the end: a closed connection is not noticed at once by its far end.
    while let Ok(Some(frame)) = timeout(Duration::from_millis(500), viewer.frame()).await {
        if let Ok(Some(picture)) = decoder.decode(&frame) {
            last = last.max(stamp::read(picture.y(), picture.strides().0).unwrap_or_default());
        }
    }
    let ends_at = u64::try_from(ends_at.timestamp_millis()).expect("after 1970");
    assert!(
        last < ends_at && ends_at - last < 500,
        "the last picture was stamped {last}, the end is {ends_at}"
    );
    robot_side.abort();
    media.shutdown().await;
}
