//! Rewrites a robot's stream for one viewer: one unbroken stream whatever happens to its source.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use curfew_domain::PeerId;

use super::codec::{Format, Payload, payload_for};
use super::extensions::{Negotiated, Values};
use super::protect::Header;
use super::seen;
use super::track::{Arrived, Track};

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

/// The numbering of one stream to one viewer. **No two packets get one index**, which AES-GCM depends on: each part of the
/// stream begins behind all that was sent before, and what comes from before a part's beginning is left out.
pub(super) struct Rewriter {
    ssrc: u32,
    payloads: Vec<Payload>,
    extensions: Vec<Negotiated>,
    /// The present part of the stream, and those before it that may be asked for. They are needed seldom, so they lie elsewhere.
    part: Option<Part>,
    former: VecDeque<Part>,
    /// Where the next part begins: behind the newest packet.
    next_index: u64,
    last_timestamp: u32,
    last_at: Option<Instant>,
    /// Whether the next packet follows the last one, whatever was left out between them.
    joins: bool,
}

/// Parts of which packets can be sent again.
const MAX_PARTS: usize = 4;
/// What a viewer may miss in one piece: from more it could not tell how often the sequence numbers began anew meanwhile
/// (RFC 3711, 3.3.1), so the stream goes on as if nothing had been.
const MAX_GAP: u64 = 1 << 14;

/// A take of a track, as this viewer gets it.
struct Part {
    source: Source,
    take: u64,
    payload: Option<Payload>,
    /// The number of its first packet there, and the index here.
    first_number: u64,
    first_index: u64,
    timestamp_offset: u32,
}

impl Part {
    fn header(&self, arrived: &Arrived, ssrc: u32) -> Option<Header> {
        let payload = self.payload?;
        let passed = arrived.number.checked_sub(self.first_number)?;
        Some(Header {
            ssrc,
            index: self.first_index + passed,
            payload_type: payload.payload_type,
            timestamp: arrived.packet.timestamp.wrapping_add(self.timestamp_offset),
            marker: arrived.packet.marker,
        })
    }
}

