//! A viewer's side of the relay: its streams, what protects them, and what it says of how they arrive.

use std::time::{Duration, Instant};

use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;

use super::build::BuiltStream;
use super::cameras::SOUND;
use super::estimate::{Estimate, Rate};
use super::feedback::Feedback;
use super::keys::MasterKey;
use super::protect::Protector;
use super::room::Room;
use super::sender_reports::{Reading, Wall};
use super::stats::PeerStats;
use super::stream::Stream;
use super::track::Tracks;

pub(super) struct Viewer {
    streams: Vec<Stream>,
    /// `None` until DTLS is done.
    protector: Option<Protector>,
    /// Whether it has begun to read the robot's tracks.
    reads: bool,
    /// Packets of one stream that may wait.
    queue_packets: usize,
    dropped: u64,
    estimate: Estimate,
    rate: Rate,
    began_at: Instant,
    heard_at: Instant,
    /// When the sender reports are due; `None` before the first packet.
    reports_at: Option<Instant>,
    retransmitted: u64,
    keyframe_requests: u64,
    loss_permille: u16,
    round_trip: Option<Duration>,
    round_trips: (Duration, u32),
}

/// How often a viewer is sent sender reports. RFC 3550 (6.2) would allow fewer bytes for them than a second of sound has.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// A viewer that nothing came from for so long had no network: it reports every second, and checks its path as often.
const GONE_AFTER: Duration = Duration::from_secs(3);

/// What it means that packets were dropped on the way to a viewer, in 256ths of what was sent: how many they were says more of the
/// kernel's buffer than of the way.
const CUT: u8 = 128;

impl Viewer {
    pub(super) fn new(
        now: Instant,
        streams: Vec<BuiltStream>,
        queue_packets: usize,
        keyframe_interval: Duration,
    ) -> Self {
        let streams = streams.into_iter().map(|built| Stream::new(built, keyframe_interval)).collect();
        Self {
            streams,
            protector: None,
            reads: false,
            queue_packets: queue_packets.max(1),
            dropped: 0,
            estimate: Estimate::default(),
            rate: Rate::new(now),
            began_at: now,
            heard_at: now,
            reports_at: None,
            retransmitted: 0,
            keyframe_requests: 0,
            loss_permille: 0,
            round_trip: None,
            round_trips: (Duration::ZERO, 0),
        }
    }

    /// Something came from the viewer. Where nothing had for so long that it has lost more than can be sent again, it needs key
    /// frames; it would notice by itself only when it has shown nothing for seconds.
    pub(super) fn heard(&mut self, now: Instant) {
        let silent_for = now.saturating_duration_since(std::mem::replace(&mut self.heard_at, now));
        if silent_for >= GONE_AFTER {
            self.streams.iter_mut().for_each(|stream| stream.keyframes.want());
        }
    }

    /// The slots of the cameras that are to be asked for key frames for this viewer now.
    pub(super) fn wishes(&mut self, now: Instant) -> impl Iterator<Item = usize> {
        let pictures = self.streams.iter_mut().filter(|stream| stream.slot != SOUND);
        pictures.filter_map(move |stream| stream.keyframes.ask(now).then_some(stream.slot))
    }

    /// Packets were dropped: the way to the viewer takes no more for now.
    pub(super) fn cut(&mut self, now: Instant) {
        if self.is_steady(now) {
            self.estimate.reported(now, CUT, self.rate.bps(now));
        }
        self.streams.iter_mut().for_each(|stream| stream.cut(now));
    }

    /// Whether what it is sent is what there is, so that it says something of the way.
    fn is_steady(&self, now: Instant) -> bool {
        self.streams.iter().all(|stream| stream.is_steady(now))
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.streams.iter().map(|stream| stream.slot)
    }

    /// The robot's clocks, as it told them for the stream in that slot.
    pub(super) fn read(&mut self, slot: usize, reading: Reading) {
        for stream in self.streams.iter_mut().filter(|stream| stream.slot == slot) {
            stream.reporter.read(reading);
        }
    }

    /// When [`Self::reports`] has something to say next.
    pub(super) fn reports_at(&self) -> Option<Instant> {
        self.reports_at
    }

