//! What the core sends through, so that a test's network and a socket look alike to it.

use std::net::SocketAddr;

use rtc::shared::TaggedBytesMut;

use super::gate::Class;
use super::stats::MediaStats;
use crate::clock::BootInstant;

/// What the core needs of the world when it sends.
pub(super) trait Io {
    /// Reads the boot clock, now.
    fn boot(&self) -> BootInstant;
    fn send(&mut self, datagram: &Datagram<'_>) -> Sent;
}

/// One UDP payload to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) bytes: &'a [u8],
}

impl<'a> Datagram<'a> {
    pub(super) fn of(message: &'a TaggedBytesMut) -> Self {
        Self {
            local: message.transport.local_addr,
            remote: message.transport.peer_addr,
            bytes: &message.message,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Done,
    /// Not now; ask again at the next flush.
    Blocked,
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

    fn send(&mut self, datagram: &Datagram<'_>) -> Sent {
        let sent = self.io.send(datagram);
        match sent {
            Sent::Done => {
                self.stats.datagrams_out += 1;
                if Class::of(datagram.bytes) == Class::Media {
                    self.stats.media_out += 1;
                    self.stats.media_bytes_out += datagram.bytes.len() as u64;
                }
            }
            Sent::Lost => self.stats.send_errors += 1,
            Sent::Blocked => {}
        }
        sent
    }
}
