//! One viewer: joins, counts packets, and notes when it is told that the session ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCIceCandidateInit, RTCIceGatheringState,
    RTCSessionDescription,
};

use super::setup::Person;
use crate::agent::client::SignalingClient;
use crate::agent::endpoint::Endpoint;
use crate::agent::feedback::Feedback;
use crate::agent::peer::{self, Transports};
use crate::protocol::{
    ClientMessage, IceCandidateInit, JoinRoom, OutgoingOffer, RoomState, ServerMessage, SessionDescription,
    UserType,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const MEDIA_WITHIN: Duration = Duration::from_secs(5);
/// After the end, for packets that come too late.
const LISTEN_ON: Duration = Duration::from_millis(500);

/// A viewer in its session.
pub(super) struct Viewer {
    room: usize,
    offered: Instant,
    answered: Instant,
    seen: Arc<Mutex<Seen>>,
    told: JoinHandle<anyhow::Result<Told>>,
    peer: Arc<dyn PeerConnection>,
}

/// What a viewer saw.
#[derive(Default)]
pub(super) struct Outcome {
    /// The index of its session.
    pub(super) room: usize,
    pub(super) offer_to_answer: Option<Duration>,
    pub(super) offer_to_first_packet: Option<Duration>,
    pub(super) packets: u64,
    pub(super) lost: u64,
    pub(super) last_packet: Option<(Instant, DateTime<Utc>)>,
    /// `session-ended` over the WebSocket.
    pub(super) told: Option<Told>,
    /// `session-ended` over the data channel.
    pub(super) told_by_channel: Option<DateTime<Utc>>,
    pub(super) failure: Option<String>,
}

/// When `session-ended` arrived, and the cause it named.
pub(super) struct Told {
    pub(super) at: Instant,
    pub(super) wall: DateTime<Utc>,
    pub(super) cause: String,
}

#[derive(Default)]
struct Seen {
    packets: u64,
    first: Option<Instant>,
    last: Option<(Instant, DateTime<Utc>)>,
    /// First and highest sequence number, extended over wraps (RFC 3550 appendix A.1).
    sequence: Option<(u64, u64)>,
    told_by_channel: Option<DateTime<Utc>>,
}

impl Outcome {
    pub(super) fn failed(failure: String) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }
}

impl Viewer {
    /// Registers, joins the session of `booking`, offers, and waits for the first packet.
    pub(super) async fn join(
        server: &str,
        room: usize,
        booking: &str,
        person: &Person,
    ) -> anyhow::Result<Self> {
        let endpoint: Endpoint = server.parse()?;
        let mut client =
            SignalingClient::connect(&endpoint, &person.token, UserType::Viewer, &person.id).await?;
        client.send(&ClientMessage::JoinRoom(JoinRoom { room_id: booking.to_owned() })).await?;
        timeout(ANSWER_WITHIN, opened(&mut client)).await.context("the session did not open")??;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (first, first_seen) = watch::channel(false);
        let (gathering, gathered) = watch::channel(RTCIceGatheringState::New);
        let handler = Handler { seen: Arc::clone(&seen), first: Arc::new(first), gathering };
        let peer =
            peer::build(client.local_ip(), Transports::Udp, Feedback::default(), Arc::new(handler)).await?;
        let receive =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        peer.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive)).await?;
        // An application m-line, as a browser's viewer has one.
        peer.create_data_channel("control", None).await?;
        let sdp = peer::complete_offer(peer.as_ref(), gathered).await?;
        let offer = OutgoingOffer { to: None, offer: SessionDescription::offer(sdp) };
        let offered = Instant::now();
        client.send(&ClientMessage::Offer(offer)).await?;
        let answer = timeout(ANSWER_WITHIN, answer(&mut client)).await.context("no answer")??;
        let answered = Instant::now();
        peer.set_remote_description(RTCSessionDescription::answer(answer)?).await?;
        let told = tokio::spawn(listen(client, Arc::clone(&peer)));
        let mut first_seen = first_seen;
        // Without media the viewer stays all the same: it counts as one that saw nothing.
        let _ = timeout(MEDIA_WITHIN, first_seen.wait_for(|seen| *seen)).await;
        Ok(Self { room, offered, answered, seen, told, peer })
    }

    /// Waits until it is told of the end, until `give_up` at most, and says what it saw.
    pub(super) async fn end(mut self, give_up: Instant) -> Outcome {
        let (told, failure) = match timeout_at(give_up, &mut self.told).await {
            Ok(Ok(Ok(told))) => (Some(told), None),
            Ok(Ok(Err(error))) => (None, Some(format!("the signaling connection ended early: {error:#}"))),
            Ok(Err(error)) => (None, Some(error.to_string())),
            Err(_) => (None, Some("never told that the session ended".to_owned())),
        };
        self.told.abort();
        tokio::time::sleep(LISTEN_ON).await;
        let _ = timeout(Duration::from_secs(2), self.peer.close()).await;
        let seen = lock(&self.seen);
        Outcome {
            room: self.room,
            offer_to_answer: Some(self.answered - self.offered),
            offer_to_first_packet: seen.first.map(|first| first - self.offered),
            packets: seen.packets,
            lost: seen.lost(),
            last_packet: seen.last,
            told,
            told_by_channel: seen.told_by_channel,
            failure,
        }
    }
}

