//! What a viewer reports lost of one stream, and when it is sent that again (RFC 4585, RFC 4588). The packets themselves are
//! in the robot's track.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::protect::Header;

/// The same packet is not sent again sooner: the first copy may be under way.
const AGAIN_AFTER: Duration = Duration::from_millis(15);
/// Copies of one packet. Past them the viewer asks for a key frame.
const MAX_COPIES: u8 = 6;
/// Packets whose copies are counted.
const COUNTED: usize = 512;
/// Packets that are to be sent again; a NACK names no more.
const MAX_ASKED: usize = 256;

pub(super) struct Repairs {
    rtx_ssrc: Option<u32>,
    rtx_index: u64,
    /// By the remainder of the packet's index. Empty until the viewer loses something.
    copies: Vec<Copies>,
    asked: VecDeque<u64>,
}

/// How often the packet of that index was sent again, and when last.
#[derive(Clone, Copy)]
struct Copies {
    index: u64,
    count: u8,
    at: Instant,
}

impl Repairs {
    pub(super) fn new(rtx_ssrc: Option<u32>) -> Self {
        // In the lower half for the same reason as the stream's own numbers.
        let rtx_index = u64::from(rand::random::<u16>() >> 1);
        Self { rtx_ssrc, rtx_index, copies: Vec::new(), asked: VecDeque::new() }
    }

    /// The viewer asks for the packet of that index.
    pub(super) fn ask(&mut self, index: u64) {
        if self.asked.len() < MAX_ASKED {
            self.asked.push_back(index);
        }
    }

    /// What was asked for is of no use any more.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// What was asked for next.
    pub(super) fn next_asked(&mut self) -> Option<u64> {
        self.asked.pop_front()
    }

    /// Whether the packet of that index is sent again now, which counts as a copy.
    pub(super) fn is_due(&mut self, now: Instant, index: u64) -> bool {
        let none = Copies { index: u64::MAX, count: 0, at: now };
        self.copies.resize(COUNTED, none);
        let Some(copies) = self.copies.get_mut(index as usize % COUNTED) else { return false };
        if copies.index != index {
            *copies = Copies { index, ..none };
        }
        let is_fresh = copies.count > 0 && now.saturating_duration_since(copies.at) < AGAIN_AFTER;
        if copies.count >= MAX_COPIES || is_fresh {
            return false;
        }
        *copies = Copies { index, count: copies.count + 1, at: now };
        true
    }

    /// The header of a retransmission (RFC 4588, 4) of what was sent under `sent`, and the sequence number that stands before its payload;
    /// without retransmissions of its own kind it is the packet itself.
    pub(super) fn header(&mut self, sent: Header, payload_type: Option<u8>) -> (Header, Option<u16>) {
        let Some((ssrc, payload_type)) = self.rtx_ssrc.zip(payload_type) else { return (sent, None) };
        let index = self.rtx_index;
        self.rtx_index += 1;
        (Header { ssrc, index, payload_type, ..sent }, Some(sent.index as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Header =
        Header { ssrc: 1, index: 65_536 + 500, payload_type: 96, timestamp: 7, marker: true };

    #[test]
    fn a_repair_carries_the_original_sequence_number_under_the_rtx_payload_type() {
        let mut repairs = Repairs::new(Some(2));
        let (first, original) = repairs.header(SENT, Some(97));
        assert_eq!(original, Some(500));
        assert_eq!(first, Header { ssrc: 2, payload_type: 97, index: first.index, ..SENT });
        assert_eq!(repairs.header(SENT, Some(97)).0.index, first.index + 1, "no number is used twice");
    }

    #[test]
    fn without_rtx_the_packet_itself_is_sent_again() {
        assert_eq!(Repairs::new(None).header(SENT, None), (SENT, None));
        assert_eq!(Repairs::new(None).header(SENT, Some(97)), (SENT, None));
        assert_eq!(Repairs::new(Some(2)).header(SENT, None), (SENT, None));
    }

    #[test]
    fn repairs_are_paced_and_counted() {
        let (mut repairs, now) = (Repairs::new(Some(2)), Instant::now());
        let copies = (0..1_000).filter(|ms| repairs.is_due(now + Duration::from_millis(*ms), 1)).count();
        assert_eq!(copies, usize::from(MAX_COPIES));
        assert!(
            repairs.is_due(now, 1 + COUNTED as u64) && !repairs.is_due(now, 1 + COUNTED as u64),
            "too soon"
        );
    }

    #[test]
    fn no_more_is_asked_for_than_one_report_may_name() {
        let mut repairs = Repairs::new(None);
        (0..1_000).for_each(|index| repairs.ask(index));
        let asked: Vec<u64> = std::iter::from_fn(|| repairs.next_asked()).collect();
        assert!(asked.into_iter().eq(0..MAX_ASKED as u64) && !repairs.is_asked());
    }
}
