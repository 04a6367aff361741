//! The far end of a session: a robot or a viewer, sans-IO.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use rtc::data_channel::RTCDataChannelId;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability,
    RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::super::feedback::DeliverFeedback;

/// Two SSRCs of a simulated camera.
const PRIMARY: u32 = 0x1000;
const RTX: u32 = 0x2000;
/// The SSRC of a simulated microphone.
const SOUND: u32 = 0x3000;
/// What tells which way a camera is held.
pub(super) const ORIENTATION: &str = "urn:3gpp:video-orientation";

/// A test client with what it has seen so far.
pub(super) struct Client {
    pub(super) address: SocketAddr,
    /// What it reaches the server over; over TCP it connects.
    pub(super) protocol: TransportProtocol,
    pub(super) connection: RTCPeerConnection,
    /// Numbers of the frames that came in, of the first camera.
    pub(super) frames: BTreeSet<u32>,
    /// RTP sequence numbers as they came, and the SSRC and payload type they came with.
    pub(super) sequence: Vec<u16>,
    pub(super) streams: BTreeSet<(u32, u8)>,
    /// The SSRC of each video section that this viewer was answered.
    pub(super) sections: Vec<u32>,
    /// The SSRC of the sound that this viewer was answered.
    pub(super) sound: Option<u32>,
    /// By SSRC: how many packets came.
    pub(super) packets: BTreeMap<u32, usize>,
    /// By SSRC: the timestamp that came last, and the sender report.
    pub(super) timestamps: BTreeMap<u32, u32>,
    pub(super) reports: BTreeMap<u32, SenderReport>,
    /// By SSRC: the header extensions that came, each once.
    pub(super) extensions: BTreeSet<(u32, u8, Vec<u8>)>,
    pub(super) texts: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) channel_closed: bool,
    pub(super) is_connected: bool,
    /// The frames by the SSRC they came with.
    pub(super) by_stream: BTreeMap<u32, BTreeSet<u32>>,
    /// Key frames that were asked of this robot, by instant, and of which of its cameras.
    pub(super) keyframes_asked: Vec<Instant>,
    pub(super) cameras_asked: Vec<u32>,
    /// The bitrates that this robot was told to keep to.
    pub(super) advised: Vec<(Instant, u64)>,
    next_frame: u32,
    /// Whether this robot answers requests for key frames, and whether its next frame is one.
    pub(super) obeys: bool,
    is_key_due: bool,
    /// By SSRC.
    next_sequence: BTreeMap<u32, u16>,
    payload_type: u8,
    sound_type: u8,
    /// The id of the orientation's extension that a robot sends, and its value.
    pub(super) orientation: Option<(u8, u8)>,
    began: Instant,
}

pub(super) fn h264() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "video/H264".into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".into(),
        rtcp_feedback: Vec::new(),
    }
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/opus".into(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".into(),
        rtcp_feedback: Vec::new(),
    }
}

pub(super) fn vp8() -> RTCRtpCodec {
    RTCRtpCodec { mime_type: "video/VP8".into(), clock_rate: 90_000, ..RTCRtpCodec::default() }
}

impl Client {
    fn new(now: Instant, address: SocketAddr) -> Self {
        use SrtpProtectionProfile::{Srtp_Aead_Aes_128_Gcm as Gcm, Srtp_Aes128_Cm_Hmac_Sha1_80 as Cm};
        Self::with_profiles(now, address, vec![Gcm, Cm])
    }

