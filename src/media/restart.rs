//! ICE restarts (RFC 8445, 9) of peers that are connected: DTLS and media go on, new credentials are added to the old.
//!
//! The library's agent would drop its path at once and the picture with it. So it keeps the credentials it began with, and the
//! checks of later ones are answered here: a lite agent (RFC 8445, 2.5) has little more to do. Which path is used then is
//! for `paths.rs` to say, and the old one serves until another is proven.

use std::net::SocketAddr;

use bytes::BytesMut;
use rand::Rng as _;
use ring::hmac;

use super::stun::{self, Kind, Message, TransactionId};

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const PRIORITY: u16 = 0x0024;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ICE_CONTROLLED: u16 = 0x8029;
/// Of a peer-reflexive candidate (RFC 8445, 5.1.2.1).
const CHECK_PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;

/// Both sides' credentials from one restart on.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) remote_ufrag: String,
    pub(super) remote_password: String,
}

/// What answers the checks that are made with some credentials.
pub(super) struct Generation {
    ufrag: String,
    username: String,
    local: hmac::Key,
    remote: hmac::Key,
    tie_breaker: u64,
}

impl Generation {
    pub(super) fn new(credentials: &Credentials) -> Self {
        Self {
            ufrag: credentials.ufrag.clone(),
            username: format!("{}:{}", credentials.remote_ufrag, credentials.ufrag),
            local: stun::key(&credentials.password),
            remote: stun::key(&credentials.remote_password),
            tie_breaker: rand::rng().random(),
        }
    }

    /// Whether a message is a check made with these credentials. That it proves them is for the demux to say.
    pub(super) fn is_checked_by(&self, message: &Message<'_>) -> bool {
        message.kind == Kind::BindingRequest && message.local_ufrag == Some(&self.ufrag)
    }

    /// The answer to a check that came from there (RFC 8445, 7.3.1).
    pub(super) fn answer(&self, check: &Message<'_>, from: SocketAddr) -> BytesMut {
        let mapped = xor_mapped(from, check.transaction_id());
        stun::write(BINDING_SUCCESS, check.transaction_id(), &[(XOR_MAPPED_ADDRESS, &mapped)], &self.local)
    }

    /// A check of the server's own, which shows that the far end is where its check came from.
    pub(super) fn check(&self) -> BytesMut {
        let attributes: [(u16, &[u8]); 3] = [
            (stun::USERNAME, self.username.as_bytes()),
            (PRIORITY, &CHECK_PRIORITY.to_be_bytes()),
            (ICE_CONTROLLED, &self.tie_breaker.to_be_bytes()),
        ];
        let transaction: TransactionId = rand::rng().random();
        stun::write(BINDING_REQUEST, transaction, &attributes, &self.remote)
    }
}

/// RFC 8489, 14.2.
fn xor_mapped(address: SocketAddr, transaction: TransactionId) -> Vec<u8> {
    let mask = stun::MAGIC_COOKIE.into_iter().chain(transaction);
    let (family, octets) = match address.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        std::net::IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let port = address.port().to_be_bytes();
    let mut value = vec![0, family];
    value.extend(port.into_iter().zip(stun::MAGIC_COOKIE).map(|(octet, mask)| octet ^ mask));
    value.extend(octets.into_iter().zip(mask).map(|(octet, mask)| octet ^ mask));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation() -> Generation {
        Generation::new(&Credentials {
            ufrag: "ours".into(),
            password: "the password of ours here".into(),
            remote_ufrag: "theirs".into(),
            remote_password: "the password of theirs".into(),
        })
    }

    #[test]
    fn a_check_names_both_sides_and_proves_the_far_ends_password() {
        let raw = generation().check();
        let check = Message::parse(&raw).expect("well-formed");
        assert_eq!((check.kind, check.local_ufrag), (Kind::BindingRequest, Some("theirs")));
        assert!(check.is_from(&stun::key("the password of theirs")));
        assert!(!check.use_candidate, "a lite agent is never in control");
    }

    #[test]
    fn an_answer_carries_the_address_and_proves_the_servers_password() {
        // The address and the transaction of RFC 5769, 2.2.
        let id = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let check = stun::write(BINDING_REQUEST, id, &[(stun::USERNAME, b"ours:theirs")], &stun::key("x"));
        let check = Message::parse(&check).expect("well-formed");
        assert!(generation().is_checked_by(&check));
        let raw = generation().answer(&check, "192.0.2.1:32853".parse().expect("an address"));
        let answer = Message::parse(&raw).expect("well-formed");
        assert_eq!((answer.kind, answer.transaction_id()), (Kind::BindingSuccess, id));
        assert!(answer.is_from(&stun::key("the password of ours here")));
        assert_eq!(raw[20..32], *b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43");
    }

    #[test]
    fn an_ipv6_address_is_masked_with_the_transaction_as_well() {
        // RFC 5769, 2.3.
        let id = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let address = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().expect("an address");
        let expected = b"\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9";
        assert_eq!(xor_mapped(address, id), expected);
    }
}
