//! What a robot sent lately on each of its streams. It is kept once for all who watch: they read it at their own pace, and
//! what a viewer reports lost is found here.

use std::collections::VecDeque;

use super::forward::CameraPacket;
use super::seen;

/// Packets that are kept at least: half a second of video at 1,000 packets a second. What is asked for later than that is past
/// its frame.
const KEPT: usize = 512;

/// A packet in its place.
pub(super) struct Arrived {
    pub(super) packet: CameraPacket,
    /// The part of the stream in which numbers are continuous: one of one source, between restarts.
    pub(super) take: u64,
    /// Its sequence number as it goes on without end. No two packets of a take have the same.
    pub(super) number: u64,
}

/// The latest packets of one stream, in the order in which they came.
pub(super) struct Track {
    packets: VecDeque<Arrived>,
    /// How many came before the first of `packets`.
    begin: u64,
    /// Where the packet of a number is, by its remainder.
    places: Vec<u64>,
    capacity: usize,
    take: u64,
    /// The number of the newest packet, and its sequence number.
    newest: u64,
    newest_sequence: u16,
}

impl Track {
    fn new(capacity: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            begin: 0,
            places: Vec::new(),
            capacity: capacity.max(KEPT),
            take: 0,
            // Room before it for those that it overtook.
            newest: 1 << 16,
            newest_sequence: 0,
        }
    }

    fn push(&mut self, packet: CameraPacket) {
        let number = self.number(&packet);
        if self.packets.len() == self.capacity {
            self.packets.pop_front();
            self.begin += 1;
        }
        let end = self.end();
        if self.places.is_empty() {
            self.places.resize(self.capacity, 0);
        }
        if let Some(place) = self.places.get_mut(number as usize % self.capacity) {
            *place = end;
        }
        self.packets.push_back(Arrived { packet, take: self.take, number });
    }

    /// The packet's number in its take, a new one where it does not go on from the packet before.
    fn number(&mut self, packet: &CameraPacket) -> u64 {
        let goes_on = self
            .packets
            .back()
            .is_some_and(|last| last.packet.source == packet.source && last.packet.format == packet.format);
        // Serial number arithmetic (RFC 1982).
        let ahead = i64::from(packet.sequence_number.wrapping_sub(self.newest_sequence) as i16);
        if !goes_on || ahead <= -i64::from(seen::WINDOW) {
            self.take += 1;
        } else if ahead <= 0 {
            return self.newest.saturating_add_signed(ahead);
        }
        self.newest_sequence = packet.sequence_number;
        self.newest += if goes_on { ahead.max(1).unsigned_abs() } else { 1 };
        self.newest
    }

    /// Where the next packet will be.
    pub(super) fn end(&self) -> u64 {
        self.begin + self.packets.len() as u64
    }

    /// Where the oldest packet is that is kept.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    pub(super) fn get(&self, place: u64) -> Option<&Arrived> {
        self.packets.get(usize::try_from(place.checked_sub(self.begin)?).ok()?)
    }

    /// The packet of that number, if it came at the place `since` or later and is kept.
    pub(super) fn find(&self, take: u64, number: u64, since: u64) -> Option<&Arrived> {
        let place = self.places.get(number as usize % self.capacity).filter(|place| **place >= since)?;
        self.get(*place).filter(|arrived| arrived.take == take && arrived.number == number)
    }

    /// Gives up all packets; those to come are another take.
    fn clear(&mut self) -> VecDeque<Arrived> {
        self.begin = self.end();
        std::mem::take(&mut self.packets)
    }
}

/// Packets that nobody will read any more. Each is an allocation of its own, so that freeing those of many robots at once takes
/// the media thread a tenth of a second: whoever drops this does so where it delays nobody.
pub(super) type Unread = Vec<VecDeque<Arrived>>;

/// All the tracks of a robot, by slot.
pub(super) struct Tracks {
    capacity: usize,
    tracks: Vec<(usize, Track)>,
}

impl Tracks {
    /// `queue_packets` may wait in each of them for a viewer.
    pub(super) fn new(queue_packets: usize) -> Self {
        Self { capacity: queue_packets, tracks: Vec::new() }
    }

