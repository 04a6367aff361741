//! Just enough STUN (RFC 8489) to know whose a datagram is before any protocol state sees it.
//!
//! An address is bound to a peer only by a request with that peer's MESSAGE-INTEGRITY, and answers to the server's own
//! checks are let in only with theirs: the ICE agent looks at some attributes before it verifies.

use bytes::{BufMut as _, BytesMut};
use ring::hmac;

const HEADER: usize = 20;
pub(super) const MAGIC_COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
pub(super) const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_MASK: u32 = 0x5354_554e;
const INTEGRITY_LEN: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BindingRequest,
    BindingSuccess,
    /// Indications, errors, other methods: nothing that is needed from a peer.
    Other,
}

pub(super) type TransactionId = [u8; 12];

/// A well-formed STUN message, not authenticated yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    /// The part of USERNAME before the colon: the receiver's own ufrag (RFC 8445, 7.2.2).
    pub(super) local_ufrag: Option<&'a str>,
    /// It nominates its path (RFC 8445, 7.1.2).
    pub(super) use_candidate: bool,
    raw: &'a [u8],
    /// Where the MESSAGE-INTEGRITY attribute begins.
    integrity_at: Option<usize>,
}

impl<'a> Message<'a> {
    pub(super) fn parse(raw: &'a [u8]) -> Option<Self> {
        let header = raw.get(..HEADER)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[4..8] != MAGIC_COOKIE || raw.len() != HEADER + length || length % 4 != 0 {
            return None;
        }
        let kind = match [header[0], header[1]] {
            [0x00, 0x01] => Kind::BindingRequest,
            [0x01, 0x01] => Kind::BindingSuccess,
            _ => Kind::Other,
        };
        let mut message = Self { kind, local_ufrag: None, use_candidate: false, raw, integrity_at: None };
        let mut at = HEADER;
        while at < raw.len() {
            let head = raw.get(at..at + 4)?;
            let (attribute, len) =
                (u16::from_be_bytes([head[0], head[1]]), usize::from(u16::from_be_bytes([head[2], head[3]])));
            let value = raw.get(at + 4..at + 4 + len)?;
            match attribute {
                USERNAME => message.local_ufrag = std::str::from_utf8(value).ok()?.split(':').next(),
                USE_CANDIDATE => message.use_candidate = true,
                MESSAGE_INTEGRITY if len == INTEGRITY_LEN => {
                    message.integrity_at = Some(at);
                    // What follows it is not covered (RFC 8489, 14.5); nothing of that is used here.
                    return Some(message);
                }
                _ => {}
            }
            at += 4 + len.next_multiple_of(4);
        }
        Some(message)
    }

    pub(super) fn transaction_id(&self) -> TransactionId {
        let mut id = TransactionId::default();
        id.copy_from_slice(&self.raw[8..HEADER]);
        id
    }

    /// Whether MESSAGE-INTEGRITY is there and made with `password` (short-term credentials).
    pub(super) fn is_from(&self, password: &hmac::Key) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let Ok(length) = u16::try_from(at + 4 + INTEGRITY_LEN - HEADER) else { return false };
        let mut context = hmac::Context::with_key(password);
        context.update(&self.raw[..2]);
        context.update(&length.to_be_bytes());
        context.update(&self.raw[4..at]);
        let tag = context.sign();
        constant_time_eq(tag.as_ref(), &self.raw[at + 4..at + 4 + INTEGRITY_LEN])
    }
}

/// A short-term key: the password itself.
pub(super) fn key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// Writes a message with MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489, 14.5 and 14.7), which ICE demands of every message.
pub(super) fn write(
    kind: u16,
    transaction: TransactionId,
    attributes: &[(u16, &[u8])],
    password: &hmac::Key,
) -> BytesMut {
    let mut raw = BytesMut::with_capacity(128);
    raw.put_u16(kind);
    raw.put_u16(0);
    raw.put_slice(&MAGIC_COOKIE);
    raw.put_slice(&transaction);
    for (attribute, value) in attributes {
        put_attribute(&mut raw, *attribute, value);
    }
    set_length(&mut raw, 4 + INTEGRITY_LEN);
    let tag = hmac::sign(password, &raw);
    put_attribute(&mut raw, MESSAGE_INTEGRITY, tag.as_ref());
    set_length(&mut raw, 8);
    let fingerprint = crc32(&raw) ^ FINGERPRINT_MASK;
    put_attribute(&mut raw, FINGERPRINT, &fingerprint.to_be_bytes());
    raw
}

fn put_attribute(raw: &mut BytesMut, attribute: u16, value: &[u8]) {
    raw.put_u16(attribute);
    // What is written here is a few dozen bytes long.
    raw.put_u16(value.len() as u16);
    raw.put_slice(value);
    raw.put_bytes(0, value.len().next_multiple_of(4) - value.len());
}

/// Sets the length to what is there and `more`.
fn set_length(raw: &mut BytesMut, more: usize) {
    let length = (raw.len() - HEADER + more) as u16;
    raw[2..4].copy_from_slice(&length.to_be_bytes());
}

/// ITU V.42's, as FINGERPRINT has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sample request of RFC 5769, 2.1.
    const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
        \x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    #[test]
    fn the_sample_of_rfc_5769_is_authenticated() {
        let message = Message::parse(REQUEST).expect("well-formed");
        assert_eq!((message.kind, message.local_ufrag), (Kind::BindingRequest, Some("evtj")));
        assert!(message.is_from(&key("VOkJxbRl1RmTxUk/WvJxBt")));
        assert!(!message.is_from(&key("VOkJxbRl1RmTxUk/WvJxBu")));
    }

    #[test]
    fn what_is_written_is_read_and_carries_the_fingerprint_of_rfc_8489() {
        let (end, fingerprint) = REQUEST.split_at(REQUEST.len() - 4);
        assert_eq!((crc32(&end[..end.len() - 4]) ^ FINGERPRINT_MASK).to_be_bytes(), fingerprint);
        let raw = write(0x0001, [7; 12], &[(USERNAME, b"one:other")], &key("secret"));
        let message = Message::parse(&raw).expect("well-formed");
        assert_eq!((message.local_ufrag, message.transaction_id()), (Some("one"), [7; 12]));
        assert!(message.is_from(&key("secret")) && !message.is_from(&key("other")));
    }

    #[test]
    fn a_changed_byte_before_the_integrity_breaks_it() {
        for at in 8..HEADER + 60 {
            let mut raw = REQUEST.to_vec();
            raw[at] ^= 1;
            let authentic = Message::parse(&raw).is_some_and(|m| m.is_from(&key("VOkJxbRl1RmTxUk/WvJxBt")));
            assert!(!authentic, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(raw in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..100) {
            let _ = Message::parse(&raw).map(|m| m.is_from(&key("k")));
            let _ = Message::parse(&REQUEST[..cut.min(REQUEST.len())]);
        }
    }
}
