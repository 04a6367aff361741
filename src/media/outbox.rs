//! What is finished for one peer and waits for the socket: in order, past the gate and out, several at once where they are
//! of one size.

use std::collections::VecDeque;

use rtc::shared::TaggedBytesMut;

use super::gate::{Class, Gate};
use super::io::{Io, Sent};

/// Datagrams that wait; beyond, the oldest is dropped. More than one key frame never waits here: what is not yet
/// encrypted waits in the viewer's own queue.
const CAPACITY: usize = 256;
/// Bytes handed over at once: the kernel makes one datagram of them at first, and IP has room for 65,535.
const MAX_BATCH: usize = 60_000;

#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<TaggedBytesMut>,
    pub(super) dropped: u64,
}

/// What came of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flushed {
    /// The socket would take no more.
    pub(super) blocked: bool,
    /// RTP was among what was sent, which RTCP is not.
    pub(super) rtp: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, datagram: TaggedBytesMut) {
        if self.waiting.len() >= CAPACITY {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(datagram);
    }

    /// Sends what waits. The gate is asked immediately before each send, with a reading of the clock for it; what is sent
    /// together is microseconds of work.
    pub(super) fn flush(&mut self, gate: &mut Gate, io: &mut impl Io) -> Flushed {
        let mut flushed = Flushed::default();
        while let Some(first) = self.waiting.front() {
            let class = Class::of(&first.message);
            let count = self.of_one_kind(class, io.at_once());
            let Some(batch) = self.waiting.make_contiguous().get(..count) else { break };
            if !gate.admits(class, io.boot()) {
                self.waiting.pop_front();
                continue;
            }
            match io.send(batch) {
                Sent::Blocked => {
                    flushed.blocked = true;
                    return flushed;
                }
                Sent::Waiting => self.dropped += count as u64,
                Sent::Lost => {}
                Sent::Done => {
                    let at = io.boot();
                    for datagram in batch {
                        gate.record(class, datagram.message.len(), at);
                        flushed.rtp |= class == Class::Media && !is_rtcp(&datagram.message);
                    }
                }
            }
            self.waiting.drain(..count);
        }
        flushed
    }

    /// How many of the first can be sent together: media, one way, of the first's size; the last may be smaller.
    fn of_one_kind(&self, class: Class, at_most: usize) -> usize {
        let Some(first) = self.waiting.front().filter(|_| class == Class::Media) else { return 1 };
        let size = first.message.len();
        let at_most = at_most.min(MAX_BATCH / size.max(1)).max(1);
        let mut count = 1;
        for next in self.waiting.iter().skip(1).take(at_most - 1) {
            let fits = next.transport == first.transport
                && next.message.len() <= size
                && Class::of(&next.message) == Class::Media;
            if !fits {
                break;
            }
            count += 1;
            if next.message.len() < size {
                break;
            }
        }
        count
    }

    /// Keeps of what waits only what may follow the end; how much media that leaves unsent.
    pub(super) fn shut(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|datagram| Class::of(&datagram.message) != Class::Media);
        let unsent = before - self.waiting.len();
        self.waiting.retain(|datagram| Class::of(&datagram.message) == Class::Dtls);
        unsent
    }

    /// Takes out all that waits.
    pub(super) fn take(&mut self) -> Vec<TaggedBytesMut> {
        self.waiting.drain(..).collect()
    }
}

/// RFC 5761, 4: RTCP's packet types among the second bytes.
fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..=223).contains(second))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::BytesMut;
    use rtc::shared::TransportContext;

    use super::*;
    use crate::clock::BootInstant;

    /// Notes the sizes of what is sent together; every send takes a millisecond.
    struct Wire {
        now: BootInstant,
        sent: Vec<Vec<usize>>,
        takes: usize,
    }

    impl Io for Wire {
        fn boot(&self) -> BootInstant {
            self.now
        }

        fn at_once(&self) -> usize {
            4
        }

        fn send(&mut self, batch: &[TaggedBytesMut]) -> Sent {
            if self.sent.len() == self.takes {
                return Sent::Blocked;
            }
            self.now = self.now.saturating_add(Duration::from_millis(1));
            self.sent.push(batch.iter().map(|datagram| datagram.message.len()).collect());
            Sent::Done
        }
    }

    fn wire(takes: usize) -> Wire {
        Wire { now: BootInstant::from_nanos(0), sent: Vec::new(), takes }
    }

    fn gate(ms: u64) -> Gate {
        Gate::new(BootInstant::from_nanos(ms * 1_000_000), Duration::ZERO)
    }

    fn outbox(datagrams: &[(u8, usize)]) -> Outbox {
        let mut outbox = Outbox::default();
        for (first, size) in datagrams {
            let message = BytesMut::from(&vec![*first; *size][..]);
            outbox.push(TaggedBytesMut {
                now: Instant::now(),
                transport: TransportContext::default(),
                message,
            });
        }
        outbox
    }

    #[test]
    fn media_of_one_size_leaves_together_and_all_else_by_itself() {
        let mut outbox =
            outbox(&[(128, 9), (128, 9), (128, 7), (128, 7), (128, 9), (22, 9), (128, 9), (1, 9), (1, 9)]);
        let (mut gate, mut wire) = (gate(1_000), wire(99));
        let flushed = outbox.flush(&mut gate, &mut wire);
        assert_eq!(flushed, Flushed { blocked: false, rtp: true });
        assert_eq!(wire.sent, [vec![9, 9, 7], vec![7], vec![9], vec![9], vec![9], vec![9], vec![9]]);
        assert_eq!((gate.packets, gate.bytes), (6, 50));
    }

    #[test]
    fn no_more_leaves_together_than_the_socket_takes_at_once() {
        let mut outbox = outbox(&[(128, 9); 6]);
        let mut wire = wire(99);
        outbox.flush(&mut gate(1_000), &mut wire);
        assert_eq!(wire.sent, [vec![9; 4], vec![9; 2]]);
    }

    #[test]
    fn the_gate_is_asked_before_each_send_and_a_blocked_socket_keeps_the_rest() {
        let mut batches = outbox(&[(128, 9); 12]);
        let (mut shuts, mut slow) = (gate(2), wire(99));
        batches.flush(&mut shuts, &mut slow);
        assert_eq!(slow.sent, [vec![9; 4], vec![9; 4]], "the third would have left at the deadline");
        assert_eq!((shuts.packets, shuts.refused), (8, 4));

        let mut rest = outbox(&[(128, 9); 6]);
        let (mut open, mut full) = (gate(1_000), wire(1));
        assert!(rest.flush(&mut open, &mut full).blocked);
        assert_eq!((open.packets, rest.shut()), (4, 2));
    }

    #[test]
    fn a_full_outbox_drops_its_oldest() {
        let mut outbox = outbox(&vec![(128, 9); CAPACITY + 3]);
        assert_eq!((outbox.dropped, outbox.take().len()), (3, CAPACITY));
    }
}
