//! Builds a peer connection from an offer and answers it: 3 to 8 ms of processor time, so never on the media thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::distr::Alphanumeric;
use rtc::crypto::{self, RTCCryptoProvider, SignatureScheme};
use rtc::data_channel::RTCDataChannelId;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::interceptor::{NackGeneratorBuilder, ReceiverReportBuilder, Registry, Slot, TwccReceiverBuilder};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::{SettingEngine, SettingEngineBuilder};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::{RTCDtlsRole, RTCIceCandidateInit};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};

use super::answer;
use super::cameras::SOUND;
use super::codec::{Kind, Payload};
use super::config::MediaConfig;
use super::extensions::{CARRIED, Negotiated};
use super::feedback::DeliverFeedback;
use super::keys::Keys;
use super::restart::Credentials;
use super::sdp::{Direction, Offer, Stream, TRANSPORT_CC, read_offer};
use super::types::{Answer, MediaError, PeerKind, PeerSpec};

/// What all peers of one server share. One certificate for all: it names the server, not the peer.
#[derive(Clone)]
pub(super) struct Builder {
    pub(super) config: MediaConfig,
    /// The server's own, best first.
    candidates: Vec<String>,
    certificate: RTCCertificate,
    provider: Arc<dyn RTCCryptoProvider>,
}

/// An answered peer, ready to be registered with the core.
pub(super) struct Built {
    pub(super) spec: PeerSpec,
    pub(super) connection: RTCPeerConnection,
    /// What a viewer's media will be protected with, once DTLS is done.
    pub(super) keys: Keys,
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) remote_password: String,
    pub(super) streams: Vec<BuiltStream>,
    pub(super) session_channel: Option<RTCDataChannelId>,
    pub(super) candidates: usize,
    pub(super) answer: Answer,
}

/// One accepted section of pictures or sound, in the order of the offer.
pub(super) struct BuiltStream {
    pub(super) kind: Kind,
    /// What a publisher calls it: its track id.
    pub(super) name: Option<String>,
    /// Which of the robot's streams it is, as `cameras.rs` says once the peer is registered.
    pub(super) slot: usize,
    pub(super) payloads: Vec<Payload>,
    /// The stream's SSRC: a publisher's declared one, where it declares any; a viewer's is the server's.
    pub(super) ssrc: Option<u32>,
    /// The SSRC for retransmissions, alike.
    pub(super) rtx_ssrc: Option<u32>,
    /// Whether a publisher takes REMB for it.
    pub(super) remb: bool,
    pub(super) extensions: Vec<Negotiated>,
}

impl Builder {
    /// `addresses` are those advertised, with the bound port, best first.
    pub(super) fn new(config: MediaConfig, addresses: &[SocketAddr]) -> Result<Self, MediaError> {
        let unusable =
            |error: &dyn std::fmt::Display| MediaError::Invalid(format!("no certificate: {error}"));
        let provider = crypto::default_provider().map_err(|error| unusable(&error))?;
        let parameters =
            CertificateParams::new(vec!["curfew".to_owned()]).map_err(|error| unusable(&error))?;
        let certificate =
            RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, parameters)
                .map_err(|error| unusable(&error))?;
        let candidates = answer::candidates(addresses, config.tcp.is_some());
        Ok(Self { config, candidates, certificate, provider })
    }

    /// Answers `sdp`. The peer is reachable only once the core knows it, so register it before the answer is handed out.
    pub(super) fn build(&self, now: Instant, spec: PeerSpec, sdp: &str) -> Result<Built, MediaError> {
        let direction = match spec.kind {
            PeerKind::Publisher { .. } => Direction::Sends,
            PeerKind::Viewer { .. } => Direction::Receives,
        };
        let offer = read_offer(sdp, direction, &self.config)?;
        let (ufrag, password) = (random_text(16), random_text(32));
        let keys = Keys::default();
        let provider = match direction {
            Direction::Sends => Arc::clone(&self.provider),
            Direction::Receives => keys.listen_to(Arc::clone(&self.provider)),
        };
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(
                RTCConfigurationBuilder::new().with_certificates(vec![self.certificate.clone()]).build(),
            )
            .with_media_engine(media_engine(&offer, direction)?)
            .with_setting_engine(setting_engine(&offer, &ufrag, &password, provider))
            .with_interceptor_registry(interceptors(direction))
            .build(now)?;
        let streams = match direction {
            Direction::Sends => offer.streams().map(published).collect(),
            Direction::Receives => add_tracks(&mut connection, &offer)?,
        };
        let session_channel = match (spec.kind, offer.has_data()) {
            (PeerKind::Viewer { .. }, true) => Some(connection.create_data_channel("session", None)?.id()),
            _ => None,
        };
        connection.set_remote_description(now, RTCSessionDescription::offer(offer.canonical.clone())?)?;
        for candidate in self.candidates.iter().cloned().chain([String::new()]) {
            connection.add_local_candidate(RTCIceCandidateInit { candidate, ..Default::default() })?;
        }
        let own = connection.create_answer(None)?;
        let answer = answer::compose(&own.sdp, &offer, &self.candidates);
        connection.set_local_description(now, own)?;
        Ok(Built {
            spec,
            connection,
            keys,
            ufrag,
            password,
            remote_password: offer.password,
            streams,
            session_channel,
            candidates: offer.candidates,
            answer,
        })
    }

    /// Credentials and answer for an offer of a viewer that restarts ICE; the connection itself is not needed for it.
    pub(super) fn restart(&self, sdp: &str, former: &Answer) -> Result<(Credentials, Answer), MediaError> {
        let offer = read_offer(sdp, Direction::Receives, &self.config)?;
        let credentials = Credentials {
            ufrag: random_text(16),
            password: random_text(32),
            remote_ufrag: offer.ufrag.clone(),
            remote_password: offer.password.clone(),
        };
        let answer = answer::again(former, &offer, &credentials)?;
        Ok((credentials, answer))
    }
}

