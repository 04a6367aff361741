//! The rival: the same fan-out as it is written on the asynchronous `webrtc` crate, a peer connection each and a loop that
//! writes every packet of the robot to every viewer's track, with the crate's default interceptors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, SettingEngineBuilder,
};

use crate::end::{PAYLOAD_TYPE, engine, h264};

/// The viewers' tracks with their SSRCs, by the peer's number.
type Tracks = Arc<Mutex<Arc<HashMap<u64, (u32, Arc<TrackLocalStaticRTP>)>>>>;

#[derive(Default)]
pub(crate) struct Rival {
    peers: HashMap<u64, Arc<dyn PeerConnection>>,
    tracks: Tracks,
}

struct Handler {
    gathered: watch::Sender<bool>,
    tracks: Tracks,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered.send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let tracks = Arc::clone(&self.tracks);
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    fan_out(&tracks, &packet).await;
                }
            }
        });
    }
}

async fn fan_out(tracks: &Tracks, packet: &rtp::Packet) {
    let viewers = Arc::clone(&tracks.lock().unwrap_or_else(PoisonError::into_inner));
    for (ssrc, track) in viewers.values() {
        let header = rtp::Header {
            version: 2,
            marker: packet.header.marker,
            payload_type: PAYLOAD_TYPE,
            sequence_number: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            ssrc: *ssrc,
            ..Default::default()
        };
        // A viewer that is not connected yet, or no longer, is no reason to stop.
        let _ = track.write_rtp(rtp::Packet { header, payload: packet.payload.clone() }).await;
    }
}

impl Rival {
    pub(crate) async fn answer(&mut self, n: u64, sdp: String) -> Result<String> {
        let mut engine = engine()?;
        let interceptors = register_default_interceptors(Registry::new(), &mut engine)?;
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .build();
        let (gathering, mut gathered) = watch::channel(false);
        let handler = Handler { gathered: gathering, tracks: Arc::clone(&self.tracks) };
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(settings)
            .with_handler(Arc::new(handler))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await?;
        if n > 0 {
            self.add_track(&connection, n).await?;
        }
        connection.set_remote_description(RTCSessionDescription::offer(sdp)?).await?;
        let answer = connection.create_answer(None).await?;
        connection.set_local_description(answer).await?;
        gathered.wait_for(|gathered| *gathered).await?;
        let answer = connection.local_description().await.context("no answer")?.sdp;
        self.peers.insert(n, Arc::new(connection));
        Ok(answer)
    }

    async fn add_track(&self, connection: &impl PeerConnection, n: u64) -> Result<()> {
        let ssrc = u32::try_from(n)? + 100_000;
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec: h264(),
            ..Default::default()
        };
        let [stream, id, label] = ["robot", "front", "front"].map(str::to_owned);
        let track = MediaStreamTrack::new(stream, id, label, RtpCodecKind::Video, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await?;
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut tracks).insert(n, (ssrc, track));
        Ok(())
    }

    pub(crate) async fn end(&mut self, n: u64) -> Result<()> {
        Arc::make_mut(&mut self.tracks.lock().unwrap_or_else(PoisonError::into_inner)).remove(&n);
        let peer = self.peers.remove(&n).context("no such peer")?;
        Ok(peer.close().await?)
    }
}