impl Rewriter {
    /// `payloads` are of one kind, and so of one clock rate.
    pub(super) fn new(ssrc: u32, payloads: Vec<Payload>, extensions: Vec<Negotiated>) -> Self {
        // RFC 3550, 5.1: both begin at random values. A receiver that misses the first packets must not miss that the
        // numbers began anew (RFC 3711, 3.3.1).
        let (next_index, last_timestamp) = (u64::from(rand::random::<u16>() >> 1), rand::random());
        Self {
            ssrc,
            payloads,
            extensions,
            part: None,
            former: VecDeque::new(),
            next_index,
            last_timestamp,
            last_at: None,
            joins: false,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The header extensions that the viewer negotiated.
    pub(super) fn extensions(&self) -> &[Negotiated] {
        &self.extensions
    }

    /// Ticks of the stream's RTP clock.
    pub(super) fn ticks(&self, passed: Duration) -> u32 {
        let rate = self.payloads.first().map_or(0, |payload| payload.format.clock_rate());
        (passed.as_micros() * u128::from(rate) / 1_000_000) as u32
    }

    /// What a source's timestamp is for the viewer; `None` unless the stream is that source's now.
    pub(super) fn timestamp_of(&self, source: Source, timestamp: u32) -> Option<u32> {
        let part = self.part.as_ref().filter(|part| part.source == source)?;
        Some(timestamp.wrapping_add(part.timestamp_offset))
    }

    /// The timestamp of something captured now, going by the last packet; `None` before the first.
    pub(super) fn timestamp_at(&self, now: Instant) -> Option<u32> {
        let passed = now.saturating_duration_since(self.last_at?);
        Some(self.last_timestamp.wrapping_add(self.ticks(passed)))
    }

    /// The packet's header as the viewer gets it; `None` when the viewer negotiated no payload type that suits the source,
    /// and for what came after a later packet had begun its part of the stream.
    pub(super) fn rewrite(&mut self, now: Instant, arrived: &Arrived) -> Option<Header> {
        let next_index = self.next_index;
        let goes_on = self.part.as_ref().is_some_and(|part| {
            let index = part.first_index.saturating_add(arrived.number.saturating_sub(part.first_number));
            !self.joins
                && part.take == arrived.take
                && (part.payload.is_none() || index < next_index + MAX_GAP)
        });
        if !goes_on {
            self.begin_part(now, arrived);
        }
        let header = self.part.as_ref()?.header(arrived, self.ssrc)?;
        if header.index >= self.next_index {
            self.next_index = header.index + 1;
            self.last_timestamp = header.timestamp;
            self.last_at = Some(now);
        }
        Some(header)
    }

    /// What was left out up to the next packet is not to be missed: its numbers are given to what follows, and what was sent before is
    /// not sent again.
    pub(super) fn join(&mut self) {
        self.joins = true;
    }

    /// Joins a new source, or the same after a gap, to what was sent: the next number, and of a new one as much later as time
    /// went by.
    fn begin_part(&mut self, now: Instant, arrived: &Arrived) {
        let joins = std::mem::take(&mut self.joins);
        let goes_on = self.part.as_ref().filter(|part| part.take == arrived.take);
        let timestamp_offset = goes_on.map(|part| part.timestamp_offset);
        let timestamp = match self.last_at {
            None => self.last_timestamp,
            Some(at) => {
                let gap = now.saturating_duration_since(at).max(Duration::from_millis(1));
                self.last_timestamp.wrapping_add(self.ticks(gap))
            }
        };
        // Before the first of all there is room for those that it overtook.
        let room = if self.last_at.is_none() { u64::from(seen::WINDOW) } else { 0 };
        let room = room.min(self.next_index).min(arrived.number);
        let former = self.part.replace(Part {
            source: arrived.packet.source,
            take: arrived.take,
            payload: payload_for(&self.payloads, arrived.packet.format),
            first_number: arrived.number - room,
            first_index: self.next_index - room,
            timestamp_offset: timestamp_offset
                .unwrap_or_else(|| timestamp.wrapping_sub(arrived.packet.timestamp)),
        });
        if joins {
            self.former.clear();
            return;
        }
        self.former.extend(former);
        if self.former.len() == MAX_PARTS {
            self.former.pop_front();
        }
    }

    /// The index of a sequence number that the viewer names: of those with that number the one nearest to what was sent last.
    pub(super) fn index_of(&self, sequence_number: u16) -> Option<u64> {
        let newest = self.next_index.checked_sub(1)?;
        let behind = (newest as u16).wrapping_sub(sequence_number);
        newest.checked_sub(behind.into()).filter(|_| behind < 0x8000)
    }

    /// The packet that was sent under `index`, its header, and the payload type of its retransmissions. What came before the
    /// place `since` was not for this viewer.
    pub(super) fn sent_as<'t>(
        &self,
        index: u64,
        track: &'t Track,
        since: u64,
    ) -> Option<(&'t Arrived, Header, Option<u8>)> {
        let parts = self.former.iter().chain(&self.part).filter(|part| part.payload.is_some());
        let part = parts.take_while(|part| part.first_index <= index).last()?;
        let arrived = track.find(part.take, part.first_number + (index - part.first_index), since)?;
        Some((arrived, part.header(arrived, self.ssrc)?, part.payload?.rtx))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::track::Tracks;
    use super::*;

    /// A stream to one viewer, and the track that it is of.
    struct Relayed {
        tracks: Tracks,
        rewriter: Rewriter,
        now: Instant,
    }

    fn relayed() -> Relayed {
        let payload = Payload { payload_type: 100, rtx: Some(101), format: Format::Vp8 };
        let rewriter = Rewriter::new(77, vec![payload], Vec::new());
        Relayed { tracks: Tracks::new(1), rewriter, now: Instant::now() }
    }

    impl Relayed {
        fn rewrite(
            &mut self,
            publisher: u128,
            format: Format,
            number: u16,
            timestamp: u32,
        ) -> Option<Header> {
            let source = Source { publisher: PeerId::from(Uuid::from_u128(publisher)), ssrc: 9 };
            self.tracks.push(
                0,
                CameraPacket {
                    source,
                    format,
                    sequence_number: number,
                    timestamp,
                    marker: false,
                    extensions: None,
                    payload: Bytes::from(format!("{publisher} {number}")),
                },
            );
            let track = self.tracks.get(0)?;
            self.rewriter.rewrite(self.now, track.get(track.end() - 1)?)
        }

        /// The index and timestamp of a packet that the viewer can play.
        fn numbers(&mut self, publisher: u128, number: u16, timestamp: u32) -> (u64, u32) {
            let header = self.rewrite(publisher, Format::Vp8, number, timestamp).expect("suits");
            assert_eq!((header.ssrc, header.payload_type), (77, 100));
            (header.index, header.timestamp)
        }

        /// What is sent again when the viewer names that sequence number.
        fn again(&self, sequence_number: u16) -> Option<(Vec<u8>, Header, Option<u8>)> {
            let index = self.rewriter.index_of(sequence_number)?;
            let (arrived, header, rtx) = self.rewriter.sent_as(index, self.tracks.get(0)?, 0)?;
            Some((arrived.packet.payload.to_vec(), header, rtx))
        }
    }

    #[test]
    fn gaps_and_reordering_of_the_source_stay_visible() {
        let mut relayed = relayed();
        let (first, at) = relayed.numbers(1, 65_534, 4_000_000_000);
        for (source, expected) in [(65_535, 1), (2, 4), (1, 3), (0, 2), (3, 5)] {
            let (index, timestamp) = relayed.numbers(1, source, 4_000_003_000);
            assert_eq!((index, timestamp), (first + expected, at.wrapping_add(3_000)));
        }
    }

    #[test]
    fn a_new_source_goes_on_where_the_last_ended() {
        let mut relayed = relayed();
        relayed.numbers(1, 10, 1_000);
        let (last, at) = relayed.numbers(1, 11, 4_000);
        relayed.now += Duration::from_millis(200);
        assert_eq!(relayed.numbers(2, 40_000, 5), (last + 1, at.wrapping_add(200 * 90)));
        assert_eq!(relayed.numbers(2, 40_001, 3_005).0, last + 2);
    }

    #[test]
    fn a_source_the_viewer_cannot_play_is_left_out_without_a_gap() {
        let mut relayed = relayed();
        let (last, _) = relayed.numbers(1, 10, 0);
        let profile = Format::H264 { profile: [0x42, 0xe0], level: 0x1f, packetization_mode: 1 };
        assert_eq!(relayed.rewrite(1, profile, 11, 0), None);
        assert_eq!(relayed.numbers(1, 12, 0).0, last + 1);
        assert_eq!(relayed.again((last + 1) as u16).map(|(payload, ..)| payload), Some(b"1 12".to_vec()));
    }

    /// Also where a source's second packet overtakes its first, and where a source begins anew.
    #[test]
    fn no_two_packets_get_one_index() {
        let mut relayed = relayed();
        let mut seen = std::collections::BTreeMap::new();
        let mut expect = |relayed: &mut Relayed, publisher, number, sent| {
            let header = relayed.rewrite(publisher, Format::Vp8, number, 0);
            assert_eq!(header.is_some(), sent, "{publisher} {number}");
            if let Some(header) = header {
                let before = seen.insert(header.index, (publisher, number));
                assert_eq!(before, None, "{publisher} {number}");
            }
        };
        // Before the first of all nothing was sent.
        for number in [10, 9, 11, 12] {
            expect(&mut relayed, 1, number, true);
        }
        expect(&mut relayed, 2, 501, true);
        expect(&mut relayed, 2, 500, false);
        // From so far back it is no late packet, but the stream begun anew.
        for number in [502, 5_000, 503, 4_999] {
            expect(&mut relayed, 2, number, true);
        }
        for number in [2_000, 1_999, 2_001] {
            expect(&mut relayed, 2, number, number != 1_999);
        }
    }

    #[test]
    fn a_viewer_that_missed_too_much_to_follow_misses_nothing() {
        let mut relayed = relayed();
        let (first, _) = relayed.numbers(1, 10, 0);
        for step in 1..=40u16 {
            relayed.rewrite(1, Format::Vp8, 10 + step * 1_000, 0);
        }
        let (mut rewriter, track) = (
            Rewriter::new(1, relayed.rewriter.payloads.clone(), Vec::new()),
            relayed.tracks.get(0).expect("it"),
        );
        let mut index = |place| rewriter.rewrite(relayed.now, track.get(place)?).map(|header| header.index);
        let begin = index(0).expect("sent");
        assert_eq!(
            (index(16), index(33), index(34)),
            (Some(begin + 16_000), Some(begin + 16_001), Some(begin + 17_001))
        );
        assert_eq!(relayed.rewriter.index_of(50_010u16.wrapping_add(first as u16)), None, "it was not sent");
    }

    #[test]
    fn what_was_left_out_leaves_no_gap_and_nothing_before_it_is_found() {
        let mut relayed = relayed();
        let (last, at) = relayed.numbers(1, 10, 1_000);
        relayed.rewriter.join();
        relayed.now += Duration::from_secs(3);
        assert_eq!(relayed.numbers(1, 30, 181_000), (last + 1, at.wrapping_add(180_000)), "by its own clock");
        assert_eq!(relayed.numbers(1, 31, 184_000).0, last + 2);
        assert_eq!(relayed.rewrite(1, Format::Vp8, 29, 178_000), None, "it comes from the gap");
        let found = |index: u64| relayed.again(index as u16).map(|(payload, ..)| payload);
        assert_eq!((found(last), found(last + 1)), (None, Some(b"1 30".to_vec())));
    }

    #[test]
    fn what_was_sent_is_found_by_the_sequence_number_that_it_had() {
        let mut relayed = relayed();
        let headers: Vec<Header> =
            (0..100).filter_map(|number| relayed.rewrite(1, Format::Vp8, number, number.into())).collect();
        let others: Vec<Header> =
            (7..9).filter_map(|number| relayed.rewrite(2, Format::Vp8, number, number.into())).collect();
        let all = headers.iter().zip((0..100).map(|number| format!("1 {number}")));
        for (header, payload) in all.chain(others.iter().zip(["2 7".to_owned(), "2 8".to_owned()])) {
            let again = relayed.again(header.index as u16);
            assert_eq!(again, Some((payload.into_bytes(), *header, Some(101))), "the same header");
        }
        let last = others[1].index as u16;
        assert_eq!(
            (relayed.again(last.wrapping_add(1)), relayed.again(last.wrapping_sub(2_000))),
            (None, None)
        );
    }
}
