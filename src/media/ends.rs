//! Peers whose time is over. Their gates are shut and their ends are told before any of this; what is left is the closing
//! words of their connections, a fifth of a millisecond of work each and an answer from each far end. So they are said a
//! few at a time, and when many ended at one instant, after whoever is told otherwise had the time to hear it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::shared::TaggedBytesMut;

use super::core::contain;
use super::io::{Batch, Io, Sent};
use super::paths::Path;
use super::peer::Peer;
use super::track::Unread;
use super::types::Now;

/// Connections closed in one go, and the pause after them.
const AT_ONCE: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);
/// The pause after the first few of many: the announcements come first.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Nobody is left to retransmit what closes a connection, so it is said again after so long. To the far end a repeated
/// DTLS record is a replay and changes nothing (RFC 6347, 4.1.2.6).
const SAID_AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(120)];
/// Closing messages that wait for the socket or to be repeated, for each time they are said.
const MAX_DEPARTING: usize = 4096;

pub(super) struct Ends {
    ended: VecDeque<Ended>,
    next_at: Instant,
    /// Whether some of many were closed already.
    going_on: bool,
    /// One queue for each time the words are said, so that each is in order.
    departing: [VecDeque<Departing>; SAID_AFTER.len()],
    /// Closed, and of no further use: freeing a connection is half of what ending it costs.
    spent: Vec<Spent>,
}

/// A closed connection, and the packets that were kept until it ended.
pub(super) type Spent = (Peer, Unread);

struct Ended {
    peer: Peer,
    unread: Unread,
    text: Option<Arc<str>>,
}

struct Departing {
    due: Instant,
    datagram: TaggedBytesMut,
}

impl Ends {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ended: VecDeque::new(),
            next_at: now,
            going_on: false,
            departing: Default::default(),
            spent: Vec::new(),
        }
    }

    /// Takes a peer that was shut; `text` is the last on its `session` channel.
    pub(super) fn push(&mut self, (peer, unread): Spent, text: Option<Arc<str>>) {
        self.ended.push_back(Ended { peer, unread, text });
    }

    /// Closes the connections whose turn it is.
    pub(super) fn work_off(&mut self, now: Now) {
        if self.ended.is_empty() || now.mono < self.next_at {
            return;
        }
        for ended in self.ended.drain(..AT_ONCE.min(self.ended.len())).collect::<Vec<_>>() {
            self.close(now, ended);
        }
        let first_of_many = !self.ended.is_empty() && !self.going_on;
        self.going_on = !self.ended.is_empty();
        self.next_at = now.mono + if first_of_many { FIRST_PAUSE } else { PAUSE };
    }

    /// Closes all connections that are left, now.
    pub(super) fn finish(&mut self, now: Now) {
        while let Some(ended) = self.ended.pop_front() {
            self.close(now, ended);
        }
    }

    fn close(&mut self, now: Now, Ended { mut peer, unread, text }: Ended) {
        let last = contain(|| peer.say_goodbye(now, text.as_deref())).unwrap_or_default();
        self.spent.push((peer, unread));
        for (queue, after) in self.departing.iter_mut().zip(SAID_AFTER) {
            let room = MAX_DEPARTING.saturating_sub(queue.len());
            let due = now.mono + after;
            queue.extend(last.iter().take(room).map(|last| Departing { due, datagram: copy(last) }));
        }
    }

    /// Sends the closing words that are due; `true` when the socket would take no more.
    pub(super) fn flush(&mut self, now: Now, io: &mut impl Io) -> bool {
        for queue in &mut self.departing {
            while let Some(departing) = queue.front().filter(|departing| departing.due <= now.mono) {
                let TaggedBytesMut { transport, message, .. } = &departing.datagram;
                if io.send(Batch::one(Path::of(transport), message)) == Sent::Blocked {
                    return true;
                }
                queue.pop_front();
            }
        }
        false
    }

    /// The connections that are closed, to be freed wherever there is time.
    pub(super) fn take_spent(&mut self) -> Vec<Spent> {
        std::mem::take(&mut self.spent)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let next = (!self.ended.is_empty()).then_some(self.next_at);
        let due = self.departing.iter().filter_map(|queue| queue.front().map(|departing| departing.due));
        due.chain(next).min()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ended.len() + self.departing.iter().map(VecDeque::len).sum::<usize>()
    }
}

fn copy(datagram: &TaggedBytesMut) -> TaggedBytesMut {
    TaggedBytesMut { now: datagram.now, transport: datagram.transport, message: datagram.message.clone() }
}
