//! What of a peer's datagrams its protocols get to see. The library keeps state of what nobody has authenticated yet, and sets it no bound: SRTP's
//! for each SSRC, DTLS's for each fragment of a handshake (which it puts together by a recursion of a level each, and a stack
//! that overflows ends the process), and records whose keys are not there. Whoever forges a peer's address can send all
//! of these, so more than a session has use for is dropped here.

use std::collections::HashSet;

use super::gate::is_rtcp;

/// SSRCs of one peer, forged ones included: a robot has two for each of its sections, and one that it reports with.
const MAX_SSRCS: usize = 1_024;
/// Fragments of handshake messages: a flight has a dozen at most, and is repeated a few times while a peer may connect.
const MAX_FRAGMENTS: usize = 256;
/// Bytes of a handshake message: a chain of certificates has a few thousand.
const MAX_MESSAGE: usize = 16 * 1024;
/// Records other than of the handshake before it is done, which wait for their keys.
const MAX_EARLY: usize = 64;

/// Content type of handshake messages (RFC 5246, 6.2.1).
const HANDSHAKE: u8 = 22;
const RECORD_HEADER: usize = 13;
const FRAGMENT_HEADER: usize = 12;

#[derive(Debug, Default)]
pub(super) struct Guard {
    ssrcs: HashSet<u32>,
    fragments: usize,
    early: usize,
}

impl Guard {
    /// For a peer whose offer names these SSRCs: whoever forges its address cannot take their places before they are heard.
    pub(super) fn keeping(named: impl Iterator<Item = u32>) -> Self {
        Self { ssrcs: named.collect(), ..Self::default() }
    }

    /// Whether SRTP or SRTCP gets to see a datagram. Viewers send nothing but reports.
    pub(super) fn admits_media(&mut self, datagram: &[u8], is_viewer: bool) -> bool {
        let at = match is_rtcp(datagram) {
            true => 4,
            false if is_viewer => return false,
            false => 8,
        };
        let Some(ssrc) = datagram.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes)
        else {
            return false;
        };
        self.ssrcs.contains(&ssrc) || self.ssrcs.len() < MAX_SSRCS && self.ssrcs.insert(ssrc)
    }

    /// Whether DTLS gets to see a datagram: records that it can take apart (RFC 6347, 4.1), and of those of a handshake no more
    /// than one has.
    pub(super) fn admits_dtls(&mut self, datagram: &[u8], is_connected: bool) -> bool {
        let mut left = datagram;
        while let Some((header, rest)) = left.split_first_chunk::<RECORD_HEADER>() {
            let &[content, _, _, epoch_high, epoch_low, .., high, low] = header;
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some((body, after)) = rest.split_at_checked(length) else { return false };
            left = after;
            let is_plain = [epoch_high, epoch_low] == [0, 0];
            let admitted = match content {
                HANDSHAKE => self.admits_handshake(body, is_plain),
                _ if is_connected => true,
                _ => {
                    self.early += 1;
                    self.early <= MAX_EARLY
                }
            };
            if !admitted {
                return false;
            }
        }
        left.is_empty()
    }

    fn admits_handshake(&mut self, body: &[u8], is_plain: bool) -> bool {
        let fragments = match is_plain {
            true => plain_fragments(body),
            // They are not to be seen: as many as fit.
            false => Some(body.len().div_ceil(FRAGMENT_HEADER)),
        };
        let Some(fragments) = fragments else { return false };
        self.fragments += fragments;
        self.fragments <= MAX_FRAGMENTS
    }
}

