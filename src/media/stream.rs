//! One of the robot's streams as one viewer gets it: how far it has read the track, its numbering, and its repairs.

use std::time::Instant;

use super::build::BuiltStream;
use super::cameras::SOUND;
use super::forward::Rewriter;
use super::freezes::Freezes;
use super::protect::{Content, Header, Protector};
use super::repairs::Repairs;
use super::room::Room;
use super::sender_reports::Reporter;
use super::track::{Arrived, Track};

pub(super) struct Stream {
    pub(super) slot: usize,
    /// The place in the track from which on it is for this viewer, and the one that is sent next.
    since: u64,
    next: u64,
    pub(super) rewriter: Rewriter,
    repairs: Repairs,
    pub(super) reporter: Reporter,
    pub(super) freezes: Freezes,
    /// As the viewer reported it last.
    pub(super) lost: u64,
}

impl Stream {
    pub(super) fn new(built: BuiltStream) -> Self {
        Self {
            slot: built.slot,
            since: 0,
            next: 0,
            rewriter: Rewriter::new(built.ssrc.unwrap_or_default(), built.payloads, built.extensions),
            repairs: Repairs::new(built.rtx_ssrc),
            reporter: Reporter::new(),
            freezes: Freezes::default(),
            lost: 0,
        }
    }

    /// Begins with what comes next.
    pub(super) fn begin(&mut self, track: &Track) {
        self.since = track.end();
        self.next = self.since;
    }

    /// Leaves out what is in the track; how many packets that is.
    pub(super) fn skip(&mut self, track: &Track) -> u64 {
        self.skip_to(track.end())
    }

    /// Leaves out the oldest packets, so that no more than `limit` wait; how many that were.
    pub(super) fn keep(&mut self, track: &Track, limit: usize) -> u64 {
        self.skip_to(track.end().saturating_sub(limit as u64).max(track.begin()))
    }

    fn skip_to(&mut self, place: u64) -> u64 {
        let skipped = place.saturating_sub(self.next);
        self.next += skipped;
        skipped
    }

    /// Whether anything is to be written.
    pub(super) fn is_waiting(&self, track: &Track) -> bool {
        self.next < track.end() || self.repairs.is_asked()
    }

    /// Writes what comes next in the track, as far as there is room; the bytes of its payloads.
    pub(super) fn write(
        &mut self,
        now: Instant,
        track: &Track,
        protector: &mut Protector,
        room: &mut Room,
    ) -> usize {
        let mut octets = 0;
        while !room.is_full()
            && let Some(arrived) = track.get(self.next)
        {
            self.next += 1;
            let Some(header) = self.rewriter.rewrite(now, arrived) else { continue };
            if !self.put(protector, room, arrived, &header, None) {
                continue;
            }
            // The marker ends a frame (RFC 6184, 5.1; RFC 7741, 4.1).
            if header.marker && self.slot != SOUND {
                self.freezes.frame(now, header.timestamp);
            }
            self.reporter.count(arrived.packet.payload.len());
            octets += arrived.packet.payload.len();
        }
        octets
    }

    /// The viewer reports packets lost. Sound is not repaired.
    pub(super) fn ask(&mut self, lost: &[u16]) {
        if self.slot != SOUND {
            lost.iter()
                .filter_map(|lost| self.rewriter.index_of(*lost))
                .for_each(|index| self.repairs.ask(index));
        }
    }

    /// Writes what the viewer reported lost, as far as it is due and there is room; how many packets.
    pub(super) fn repair(
        &mut self,
        now: Instant,
        track: &Track,
        protector: &mut Protector,
        room: &mut Room,
    ) -> usize {
        let mut count = 0;
        while !room.is_full()
            && let Some(index) = self.repairs.next_asked()
        {
            let Some((arrived, sent, rtx)) = self.rewriter.sent_as(index, track, self.since) else {
                continue;
            };
            if !self.repairs.is_due(now, index) {
                continue;
            }
            let (header, original) = self.repairs.header(sent, rtx);
            count += usize::from(self.put(protector, room, arrived, &header, original));
        }
        count
    }

    fn put(
        &self,
        protector: &mut Protector,
        room: &mut Room,
        arrived: &Arrived,
        header: &Header,
        original: Option<u16>,
    ) -> bool {
        let content = Content {
            extensions: arrived.packet.extensions.as_ref(),
            negotiated: self.rewriter.extensions(),
            original,
            payload: &arrived.packet.payload,
        };
        room.write(protector, header, content)
    }
}
