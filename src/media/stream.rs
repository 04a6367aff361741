//! One of the robot's streams as one viewer gets it: how far it has read the track, its numbering, and its repairs.

use std::time::{Duration, Instant};

use super::build::BuiltStream;
use super::cameras::SOUND;
use super::forward::Rewriter;
use super::freezes::Freezes;
use super::gap::{Gap, begins_key_frame};
use super::keyframes::Keyframes;
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
    /// The viewer's wishes for key frames.
    pub(super) keyframes: Keyframes,
    /// While packets are left out, and when that ended last.
    gap: Option<Gap>,
    gap_ended_at: Option<Instant>,
    /// The robot's timestamp of the packet that was looked at last.
    timestamp: Option<u32>,
    /// As the viewer reported it last.
    pub(super) lost: u64,
}

/// After a gap it takes so long until what is sent says something of the way again.
const SETTLES_IN: Duration = Duration::from_secs(2);

impl Stream {
    pub(super) fn new(built: BuiltStream, keyframe_interval: Duration) -> Self {
        Self {
            slot: built.slot,
            since: 0,
            next: 0,
            rewriter: Rewriter::new(built.ssrc.unwrap_or_default(), built.payloads, built.extensions),
            repairs: Repairs::new(built.rtx_ssrc),
            reporter: Reporter::new(),
            freezes: Freezes::default(),
            keyframes: Keyframes::growing(keyframe_interval),
            gap: None,
            gap_ended_at: None,
            timestamp: None,
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

    /// Leaves out the oldest packets, so that no more than `limit` wait; how many that were. Pictures go on with a key frame then.
    pub(super) fn keep(&mut self, now: Instant, track: &Track, limit: usize) -> u64 {
        let skipped = self.skip_to(track.end().saturating_sub(limit as u64).max(track.begin()));
        if skipped > 0 {
            self.timestamp =
                self.next.checked_sub(1).and_then(|last| Some(track.get(last)?.packet.timestamp));
            self.cut(now);
        }
        skipped
    }

    /// Packets were dropped on the way to the viewer: of pictures nothing is of use until a key frame, which there is no room for yet.
    pub(super) fn cut(&mut self, now: Instant) {
        if self.slot != SOUND {
            self.gap = Some(Gap::open(now, self.gap.take(), self.timestamp));
            self.repairs.forget();
            self.keyframes.want_later(now);
        }
    }

    /// Whether it is sent all there is, and has been for a while.
    pub(super) fn is_steady(&self, now: Instant) -> bool {
        self.gap.is_none()
            && self.gap_ended_at.is_none_or(|at| now.saturating_duration_since(at) >= SETTLES_IN)
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

    /// Writes what comes next in the track, as far as there is room; the bytes of its payloads, and how many packets are left out.
    pub(super) fn write(
        &mut self,
        now: Instant,
        track: &Track,
        protector: &mut Protector,
        room: &mut Room,
    ) -> (usize, u64) {
        let (mut octets, mut left_out) = (0, 0);
        while !room.is_full()
            && let Some(arrived) = track.get(self.next)
        {
            self.next += 1;
            if !self.goes_on(now, arrived) {
                left_out += 1;
                continue;
            }
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
        (octets, left_out)
    }

    /// Whether a packet is to be sent, as all are outside a gap.
    fn goes_on(&mut self, now: Instant, arrived: &Arrived) -> bool {
        if let Some(gap) = &mut self.gap {
            if !gap.ends(now, &arrived.packet) {
                return false;
            }
            (self.gap, self.gap_ended_at) = (None, Some(now));
            self.rewriter.join();
        }
        self.timestamp = Some(arrived.packet.timestamp);
        if self.keyframes.is_wanted() && begins_key_frame(&arrived.packet) {
            self.keyframes.came();
        }
        true
    }

    /// The viewer reports packets lost. Sound is not repaired, nor what comes before a gap.
    pub(super) fn ask(&mut self, lost: &[u16]) {
        if self.slot != SOUND && self.gap.is_none() {
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
