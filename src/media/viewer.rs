//! A viewer's side of the relay: the queue of what it is to see, its numbering, and its repairs.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;

use super::build::BuiltStream;
use super::cameras::SOUND;
use super::estimate::{Estimate, Rate};
use super::feedback::Feedback;
use super::forward::{CameraPacket, Rewriter};
use super::freezes::Freezes;
use super::history::History;
use super::keys::MasterKey;
use super::protect::Protector;
use super::queue::DropOldest;
use super::sender_reports::{Reading, Reporter, Wall};
use super::stats::PeerStats;

pub(super) struct Viewer {
    streams: Vec<Stream>,
    /// `None` until DTLS is done.
    protector: Option<Protector>,
    queue: DropOldest<(usize, CameraPacket)>,
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

/// One of the robot's cameras, or its sound, as this viewer gets it.
struct Stream {
    slot: usize,
    rewriter: Rewriter,
    history: History,
    reporter: Reporter,
    freezes: Freezes,
    /// As the viewer reported it last.
    lost: u64,
}

/// What a viewer's feedback leads to.
pub(super) enum Answered {
    /// Packets to send again, protected, at once: they are late already.
    Repairs(Vec<BytesMut>),
    /// A key frame is needed of the camera in this slot.
    KeyFrame(usize),
    /// What the viewer can be sent has become another.
    Limit,
    /// It was about no stream of this viewer.
    Nothing,
}

impl Viewer {
    pub(super) fn new(now: Instant, streams: Vec<BuiltStream>, queue_packets: usize) -> Self {
        let streams = streams
            .into_iter()
            .map(|built| Stream {
                slot: built.slot,
                rewriter: Rewriter::new(built.ssrc.unwrap_or_default(), built.payloads, built.extensions),
                history: History::new(built.rtx_ssrc),
                reporter: Reporter::new(),
                freezes: Freezes::default(),
                lost: 0,
            })
            .collect();
        Self {
            streams,
            protector: None,
            queue: DropOldest::new(queue_packets),
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

    /// Takes a packet of the robot's camera in that slot. A viewer that asked for fewer cameras ignores the others.
    pub(super) fn offer(&mut self, slot: usize, packet: CameraPacket) {
        if let Some(stream) = self.streams.iter().position(|stream| stream.slot == slot) {
            self.queue.push((stream, packet));
        }
    }

    /// Something came from the viewer. True when nothing had for so long that it has lost more than can be sent again; it
    /// would notice by itself only when it has shown nothing for seconds.
    pub(super) fn is_back(&mut self, now: Instant) -> bool {
        now.saturating_duration_since(std::mem::replace(&mut self.heard_at, now)) >= GONE_AFTER
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

    /// The next packet to send, rewritten, remembered and protected; written into `room`.
    pub(super) fn next(&mut self, now: Instant, room: &mut BytesMut) -> Option<BytesMut> {
        let protector = self.protector.as_mut()?;
        while let Some((stream, packet)) = self.queue.pop() {
            let Some(stream) = self.streams.get_mut(stream) else { continue };
            let Some((packet, rtx)) = stream.rewriter.rewrite(now, packet) else { continue };
            let Some(protected) = protector.protect(room, &packet) else { continue };
            // Sound is not repaired.
            if stream.slot != SOUND {
                stream.history.remember(now, &packet, rtx);
                // The marker ends a frame (RFC 6184, 5.1; RFC 7741, 4.1).
                if packet.header.marker {
                    stream.freezes.frame(now, packet.header.timestamp);
                }
            }
            stream.reporter.count(packet.payload.len());
            self.reports_at.get_or_insert(now);
            self.rate.add(now, packet.payload.len());
            return Some(protected);
        }
        None
    }

    pub(super) fn answer(&mut self, now: Instant, feedback: Feedback) -> Answered {
        let limit = self.limit();
        match feedback {
            Feedback::KeyFrame { ssrc } => {
                let Some(slot) = self.stream(ssrc).map(|stream| stream.slot) else {
                    return Answered::Nothing;
                };
                self.keyframe_requests += 1;
                Answered::KeyFrame(slot)
            }
            Feedback::Again { ssrc, lost } => self.repair(now, ssrc, &lost),
            Feedback::Receives { bps } => {
                self.estimate.heard(bps, self.rate.bps(now));
                self.limit_after(limit)
            }
            Feedback::Report(report) => {
                self.reported(now, &report);
                self.limit_after(limit)
            }
        }
    }

    fn repair(&mut self, now: Instant, ssrc: u32, lost: &[u16]) -> Answered {
        let stream = self.streams.iter_mut().find(|stream| stream.rewriter.ssrc() == ssrc);
        let (Some(stream), Some(protector)) = (stream, &mut self.protector) else { return Answered::Nothing };
        let again = lost.iter().filter_map(|lost| stream.history.again(now, *lost));
        let repairs: Vec<_> =
            again.filter_map(|packet| protector.protect(&mut BytesMut::new(), &packet)).collect();
        self.retransmitted += repairs.len() as u64;
        Answered::Repairs(repairs)
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
        let sent = self.rate.bps(now);
        self.estimate.reported(now, report.fraction_lost, sent);
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

    fn limit_after(&self, before: Option<u64>) -> Answered {
        if self.limit() == before { Answered::Nothing } else { Answered::Limit }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Drops all that waits.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(super) fn dropped(&self) -> u64 {
        self.queue.dropped
    }
}