    fn with_profiles(now: Instant, address: SocketAddr, profiles: Vec<SrtpProtectionProfile>) -> Self {
        let mut engine = MediaEngine::default();
        engine.register_default_codecs().expect("codecs");
        let orientation = RTCRtpHeaderExtensionCapability { uri: ORIENTATION.into() };
        engine.register_header_extension(orientation, RtpCodecKind::Video, None).expect("an extension");
        let registry = Registry::new().with(DeliverFeedback::slot(), DeliverFeedback::default());
        let registry = register_default_interceptors(registry, &mut engine).expect("interceptors");
        let settings = SettingEngineBuilder::new()
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), None)
            .with_srtp_protection_profiles(profiles)
            .build();
        let connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .build(now)
            .expect("a connection");
        Self {
            address,
            protocol: TransportProtocol::UDP,
            connection,
            frames: BTreeSet::new(),
            sequence: Vec::new(),
            streams: BTreeSet::new(),
            sections: Vec::new(),
            sound: None,
            packets: BTreeMap::new(),
            timestamps: BTreeMap::new(),
            reports: BTreeMap::new(),
            extensions: BTreeSet::new(),
            texts: Vec::new(),
            labels: Vec::new(),
            channel_closed: false,
            is_connected: false,
            by_stream: BTreeMap::new(),
            keyframes_asked: Vec::new(),
            cameras_asked: Vec::new(),
            advised: Vec::new(),
            next_frame: 0,
            obeys: false,
            is_key_due: false,
            next_sequence: BTreeMap::new(),
            payload_type: 0,
            sound_type: 0,
            orientation: None,
            began: now,
        }
    }

    /// A robot that sends one camera per name and codec.
    pub(super) fn robot(now: Instant, address: SocketAddr, cameras: &[(&str, RTCRtpCodec)]) -> Self {
        let mut client = Self::new(now, address);
        for (camera, (name, codec)) in (0u32..).zip(cameras) {
            let encoding = RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters {
                    ssrc: Some(PRIMARY + camera),
                    rtx: Some(RTCRtpRtxParameters { ssrc: RTX + camera }),
                    ..Default::default()
                },
                active: true,
                codec: codec.clone(),
                ..Default::default()
            };
            let track = MediaStreamTrack::new(
                "robot".into(),
                (*name).to_owned(),
                (*name).to_owned(),
                RtpCodecKind::Video,
                vec![encoding],
            );
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Sendonly,
                streams: Vec::new(),
                send_encodings: Vec::new(),
            };
            client.connection.add_transceiver_from_track(track, Some(init)).expect("a track");
        }
        client
    }

    /// Adds a microphone to a robot.
    pub(super) fn add_microphone(&mut self) {
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SOUND), ..Default::default() },
            active: true,
            codec: opus(),
            ..Default::default()
        };
        let (stream, track) = ("robot".into(), "microphone".to_owned());
        let track = MediaStreamTrack::new(stream, track.clone(), track, RtpCodecKind::Audio, vec![encoding]);
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: Vec::new(),
            send_encodings: Vec::new(),
        };
        self.connection.add_transceiver_from_track(track, Some(init)).expect("a track");
    }

    /// Has a viewer ask for sound.
    pub(super) fn ask_for_sound(&mut self) {
        self.connection.add_transceiver_from_kind(RtpCodecKind::Audio, None).expect("a transceiver");
    }

    /// A viewer of `cameras` cameras, with an application section.
    pub(super) fn viewer(now: Instant, address: SocketAddr, cameras: usize) -> Self {
        Self::new(now, address).watching(cameras)
    }

    /// A viewer that knows the oldest of SRTP's profiles alone, as many programs do.
    pub(super) fn old_viewer(now: Instant, address: SocketAddr) -> Self {
        let profiles = vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80];
        Self::with_profiles(now, address, profiles).watching(1)
    }

    fn watching(self, cameras: usize) -> Self {
        let mut client = self;
        for _ in 0..cameras {
            client.connection.add_transceiver_from_kind(RtpCodecKind::Video, None).expect("a transceiver");
        }
        client.connection.create_data_channel("control", None).expect("a channel");
        client
    }

    pub(super) fn offer(&mut self, now: Instant) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        let candidate = match self.protocol {
            // RFC 6544, 4.5: port 9 stands for none.
            TransportProtocol::TCP => format!("candidate:1 1 tcp 1518280447 {ip} 9 typ host tcptype active"),
            _ => format!("candidate:1 1 udp 2130706431 {ip} {port} typ host"),
        };
        for candidate in [candidate, String::new()] {
            let candidate = RTCIceCandidateInit { candidate, ..Default::default() };
            self.connection.add_local_candidate(candidate).expect("a candidate");
        }
        let offer = self.connection.create_offer(None).expect("an offer");
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(now, offer).expect("own offer");
        sdp
    }

    /// An offer that restarts ICE.
    pub(super) fn offer_restart(&mut self, now: Instant) -> String {
        let options = RTCOfferOptions { ice_restart: true };
        let offer = self.connection.create_offer(Some(options)).expect("an offer");
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(now, offer).expect("own offer");
        sdp
    }

    pub(super) fn accept(&mut self, now: Instant, answer: &str) {
        let ssrc_of = |section: &str| section.split("a=ssrc:").nth(1)?.split(' ').next()?.parse().ok();
        self.sections = answer.split("m=video").skip(1).filter_map(ssrc_of).collect();
        self.sound = answer.split("m=audio").nth(1).and_then(ssrc_of);
        let payload_type = |section: &str| section.split_whitespace().nth(2)?.parse().ok();
        self.sound_type = answer.split("m=audio").nth(1).and_then(payload_type).unwrap_or_default();
        let answer = RTCSessionDescription::answer(answer.to_owned()).expect("an answer");
        self.connection.set_remote_description(now, answer).expect("the answer is accepted");
        let senders: Vec<_> = self.connection.get_senders().collect();
        if let Some(mut sender) = senders.first().and_then(|id| self.connection.rtp_sender(*id)) {
            let wanted = sender.track().codings()[0].codec.mime_type.clone();
            let parameters = sender.get_parameters();
            let negotiated =
                parameters.rtp_parameters.codecs.iter().find(|c| c.rtp_codec.mime_type == wanted);
            self.payload_type = negotiated.expect("the codec was negotiated").payload_type;
        }
    }

    pub(super) fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: from,
            ecn: None,
            transport_protocol: self.protocol,
        };
        let message = TaggedBytesMut { now, transport, message: BytesMut::from(bytes) };
        let _ = self.connection.handle_read(message);
        self.poll();
    }

    /// Sends the next frame of a camera, one packet each.
    pub(super) fn send_frame(&mut self, now: Instant, camera: u32) {
        let mut payload = BytesMut::new();
        // An H.264 slice, of a key frame or of a picture that others refer to, then the frame's number.
        payload.put_u8(if std::mem::take(&mut self.is_key_due) { 0x65 } else { 0x61 });
        payload.put_u32(self.next_frame);
        payload.resize(600, 0);
        let header = rtp::Header {
            version: 2,
            marker: true,
            payload_type: self.payload_type,
            sequence_number: self.number(PRIMARY + camera),
            timestamp: self.ticks(now, 90),
            ssrc: PRIMARY + camera,
            ..self.oriented()
        };
        self.next_frame += 1;
        let packet = rtp::Packet { header, payload: payload.freeze() };
        let message = RTCMessage::RtpPacket(String::new(), packet);
        self.connection.handle_write(TaggedRTCMessage { now, message }).expect("written");
    }

    /// Sends the next packet of sound.
    pub(super) fn send_sound(&mut self, now: Instant) {
        let header = rtp::Header {
            version: 2,
            payload_type: self.sound_type,
            sequence_number: self.number(SOUND),
            timestamp: self.ticks(now, 48).wrapping_add(4_000_000_000),
            ssrc: SOUND,
            ..Default::default()
        };
        let packet = rtp::Packet { header, payload: Bytes::from_static(&[0xfc; 80]) };
        let message = RTCMessage::RtpPacket(String::new(), packet);
        self.connection.handle_write(TaggedRTCMessage { now, message }).expect("written");
    }

    /// The next sequence number of a stream.
    fn number(&mut self, ssrc: u32) -> u16 {
        let next = self.next_sequence.entry(ssrc).or_insert_with(rand::random);
        let number = *next;
        *next = next.wrapping_add(1);
        number
    }

    /// A header with the orientation, where the robot tells it.
    fn oriented(&self) -> rtp::Header {
        let Some((id, value)) = self.orientation else { return rtp::Header::default() };
        rtp::Header {
            extension: true,
            extension_profile: rtp::header::EXTENSION_PROFILE_ONE_BYTE,
            extensions: vec![rtp::header::Extension { id, payload: Bytes::copy_from_slice(&[value]) }],
            ..Default::default()
        }
    }

    fn ticks(&self, now: Instant, per_ms: u128) -> u32 {
        (now.saturating_duration_since(self.began).as_micros() * per_ms / 1_000) as u32
    }

    /// Goes on counting where another robot's connection stopped.
    pub(super) fn count_from(&mut self, frame: u32) {
        self.next_frame = frame;
    }

    pub(super) fn frames_sent(&self) -> u32 {
        self.next_frame
    }

    /// Asks for a key frame of the first stream seen.
    pub(super) fn ask_keyframe(&mut self, now: Instant) {
        self.ask_keyframe_of(now, self.streams.first().expect("a stream").0);
    }

    pub(super) fn ask_keyframe_of(&mut self, now: Instant, media_ssrc: u32) {
        let request = PictureLossIndication { sender_ssrc: 1, media_ssrc };
        let message = RTCMessage::RtcpPacket(String::new(), vec![Box::new(request)]);
        self.connection.handle_write(TaggedRTCMessage { now, message }).expect("written");
    }

    /// Says what this viewer can receive.
    pub(super) fn say_it_receives(&mut self, now: Instant, bitrate: f32) {
        let remb = ReceiverEstimatedMaximumBitrate { sender_ssrc: 1, bitrate, ssrcs: self.sections.clone() };
        let message = RTCMessage::RtcpPacket(String::new(), vec![Box::new(remb)]);
        self.connection.handle_write(TaggedRTCMessage { now, message }).expect("written");
    }

    pub(super) fn poll(&mut self) {
        while let Some(TaggedRTCMessage { message, now }) = self.connection.poll_read() {
            match message {
                RTCMessage::RtpPacket(_, packet) => self.saw(&packet),
                RTCMessage::RtcpPacket(_, packets) => {
                    for packet in packets {
                        if let Some(asked) = packet.as_any().downcast_ref::<PictureLossIndication>() {
                            self.keyframes_asked.push(now);
                            self.cameras_asked.push(asked.media_ssrc - PRIMARY);
                            self.is_key_due |= self.obeys;
                        }
                        let any = packet.as_any();
                        if let Some(report) = any.downcast_ref::<SenderReport>() {
                            self.reports.insert(report.ssrc, report.clone());
                        }
                        if let Some(remb) = any.downcast_ref::<ReceiverEstimatedMaximumBitrate>() {
                            self.advised.push((now, remb.bitrate as u64));
                        }
                    }
                }
                RTCMessage::DataChannelMessage(_, message) => {
                    self.texts.push(String::from_utf8(message.data.to_vec()).expect("text"));
                }
                _ => {}
            }
        }
        while let Some(event) = self.connection.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                    self.is_connected = state == RTCPeerConnectionState::Connected;
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                    let label = self.label(id);
                    self.labels.push(label);
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnClose(_)) => {
                    self.channel_closed = true;
                }
                _ => {}
            }
        }
    }

    fn label(&mut self, id: RTCDataChannelId) -> String {
        self.connection.data_channel(id).map(|channel| channel.label().to_owned()).unwrap_or_default()
    }

    fn saw(&mut self, packet: &rtp::Packet) {
        let is_sound = Some(packet.header.ssrc) == self.sound;
        let number = |payload: &Bytes| Some(u32::from_be_bytes(payload.get(1..5)?.try_into().ok()?));
        if let Some(frame) = number(&packet.payload).filter(|_| !is_sound) {
            self.frames.insert(frame);
            self.by_stream.entry(packet.header.ssrc).or_default().insert(frame);
        }
        let ssrc = packet.header.ssrc;
        *self.packets.entry(ssrc).or_default() += 1;
        self.timestamps.insert(ssrc, packet.header.timestamp);
        for extension in &packet.header.extensions {
            self.extensions.insert((ssrc, extension.id, extension.payload.to_vec()));
        }
        self.sequence.push(packet.header.sequence_number);
        self.streams.insert((packet.header.ssrc, packet.header.payload_type));
    }
}
