//! A peer connection that receives: the far end of an agent, or a viewer of the relay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp::codec::h264::H264Packet;
use rtc::rtp::packetizer::Depacketizer;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::mpsc;
use tokio::time::timeout;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCIceGatheringState, RTCSessionDescription, Registry, SettingEngineBuilder,
    register_default_interceptors,
};

use super::robot_link::fact;

/// A path that is narrow shows few pictures.
const SHOWN_WITHIN: Duration = Duration::from_secs(90);

pub(crate) struct Receiver {
    peer: Box<dyn PeerConnection>,
    tracks: mpsc::Receiver<Arc<dyn TrackRemote>>,
    gathered: mpsc::Receiver<()>,
}

impl Receiver {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder.with_udp_addrs(vec!["127.0.0.1:0".to_owned()])).await
    }

    /// One whose network lets no UDP through.
    pub(crate) async fn over_tcp() -> Self {
        Self::with(|builder| builder.with_tcp_addrs(vec!["127.0.0.1:0".to_owned()])).await
    }

    async fn with(
        transports: impl FnOnce(PeerConnectionBuilder<String>) -> PeerConnectionBuilder<String>,
    ) -> Self {
        let (track, tracks) = mpsc::channel(4);
        let (complete, gathered) = mpsc::channel(1);
        let mut codecs = MediaEngine::default();
        codecs.register_default_codecs().expect("codecs");
        let registry = register_default_interceptors(Registry::new(), &mut codecs).expect("interceptors");
        let settings = SettingEngineBuilder::new()
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), Some(500));
        let builder = PeerConnectionBuilder::new()
            .with_media_engine(codecs)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings.build())
            .with_handler(Arc::new(Events { track, complete }));
        let peer = transports(builder).build().await.expect("a peer connection");
        Self { peer: Box::new(peer), tracks, gathered }
    }

    /// Offers to receive one camera, with a data channel, as a browser's viewer does.
    pub(crate) async fn offer(&mut self) -> String {
        let receive =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        self.peer.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive)).await.expect("a transceiver");
        self.peer.create_data_channel("control", None).await.expect("a data channel");
        let offer = self.peer.create_offer(None).await.expect("an offer");
        self.peer.set_local_description(offer).await.expect("set");
        self.local_sdp().await
    }

    pub(crate) async fn accept_answer(&mut self, sdp: String) {
        let answer = RTCSessionDescription::answer(sdp).expect("parses");
        self.peer.set_remote_description(answer).await.expect("taken");
    }

    /// Takes an answer of which nothing is reached but `over_tcp`.
    pub(crate) async fn accept_answer_over_tcp(&mut self, sdp: &str, over_tcp: SocketAddr) {
        let kept: Vec<_> = sdp.lines().filter(|line| !line.starts_with("a=candidate:")).collect();
        self.accept_answer(kept.join("\r\n") + "\r\n").await;
        let (ip, port) = (over_tcp.ip(), over_tcp.port());
        let candidate = format!("candidate:1 1 tcp 1520435199 {ip} {port} typ host tcptype passive");
        let candidate = RTCIceCandidateInit { candidate, ..RTCIceCandidateInit::default() };
        self.peer.add_ice_candidate(candidate).await.expect("taken");
    }

    /// Answers an offer that sends.
    pub(crate) async fn answer(&mut self, offer: String) -> String {
        let offer = RTCSessionDescription::offer(offer).expect("parses");
        self.peer.set_remote_description(offer).await.expect("taken");
        let answer = self.peer.create_answer(None).await.expect("an answer");
        self.peer.set_local_description(answer).await.expect("set");
        self.local_sdp().await
    }

    pub(crate) async fn camera(&mut self) -> ReceivedCamera {
        let track = fact("track", self.tracks.recv()).await.expect("a track");
        ReceivedCamera {
            name: track.track_id().await,
            track,
            depacketizer: H264Packet::default(),
            decoder: Decoder::new().expect("a decoder"),
        }
    }

    pub(crate) async fn close(&self) {
        self.peer.close().await.expect("closed");
    }

    async fn local_sdp(&mut self) -> String {
        fact("candidates", self.gathered.recv()).await.expect("gathered");
        self.peer.local_description().await.expect("set").sdp
    }
}

struct Events {
    track: mpsc::Sender<Arc<dyn TrackRemote>>,
    complete: mpsc::Sender<()>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.complete.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.track.try_send(track);
    }
}

/// What arrives of one camera.
pub(crate) struct ReceivedCamera {
    pub(crate) name: String,
    track: Arc<dyn TrackRemote>,
    depacketizer: H264Packet,
    decoder: Decoder,
}

impl ReceivedCamera {
    /// The next access unit, in Annex B form; `None` when the track ends.
    pub(crate) async fn frame(&mut self) -> Option<Vec<u8>> {
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

    /// The key frame with which the picture begins. What was sent while the connection was being made may be lost, and the
    /// first frame that comes is none then: a viewer asks for another.
    pub(crate) async fn begin(&mut self) -> Vec<u8> {
        let mut frame = self.next_frame().await;
        if !is_key(&frame) {
            self.ask_for_key_frame().await;
        }
        while !is_key(&frame) {
            frame = self.next_frame().await;
        }
        frame
    }

    pub(crate) async fn next_frame(&mut self) -> Vec<u8> {
        fact("frame", self.frame()).await.expect("media goes on")
    }

    /// The stamp of the next picture that was drawn after `since`. Asks for a key frame as a browser does that cannot decode.
    pub(crate) async fn picture_since(&mut self, since: u64) -> u64 {
        let shown = async {
            loop {
                let frame = self.next_frame().await;
                match self.stamp(&frame) {
                    Some(stamp) if stamp > since => return stamp,
                    Some(_) => {}
                    None => self.ask_for_key_frame().await,
                }
            }
        };
        timeout(SHOWN_WITHIN, shown)
            .await
            .unwrap_or_else(|_| panic!("no picture after {since} within {SHOWN_WITHIN:?}"))
    }

    pub(crate) async fn ask_for_key_frame(&self) {
        self.report(PictureLossIndication { sender_ssrc: 0, media_ssrc: self.ssrc().await }).await;
    }

    /// The stamp in a frame's picture; `None` where there is no picture or no stamp.
    pub(crate) fn stamp(&mut self, frame: &[u8]) -> Option<u64> {
        let picture = self.decoder.decode(frame).ok()??;
        curfew::protocol::stamp::read(picture.y(), picture.strides().0)
    }

    pub(crate) async fn ssrc(&self) -> u32 {
        self.track.ssrcs().await[0]
    }

    pub(crate) async fn report(&self, packet: impl rtc::rtcp::Packet + 'static) {
        self.track.write_rtcp(vec![Box::new(packet)]).await.expect("sent");
    }
}

pub(crate) fn is_key(frame: &[u8]) -> bool {
    frame.windows(4).any(|window| window[..3] == [0, 0, 1] && window[3] & 0x1f == 5)
}
