//! Rewrites a robot's stream for one viewer: one unbroken stream whatever happens to its source.

use std::time::{Duration, Instant};

use bytes::Bytes;
use curfew_domain::PeerId;
use rtc::rtp;

use super::codec::{Format, Payload, payload_for};
use super::extensions::{self, Negotiated, Values};

/// A packet of a robot's camera, on its way to all viewers.
#[derive(Clone, Debug)]
pub(super) struct CameraPacket {
    pub(super) source: Source,
    pub(super) format: Format,
    pub(super) sequence_number: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) extensions: Option<Values>,
    pub(super) payload: Bytes,
}

/// Which stream a packet belongs to; numbering is continuous only within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) publisher: PeerId,
    pub(super) ssrc: u32,
}

/// The numbering of one stream to one viewer.
pub(super) struct Rewriter {
    ssrc: u32,
    payloads: Vec<Payload>,
    extensions: Vec<Negotiated>,
    source: Option<SourceState>,
    /// Where the next source begins.
    next_sequence: u16,
    last_timestamp: u32,
    last_at: Option<Instant>,
}

struct SourceState {
    source: Source,
    format: Format,
    payload: Option<Payload>,
    sequence_offset: u16,
    timestamp_offset: u32,
}

impl Rewriter {
    /// `payloads` are of one kind, and so of one clock rate.
    pub(super) fn new(ssrc: u32, payloads: Vec<Payload>, extensions: Vec<Negotiated>) -> Self {
        // RFC 3550, 5.1: both begin at random values. A receiver that misses the first packets must not miss that the
        // numbers began anew (RFC 3711, 3.3.1).
        let (next_sequence, last_timestamp) = (rand::random::<u16>() >> 1, rand::random());
        Self { ssrc, payloads, extensions, source: None, next_sequence, last_timestamp, last_at: None }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Ticks of the stream's RTP clock.
    pub(super) fn ticks(&self, passed: Duration) -> u32 {
        let rate = self.payloads.first().map_or(0, |payload| payload.format.clock_rate());
        (passed.as_micros() * u128::from(rate) / 1_000_000) as u32
    }

    /// What a source's timestamp is for the viewer; `None` unless the stream is that source's now.
    pub(super) fn timestamp_of(&self, source: Source, timestamp: u32) -> Option<u32> {
        let state = self.source.as_ref().filter(|state| state.source == source)?;
        Some(timestamp.wrapping_add(state.timestamp_offset))
    }

    /// The timestamp of something captured now, going by the last packet; `None` before the first.
    pub(super) fn timestamp_at(&self, now: Instant) -> Option<u32> {
        let passed = now.saturating_duration_since(self.last_at?);
        Some(self.last_timestamp.wrapping_add(self.ticks(passed)))
    }

    /// The packet as the viewer gets it, and the payload type of its retransmissions; `None` when the viewer negotiated no
    /// payload type that suits the source.
    pub(super) fn rewrite(
        &mut self,
        now: Instant,
        packet: CameraPacket,
    ) -> Option<(rtp::Packet, Option<u8>)> {
        let known = self.source.take().filter(|s| s.source == packet.source && s.format == packet.format);
        let state = known.unwrap_or_else(|| self.switch(now, &packet));
        let rewritten = state.payload.map(|payload| {
            let mut header = rtp::Header {
                version: 2,
                marker: packet.marker,
                payload_type: payload.payload_type,
                sequence_number: packet.sequence_number.wrapping_add(state.sequence_offset),
                timestamp: packet.timestamp.wrapping_add(state.timestamp_offset),
                ssrc: self.ssrc,
                ..Default::default()
            };
            if let Some(values) = &packet.extensions {
                extensions::write(&mut header, values, &self.extensions);
            }
            self.advance(now, &header);
            (rtp::Packet { header, payload: packet.payload }, payload.rtx)
        });
        self.source = Some(state);
        rewritten
    }

    /// Joins a new source to what was sent: the next number, and as much later as time went by.
    fn switch(&self, now: Instant, packet: &CameraPacket) -> SourceState {
        let timestamp = match self.last_at {
            None => self.last_timestamp,
            Some(at) => {
                let gap = now.saturating_duration_since(at).max(Duration::from_millis(1));
                self.last_timestamp.wrapping_add(self.ticks(gap))
            }
        };
        SourceState {
            source: packet.source,
            format: packet.format,
            payload: payload_for(&self.payloads, packet.format),
            sequence_offset: self.next_sequence.wrapping_sub(packet.sequence_number),
            timestamp_offset: timestamp.wrapping_sub(packet.timestamp),
        }
    }

    fn advance(&mut self, now: Instant, header: &rtp::Header) {
        let next = header.sequence_number.wrapping_add(1);
        // Serial number arithmetic (RFC 1982): a late packet does not move the end backwards.
        if next.wrapping_sub(self.next_sequence) < 0x8000 || self.last_at.is_none() {
            self.next_sequence = next;
            self.last_timestamp = header.timestamp;
            self.last_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn packet(publisher: u128, sequence_number: u16, timestamp: u32) -> CameraPacket {
        let source = Source { publisher: PeerId::from(Uuid::from_u128(publisher)), ssrc: 9 };
        let payload = Bytes::from_static(b"x");
        let format = Format::Vp8;
        CameraPacket { source, format, sequence_number, timestamp, marker: false, extensions: None, payload }
    }

    fn rewriter() -> Rewriter {
        Rewriter::new(
            77,
            vec![Payload { payload_type: 100, rtx: Some(101), format: Format::Vp8 }],
            Vec::new(),
        )
    }

    fn numbers(rewriter: &mut Rewriter, now: Instant, packet: CameraPacket) -> (u16, u32) {
        let (packet, rtx) = rewriter.rewrite(now, packet).expect("suits");
        assert_eq!((packet.header.ssrc, packet.header.payload_type, rtx), (77, 100, Some(101)));
        (packet.header.sequence_number, packet.header.timestamp)
    }

    #[test]
    fn gaps_and_reordering_of_the_source_stay_visible() {
        let (mut rewriter, now) = (rewriter(), Instant::now());
        let (first, at) = numbers(&mut rewriter, now, packet(1, 65_534, 4_000_000_000));
        for (source, expected) in [(65_535, 1), (2, 4), (1, 3), (0, 2), (3, 5)] {
            let (sequence, timestamp) = numbers(&mut rewriter, now, packet(1, source, 4_000_003_000));
            assert_eq!(sequence, first.wrapping_add(expected));
            assert_eq!(timestamp, at.wrapping_add(3_000));
        }
    }

    #[test]
    fn a_new_source_goes_on_where_the_last_ended() {
        let (mut rewriter, now) = (rewriter(), Instant::now());
        numbers(&mut rewriter, now, packet(1, 10, 1_000));
        let (last, at) = numbers(&mut rewriter, now, packet(1, 11, 4_000));
        let later = now + Duration::from_millis(200);
        let (sequence, timestamp) = numbers(&mut rewriter, later, packet(2, 40_000, 5));
        assert_eq!(sequence, last.wrapping_add(1));
        assert_eq!(timestamp, at.wrapping_add(200 * 90));
        assert_eq!(numbers(&mut rewriter, later, packet(2, 40_001, 3_005)).0, last.wrapping_add(2));
    }

    #[test]
    fn a_source_the_viewer_cannot_play_is_left_out_without_a_gap() {
        let (mut rewriter, now) = (rewriter(), Instant::now());
        let (last, _) = numbers(&mut rewriter, now, packet(1, 10, 0));
        let profile = Format::H264 { profile: [0x42, 0xe0], level: 0x1f, packetization_mode: 1 };
        assert!(rewriter.rewrite(now, CameraPacket { format: profile, ..packet(1, 11, 0) }).is_none());
        assert_eq!(numbers(&mut rewriter, now, packet(1, 12, 0)).0, last.wrapping_add(1));
    }
}
