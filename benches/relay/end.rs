//! A far end: a robot or a viewer of the protocol library's own client side, sans-IO, on a socket of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

pub(crate) const PAYLOAD_TYPE: u8 = 102;
const SSRC: u32 = 4711;
/// Bytes of an RTP packet, its header included.
pub(crate) const PACKET: usize = 1_100;
const RTP_HEADER: usize = 12;

pub(crate) fn h264() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "video/H264".to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

pub(crate) fn engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    let codec = RTCRtpCodecParameters { rtp_codec: h264(), payload_type: PAYLOAD_TYPE };
    engine.register_codec(codec, RtpCodecKind::Video)?;
    Ok(engine)
}

pub(crate) struct End {
    pub(crate) socket: mio::net::UdpSocket,
    address: SocketAddr,
    connection: RTCPeerConnection,
    pub(crate) connected: bool,
    /// Numbers of the robot's packets that were decrypted since the last look, and their sequence numbers here.
    pub(crate) decrypted: Vec<(u32, u16)>,
}

impl End {
    fn new() -> Result<Self> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 1 << 20)?;
        socket.set_nonblocking(true)?;
        let settings =
            SettingEngineBuilder::new().with_ice_connection_attempts(Some(Duration::from_millis(20)), None);
        let connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(engine()?)
            .with_setting_engine(settings.build())
            .build(Instant::now())?;
        let address = socket.local_addr()?;
        let socket = mio::net::UdpSocket::from_std(socket);
        Ok(Self { socket, address, connection, connected: false, decrypted: Vec::new() })
    }

    pub(crate) fn robot() -> Result<Self> {
        let mut end = Self::new()?;
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() },
            active: true,
            codec: h264(),
            ..Default::default()
        };
        let [stream, id, label] = ["robot", "front", "front"].map(str::to_owned);
        let track = MediaStreamTrack::new(stream, id, label, RtpCodecKind::Video, vec![encoding]);
        let send = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: Vec::new(),
            send_encodings: Vec::new(),
        };
        end.connection.add_transceiver_from_track(track, Some(send))?;
        Ok(end)
    }

    pub(crate) fn viewer() -> Result<Self> {
        let mut end = Self::new()?;
        let receive =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        end.connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive))?;
        end.connection.create_data_channel("control", None)?;
        Ok(end)
    }

    pub(crate) fn offer(&mut self) -> Result<String> {
        let (ip, port) = (self.address.ip(), self.address.port());
        for candidate in [format!("candidate:1 1 udp 2130706431 {ip} {port} typ host"), String::new()] {
            self.connection.add_local_candidate(RTCIceCandidateInit { candidate, ..Default::default() })?;
        }
        let offer = self.connection.create_offer(None)?;
        self.connection.set_local_description(Instant::now(), offer)?;
        Ok(self.connection.local_description().context("no offer")?.sdp)
    }

    pub(crate) fn accept(&mut self, answer: String) -> Result<()> {
        self.connection.set_remote_description(Instant::now(), RTCSessionDescription::answer(answer)?)?;
        self.pump()
    }

    /// Gives a datagram to the protocols.
    pub(crate) fn receive(&mut self, from: SocketAddr, bytes: &[u8]) -> Result<()> {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: from,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        let message = BytesMut::from(bytes);
        self.connection.handle_read(TaggedBytesMut { now: Instant::now(), transport, message })?;
        self.pump()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<()> {
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            self.connection.handle_timeout(now)?;
            self.pump()?;
        }
        Ok(())
    }

    /// Sends the robot's packet of that number.
    pub(crate) fn film(&mut self, number: u32) -> Result<()> {
        let mut payload = vec![0; PACKET - RTP_HEADER];
        // An H.264 slice, then the packet's number.
        payload[0] = 0x61;
        payload[1..5].copy_from_slice(&number.to_be_bytes());
        let header = rtp::Header {
            version: 2,
            payload_type: PAYLOAD_TYPE,
            sequence_number: number as u16,
            timestamp: number.wrapping_mul(90),
            ssrc: SSRC,
            ..Default::default()
        };
        let packet = rtp::Packet { header, payload: Bytes::from(payload) };
        let message = RTCMessage::RtpPacket(String::new(), packet);
        self.connection.handle_write(TaggedRTCMessage { now: Instant::now(), message })?;
        self.pump()
    }

    fn pump(&mut self) -> Result<()> {
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message
                && let Some(Ok(number)) = packet.payload.get(1..5).map(<[u8; 4]>::try_from)
            {
                self.decrypted.push((u32::from_be_bytes(number), packet.header.sequence_number));
            }
        }
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.connected = state == RTCPeerConnectionState::Connected;
            }
        }
        while let Some(datagram) = self.connection.poll_write() {
            match self.socket.send_to(&datagram.message, datagram.transport.peer_addr) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}
