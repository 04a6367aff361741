//! Which packets of a stream came already. A packet that was asked for again may still come by itself: its repair has an SRTP stream of its
//! own (RFC 4588, section 9), so SRTP's replay protection does not see that they are one.

/// Packets that are looked back on: a second of video at 1,000 packets a second, longer than a repair is asked for.
pub(super) const WINDOW: u16 = 1_024;

/// The sequence numbers of one stream, as far back as [`WINDOW`].
pub(super) struct Seen {
    newest: Option<u16>,
    came: [bool; WINDOW as usize],
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { newest: None, came: [false; WINDOW as usize] }
    }

    /// Notes a packet; whether it is the first of its number. One from beyond the window begins anew: the stream was restarted.
    pub(super) fn is_first(&mut self, sequence: u16) -> bool {
        let newest = self.newest.unwrap_or(sequence.wrapping_sub(1));
        // Serial number arithmetic (RFC 1982).
        let ahead = sequence.wrapping_sub(newest);
        let behind = newest.wrapping_sub(sequence);
        if ahead < 0x8000 && ahead > 0 {
            for passed in 1..=ahead.min(WINDOW) {
                self.set(sequence.wrapping_sub(ahead.min(WINDOW)).wrapping_add(passed), false);
            }
            self.newest = Some(sequence);
        } else if behind >= WINDOW {
            *self = Self { newest: Some(sequence), ..Self::new() };
        }
        !self.set(sequence, true)
    }

    /// What was noted of the number before.
    fn set(&mut self, sequence: u16, came: bool) -> bool {
        let slot = self.came.get_mut(usize::from(sequence % WINDOW));
        slot.is_some_and(|slot| std::mem::replace(slot, came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_first_once_in_whatever_order_it_comes() {
        let mut seen = Seen::new();
        for sequence in [65_534, 65_535, 2, 1, 0, 3] {
            assert!(seen.is_first(sequence), "{sequence}");
        }
        for sequence in [2, 65_534, 3] {
            assert!(!seen.is_first(sequence), "{sequence}");
        }
    }

    #[test]
    fn numbers_count_again_when_they_have_gone_round() {
        let mut seen = Seen::new();
        for round in 0..3 {
            for sequence in 0..=u16::MAX {
                assert!(seen.is_first(sequence), "{sequence} in round {round}");
            }
        }
        assert!(!seen.is_first(u16::MAX - WINDOW + 1) && seen.is_first(u16::MAX - WINDOW));
    }

    #[test]
    fn gaps_leave_nothing_behind_and_a_restart_begins_anew() {
        let mut seen = Seen::new();
        assert!(seen.is_first(10) && seen.is_first(10 + WINDOW) && seen.is_first(10 + 3 * WINDOW));
        assert!(seen.is_first(11 + 2 * WINDOW), "it was in the gap");
        assert!(seen.is_first(5), "far behind");
        assert!(seen.is_first(6) && !seen.is_first(5));
    }
}
