//! Peer connections as this side of Curfew makes them: H.264 only, host candidates only, quick on a short path.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MediaEngine};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use tokio::sync::watch;
use webrtc::error::Error;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, Registry,
    SettingEngineBuilder, configure_nack, configure_rtcp_reports,
};
use webrtc::runtime::default_runtime;

use super::feedback::{Feedback, FeedbackInterceptor};
use super::over_tcp::OverTcp;

/// The default is 200 ms, which is what connecting on a short path then takes.
const ICE_CHECK_EVERY: Duration = Duration::from_millis(20);
/// The default is 7, after which a path is given up: on one that loses everything for a moment, or that TCP still connects, all
/// would be gone before anything came back. So many take 10 s.
const ICE_CHECKS: u16 = 500;
const GATHER_WITHIN: Duration = Duration::from_secs(3);
const PAYLOAD_TYPE: u8 = 102;

/// What a peer connection goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transports {
    Udp,
    /// TCP as well, to candidates that are added one by one: those of an answer are not connected to.
    UdpAndTcp,
}

/// Builds a peer connection whose sockets reach whatever `toward` (this machine's address on the way to the server) reaches. What
/// the far end reports about the streams in `feedback` gathers there.
pub(crate) async fn build(
    toward: IpAddr,
    transports: Transports,
    feedback: Feedback,
    handler: Arc<dyn PeerConnectionEventHandler>,
) -> Result<Arc<dyn PeerConnection>, Error> {
    let mut media = MediaEngine::default();
    media.register_codec(
        RTCRtpCodecParameters { rtp_codec: h264(), payload_type: PAYLOAD_TYPE },
        RtpCodecKind::Video,
    )?;
    let remb = RTCPFeedback { typ: "goog-remb".to_owned(), parameter: String::new() };
    media.register_feedback(remb, RtpCodecKind::Video);
    let registry = configure_rtcp_reports(configure_nack(Registry::new(), &mut media))
        .with(FeedbackInterceptor::slot(), FeedbackInterceptor::new(feedback));
    let settings = SettingEngineBuilder::new()
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_ice_connection_attempts(Some(ICE_CHECK_EVERY), Some(ICE_CHECKS))
        .build();
    let mut builder = PeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .with_handler(handler)
        .with_udp_addrs(addresses(toward));
    if let Some(runtime) = default_runtime().filter(|_| transports == Transports::UdpAndTcp) {
        builder = builder.with_runtime(Arc::new(OverTcp(runtime))).with_tcp_addrs(addresses(toward));
    }
    let peer = builder.build().await?;
    Ok(Arc::new(peer))
}

/// Sets the local offer and gives its SDP with every candidate in it.
pub(crate) async fn complete_offer(
    peer: &dyn PeerConnection,
    mut gathering: watch::Receiver<RTCIceGatheringState>,
) -> Result<String, Error> {
    let offer = peer.create_offer(None).await?;
    peer.set_local_description(offer).await?;
    // Candidates that are still missing by then are done without.
    let _ = tokio::time::timeout(
        GATHER_WITHIN,
        gathering.wait_for(|state| *state == RTCIceGatheringState::Complete),
    )
    .await;
    let local = peer.local_description().await.ok_or_else(|| Error::Other("no local description".into()))?;
    Ok(local.sdp)
}

/// A video track of one camera.
pub(crate) fn video_track(stream: &str, camera: &str, ssrc: u32) -> MediaStreamTrack {
    MediaStreamTrack::new(
        stream.to_owned(),
        camera.to_owned(),
        camera.to_owned(),
        RtpCodecKind::Video,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec: h264(),
            ..Default::default()
        }],
    )
}

/// Constrained baseline, level 3.1, the H.264 that every browser plays (RFC 7742 section 6.2).
fn h264() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_H264.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// A wildcard stands for every interface but loopback, so loopback is named where the server is behind it.
fn addresses(toward: IpAddr) -> Vec<String> {
    match toward {
        IpAddr::V4(ip) if ip.is_loopback() => vec![format!("{ip}:0")],
        IpAddr::V6(ip) if ip.is_loopback() => vec![format!("[{ip}]:0"), "127.0.0.1:0".to_owned()],
        IpAddr::V4(_) => vec!["0.0.0.0:0".to_owned()],
        IpAddr::V6(_) => vec!["0.0.0.0:0".to_owned(), "[::]:0".to_owned()],
    }
}