impl Seen {
    fn packet(&mut self, sequence_number: u16) {
        let now = Instant::now();
        self.packets += 1;
        self.first.get_or_insert(now);
        self.last = Some((now, Utc::now()));
        self.sequence = Some(match self.sequence {
            None => (1 << 16 | u64::from(sequence_number), 1 << 16 | u64::from(sequence_number)),
            Some((first, highest)) => {
                // The low 16 bits of the highest: what is ahead of it by less than half the circle is newer.
                let ahead = sequence_number.wrapping_sub((highest & 0xFFFF) as u16);
                (first, if ahead < 1 << 15 { highest + u64::from(ahead) } else { highest })
            }
        });
    }

    fn lost(&self) -> u64 {
        self.sequence.map_or(0, |(first, highest)| (highest - first + 1).saturating_sub(self.packets))
    }
}

async fn opened(client: &mut SignalingClient) -> anyhow::Result<()> {
    loop {
        match client.next().await? {
            ServerMessage::JoinedRoom(joined) if joined.state == RoomState::Open => return Ok(()),
            ServerMessage::SessionStarted(_) => return Ok(()),
            ServerMessage::Error(error) => bail!("not let in: {} ({})", error.message, error.code),
            _ => {}
        }
    }
}

async fn answer(client: &mut SignalingClient) -> anyhow::Result<String> {
    loop {
        match client.next().await? {
            ServerMessage::Answer(answer) => return Ok(answer.answer.sdp),
            ServerMessage::Error(error) => bail!("no answer: {} ({})", error.message, error.code),
            _ => {}
        }
    }
}

/// Hands on candidates until the session ends.
async fn listen(mut client: SignalingClient, peer: Arc<dyn PeerConnection>) -> anyhow::Result<Told> {
    loop {
        match client.next().await? {
            ServerMessage::SessionEnded(ended) => {
                return Ok(Told { at: Instant::now(), wall: Utc::now(), cause: ended.cause });
            }
            ServerMessage::IceCandidate(message) => {
                if let Some(candidate) = message.candidate {
                    let _ = peer.add_ice_candidate(init(candidate)).await;
                }
            }
            ServerMessage::Error(error) => bail!("{} ({})", error.message, error.code),
            _ => {}
        }
    }
}

fn init(candidate: IceCandidateInit) -> RTCIceCandidateInit {
    RTCIceCandidateInit {
        candidate: candidate.candidate,
        sdp_mid: candidate.sdp_mid,
        sdp_mline_index: candidate.sdp_mline_index,
        username_fragment: candidate.username_fragment,
        url: None,
    }
}

struct Handler {
    seen: Arc<Mutex<Seen>>,
    first: Arc<watch::Sender<bool>>,
    gathering: watch::Sender<RTCIceGatheringState>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathering.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let (seen, first) = (Arc::clone(&self.seen), Arc::clone(&self.first));
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let packets = {
                        let mut seen = lock(&seen);
                        seen.packet(packet.header.sequence_number);
                        seen.packets
                    };
                    if packets == 1 {
                        first.send_replace(true);
                    }
                }
            }
        });
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            while let Some(event) = channel.poll().await {
                let DataChannelEvent::OnMessage(message) = event else { continue };
                if let Ok(ServerMessage::SessionEnded(_)) = serde_json::from_slice(&message.data) {
                    lock(&seen).told_by_channel.get_or_insert(Utc::now());
                }
            }
        });
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(sequence_numbers: impl IntoIterator<Item = u16>) -> u64 {
        let mut seen = Seen::default();
        sequence_numbers.into_iter().for_each(|number| seen.packet(number));
        seen.lost()
    }

    #[test]
    fn gaps_are_counted_over_wraps_and_reordering_is_no_loss() {
        assert_eq!(lost([]), 0);
        assert_eq!(lost([7, 8, 9]), 0);
        assert_eq!(lost([7, 9, 8, 10]), 0);
        assert_eq!(lost([7, 10]), 2);
        assert_eq!(lost([65_534, 65_535, 0, 2]), 1);
        assert_eq!(lost((0..200_000u32).map(|number| (number & 0xFFFF) as u16)), 0);
    }
}