    /// When the viewer is to be looked at, though nothing comes.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let wishes = self.streams.iter().filter(|stream| stream.slot != SOUND);
        wishes.filter_map(|stream| stream.keyframes.timeout()).chain(self.reports_at).min()
    }

    /// The sender reports that are due. All go by one wall clock, or the viewer would play sound and pictures apart.
    pub(super) fn reports(&mut self, now: Instant) -> Vec<SenderReport> {
        self.reports_at = Some(now + REPORT_EVERY);
        let robot_reports = self.streams.iter().any(|stream| stream.reporter.has_reading());
        let wall = if robot_reports { Wall::Robot } else { Wall::Since(self.began_at) };
        let streams = self.streams.iter_mut();
        streams.filter_map(|stream| stream.reporter.report(now, wall, &stream.rewriter)).collect()
    }

    /// Protects what is sent from here on; whether that can be done with such keys.
    pub(super) fn protect_with(&mut self, master: &MasterKey) -> bool {
        let provider = rtc::crypto::default_provider();
        let protector = provider.and_then(|provider| Protector::new(provider.crypto(), master));
        self.protector = protector.inspect_err(|error| tracing::error!(%error, "no protection")).ok();
        self.protector.is_some()
    }

    /// Writes what is to leave next, repairs first: they are late already. How many those are. What came before the viewer
    /// was connected is not for it; of what waits for too long the oldest is dropped, and then what is of no use without it.
    pub(super) fn write(&mut self, now: Instant, tracks: &Tracks, room: &mut Room) -> usize {
        let Some(protector) = self.protector.as_mut().filter(|_| self.reads) else { return 0 };
        let (mut repairs, mut octets) = (0, 0);
        for stream in &mut self.streams {
            let Some(track) = tracks.get(stream.slot) else { continue };
            repairs += stream.repair(now, track, protector, room);
            self.dropped += stream.keep(now, track, self.queue_packets);
            let (written, left_out) = stream.write(now, track, protector, room);
            octets += written;
            self.dropped += left_out;
        }
        self.retransmitted += repairs as u64;
        if octets > 0 {
            self.reports_at.get_or_insert(now);
            self.rate.add(now, octets);
        }
        repairs
    }

    /// Begins to read the robot's tracks, where it may and has not: with what comes next.
    pub(super) fn begin(&mut self, tracks: &Tracks) {
        if self.protector.is_some() && !std::mem::replace(&mut self.reads, true) {
            for stream in &mut self.streams {
                tracks.get(stream.slot).into_iter().for_each(|track| stream.begin(track));
            }
        }
    }

    /// Takes what the viewer says; what it asks for are [`Self::wishes`], and packets that are to be sent again [`Self::write`]'s.
    pub(super) fn take(&mut self, now: Instant, feedback: Feedback) {
        match feedback {
            Feedback::KeyFrame { ssrc } => {
                if let Some(stream) = self.stream(ssrc) {
                    stream.keyframes.want();
                    self.keyframe_requests += 1;
                }
            }
            Feedback::Again { ssrc, lost } => {
                self.stream(ssrc).into_iter().for_each(|stream| stream.ask(&lost));
            }
            Feedback::Receives { bps } => self.estimate.heard(bps, self.rate.bps(now)),
            Feedback::Report(report) => self.reported(now, &report),
        }
    }

    fn reported(&mut self, now: Instant, report: &ReceptionReport) {
        let Some(stream) = self.stream(report.ssrc) else { return };
        // 24 bits with a sign: duplicates can make it negative (RFC 3550, 6.4.1).
        stream.lost = Some(report.total_lost).filter(|lost| *lost < 0x80_0000).map_or(0, u64::from);
        if let Some(trip) = stream.reporter.round_trip(now, report) {
            self.round_trip = Some(trip);
            self.round_trips = (self.round_trips.0 + trip, self.round_trips.1.saturating_add(1));
        }
        self.loss_permille = u16::from(report.fraction_lost) * 125 / 32;
        // What is left out is not reported lost, and a way that is spared says nothing of its width.
        if self.is_steady(now) {
            let sent = self.rate.bps(now);
            self.estimate.reported(now, report.fraction_lost, sent);
        }
    }

    /// What is known of how the viewer is served, but for what its gate counts.
    /// `None` stands for when the last packet was sent.
    pub(super) fn stats(&self, now: Option<Instant>) -> PeerStats {
        let now = now.or(self.rate.last_at()).unwrap_or(self.began_at);
        let sum = |of: fn(&Stream) -> u64| self.streams.iter().map(of).sum();
        PeerStats {
            bitrate_bps: self.rate.bps(now),
            mean_bitrate_bps: self.rate.mean_bps(),
            lost: sum(|stream| stream.lost),
            loss_permille: self.loss_permille,
            round_trip: self.round_trip,
            mean_round_trip: self.round_trips.0.checked_div(self.round_trips.1),
            retransmitted: self.retransmitted,
            keyframe_requests: self.keyframe_requests,
            freezes: sum(|stream| stream.freezes.count),
            frozen: self.streams.iter().map(|stream| stream.freezes.total).sum(),
            ..PeerStats::default()
        }
    }

    fn stream(&mut self, ssrc: u32) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.rewriter.ssrc() == ssrc)
    }

    /// Bits per second that the viewer can be sent; `None` while nothing limits it.
    pub(super) fn limit(&self) -> Option<u64> {
        self.estimate.limit()
    }

    pub(super) fn is_waiting(&self, tracks: &Tracks) -> bool {
        let waits = |stream: &Stream| tracks.get(stream.slot).is_some_and(|track| stream.is_waiting(track));
        self.reads && self.streams.iter().any(waits)
    }

    /// Drops all that waits.
    pub(super) fn clear(&mut self, tracks: &Tracks) {
        if self.reads {
            let streams = self.streams.iter_mut();
            self.dropped +=
                streams.filter_map(|stream| Some(stream.skip(tracks.get(stream.slot)?))).sum::<u64>();
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use curfew_domain::PeerId;
    use uuid::Uuid;

    use super::super::codec::{Format, Kind, Payload};
    use super::super::forward::{CameraPacket, Source};
    use super::super::keys::Profile;
    use super::super::paths::Path;
    use super::*;

    const SSRC: u32 = 7;
    const RTX_SSRC: u32 = 8;

    /// A viewer that may fall behind by so many packets, and its robot's tracks.
    struct Watched {
        viewer: Viewer,
        tracks: Tracks,
        now: Instant,
        filmed: u16,
    }

    fn watched(queue_packets: usize) -> Watched {
        let payload = Payload { payload_type: 100, rtx: Some(101), format: Format::Vp8 };
        let stream = BuiltStream {
            kind: Kind::Video,
            name: None,
            slot: 0,
            payloads: vec![payload],
            ssrc: Some(SSRC),
            rtx_ssrc: Some(RTX_SSRC),
            remb: false,
            extensions: Vec::new(),
        };
        let now = Instant::now();
        let viewer = Viewer::new(now, vec![stream], queue_packets, Duration::from_millis(500));
        Watched { viewer, tracks: Tracks::new(queue_packets), now, filmed: 0 }
    }

    impl Watched {
        fn connect(&mut self) {
            let master = MasterKey { profile: Profile::Gcm, key: [1; 16], salt: [2; 14] };
            assert!(self.viewer.protect_with(&master));
            self.viewer.begin(&self.tracks);
        }

        fn film(&mut self, packets: u16) {
            self.film_frames(packets, false);
        }

        /// Frames of one packet each.
        fn film_frames(&mut self, packets: u16, is_key: bool) {
            for _ in 0..packets {
                let packet = CameraPacket {
                    source: Source { publisher: PeerId::from(Uuid::from_u128(1)), ssrc: 9 },
                    format: Format::Vp8,
                    sequence_number: self.filmed,
                    timestamp: u32::from(self.filmed) * 3_000,
                    marker: true,
                    extensions: None,
                    payload: Bytes::from_static(if is_key { &[0x10, 0] } else { &[0x10, 1] }),
                };
                self.tracks.push(0, packet);
                self.filmed = self.filmed.wrapping_add(1);
            }
        }

        /// What leaves: the SSRCs and sequence numbers.
        fn sent(&mut self) -> Vec<(u32, u16)> {
            let address = std::net::SocketAddr::from(([192, 0, 2, 1], 9));
            let protocol = rtc::shared::TransportProtocol::UDP;
            let path = Path { protocol, local: address, remote: address };
            let (mut room, mut sent) = (Room::default(), Vec::new());
            while self.viewer.is_waiting(&self.tracks) {
                room.clear();
                self.viewer.write(self.now, &self.tracks, &mut room);
                for datagram in room.batches(path, 8).flat_map(|batch| batch.datagrams()) {
                    let header: [u8; 12] = datagram[..12].try_into().expect("a header");
                    let [_, _, high, low, _, _, _, _, ssrc @ ..] = header;
                    sent.push((u32::from_be_bytes(ssrc), u16::from_be_bytes([high, low])));
                }
            }
            sent
        }

        fn lose(&mut self, lost: impl IntoIterator<Item = u16>) {
            let lost = lost.into_iter().collect();
            self.viewer.take(self.now, Feedback::Again { ssrc: SSRC, lost });
        }
    }

    #[test]
    fn what_came_before_a_viewer_was_connected_is_not_for_it() {
        let mut watched = watched(512);
        watched.film(10);
        assert_eq!(watched.sent(), []);
        watched.connect();
        assert_eq!(watched.sent(), []);
        watched.film(100);
        let first = watched.sent();
        assert!(first.len() == 100 && first.iter().all(|(ssrc, _)| *ssrc == SSRC));
        watched.lose([first[0].1.wrapping_sub(1), first[0].1.wrapping_sub(5), first[99].1.wrapping_add(1)]);
        assert_eq!(watched.sent(), [], "neither what came before nor what never came is sent again");
        assert_eq!(watched.viewer.dropped(), 0);
    }

    #[test]
    fn of_what_waits_too_long_the_oldest_is_dropped() {
        for limit in [4, 2_000] {
            let mut watched = watched(limit);
            watched.connect();
            watched.film_frames(3_000, true);
            let kept = watched.sent();
            assert_eq!((kept.len(), watched.viewer.dropped()), (limit, 3_000 - limit as u64));
            watched.film(2);
            watched.viewer.clear(&watched.tracks);
            assert_eq!((watched.sent().len(), watched.viewer.dropped()), (0, 3_002 - limit as u64));
        }
    }

    #[test]
    fn where_packets_were_dropped_pictures_go_on_with_a_key_frame_and_without_a_gap() {
        let mut watched = watched(512);
        watched.connect();
        watched.film(10);
        let last = watched.sent()[9].1;
        watched.viewer.cut(watched.now);
        watched.film(100);
        watched.lose([last]);
        assert_eq!(watched.sent(), [], "none of it is of use");
        let wishes = |watched: &mut Watched, ms| {
            let now = watched.now + Duration::from_millis(ms);
            watched.viewer.wishes(now).count()
        };
        assert_eq!(
            (wishes(&mut watched, 400), wishes(&mut watched, 500), wishes(&mut watched, 900)),
            (0, 1, 0)
        );
        watched.film_frames(1, true);
        watched.film(2);
        let sent: Vec<u16> = watched.sent().into_iter().map(|(_, sequence)| sequence).collect();
        assert_eq!(sent, [1, 2, 3].map(|n| last.wrapping_add(n)));
        watched.lose([last, sent[0]]);
        assert_eq!(watched.sent().len(), 1, "what came before the key frame is not sent again");
        assert_eq!(watched.viewer.dropped(), 100);
    }

    #[test]
    fn what_is_reported_lost_leaves_first_and_under_a_number_of_its_own() {
        let mut watched = watched(512);
        watched.connect();
        let mut repairs = Vec::new();
        // Far enough for the sequence numbers to begin anew.
        for _ in 0..200 {
            watched.film(400);
            let sent = watched.sent();
            let lost: Vec<u16> = sent.iter().skip(300).map(|(_, sequence)| *sequence).collect();
            watched.lose(lost.clone());
            watched.film(1);
            let again = watched.sent();
            assert_eq!(again.len(), lost.len() + 1);
            assert_eq!(again.last(), Some(&(SSRC, sent[399].1.wrapping_add(1))));
            repairs.extend(
                again.into_iter().filter(|(ssrc, _)| *ssrc == RTX_SSRC).map(|(_, sequence)| sequence),
            );
            watched.lose(lost);
            assert_eq!(watched.sent(), [], "the first copies may be under way");
        }
        assert_eq!(repairs.len(), 20_000);
        assert!(repairs.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
        assert_eq!(watched.viewer.stats(None).retransmitted, 20_000);
    }
}
