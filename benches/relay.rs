//! The relay over loopback: offer to answer, offer to the first packet, processor time per forwarded packet, and the cut.
//!
//! `cargo bench --bench relay -- [VIEWERS] [PACKETS_PER_SECOND] [SECONDS]` (20, 500 and 5 unless given). The far ends run in
//! this process too; the media thread's processor time is the kernel's figure for that thread alone.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use curfew::clock::{Clock as _, SystemClock};
use curfew::media::{Media, MediaConfig, MediaEvent, PeerKind, PeerReport, PeerSpec};
use curfew_domain::{PeerId, RobotId, RoomId};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, SettingEngineBuilder,
};

const PAYLOAD_TYPE: u8 = 102;
const SSRC: u32 = 4711;

#[tokio::main]
async fn main() -> Result<()> {
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let (viewers, pps, seconds) = (number(0, 20), number(1, 500), number(2, 5));
    let config = MediaConfig { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..MediaConfig::default() };
    let (media, mut events) = Media::start(config, SystemClock::shared())?;
    let mut robot = FarEnd::new().await?;
    let track = robot.send().await?;
    robot.negotiate(&media, 0).await?;
    robot.state.wait_for(|state| *state == RTCPeerConnectionState::Connected).await?;
    let filming = tokio::spawn(film(track, pps));
    let mut watching = Vec::new();
    let (mut answered, mut first) = (Vec::new(), Vec::new());
    for n in 1..=viewers {
        let mut viewer = FarEnd::new().await?;
        viewer.receive().await?;
        let times = viewer.negotiate(&media, n).await?;
        viewer.first.changed().await?;
        answered.push(times.1 - times.0);
        first.push((*viewer.first.borrow()).context("no first packet")? - times.0);
        watching.push(viewer);
    }
    let (before, cpu) = (media.stats().await, cpu_of_media_thread()?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, cpu) = (media.stats().await, cpu_of_media_thread()? - cpu);
    let forwarded = after.media_out - before.media_out;
    let reports = end_together(&media, &mut events, viewers).await?;
    filming.abort();
    let received: u64 = watching.iter().map(|viewer| viewer.packets.load(Ordering::Relaxed)).sum();
    let sent: u64 = reports.iter().map(|report| report.packets).sum();
    let mut out = std::io::stdout();
    writeln!(out, "{viewers} viewers, {pps} packets/s, {seconds} s")?;
    writeln!(out, "offer to answer:       {}", percentiles(answered))?;
    writeln!(out, "offer to first packet: {}", percentiles(first))?;
    let per_packet = cpu.as_secs_f64() * 1e6 / forwarded.max(1) as f64;
    let load = cpu.as_secs_f64() / seconds as f64 * 100.0;
    writeln!(
        out,
        "media thread: {per_packet:.1} us a datagram sent, {load:.0} % of one core, {forwarded} datagrams"
    )?;
    writeln!(out, "sent {sent} (reports included), received {received}, {after:?}")?;
    writeln!(out, "lateness: {}", percentiles(reports.iter().map(|report| report.lateness).collect()))?;
    let margin = reports.iter().filter_map(|r| Some(r.deadline.saturating_since(r.last_media_sent?)));
    writeln!(out, "last media before the deadline: {}", percentiles(margin.collect()))?;
    media.shutdown().await;
    Ok(())
}

fn room() -> RoomId {
    RoomId::from(Uuid::from_u128(7))
}

/// Gives all viewers the same deadline and waits for their reports.
async fn end_together(
    media: &Media,
    events: &mut mpsc::Receiver<MediaEvent>,
    viewers: u64,
) -> Result<Vec<PeerReport>> {
    media.set_room_deadline(room(), SystemClock.boot().saturating_add(Duration::from_secs(1)));
    let mut reports = Vec::new();
    while (reports.len() as u64) < viewers {
        if let MediaEvent::Closed { report, .. } = events.recv().await.context("the media thread ended")? {
            reports.push(report);
        }
    }
    Ok(reports)
}

/// User and system time of the thread named `media`, in ticks of 10 ms (proc(5)).
fn cpu_of_media_thread() -> Result<Duration> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let Some((name, rest)) = stat.split_once(") ") else { continue };
        if name.ends_with("(media") {
            let fields: Vec<u64> = rest.split(' ').filter_map(|field| field.parse().ok()).collect();
            // `utime` and `stime` are fields 14 and 15; `rest` begins with the state letter, field 3.
            return Ok(Duration::from_millis((fields[10] + fields[11]) * 10));
        }
    }
    anyhow::bail!("no media thread")
}