/// The fragments of handshake messages in a record that is not encrypted (RFC 6347, 4.2.2); `None` where they are not as they
/// should be. A message is whole, or its fragment is the last in the record, since the library takes the rest for it.
fn plain_fragments(mut body: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !body.is_empty() {
        let (header, rest) = body.split_first_chunk::<FRAGMENT_HEADER>()?;
        let &[_, l0, l1, l2, _, _, o0, o1, o2, f0, f1, f2] = header;
        let [length, offset, fragment] = [[l0, l1, l2], [o0, o1, o2], [f0, f1, f2]]
            .map(|[high, middle, low]| u32::from_be_bytes([0, high, middle, low]) as usize);
        let (_, after) = rest.split_at_checked(fragment)?;
        let is_part = fragment < length;
        if length > MAX_MESSAGE
            || offset + fragment > length
            || is_part && (fragment == 0 || !after.is_empty())
        {
            return None;
        }
        body = after;
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record in an epoch; the sequence number does not matter.
    fn record(content: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("a record").to_be_bytes();
        [&[content, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0][..], &length, body].concat()
    }

    /// A fragment of a handshake message that has `length` bytes in all.
    fn fragment(length: u16, offset: u16, bytes: &[u8]) -> Vec<u8> {
        let of = u16::try_from(bytes.len()).expect("a fragment").to_be_bytes();
        let ([l1, l2], [o1, o2], [f1, f2]) = (length.to_be_bytes(), offset.to_be_bytes(), of);
        [&[1, 0, l1, l2, 0, 0, 0, o1, o2, 0, f1, f2][..], bytes].concat()
    }

    fn plain(body: &[u8]) -> Vec<u8> {
        record(HANDSHAKE, 0, body)
    }

    #[test]
    fn a_handshake_with_its_repetitions_and_a_long_session_pass() {
        let mut guard = Guard::default();
        let hello = plain(&fragment(100, 0, &[7; 100]));
        let certificate: Vec<Vec<u8>> =
            [0, 500, 1_000].map(|offset| plain(&fragment(1_500, offset, &[7; 500]))).into();
        // Several messages in one record, and several records in one datagram.
        let finish = [
            plain(&[fragment(60, 0, &[7; 60]), fragment(70, 0, &[7; 70])].concat()),
            record(20, 0, &[1]),
            record(HANDSHAKE, 1, &[7; 48]),
        ]
        .concat();
        for _ in 0..6 {
            let flights = [&hello, &hello].into_iter().chain(&certificate).chain([&finish]);
            assert!(flights.into_iter().all(|datagram| guard.admits_dtls(datagram, false)));
        }
        for _ in 0..10_000 {
            assert!(guard.admits_dtls(&record(23, 1, &[7; 1_000]), true));
        }
        assert!(guard.admits_dtls(&finish, true), "its last flight again");
    }

    #[test]
    fn of_handshakes_no_more_passes_than_one_has() {
        let part = |n: u16| plain(&fragment(2_000, n, &[7]));
        for (is_connected, datagram) in
            [(false, part as fn(u16) -> Vec<u8>), (true, part), (true, |_| record(HANDSHAKE, 1, &[7; 48]))]
        {
            let mut guard = Guard::default();
            let admitted = (0..2_000).filter(|n| guard.admits_dtls(&datagram(*n), is_connected)).count();
            assert!((50..=MAX_FRAGMENTS).contains(&admitted), "{admitted}");
        }
        let mut guard = Guard::default();
        for early in [record(20, 0, &[1]), record(23, 1, &[7; 90])] {
            assert!((0..40).filter(|_| guard.admits_dtls(&early, false)).count() <= MAX_EARLY);
        }
        assert!(!guard.admits_dtls(&record(23, 1, &[7; 90]), false), "the keys cannot be so far away");
    }

    #[test]
    fn what_no_handshake_has_does_not_pass() {
        let none = [
            // A level of recursion without a byte of its own.
            plain(&[&fragment(0, 0, &[])[..11], &[1]].concat()),
            plain(&fragment(10, 0, &[])),
            plain(&fragment(10, 8, &[7; 3])),
            plain(&[fragment(10, 0, &[7; 3]), fragment(10, 3, &[7; 7])].concat()),
            plain(&fragment(u16::MAX, 0, &[7; 3])),
            plain(&[7; 11]),
            plain(&fragment(3, 0, &[7; 3]))[..20].to_vec(),
            [plain(&fragment(3, 0, &[7; 3])), vec![22]].concat(),
            vec![22, 0xfe, 0xfd],
        ];
        for datagram in none {
            assert!(!Guard::default().admits_dtls(&datagram, false), "{datagram:?}");
        }
    }

    fn packet(second: u8, ssrc: u32) -> Vec<u8> {
        let ssrc = ssrc.to_be_bytes();
        match is_rtcp(&[0x80, second]) {
            true => [&[0x80, second, 0, 1][..], &ssrc, &[7; 30]].concat(),
            false => [&[0x80, second, 0, 1, 0, 0, 0, 0][..], &ssrc, &[7; 30]].concat(),
        }
    }

    #[test]
    fn ssrcs_are_bounded_and_those_that_came_first_stay() {
        for (second, is_viewer) in [(201, true), (201, false), (96, false)] {
            let mut guard = Guard::default();
            let admitted = (0..5_000).filter(|n| guard.admits_media(&packet(second, *n), is_viewer)).count();
            assert_eq!(admitted, MAX_SSRCS);
            assert!(guard.admits_media(&packet(second, 9), is_viewer));
        }
    }

    #[test]
    fn ssrcs_that_the_offer_names_keep_their_places_whoever_speaks_first() {
        let named = [70_000, 70_001];
        let mut guard = Guard::keeping(named.into_iter());
        let forged = (0..5_000).filter(|n| guard.admits_media(&packet(96, *n), false)).count();
        assert_eq!(forged, MAX_SSRCS - named.len());
        assert!(named.into_iter().all(|ssrc| guard.admits_media(&packet(96, ssrc), false)));
    }

    #[test]
    fn viewers_send_reports_alone() {
        let mut guard = Guard::default();
        assert!(!guard.admits_media(&packet(96, 1), true) && guard.admits_media(&packet(201, 1), true));
        for short in [&[][..], &[0x80], &[0x80, 201, 0, 1, 0], &[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0]] {
            assert!(!guard.admits_media(short, false));
        }
    }
}
