//! One peer connection that publishes the robot's cameras, and the streams on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use webrtc::error::Error;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCIceCandidateInit, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription,
};
use webrtc::rtp_transceiver::RtpSender;

use super::config::{Source, SourceKind};
use super::encoder::{self, Frame, KeyFrameWish, StreamSpec};
use super::{filler, keyframes, peer};
use crate::clock::{BootInstant, SharedClock};
use crate::protocol::IceCandidateInit;

const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What a publishing peer connection is made of.
pub(super) struct PublisherSpec {
    pub(super) robot: String,
    pub(super) sources: Vec<Source>,
    pub(super) toward: IpAddr,
    pub(super) deadline: BootInstant,
    pub(super) clock: SharedClock,
}

/// The deadline as the sending tasks see it: looked at before every packet, whatever else is late.
#[derive(Clone)]
struct Gate {
    deadline: Arc<AtomicU64>,
    clock: SharedClock,
}

impl Gate {
    fn is_open(&self) -> bool {
        self.clock.boot().as_nanos() < self.deadline.load(Ordering::Relaxed)
    }

    fn move_to(&self, deadline: BootInstant) {
        self.deadline.store(deadline.as_nanos(), Ordering::Relaxed);
    }
}

struct Camera {
    source: Source,
    ssrc: u32,
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
}

/// Offers at once, sends once connected, ends when closed; its gate shuts at the deadline by itself.
pub(super) struct Publisher {
    peer: Arc<dyn PeerConnection>,
    gate: Gate,
    state: watch::Receiver<RTCPeerConnectionState>,
    streaming: JoinSet<()>,
}

impl Publisher {
    /// Makes the peer connection; gives its offer with all candidates.
    pub(super) async fn offer(spec: PublisherSpec) -> Result<(Self, String), Error> {
        let (handler, state, gathering) = Handler::new();
        let peer = peer::build(spec.toward, Arc::new(handler)).await?;
        let mut cameras = Vec::new();
        for source in spec.sources {
            let ssrc = rand::random::<u32>().max(1);
            let track = peer::video_track(&spec.robot, &source.camera, ssrc);
            let track = Arc::new(TrackLocalStaticRTP::new(track));
            let sender = peer.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await?;
            cameras.push(Camera { source, ssrc, track, sender });
        }
        let sdp = peer::complete_offer(peer.as_ref(), gathering).await?;
        let gate =
            Gate { deadline: Arc::new(spec.deadline.as_nanos().into()), clock: Arc::clone(&spec.clock) };
        let mut streaming = JoinSet::new();
        for camera in cameras {
            let (robot, clock) = (spec.robot.clone(), Arc::clone(&spec.clock));
            streaming.spawn(stream(camera, robot, clock, gate.clone(), state.clone()));
        }
        Ok((Self { peer, gate, state, streaming }, sdp))
    }

    pub(super) async fn accept_answer(&self, sdp: String) -> Result<(), Error> {
        self.peer.set_remote_description(RTCSessionDescription::answer(sdp)?).await
    }

    pub(super) async fn add_candidate(&self, candidate: IceCandidateInit) -> Result<(), Error> {
        self.peer
            .add_ice_candidate(RTCIceCandidateInit {
                candidate: candidate.candidate,
                sdp_mid: candidate.sdp_mid,
                sdp_mline_index: candidate.sdp_mline_index,
                username_fragment: candidate.username_fragment,
                url: None,
            })
            .await
    }

    /// Ends when the connection has failed or was closed.
    pub(super) fn failure(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut state = self.state.clone();
        async move {
            let is_over = |state: &RTCPeerConnectionState| {
                matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
            };
            let _ = state.wait_for(is_over).await;
        }
    }

    pub(super) fn move_deadline(&self, deadline: BootInstant) {
        self.gate.move_to(deadline);
    }

    /// Nothing is sent from the call on; the peer connection is closed when it returns.
    pub(super) async fn close(mut self) {
        self.gate.move_to(BootInstant::default());
        self.streaming.abort_all();
        match tokio::time::timeout(CLOSE_WITHIN, self.peer.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "closing the peer connection failed"),
            Err(_) => tracing::warn!("closing the peer connection took too long"),
        }
    }
}

/// Waits for the connection, then sends what the camera's source makes until the gate shuts.
async fn stream(
    camera: Camera,
    robot: String,
    clock: SharedClock,
    gate: Gate,
    mut state: watch::Receiver<RTCPeerConnectionState>,
) {
    if state.wait_for(|state| *state == RTCPeerConnectionState::Connected).await.is_err() {
        return;
    }
    let name = camera.source.camera.as_str();
    let Some(payload_type) = negotiated_payload_type(&camera).await else {
        return tracing::warn!(camera = name, "the server takes no H.264 of this camera");
    };
    let wish = KeyFrameWish::default();
    let spec = StreamSpec { robot, camera: name.to_owned(), ssrc: camera.ssrc, payload_type };
    let frames = match &camera.source.kind {
        SourceKind::Test => encoder::start(spec, clock, wish.clone()),
        SourceKind::Filler(filler) => Ok(filler::start(&spec, filler.clone())),
    };
    let frames = match frames {
        Ok(frames) => frames,
        Err(error) => return tracing::error!(%error, camera = name, "the source did not start"),
    };
    tracing::info!(camera = name, "sending");
    tokio::select! {
        () = send(frames, &camera.track, &gate) => {}
        () = hear_key_frame_requests(&camera.track, &wish) => {}
    }
    tracing::info!(camera = name, "stopped sending");
}

async fn send(mut frames: mpsc::Receiver<Frame>, track: &TrackLocalStaticRTP, gate: &Gate) {
    while let Some(frame) = frames.recv().await {
        for packet in frame {
            if !gate.is_open() {
                return;
            }
            if let Err(error) = track.write_rtp(packet).await {
                return tracing::debug!(%error, "the track takes no packets any more");
            }
        }
    }
}

async fn hear_key_frame_requests(track: &TrackLocalStaticRTP, wish: &KeyFrameWish) {
    while let Some(event) = track.poll().await {
        if let TrackLocalEvent::OnRtcpPacket(packets) = event
            && packets.iter().any(|packet| keyframes::asks_for_key_frame(packet.as_ref()))
        {
            tracing::debug!("a key frame is asked for");
            wish.ask();
        }
    }
}

async fn negotiated_payload_type(camera: &Camera) -> Option<u8> {
    let parameters = camera.sender.get_parameters().await.ok()?;
    parameters.rtp_parameters.codecs.first().map(|codec| codec.payload_type)
}

struct Handler {
    state: watch::Sender<RTCPeerConnectionState>,
    gathering: watch::Sender<RTCIceGatheringState>,
}

impl Handler {
    #[allow(clippy::type_complexity)]
    fn new() -> (Self, watch::Receiver<RTCPeerConnectionState>, watch::Receiver<RTCIceGatheringState>) {
        let (state, state_seen) = watch::channel(RTCPeerConnectionState::New);
        let (gathering, gathering_seen) = watch::channel(RTCIceGatheringState::New);
        (Self { state, gathering }, state_seen, gathering_seen)
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathering.send_replace(state);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "peer connection");
        self.state.send_replace(state);
    }
}