fn percentiles(mut all: Vec<Duration>) -> String {
    all.sort();
    let at = |share: f64| {
        all.get(((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    format!("min {:?}, p50 {:?}, p99 {:?}", at(0.0), at(0.5), at(0.99))
}

async fn film(track: Arc<TrackLocalStaticRTP>, pps: u64) -> Result<()> {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    let burst = (pps / 100).max(1);
    let mut number = 0u32;
    loop {
        every.tick().await;
        for _ in 0..burst {
            let header = rtp::Header {
                version: 2,
                payload_type: PAYLOAD_TYPE,
                sequence_number: number as u16,
                timestamp: number.wrapping_mul(180),
                ssrc: SSRC,
                ..Default::default()
            };
            number = number.wrapping_add(1);
            track.write_rtp(rtp::Packet { header, payload: Bytes::from(vec![0x61; 1_000]) }).await?;
        }
    }
}

struct FarEnd {
    connection: Arc<dyn PeerConnection>,
    gathered: watch::Receiver<bool>,
    state: watch::Receiver<RTCPeerConnectionState>,
    first: watch::Receiver<Option<Instant>>,
    packets: Arc<AtomicU64>,
}

struct Handler {
    gathered: watch::Sender<bool>,
    state: watch::Sender<RTCPeerConnectionState>,
    first: Arc<watch::Sender<Option<Instant>>>,
    packets: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered.send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let (first, packets) = (Arc::clone(&self.first), Arc::clone(&self.packets));
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(_) = event
                    && packets.fetch_add(1, Ordering::Relaxed) == 0
                {
                    first.send_replace(Some(Instant::now()));
                }
            }
        });
    }
}

fn h264() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "video/H264".to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

impl FarEnd {
    async fn new() -> Result<Self> {
        let mut engine = MediaEngine::default();
        let codec = RTCRtpCodecParameters { rtp_codec: h264(), payload_type: PAYLOAD_TYPE };
        engine.register_codec(codec, RtpCodecKind::Video)?;
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(Duration::from_millis(20)), None)
            .build();
        let (gathering, gathered) = watch::channel(false);
        let (states, state) = watch::channel(RTCPeerConnectionState::New);
        let (firsts, first) = watch::channel(None);
        let packets = Arc::new(AtomicU64::new(0));
        let handler = Handler {
            gathered: gathering,
            state: states,
            first: Arc::new(firsts),
            packets: Arc::clone(&packets),
        };
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .with_handler(Arc::new(handler))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await?;
        Ok(Self { connection: Arc::new(connection), gathered, state, first, packets })
    }

    async fn send(&self) -> Result<Arc<TrackLocalStaticRTP>> {
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() },
            codec: h264(),
            ..Default::default()
        };
        let names = ["robot", "front", "front"].map(str::to_owned);
        let [stream, id, label] = names;
        let track = MediaStreamTrack::new(stream, id, label, RtpCodecKind::Video, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        self.connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await?;
        Ok(track)
    }

    async fn receive(&self) -> Result<()> {
        let receive =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        self.connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive)).await?;
        self.connection.create_data_channel("control", None).await?;
        Ok(())
    }

    /// When the offer was handed over, and when the answer came back. Number 0 is the robot.
    async fn negotiate(&mut self, media: &Media, n: u64) -> Result<(Instant, Instant)> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        self.gathered.wait_for(|gathered| *gathered).await?;
        let offer = self.connection.local_description().await.context("no offer")?.sdp;
        let robot = RobotId::from(Uuid::from_u128(1));
        let kind =
            if n == 0 { PeerKind::Publisher { robot } } else { PeerKind::Viewer { robot, room: room() } };
        let deadline = SystemClock.boot().saturating_add(Duration::from_secs(600));
        let spec = PeerSpec { peer: PeerId::from(Uuid::from_u128(u128::from(n) + 1)), kind, deadline };
        let offered = Instant::now();
        let answer = media.answer(spec, offer).await?;
        let answered = Instant::now();
        self.connection.set_remote_description(RTCSessionDescription::answer(answer.sdp)?).await?;
        Ok((offered, answered))
    }
}
