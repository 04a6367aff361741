//! One peer connection that publishes the robot's cameras, and the streams on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use webrtc::error::Error;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCIceCandidateInit, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription,
};
use webrtc::rtp_transceiver::RtpSender;

use super::feedback::{Feedback, StreamFeedback};
use super::peer::{self, Transports};
use super::sources::CameraSource;
use super::stream::{Frame, StreamSpec};
use super::ways::Ways;
use crate::clock::{BootInstant, SharedClock};
use crate::protocol::IceCandidateInit;

const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const MENDS_WITHIN: Duration = Duration::from_secs(2);

/// What a publishing peer connection is made of.
pub(super) struct PublisherSpec {
    pub(super) robot: String,
    pub(super) cameras: Vec<Arc<CameraSource>>,
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
    source: Arc<CameraSource>,
    ssrc: u32,
    feedback: StreamFeedback,
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
}

/// Offers at once, sends once connected, ends when closed; its gate shuts at the deadline by itself.
pub(super) struct Publisher {
    peer: Arc<dyn PeerConnection>,
    gate: Gate,
    state: watch::Receiver<RTCPeerConnectionState>,
    /// Why there is no way to the server's media port, once that is known.
    no_way: watch::Sender<Option<String>>,
    streaming: JoinSet<()>,
}

impl Publisher {
    /// Makes the peer connection; gives its offer with all candidates.
    pub(super) async fn offer(spec: PublisherSpec) -> Result<(Self, String), Error> {
        let (handler, state, gathering) = Handler::new();
        let feedback = Feedback::default();
        let peer =
            peer::build(spec.toward, Transports::UdpAndTcp, feedback.clone(), Arc::new(handler)).await?;
        let mut cameras = Vec::new();
        for source in spec.cameras {
            let ssrc = rand::random::<u32>().max(1);
            let track = peer::video_track(&spec.robot, source.name(), ssrc);
            let track = Arc::new(TrackLocalStaticRTP::new(track));
            let sender = peer.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await?;
            cameras.push(Camera { source, ssrc, feedback: feedback.of_stream(ssrc), track, sender });
        }
        let sdp = peer::complete_offer(peer.as_ref(), gathering).await?;
        let gate =
            Gate { deadline: Arc::new(spec.deadline.as_nanos().into()), clock: Arc::clone(&spec.clock) };
        let mut streaming = JoinSet::new();
        for camera in cameras {
            streaming.spawn(stream(camera, gate.clone(), state.clone()));
        }
        Ok((Self { peer, gate, state, no_way: watch::Sender::new(None), streaming }, sdp))
    }

    /// Takes the server's answer, and connects from then on.
    pub(super) async fn accept_answer(&mut self, sdp: &str) -> Result<(), Error> {
        let (sdp, ways) = Ways::part(sdp);
        self.peer.set_remote_description(RTCSessionDescription::answer(sdp)?).await?;
        let (peer, state, no_way) = (Arc::clone(&self.peer), self.state.clone(), self.no_way.clone());
        self.streaming.spawn(async move {
            if let Err(why) = ways.connect(peer.as_ref(), state).await {
                no_way.send_replace(Some(why));
            }
        });
        Ok(())
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

    /// Ends when the connection was not made, has failed, was closed, or was cut off for longer than a path takes to come back:
    /// another network needs another connection, and ICE alone would wait for half a minute. Gives the reason.
    pub(super) fn failure(&self) -> impl Future<Output = String> + Send + use<> {
        let (state, mut no_way) = (self.state.clone(), self.no_way.subscribe());
        async move {
            let why = tokio::select! {
                () = lost(state) => None,
                Ok(why) = no_way.wait_for(Option::is_some) => why.clone(),
            };
            why.unwrap_or_else(|| "the peer connection broke off".to_owned())
        }
    }

    /// Ends once the connection is made; false where it never is.
    pub(super) fn connected(&self) -> impl Future<Output = bool> + Send + use<> {
        let mut state = self.state.clone();
        async move { state.wait_for(|state| *state == RTCPeerConnectionState::Connected).await.is_ok() }
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

/// Ends when the connection is not there any more, or has been broken for a while.
async fn lost(mut state: watch::Receiver<RTCPeerConnectionState>) {
    loop {
        let Ok(is_over) = state.wait_for(|state| is_broken(*state)).await.map(|state| is_over(*state)) else {
            return;
        };
        let mends = state.wait_for(|state| !is_broken(*state));
        if is_over || tokio::time::timeout(MENDS_WITHIN, mends).await.is_err() {
            return;
        }
    }
}

fn is_over(state: RTCPeerConnectionState) -> bool {
    matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
}

fn is_broken(state: RTCPeerConnectionState) -> bool {
    is_over(state) || state == RTCPeerConnectionState::Disconnected
}

/// Waits for the connection, then sends what the camera's source makes until the gate shuts.
async fn stream(camera: Camera, gate: Gate, mut state: watch::Receiver<RTCPeerConnectionState>) {
    if state.wait_for(|state| *state == RTCPeerConnectionState::Connected).await.is_err() {
        return;
    }
    let name = camera.source.name();
    let Some(payload_type) = negotiated_payload_type(&camera).await else {
        return tracing::warn!(camera = name, "the server takes no H.264 of this camera");
    };
    let spec = StreamSpec { ssrc: camera.ssrc, payload_type };
    match camera.source.start(spec, camera.feedback.clone()) {
        Ok(mut streaming) => {
            tracing::info!(camera = name, "sending");
            send(&mut streaming.frames, &camera.track, &gate).await;
            tracing::info!(camera = name, "stopped sending");
        }
        Err(error) => tracing::error!(%error, camera = name, "the source did not start"),
    }
}

async fn send(frames: &mut mpsc::Receiver<Frame>, track: &TrackLocalStaticRTP, gate: &Gate) {
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