fn setting_engine(
    offer: &Offer,
    ufrag: &str,
    password: &str,
    provider: Arc<dyn RTCCryptoProvider>,
) -> SettingEngine {
    use SrtpProtectionProfile::{Srtp_Aead_Aes_128_Gcm as Gcm, Srtp_Aes128_Cm_Hmac_Sha1_80 as Cm};
    // Chromium prefers the slower AES-CM where both are listed, so it is given no choice; who else may not know GCM is.
    let profiles = if offer.libwebrtc { vec![Gcm] } else { vec![Gcm, Cm] };
    SettingEngineBuilder::new()
        .with_crypto_provider(provider)
        .with_lite(true)
        .with_ice_credentials(ufrag.to_owned(), password.to_owned())
        .with_answering_dtls_role(RTCDtlsRole::Server)
        .with_srtp_protection_profiles(profiles)
        // Silence is judged by `paths.rs`: the agent's own judgement knows the first nominated pair alone.
        .with_ice_timeouts(Some(Duration::ZERO), Some(Duration::ZERO), None)
        // A viewer's own data channels are read and dropped; little needs to wait for that.
        .with_sctp_max_receive_buffer_size(128 * 1024)
        .build()
}

impl From<rtc::shared::error::Error> for MediaError {
    fn from(error: rtc::shared::error::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Knows exactly what the offer has, under the offer's payload types, so that matching cannot renumber anything.
fn media_engine(offer: &Offer, direction: Direction) -> Result<MediaEngine, MediaError> {
    let mut engine = MediaEngine::default();
    for stream in offer.streams() {
        for payload in &stream.payloads {
            engine.register_codec(codec_parameters(payload), codec_kind(stream.kind))?;
            if let Some(rtx) = payload.rtx {
                engine.register_codec(rtx_parameters(payload, rtx), codec_kind(stream.kind))?;
            }
        }
    }
    let feedback: &[(&str, &str)] = match direction {
        Direction::Sends => {
            &[("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("goog-remb", ""), ("transport-cc", "")]
        }
        Direction::Receives => &[("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("goog-remb", "")],
    };
    for (typ, parameter) in feedback {
        let feedback = RTCPFeedback { typ: (*typ).to_owned(), parameter: (*parameter).to_owned() };
        engine.register_feedback(feedback, RtpCodecKind::Video);
    }
    let own = (direction == Direction::Sends).then_some((TRANSPORT_CC, &[Kind::Video][..]));
    for (uri, kinds) in CARRIED.into_iter().chain(own) {
        for kind in kinds {
            let capability = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
            engine.register_header_extension(capability, codec_kind(*kind), None)?;
        }
    }
    Ok(engine)
}

fn codec_kind(kind: Kind) -> RtpCodecKind {
    match kind {
        Kind::Video => RtpCodecKind::Video,
        Kind::Audio => RtpCodecKind::Audio,
    }
}

fn codec_parameters(payload: &Payload) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: payload.format.mime_type().to_owned(),
            clock_rate: payload.format.clock_rate(),
            channels: payload.format.channels(),
            sdp_fmtp_line: payload.format.fmtp(),
            rtcp_feedback: Vec::new(),
        },
        payload_type: payload.payload_type,
    }
}

fn rtx_parameters(payload: &Payload, rtx: u8) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: "video/rtx".to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={}", payload.payload_type),
            rtcp_feedback: Vec::new(),
        },
        payload_type: rtx,
    }
}

