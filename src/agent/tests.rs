//! The agent against a server made for the test: a WebSocket listener and a receiving peer connection on loopback.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp::codec::h264::H264Packet;
use rtc::rtp::packetizer::Depacketizer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{PeerConnection, PeerConnectionEventHandler, RTCSessionDescription};

use super::{AgentConfig, AgentError, peer, run};
use crate::clock::{Clock, SystemClock};
use crate::protocol::{
    ClientMessage, Empty, IncomingAnswer, Publish, Registered, ServerMessage, SessionDescription, UserType,
    stamp,
};

const LONG: Duration = Duration::from_secs(20);

/// Fails the test where a fact does not come.
async fn fact<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.unwrap_or_else(|_| panic!("no {what} within {LONG:?}"))
}

struct TestServer {
    listener: TcpListener,
}

impl TestServer {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("binds") }
    }

    fn config(&self) -> AgentConfig {
        AgentConfig {
            server: format!("http://{}", self.listener.local_addr().expect("bound")),
            token: "curfew_robot_test".into(),
            sources: vec!["test".parse().expect("a source")],
            name: "arm-1".into(),
        }
    }

    /// Takes the agent's next connection and registers it.
    async fn accept(&self) -> Link {
        fact("connection", async {
            let (tcp, _) = self.listener.accept().await.expect("accepts");
            // The type of the error is tungstenite's.
            #[allow(clippy::result_large_err)]
            let check = |request: &Request, response: Response| {
                assert_eq!(request.headers()["authorization"], "Bearer curfew_robot_test");
                assert_eq!(request.uri(), "/ws");
                Ok(response)
            };
            let mut link = Link(accept_hdr_async(tcp, check).await.expect("a WebSocket"));
            let ClientMessage::Register(register) = link.next().await else { panic!("not registered first") };
            assert_eq!((register.user_type, register.token), (UserType::Robot, None));
            link.send(ServerMessage::Registered(Registered {
                success: true,
                user_id: "r".into(),
                user_type: UserType::Robot,
            }))
            .await;
            link
        })
        .await
    }
}

struct Link(WebSocketStream<TcpStream>);

impl Link {
    async fn send(&mut self, message: ServerMessage) {
        self.0.send(Message::text(message.to_text())).await.expect("sends");
    }

    async fn publish(&mut self, in_ms: u64) {
        self.send(ServerMessage::Publish(Publish { cameras: None, in_ms })).await;
    }

    async fn next(&mut self) -> ClientMessage {
        fact("message", async {
            loop {
                match self.0.next().await.expect("open").expect("a frame") {
                    Message::Text(text) => return serde_json::from_str(text.as_str()).expect("a message"),
                    Message::Close(_) => panic!("the agent closed the link"),
                    _ => {}
                }
            }
        })
        .await
    }

    async fn offer(&mut self) -> String {
        let ClientMessage::Offer(offer) = self.next().await else { panic!("an offer is awaited") };
        offer.offer.sdp
    }

    /// Answers the agent's offer with a peer connection that receives.
    async fn receive(&mut self) -> Receiver {
        let sdp = self.offer().await;
        let (handler, track, gathering) = ReceiverHandler::new();
        let peer = peer::build([127, 0, 0, 1].into(), Arc::new(handler)).await.expect("a peer connection");
        peer.set_remote_description(RTCSessionDescription::offer(sdp).expect("parses")).await.expect("taken");
        let answer = peer.create_answer(None).await.expect("an answer");
        peer.set_local_description(answer).await.expect("set");
        fact("candidates", gathering).await.expect("gathered");
        let sdp = peer.local_description().await.expect("set").sdp;
        let answer = SessionDescription::answer(sdp);
        self.send(ServerMessage::Answer(IncomingAnswer { from: "server".into(), answer })).await;
        let track = fact("track", track).await.expect("a track");
        Receiver { track, depacketizer: H264Packet::default(), _peer: peer }
    }
}

struct Receiver {
    track: Arc<dyn TrackRemote>,
    depacketizer: H264Packet,
    _peer: Arc<dyn PeerConnection>,
}

impl Receiver {
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

    async fn ask_for_key_frame(&self) {
        let media_ssrc = self.track.ssrcs().await[0];
        let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
        self.track.write_rtcp(vec![Box::new(request)]).await.expect("sent");
    }
}

struct ReceiverHandler {
    track: mpsc::Sender<Arc<dyn TrackRemote>>,
    gathered: mpsc::Sender<()>,
}

