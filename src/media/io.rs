//! What the core sends through, so that a test's network and a socket look alike to it.

use rtc::shared::TaggedBytesMut;

use super::gate::Class;
use super::stats::MediaStats;
use crate::clock::BootInstant;

/// What the core needs of the world when it sends.
pub(super) trait Io {
    /// Reads the boot clock, now.
    fn boot(&self) -> BootInstant;
    /// How many datagrams of one size [`Self::send`] takes; one at least.
    fn at_once(&self) -> usize;
    /// Sends datagrams of one path, all or none. Where there are several they are of one size, but for the last, which may
    /// be smaller. An empty batch is done at once.
    fn send(&mut self, batch: &[TaggedBytesMut]) -> Sent;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Done,
    /// Not now; ask again at the next flush.
    Blocked,
    /// Not these: over TCP, what was sent before takes up the way. They are late already, so nobody keeps them.
    Waiting,
    /// Not ever: unreachable, too large. The network loses datagrams as well.
    Lost,
}

/// Counts what is sent on the way to the socket.
pub(super) struct Counting<'a, I> {
    pub(super) io: &'a mut I,
    pub(super) stats: &'a mut MediaStats,
}

impl<I: Io> Io for Counting<'_, I> {
    fn boot(&self) -> BootInstant {
        self.io.boot()
    }

    fn at_once(&self) -> usize {
        self.io.at_once()
    }

    fn send(&mut self, batch: &[TaggedBytesMut]) -> Sent {
        let sent = self.io.send(batch);
        match sent {
            Sent::Done => {
                self.stats.datagrams_out += batch.len() as u64;
                for media in batch.iter().filter(|datagram| Class::of(&datagram.message) == Class::Media) {
                    self.stats.media_out += 1;
                    self.stats.media_bytes_out += media.message.len() as u64;
                }
            }
            Sent::Lost => self.stats.send_errors += batch.len() as u64,
            Sent::Blocked | Sent::Waiting => {}
        }
        sent
    }
}
