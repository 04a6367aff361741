//! What is finished for one peer: past the gate and out, or waiting for the socket, in order.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;
use rtc::shared::TaggedBytesMut;

use super::gate::{Class, Gate, is_rtcp};
use super::io::{Batch, Io, Sent};
use super::paths::Path;
use super::room::Room;

/// Datagrams that wait; beyond, the oldest is dropped. More than one key frame never waits here: what is not yet
/// encrypted waits in the robot's tracks.
const CAPACITY: usize = 256;
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
    /// RTP was dropped: the way takes no more for now.
    pub(super) cut: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, datagram: TaggedBytesMut) {
        if self.waiting.len() >= CAPACITY {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(datagram);
    }

    /// Sends what waits, one by one.
    pub(super) fn flush(&mut self, gate: &mut Gate, io: &mut impl Io) -> Flushed {
        let mut flushed = Flushed::default();
        while let Some(first) = self.waiting.front() {
            let batch = Batch::one(Path::of(&first.transport), &first.message);
            if send(batch, gate, io, &mut self.dropped, &mut flushed) == Sent::Blocked {
                break;
            }
            self.waiting.pop_front();
        }
        flushed
    }

    /// Sends the media that was written into `room`, several packets at once; what the socket does not take waits here. Once
    /// some was dropped, all after it is: it would be of no use.
    pub(super) fn flush_media(
        &mut self,
        now: Instant,
        path: Path,
        room: &Room,
        gate: &mut Gate,
        io: &mut impl Io,
    ) -> Flushed {
        let mut flushed = Flushed::default();
        for batch in room.batches(path, io.at_once()) {
            if flushed.cut {
                self.dropped += batch.count() as u64;
                continue;
            }
            if flushed.blocked || send(batch, gate, io, &mut self.dropped, &mut flushed) == Sent::Blocked {
                for datagram in batch.datagrams() {
                    let message = BytesMut::from(datagram);
                    self.push(TaggedBytesMut { now, transport: path.transport(), message });
                }
            }
        }
        flushed
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

/// Sends what leaves together, where the gate admits it: it is asked immediately before, with a reading of the clock for it.
fn send(
    batch: Batch<'_>,
    gate: &mut Gate,
    io: &mut impl Io,
    dropped: &mut u64,
    flushed: &mut Flushed,
) -> Sent {
    let (class, count) = (batch.class(), batch.count());
    if !gate.admits(class, count, io.boot()) {
        return Sent::Lost;
    }
    let sent = io.send(batch);
    let left = sent.of(count);
    let is_rtp = class == Class::Media && !is_rtcp(batch.bytes);
    if left > 0 {
        gate.record(class, left, batch.first(left).bytes.len(), io.boot());
        flushed.rtp |= is_rtp;
    }
    match sent {
        Sent::Blocked => flushed.blocked = true,
        Sent::First(_) => {
            *dropped += (count - left) as u64;
            flushed.cut |= is_rtp;
        }
        Sent::Done | Sent::Lost => {}
    }
    sent
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtc::shared::TransportContext;

    use super::super::room::room_with;
    use super::*;
    use crate::clock::BootInstant;

    /// Notes the sizes of what is sent together; every send takes a millisecond.
    struct Wire {
        now: BootInstant,
        sent: Vec<Vec<usize>>,
        takes: usize,
        /// Datagrams that there is room for on a way that drops the others.
        room: usize,
    }

    impl Io for Wire {
        fn boot(&self) -> BootInstant {
            self.now
        }

        fn at_once(&self) -> usize {
            4
        }

        fn send(&mut self, batch: Batch<'_>) -> Sent {
            if self.sent.len() == self.takes {
                return Sent::Blocked;
            }
            self.now = self.now.saturating_add(Duration::from_millis(1));
            let left = self.room.min(batch.count());
            self.room -= left;
            self.sent.push(batch.datagrams().take(left).map(<[u8]>::len).collect());
            if left == batch.count() { Sent::Done } else { Sent::First(left) }
        }
    }

    fn wire(takes: usize) -> Wire {
        Wire { now: BootInstant::from_nanos(0), sent: Vec::new(), takes, room: usize::MAX }
    }

    const SENT: Flushed = Flushed { blocked: false, rtp: true, cut: false };

    fn gate(ms: u64) -> Gate {
        Gate::new(BootInstant::from_nanos(ms * 1_000_000), Duration::ZERO)
    }

    fn outbox(firsts: &[u8]) -> Outbox {
        let mut outbox = Outbox::default();
        for first in firsts {
            let message = BytesMut::from(&[*first; 9][..]);
            let transport = TransportContext::default();
            outbox.push(TaggedBytesMut { now: Instant::now(), transport, message });
        }
        outbox
    }

    /// Sends packets whose payloads have these sizes.
    fn flush(outbox: &mut Outbox, payloads: &[usize], gate: &mut Gate, wire: &mut Wire) -> Flushed {
        let path = Path::of(&TransportContext::default());
        outbox.flush_media(Instant::now(), path, &room_with(payloads), gate, wire)
    }

    #[test]
    fn media_of_one_size_leaves_together_and_all_else_by_itself() {
        let (mut gate, mut wire, mut outbox) = (gate(1_000), wire(99), outbox(&[22, 128, 128, 1, 1]));
        assert_eq!(outbox.flush(&mut gate, &mut wire), SENT);
        assert_eq!(wire.sent, [[9]; 5]);
        wire.sent.clear();
        let flushed = flush(&mut outbox, &[72, 72, 70, 70], &mut gate, &mut wire);
        assert_eq!(flushed, SENT);
        assert_eq!(wire.sent, [vec![100, 100, 98], vec![98]], "a header and a tag are 28 bytes");
        assert_eq!((gate.packets, gate.bytes), (6, 2 * 9 + 396));
    }

    #[test]
    fn the_gate_is_asked_before_each_send() {
        let (mut outbox, mut shuts, mut slow) = (Outbox::default(), gate(2), wire(99));
        flush(&mut outbox, &[72; 12], &mut shuts, &mut slow);
        assert_eq!(slow.sent, [[100; 4], [100; 4]], "the third would have left at the deadline");
        assert_eq!((shuts.packets, shuts.refused, outbox.shut()), (8, 4, 0));
        let mut late = self::outbox(&[128, 128]);
        late.flush(&mut shuts, &mut slow);
        assert_eq!((slow.sent.len(), shuts.refused, late.take().len()), (2, 6, 0));
    }

    #[test]
    fn what_a_blocked_socket_does_not_take_waits_in_order() {
        let (mut outbox, mut gate, mut full) = (Outbox::default(), gate(1_000), wire(1));
        assert!(flush(&mut outbox, &[72, 72, 72, 72, 71, 70], &mut gate, &mut full).blocked);
        assert_eq!(gate.packets, 4);
        assert!(outbox.flush(&mut gate, &mut full).blocked);
        full.takes = 99;
        assert_eq!(outbox.flush(&mut gate, &mut full), SENT);
        assert_eq!(full.sent, [vec![100; 4], vec![99], vec![98]]);
        let mut rest = self::outbox(&[22, 128]);
        assert_eq!((rest.shut(), rest.take().len()), (1, 1), "what closes a connection may follow the end");
    }

    #[test]
    fn of_what_a_full_way_drops_only_what_left_is_booked_and_nothing_after_it_is_sent() {
        let (mut outbox, mut gate, mut narrow) = (Outbox::default(), gate(1_000), wire(99));
        narrow.room = 3;
        let flushed = flush(&mut outbox, &[72, 72, 71, 72, 72, 72, 70, 70, 72], &mut gate, &mut narrow);
        assert_eq!(flushed, Flushed { cut: true, ..SENT });
        assert_eq!(narrow.sent, [vec![100, 100, 99], vec![]]);
        assert_eq!((gate.packets, gate.bytes, outbox.dropped), (3, 299, 6));
        narrow.room = 0;
        let none = flush(&mut outbox, &[72], &mut gate, &mut narrow);
        assert_eq!(none, Flushed { blocked: false, rtp: false, cut: true });
        assert_eq!((gate.packets, outbox.dropped), (3, 7));
    }

    #[test]
    fn a_full_outbox_drops_its_oldest() {
        let mut outbox = outbox(&[128; CAPACITY + 3]);
        assert_eq!((outbox.dropped, outbox.take().len()), (3, CAPACITY));
    }
}
