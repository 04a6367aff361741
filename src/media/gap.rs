//! What a viewer's pictures go on with after packets were dropped on the way to it: the next key frame. What lies between refers to
//! pictures that it does not have, and would take up a way that is too narrow already.

use std::time::{Duration, Instant};

use super::codec::Format;
use super::forward::CameraPacket;

/// Some cameras never send a key frame, and renew their picture bit by bit: the next frame will do after so long.
const LONGEST: Duration = Duration::from_secs(10);

pub(super) struct Gap {
    since: Instant,
    /// The frame that the gap has come to, by its timestamp: its rest is left out too.
    timestamp: Option<u32>,
}

impl Gap {
    /// A gap in the frame of that timestamp, which goes on from one that there is already: its time has begun.
    pub(super) fn open(now: Instant, before: Option<Self>, timestamp: Option<u32>) -> Self {
        Self { since: before.map_or(now, |gap| gap.since), timestamp }
    }

    /// Whether the gap ends before `packet`.
    pub(super) fn ends(&mut self, now: Instant, packet: &CameraPacket) -> bool {
        let is_next_frame = self.timestamp != Some(packet.timestamp);
        let is_long = now.saturating_duration_since(self.since) >= LONGEST;
        if is_next_frame && (is_long || begins_key_frame(packet)) {
            return true;
        }
        if !precedes_slices(packet) {
            self.timestamp = Some(packet.timestamp);
        }
        false
    }
}

const H264_IDR: u8 = 5;
const H264_SEI: u8 = 6;
const H264_SPS: u8 = 7;
const H264_DELIMITER: u8 = 9;
const H264_STAP_A: u8 = 24;
const H264_FU_A: u8 = 28;

/// Whether a packet is the first of a picture that refers to no other, or of its parameter sets.
pub(super) fn begins_key_frame(packet: &CameraPacket) -> bool {
    let payload = &packet.payload[..];
    match packet.format {
        Format::Opus => false,
        Format::Vp8 => vp8_begins_key_frame(payload).unwrap_or(false),
        Format::H264 { .. } => h264_begins_key_frame(payload),
    }
}

/// RFC 6184: single NAL units (5.6), STAP-A (5.7.1) and FU-A (5.8).
fn h264_begins_key_frame(payload: &[u8]) -> bool {
    let is_key = |nal: u8| matches!(nal & 0x1f, H264_IDR | H264_SPS);
    match payload {
        [header, rest @ ..] if header & 0x1f == H264_STAP_A => {
            let mut units = rest;
            while let [high, low, unit @ ..] = units {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if unit.first().is_some_and(|nal| is_key(*nal)) {
                    return true;
                }
                units = unit.get(length..).unwrap_or_default();
            }
            false
        }
        // The upper bit says that it is the first fragment.
        [indicator, header, ..] if indicator & 0x1f == H264_FU_A => header & 0x80 != 0 && is_key(*header),
        [header, ..] => is_key(*header),
        [] => false,
    }
}

/// RFC 7741, 4.2 and 4.3: the first packet of a frame, in which the bit of the payload header is 0 that a key frame has so.
fn vp8_begins_key_frame(payload: &[u8]) -> Option<bool> {
    let (first, mut rest) = payload.split_first()?;
    let is_first = first & 0x10 != 0 && first & 0x07 == 0;
    if first & 0x80 != 0 {
        let (present, after) = rest.split_first()?;
        let picture_id = match (present & 0x80 != 0, after.first()? & 0x80 != 0) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        let others = usize::from(present & 0x40 != 0) + usize::from(present & 0x30 != 0);
        rest = after.get(picture_id + others..)?;
    }
    Some(is_first && rest.first()? & 0x01 == 0)
}

/// Whether a packet carries what stands before the slices of a picture and says nothing of its kind.
fn precedes_slices(packet: &CameraPacket) -> bool {
    matches!(packet.format, Format::H264 { .. })
        && packet.payload.first().is_some_and(|nal| matches!(nal & 0x1f, H264_SEI | H264_DELIMITER))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use curfew_domain::PeerId;
    use uuid::Uuid;

    use super::super::forward::Source;
    use super::*;

    const H264: Format = Format::H264 { profile: [0x42, 0xe0], level: 0x1f, packetization_mode: 1 };

    fn packet(format: Format, timestamp: u32, payload: &[u8]) -> CameraPacket {
        CameraPacket {
            source: Source { publisher: PeerId::from(Uuid::from_u128(1)), ssrc: 9 },
            format,
            sequence_number: 0,
            timestamp,
            marker: false,
            extensions: None,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    #[test]
    fn key_frames_are_told_by_how_they_begin() {
        let begins = |format, payload: &[u8]| begins_key_frame(&packet(format, 0, payload));
        for key in [
            &[0x67, 0x42][..],
            &[0x65, 0x88],
            &[0x7c, 0x85, 0x88],
            &[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce],
            &[0x78, 0, 2, 0x06, 1, 0, 2, 0x65, 0x88],
        ] {
            assert!(begins(H264, key), "{key:?}");
        }
        for other in [
            &[][..],
            &[0x61, 0x88],
            &[0x06, 1],
            &[0x7c, 0x05, 0x88],
            &[0x7c, 0x81, 0x88],
            &[0x7c],
            &[0x78],
            &[0x78, 0, 2, 0x61, 0x9a],
            &[0x78, 0xff, 0xff, 0x61],
        ] {
            assert!(!begins(H264, other), "{other:?}");
        }
        for key in [&[0x10, 0x00][..], &[0x90, 0x80, 0x05, 0x00], &[0x90, 0xf0, 0x85, 0x05, 1, 1, 0x10]] {
            assert!(begins(Format::Vp8, key), "{key:?}");
        }
        for other in [
            &[][..],
            &[0x10],
            &[0x10, 0x01],
            &[0x00, 0x00],
            &[0x11, 0x00],
            &[0x90, 0x80],
            &[0x90, 0x80, 0x85, 0x05],
        ] {
            assert!(!begins(Format::Vp8, other), "{other:?}");
        }
        assert!(!begins(Format::Opus, &[0x65]));
    }

    #[test]
    fn a_gap_ends_with_a_whole_key_frame() {
        let now = Instant::now();
        let mut gap = Gap::open(now, None, Some(100));
        // The rest of the key frame in which packets were dropped: its second slice looks like a first.
        assert!(!gap.ends(now, &packet(H264, 100, &[0x65])));
        assert!(!gap.ends(now, &packet(H264, 200, &[0x61])));
        assert!(!gap.ends(now, &packet(H264, 200, &[0x65])), "the rest of a frame");
        assert!(!gap.ends(now, &packet(H264, 300, &[0x09, 0x10])), "it may be before any");
        assert!(gap.ends(now, &packet(H264, 300, &[0x67])));
    }

    #[test]
    fn a_gap_in_what_has_no_key_frames_ends_with_a_frame_after_a_while() {
        let now = Instant::now();
        let mut gap = Gap::open(now, None, None);
        assert!(!gap.ends(now + LONGEST - Duration::from_millis(1), &packet(H264, 100, &[0x61])));
        assert!(!gap.ends(now + LONGEST, &packet(H264, 100, &[0x61])), "the rest of a frame");
        assert!(gap.ends(now + LONGEST, &packet(H264, 200, &[0x61])));

        // However often packets are dropped meanwhile.
        let mut gap = Gap::open(now, None, None);
        for s in 1..=10 {
            gap = Gap::open(now + Duration::from_secs(s), Some(gap), None);
        }
        assert!(gap.ends(now + LONGEST, &packet(H264, 300, &[0x61])));
    }
}