impl ReceiverHandler {
    #[allow(clippy::type_complexity)]
    fn new() -> (Self, impl Future<Output = Option<Arc<dyn TrackRemote>>>, impl Future<Output = Option<()>>) {
        let (track, mut tracks) = mpsc::channel(4);
        let (gathered, mut gathering) = mpsc::channel(4);
        (Self { track, gathered }, async move { tracks.recv().await }, async move { gathering.recv().await })
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for ReceiverHandler {
    async fn on_ice_gathering_state_change(&self, state: webrtc::peer_connection::RTCIceGatheringState) {
        if state == webrtc::peer_connection::RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.track.try_send(track);
    }
}

/// An agent that runs until told to end.
struct TestAgent {
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), AgentError>>,
}

impl TestAgent {
    fn start(config: AgentConfig) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(run(config, SystemClock::shared(), async {
            let _ = stopped.await;
        }));
        Self { stop, running }
    }

    async fn stop(self) {
        self.stop.send(()).expect("running");
        fact("end", self.running).await.expect("no panic").expect("a clean end");
    }
}

fn is_key(frame: &[u8]) -> bool {
    frame.windows(4).any(|window| window[..3] == [0, 0, 1] && window[3] & 0x1f == 5)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_picture_arrives_with_its_stamps_and_a_key_frame_when_asked() {
    let server = TestServer::start().await;
    let agent = TestAgent::start(server.config());
    let mut link = server.accept().await;
    link.publish(60_000).await;
    let mut receiver = link.receive().await;
    let mut decoder = Decoder::new().expect("decoder");
    let mut keys = 0;
    let mut last = 0;
    for index in 0..40 {
        let frame = fact("frame", receiver.frame()).await.expect("media goes on");
        keys += usize::from(is_key(&frame));
        let decoded = decoder.decode(&frame).expect("decodes").expect("a frame");
        let stamped = stamp::read(decoded.y(), decoded.strides().0).expect("a stamp");
        let now = u64::try_from(SystemClock.wall().timestamp_millis()).expect("after 1970");
        assert!(stamped > last && stamped <= now && now - stamped < 5_000, "{stamped} at {now}");
        last = stamped;
        if index == 15 {
            receiver.ask_for_key_frame().await;
        }
    }
    assert_eq!(keys, 2, "the first frame and the one that was asked for");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_ends_at_its_deadline_though_the_server_is_gone() {
    let server = TestServer::start().await;
    let agent = TestAgent::start(server.config());
    let mut link = server.accept().await;
    let asked = SystemClock.boot();
    link.publish(1_500).await;
    let mut receiver = link.receive().await;
    fact("frame", receiver.frame()).await.expect("media");
    drop(link);
    drop(server);
    let mut last = Duration::ZERO;
    // Silence of half a second is what tells the end: a closed connection is not noticed at once by its far end.
    while let Ok(Some(_)) = timeout(Duration::from_millis(500), receiver.frame()).await {
        last = SystemClock.boot().saturating_since(asked);
    }
    assert!(last > Duration::from_millis(1_000), "media went on without the server, to {last:?}");
    assert!(last < Duration::from_millis(1_600), "but not past the deadline: {last:?}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_link_media_goes_on_and_the_next_publish_gets_a_new_offer() {
    let server = TestServer::start().await;
    let agent = TestAgent::start(server.config());
    let mut link = server.accept().await;
    link.publish(60_000).await;
    let mut first = link.receive().await;
    fact("frame", first.frame()).await.expect("media");
    drop(link);
    let mut link = server.accept().await;
    fact("frame", first.frame()).await.expect("media went on");
    link.publish(60_000).await;
    let mut second = link.receive().await;
    fact("frame", second.frame()).await.expect("media of the new connection");
    // A repeated `publish` brings no offer: the next message after it is the one that `unpublish` and a new `publish` bring.
    link.publish(50_000).await;
    link.send(ServerMessage::Unpublish(Empty {})).await;
    link.publish(60_000).await;
    let mut third = link.receive().await;
    fact("frame", third.frame()).await.expect("media of the third connection");
    agent.stop().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_at_once() {
    let mut config = TestServer::start().await.config();
    config.server = "https://lab.example".into();
    assert!(matches!(
        run(config, SystemClock::shared(), std::future::pending()).await,
        Err(AgentError::Endpoint(_))
    ));
}