/// The library does not see that a retransmission (RFC 4588) mended a loss and would ask until the packet is out of its window;
/// the robot would send it each time, and every viewer would get it.
const MAX_NACKS: u16 = 5;

/// A publisher is asked for what is lost and told what arrived; its sender reports come out, as does a viewer's feedback.
/// Retransmissions to a viewer are made by `stream.rs` out of the robot's track, and the reports to it by `sender_reports.rs`, which
/// knows the robot's clocks.
fn interceptors(direction: Direction) -> Registry {
    match direction {
        Direction::Sends => Registry::new()
            .with(
                Slot::NackGenerator,
                NackGeneratorBuilder::new().with_max_nacks_per_packet(MAX_NACKS).build(),
            )
            .with(Slot::TwccReceiver, TwccReceiverBuilder::new().build())
            .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
            .with(DeliverFeedback::slot(), DeliverFeedback::default()),
        Direction::Receives => Registry::new().with(DeliverFeedback::slot(), DeliverFeedback::default()),
    }
}

fn published(stream: &Stream) -> BuiltStream {
    BuiltStream {
        kind: stream.kind,
        name: stream.track.clone(),
        slot: SOUND,
        payloads: stream.payloads.clone(),
        ssrc: stream.ssrc,
        rtx_ssrc: stream.rtx_ssrc,
        extensions: stream.extensions.clone(),
        remb: stream.feedback.iter().any(|(_, kind)| kind == "goog-remb"),
    }
}

/// One track to send for each section the viewer receives, with SSRCs of the server's own.
fn add_tracks(connection: &mut RTCPeerConnection, offer: &Offer) -> Result<Vec<BuiltStream>, MediaError> {
    let mut streams: Vec<BuiltStream> = Vec::new();
    for (index, stream) in offer.streams().enumerate() {
        let (ssrc, rtx_ssrc) = distinct_ssrcs(&streams);
        let rtx_ssrc = stream.payloads.iter().any(|payload| payload.rtx.is_some()).then_some(rtx_ssrc);
        let encodings = stream.payloads.first().map(|payload| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                rtx: rtx_ssrc.map(|ssrc| RTCRtpRtxParameters { ssrc }),
                ..Default::default()
            },
            active: true,
            codec: codec_parameters(payload).rtp_codec,
            ..Default::default()
        });
        let track = MediaStreamTrack::new(
            "robot".to_owned(),
            format!("{}{index}", stream.kind.word()),
            format!("{}{index}", stream.kind.word()),
            codec_kind(stream.kind),
            encodings.into_iter().collect(),
        );
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec!["robot".to_owned()],
            send_encodings: Vec::new(),
        };
        connection.add_transceiver_from_track(track, Some(init))?;
        streams.push(BuiltStream {
            kind: stream.kind,
            name: None,
            slot: SOUND,
            extensions: stream.extensions.clone(),
            payloads: stream.payloads.clone(),
            ssrc: Some(ssrc),
            rtx_ssrc,
            remb: false,
        });
    }
    Ok(streams)
}

fn distinct_ssrcs(taken: &[BuiltStream]) -> (u32, u32) {
    let mut rng = rand::rng();
    let mut fresh = |other: u32| {
        loop {
            let ssrc: u32 = rng.random();
            let used = taken.iter().any(|stream| [stream.ssrc, stream.rtx_ssrc].contains(&Some(ssrc)));
            if ssrc != 0 && ssrc != other && !used {
                return ssrc;
            }
        }
    };
    let ssrc = fresh(0);
    (ssrc, fresh(ssrc))
}

/// Text of `len` letters and digits for ICE credentials: 16 of them carry 95 bits (RFC 8445, 5.3).
fn random_text(len: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(len).map(char::from).collect()
}
