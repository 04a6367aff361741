//! Sender reports for one viewer's stream (RFC 3550, 6.4.1): the robot's own pairs of wall clock and RTP clock, carried over
//! to the viewer's timestamps, so that sound and pictures can be played together; and the round trips they measure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;

use super::forward::{Rewriter, Source};

/// Reports that a viewer may still refer to.
const MAX_SENT: usize = 4;
/// No path takes longer; what says so has its clocks wrong.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(30);

/// Two clocks of a robot at one instant, as its sender report of a stream told them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) source: Source,
    /// NTP format: seconds in the upper half, their fraction in the lower.
    pub(super) ntp: u64,
    pub(super) rtp: u32,
    pub(super) heard_at: Instant,
}

/// What tells the time of a viewer's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wall {
    /// The robot, by its reports.
    Robot,
    /// The time since then: the robot reports nothing (RFC 3550, 6.4.1, allows that).
    Since(Instant),
}

/// The reports about one stream to one viewer.
pub(super) struct Reporter {
    reading: Option<Reading>,
    packets: u32,
    octets: u32,
    /// The middle of the NTP time of a report, and when it was sent.
    sent: VecDeque<(u32, Instant)>,
}

impl Reporter {
    pub(super) fn new() -> Self {
        Self { reading: None, packets: 0, octets: 0, sent: VecDeque::new() }
    }

    pub(super) fn count(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }

    pub(super) fn read(&mut self, reading: Reading) {
        self.reading = Some(reading);
    }

    pub(super) fn has_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// The report that is true at `now`; `None` before the stream began, and while a new source has not reported yet.
    pub(super) fn report(&mut self, now: Instant, wall: Wall, rewriter: &Rewriter) -> Option<SenderReport> {
        if self.packets == 0 {
            return None;
        }
        let (ntp_time, rtp_time) = match wall {
            Wall::Robot => {
                let reading = self.reading?;
                let passed = now.saturating_duration_since(reading.heard_at);
                let rtp = rewriter.timestamp_of(reading.source, reading.rtp)?;
                (reading.ntp.wrapping_add(ntp(passed)), rtp.wrapping_add(rewriter.ticks(passed)))
            }
            Wall::Since(start) => (ntp(now.saturating_duration_since(start)), rewriter.timestamp_at(now)?),
        };
        if self.sent.len() == MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back((middle(ntp_time), now));
        Some(SenderReport {
            ssrc: rewriter.ssrc(),
            ntp_time,
            rtp_time,
            packet_count: self.packets,
            octet_count: self.octets,
            ..Default::default()
        })
    }

    /// How long a report and its echo took on the way (RFC 3550, 6.4.1: LSR and DLSR), by this clock alone.
    pub(super) fn round_trip(&self, now: Instant, echo: &ReceptionReport) -> Option<Duration> {
        let (_, at) = self.sent.iter().find(|(id, _)| *id == echo.last_sender_report)?;
        let held = Duration::from_secs_f64(f64::from(echo.delay) / 65_536.0);
        now.saturating_duration_since(*at).checked_sub(held).filter(|trip| *trip < MAX_ROUND_TRIP)
    }
}

/// The middle of an NTP time, by which a receiver report refers to it (RFC 3550, 6.4.1: LSR).
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A length of time in NTP format.
fn ntp(passed: Duration) -> u64 {
    (passed.as_secs() << 32) | ((u64::from(passed.subsec_nanos()) << 32) / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use curfew_domain::PeerId;
    use uuid::Uuid;

    use super::super::codec::{Format, Payload};
    use super::super::forward::CameraPacket;
    use super::super::track::Arrived;
    use super::*;

    fn source(publisher: u128) -> Source {
        Source { publisher: PeerId::from(Uuid::from_u128(publisher)), ssrc: 9 }
    }

    /// A stream of sound whose first packet, of timestamp 1,000, was sent at `now`; the timestamp it got.
    fn begun(now: Instant) -> (Reporter, Rewriter, u32) {
        let payload = Payload { payload_type: 111, rtx: None, format: Format::Opus };
        let mut rewriter = Rewriter::new(77, vec![payload], Vec::new());
        let packet = CameraPacket {
            source: source(1),
            format: Format::Opus,
            sequence_number: 1,
            timestamp: 1_000,
            marker: false,
            extensions: None,
            payload: Bytes::from_static(b"x"),
        };
        let sent = rewriter.rewrite(now, &Arrived { packet, take: 1, number: 1 << 16 }).expect("suits");
        let mut reporter = Reporter::new();
        reporter.count(100);
        (reporter, rewriter, sent.timestamp)
    }

    #[test]
    fn a_robots_clocks_are_carried_over_to_the_viewers_timestamps() {
        let now = Instant::now();
        let (mut reporter, rewriter, first) = begun(now);
        reporter.read(Reading { source: source(1), ntp: 5 << 32, rtp: 1_480, heard_at: now });
        let later = now + Duration::from_millis(500);
        let report = reporter.report(later, Wall::Robot, &rewriter).expect("a report");
        assert_eq!((report.ssrc, report.packet_count, report.octet_count), (77, 1, 100));
        assert_eq!(report.ntp_time, (5 << 32) | (1 << 31));
        assert_eq!(report.rtp_time, first.wrapping_add(480 + 24_000));
        reporter.read(Reading { source: source(2), ntp: 0, rtp: 0, heard_at: later });
        assert_eq!(reporter.report(later, Wall::Robot, &rewriter), None, "nothing came of that source yet");
    }

    #[test]
    fn without_a_robots_clock_the_time_since_the_beginning_serves() {
        let now = Instant::now();
        let (mut reporter, rewriter, first) = begun(now);
        let later = now + Duration::from_secs(2);
        let report = reporter.report(later, Wall::Since(now), &rewriter).expect("a report");
        assert_eq!((report.ntp_time, report.rtp_time), (2 << 32, first.wrapping_add(96_000)));
    }

    #[test]
    fn an_echo_measures_the_round_trip_without_what_the_viewer_held_it() {
        let now = Instant::now();
        let (mut reporter, rewriter, _) = begun(now);
        let report = reporter.report(now, Wall::Since(now - Duration::from_secs(7)), &rewriter);
        let id = middle(report.expect("a report").ntp_time);
        let echo = ReceptionReport { last_sender_report: id, delay: 65_536, ..Default::default() };
        let back = now + Duration::from_millis(1_080);
        assert_eq!(reporter.round_trip(back, &echo), Some(Duration::from_millis(80)));
        assert_eq!(reporter.round_trip(now, &echo), None, "sooner than it was held");
        let unknown = ReceptionReport { last_sender_report: id ^ 1, ..Default::default() };
        assert_eq!(reporter.round_trip(back, &unknown), None);
    }
}
