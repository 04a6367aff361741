//! The gate: the last check before anything leaves for a peer.
//!
//! Retransmissions and reports are made inside the peer connection, so no check in front of it sees them. The gate looks at
//! finished datagrams instead, with a clock reading taken for those alone that leave in one call. From `deadline - guard` on, nothing
//! passes but DTLS that closes the connection.

use std::time::Duration;

use crate::clock::BootInstant;

/// What a datagram carries, by its first byte (RFC 7983).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Stun,
    Dtls,
    Media,
    /// Nothing this server speaks.
    Other,
}

impl Class {
    pub(super) fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

/// RFC 5761, 4: RTCP's packet types among the second bytes of media.
pub(super) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// One peer's gate, with the account of what passed it.
#[derive(Debug)]
pub(super) struct Gate {
    deadline: BootInstant,
    guard: Duration,
    closing: bool,
    last_media_sent: Option<BootInstant>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) refused: u64,
}

impl Gate {
    pub(super) fn new(deadline: BootInstant, guard: Duration) -> Self {
        Self { deadline, guard, closing: false, last_media_sent: None, packets: 0, bytes: 0, refused: 0 }
    }

    pub(super) fn deadline(&self) -> BootInstant {
        self.deadline
    }

    /// From when on no media passes.
    pub(super) fn shuts_at(&self) -> BootInstant {
        self.deadline.saturating_sub(self.guard)
    }

    /// Moves the deadline, either way. An open connection whose deadline moves back opens again; a closing one does not.
    pub(super) fn set_deadline(&mut self, deadline: BootInstant) {
        self.deadline = deadline;
    }

    /// From here on only closing messages pass, whatever the time.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether the peer's time lasts. What comes in from a peer whose time is over is dropped.
    pub(super) fn is_open(&self, now: BootInstant) -> bool {
        !self.closing && now < self.shuts_at()
    }

    /// Decides about `count` datagrams that leave together; `now` must have been read for them.
    pub(super) fn admits(&mut self, class: Class, count: usize, now: BootInstant) -> bool {
        let admitted = self.is_open(now) || (self.closing && class == Class::Dtls);
        if !admitted && class == Class::Media {
            self.refused += count as u64;
        }
        admitted
    }

    /// Books `count` datagrams of so many bytes that were sent together. `at` is read after the send, so that a thread that
    /// lost its processor between the check and the send shows up as lateness.
    pub(super) fn record(&mut self, class: Class, count: usize, bytes: usize, at: BootInstant) {
        if class == Class::Media {
            self.packets += count as u64;
            self.bytes += bytes as u64;
            self.last_media_sent = Some(at);
        }
    }

    pub(super) fn last_media_sent(&self) -> Option<BootInstant> {
        self.last_media_sent
    }

    pub(super) fn lateness(&self) -> Duration {
        self.last_media_sent.map_or(Duration::ZERO, |at| at.saturating_since(self.deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> BootInstant {
        BootInstant::from_nanos(ms * MS)
    }

    fn gate() -> Gate {
        Gate::new(at(100), Duration::from_millis(2))
    }

    #[test]
    fn media_passes_until_the_guard_before_the_deadline_and_not_from_then_on() {
        let mut gate = gate();
        assert!(gate.admits(Class::Media, 1, BootInstant::from_nanos(98 * MS - 1)));
        for class in [Class::Media, Class::Stun, Class::Dtls, Class::Other] {
            assert!(!gate.admits(class, 3, at(98)), "{class:?}");
        }
        assert_eq!(gate.refused, 3);
    }

    #[test]
    fn a_closing_gate_passes_dtls_alone_at_any_time() {
        let mut gate = gate();
        gate.close();
        for now in [at(1), at(99), at(500)] {
            assert!(gate.admits(Class::Dtls, 1, now));
            assert!(!gate.admits(Class::Media, 1, now));
            assert!(!gate.admits(Class::Stun, 1, now));
        }
        gate.set_deadline(at(1_000));
        assert!(!gate.admits(Class::Media, 1, at(1)));
    }

    #[test]
    fn a_deadline_moves_both_ways() {
        let mut gate = gate();
        gate.set_deadline(at(200));
        assert!(gate.admits(Class::Media, 1, at(150)));
        gate.set_deadline(at(140));
        assert!(!gate.admits(Class::Media, 1, at(150)));
    }

    #[test]
    fn lateness_is_the_last_media_after_the_deadline() {
        let mut gate = gate();
        gate.record(Class::Media, 1, 10, at(97));
        gate.record(Class::Dtls, 1, 10, at(120));
        assert_eq!((gate.lateness(), gate.packets, gate.bytes), (Duration::ZERO, 1, 10));
        gate.record(Class::Media, 1, 10, at(103));
        assert_eq!(gate.lateness(), Duration::from_millis(3));
    }

    #[test]
    fn datagrams_are_told_apart_by_their_first_byte() {
        let of = |first: u8| Class::of(&[first]);
        assert_eq!(
            [of(1), of(22), of(0x80), of(0xbf)],
            [Class::Stun, Class::Dtls, Class::Media, Class::Media]
        );
        assert_eq!([of(64), of(127), of(192), Class::of(&[])], [Class::Other; 4]);
    }
}
