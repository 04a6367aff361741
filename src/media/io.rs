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

    /// The first so many of them.
    pub(super) fn first(self, count: usize) -> Self {
        let length = self.size.saturating_mul(count).min(self.bytes.len());
        Self { bytes: self.bytes.get(..length).unwrap_or_default(), ..self }
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
    /// Sends a batch. An empty one is done at once.
    fn send(&mut self, batch: Batch<'_>) -> Sent;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Done,
    /// Not now; ask again at the next flush.
    Blocked,
    /// So many, the first of them, or none: over TCP, what was sent before takes up the way. The others are late already, so nobody
    /// keeps them.
    First(usize),
    /// Not ever: unreachable, too large. The network loses datagrams as well.
    Lost,
}

impl Sent {
    /// How many of so many left.
    pub(super) fn of(self, count: usize) -> usize {
        match self {
            Self::Done => count,
            Self::First(left) => left.min(count),
            Self::Blocked | Self::Lost => 0,
        }
    }
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
        let left = batch.first(sent.of(batch.count()));
        let count = left.count() as u64;
        self.stats.datagrams_out += count;
        if batch.class() == Class::Media {
            self.stats.media_out += count;
            self.stats.media_bytes_out += left.bytes.len() as u64;
        }
        if sent == Sent::Lost {
            self.stats.send_errors += batch.count() as u64;
        }
        sent
    }
}