    pub(super) fn push(&mut self, slot: usize, packet: CameraPacket) {
        match self.tracks.iter_mut().find(|(of, _)| *of == slot) {
            Some((_, track)) => track.push(packet),
            None => {
                let mut track = Track::new(self.capacity);
                track.push(packet);
                self.tracks.push((slot, track));
            }
        }
    }

    /// `None` as long as nothing came in that slot.
    pub(super) fn get(&self, slot: usize) -> Option<&Track> {
        self.tracks.iter().find(|(of, _)| *of == slot).map(|(_, track)| track)
    }

    /// Gives up all packets: nobody watches.
    pub(super) fn clear(&mut self) -> Unread {
        self.tracks.iter_mut().map(|(_, track)| track.clear()).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use curfew_domain::PeerId;
    use uuid::Uuid;

    use super::super::codec::Format;
    use super::super::forward::Source;
    use super::*;

    fn packet(ssrc: u32, sequence_number: u16) -> CameraPacket {
        CameraPacket {
            source: Source { publisher: PeerId::from(Uuid::from_u128(1)), ssrc },
            format: Format::Vp8,
            sequence_number,
            timestamp: 0,
            marker: false,
            extensions: None,
            payload: Bytes::from(sequence_number.to_string()),
        }
    }

    /// The takes and numbers of packets of these SSRCs and sequence numbers, from the first on.
    fn numbered(packets: &[(u32, u16)]) -> Vec<(u64, i64)> {
        let mut track = Track::new(1);
        packets.iter().for_each(|(ssrc, sequence)| track.push(packet(*ssrc, *sequence)));
        let first = track.packets[0].number as i64;
        track.packets.iter().map(|arrived| (arrived.take, arrived.number as i64 - first)).collect()
    }

    #[test]
    fn numbers_go_on_when_sequence_numbers_begin_anew() {
        let came = [65_534, 65_535, 2, 1, 0, 3, 65_533];
        let numbers = numbered(&came.map(|sequence| (9, sequence)));
        assert_eq!(numbers, [0, 1, 4, 3, 2, 5, -1].map(|number| (1, number)));
    }

    #[test]
    fn another_source_or_a_restart_is_another_take_and_no_two_packets_of_one_have_one_number() {
        let numbers =
            numbered(&[(9, 10), (9, 11), (8, 10), (8, 9), (9, 12), (9, 5_000), (9, 2_000), (9, 2_001)]);
        let takes: Vec<u64> = numbers.iter().map(|(take, _)| *take).collect();
        assert_eq!(takes, [1, 1, 2, 2, 3, 3, 4, 4]);
        let mut each = numbers.clone();
        each.sort_unstable();
        each.dedup();
        assert_eq!(each.len(), numbers.len());
    }

    #[test]
    fn packets_are_found_by_number_until_they_make_room() {
        let mut tracks = Tracks::new(1);
        assert!(tracks.get(3).is_none());
        for sequence in 0..2_000u16 {
            tracks.push(3, packet(9, sequence));
        }
        let track = tracks.get(3).expect("it began");
        assert_eq!((track.begin(), track.end()), (2_000 - KEPT as u64, 2_000));
        let first = track.get(track.begin()).expect("the oldest").number;
        assert!(track.find(1, first - 1, 0).is_none() && track.find(2, first, 0).is_none());
        for number in first..first + KEPT as u64 {
            assert!(track.find(1, number, 0).is_some_and(|arrived| arrived.number == number));
        }
        assert!(track.find(1, first + KEPT as u64, 0).is_none() && track.get(track.end()).is_none());
        assert!(
            track.find(1, first, track.begin()).is_some()
                && track.find(1, first, track.begin() + 1).is_none()
        );
        drop(tracks.clear());
        tracks.push(3, packet(9, 2_000));
        let track = tracks.get(3).expect("it goes on");
        assert_eq!(
            (track.begin(), track.end(), track.get(2_000).map(|arrived| arrived.take)),
            (2_000, 2_001, Some(2))
        );
    }
}
