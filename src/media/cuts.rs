//! Connections over TCP that have to be reset when their peers' gates shut: what the kernel holds of them would leave later.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use curfew_domain::PeerId;

use crate::clock::BootInstant;

#[derive(Default)]
pub(super) struct Cuts {
    /// When the gates of peers shut that were heard over TCP.
    due: BTreeSet<(BootInstant, PeerId)>,
    /// The far ends of connections to be reset.
    cut: Vec<SocketAddr>,
}

impl Cuts {
    pub(super) fn insert(&mut self, at: BootInstant, peer: PeerId) {
        self.due.insert((at, peer));
    }

    pub(super) fn remove(&mut self, at: BootInstant, peer: PeerId) {
        self.due.remove(&(at, peer));
    }

    /// A peer whose gate has shut by now; it is told once.
    pub(super) fn next(&mut self, now: BootInstant) -> Option<PeerId> {
        let (at, peer) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, peer));
        Some(peer)
    }

    /// Has connections reset.
    pub(super) fn cut(&mut self, remotes: Vec<SocketAddr>) {
        self.cut.extend(remotes);
    }

    pub(super) fn take(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.cut)
    }

    pub(super) fn poll_timeout(&self) -> Option<BootInstant> {
        self.due.first().map(|(at, _)| *at)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}
