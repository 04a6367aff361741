//! What the core sends through, so that a test's network and a socket look alike to it.

use super::gate::Class;
use super::paths::Path;
use super::stats::MediaStats;
use crate::clock::BootInstant;

/// Datagrams that leave together: one way, one behind another, all of `size` bytes but for the last, which may be smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch<'a> {
    pub(super) path: Path,
    pub(super) bytes: &'a [u8],
    pub(super) size: usize,
}

impl<'a> Batch<'a> {
    /// A datagram by itself.
    pub(super) fn one(path: Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, size: bytes.len() }
    }

    pub(super) fn datagrams(self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks(self.size.max(1))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.size.max(1))
    }

    /// What they all carry: only media leaves together.
    pub(super) fn class(&self) -> Class {
        Class::of(self.bytes)
    }
}

/// What the core needs of the world when it sends.
pub(super) trait Io {
    /// Reads the boot clock, now.
    fn boot(&self) -> BootInstant;
    /// How many datagrams of one size [`Self::send`] takes; one at least.
    fn at_once(&self) -> usize;
    /// Sends a batch, all or none. An empty one is done at once.
    fn send(&mut self, batch: Batch<'_>) -> Sent;
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

    fn send(&mut self, batch: Batch<'_>) -> Sent {
        let sent = self.io.send(batch);
        let count = batch.count() as u64;
        match sent {
            Sent::Done => {
                self.stats.datagrams_out += count;
                if batch.class() == Class::Media {
                    self.stats.media_out += count;
                    self.stats.media_bytes_out += batch.bytes.len() as u64;
                }
            }
            Sent::Lost => self.stats.send_errors += count,
            Sent::Blocked | Sent::Waiting => {}
        }
        sent
    }
}
