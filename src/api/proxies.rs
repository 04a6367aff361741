//! Whose word about a client's address counts: the proxies in front of this server, and nobody else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Hops looked at, from the nearest on.
const MOST_HOPS: usize = 32;

/// The address of a client whom a trusted proxy does not name, or names in two ways: nobody's, so no list has it.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The networks of trusted proxies.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
}

impl Proxies {
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted }
    }

    pub fn trust(&self, address: IpAddr) -> bool {
        is_in(&self.trusted, address)
    }

    /// The client of a request that `peer` sent: `peer` itself unless it is trusted; else the nearest address, in the list
    /// that the proxies wrote, that is no trusted proxy's. `Forwarded` is RFC 7239's; where that and `X-Forwarded-For` name
    /// different clients, the proxy wrote only one of them, and nobody here can tell which.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return peer;
        }
        let forwarded = headers.contains_key(FORWARDED).then(|| self.nearest(peer, &forwarded_for(headers)));
        let x_forwarded_for = headers
            .contains_key(X_FORWARDED_FOR)
            .then(|| self.nearest(peer, &elements(headers, &X_FORWARDED_FOR)));
        match (forwarded, x_forwarded_for) {
            (None, None) => peer,
            (Some(one), Some(other)) if one != other => UNKNOWN,
            (Some(client), _) | (None, Some(client)) => client,
        }
    }

    /// Walks from `peer` towards the client for as long as those on the way are trusted.
    fn nearest(&self, peer: IpAddr, hops: &[String]) -> IpAddr {
        let mut at = peer;
        for hop in hops.iter().rev().take(MOST_HOPS) {
            if !self.trust(at) {
                break;
            }
            match address(hop) {
                Some(next) => at = next,
                None => return UNKNOWN,
            }
        }
        at
    }
}

/// Whether an address is in one of the networks; IPv4 in its IPv6 form is IPv4.
pub(super) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The `for` of every element, from the client's side to ours; empty where an element has none.
fn forwarded_for(headers: &HeaderMap) -> Vec<String> {
    let of = |element: &String| {
        split_unquoted(element, ';').iter().find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| unquoted(value.trim()))
        })
    };
    elements(headers, &FORWARDED).iter().map(|element| of(element).unwrap_or_default()).collect()
}

/// The elements of a list that may be spread over several headers (RFC 9110, section 5.3).
fn elements(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| split_unquoted(value.to_str().unwrap_or("?"), ',')).collect()
}

/// Splits where `separator` is not within a quoted string.
fn split_unquoted(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for character in text.chars() {
        if character == separator && !quoted {
            parts.push(String::new());
            continue;
        }
        (quoted, escaped) = match character {
            _ if escaped => (quoted, false),
            '\\' if quoted => (quoted, true),
            '"' => (!quoted, false),
            _ => (quoted, false),
        };
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace('\\', ""))
}

/// An address, with a port or without; IPv6 in brackets or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let networks = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8::/32"];
        let proxies = Proxies::new(networks.iter().map(|net| net.parse().expect("a network")).collect());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        proxies.client(peer.parse().expect("an address"), &map).to_string()
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        let forged = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")];
        assert_eq!(client("9.9.9.9", &forged), "9.9.9.9");
        assert_eq!(client("::ffff:9.9.9.9", &forged), "9.9.9.9");
        assert_eq!(client("10.0.0.1", &forged), "1.1.1.1");
        assert_eq!(client("::ffff:10.0.0.1", &forged), "1.1.1.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_nearest_address_that_is_no_proxys_is_the_client() {
        let cases = [
            ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1, 10.0.0.7", "1.1.1.1"),
            ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
            ("1.1.1.1:4711", "1.1.1.1"),
            ("::ffff:1.1.1.1", "1.1.1.1"),
            ("[2a00::1]:443", "2a00::1"),
            ("2a00::1", "2a00::1"),
            ("1.1.1.1, unknown", "0.0.0.0"),
            ("1.1.1.1,", "0.0.0.0"),
            ("", "0.0.0.0"),
        ];
        for (list, expected) in cases {
            assert_eq!(client("10.0.0.1", &[("x-forwarded-for", list)]), expected, "{list:?}");
        }
        let spread = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")];
        assert_eq!(client("10.0.0.1", &spread), "1.1.1.1");
    }

    #[test]
    fn so_many_hops_are_looked_at_and_no_more() {
        let ours = |count| vec!["10.0.0.2"; count].join(", ");
        let behind = |count| client("10.0.0.1", &[("x-forwarded-for", &format!("1.1.1.1, {}", ours(count)))]);
        assert_eq!(behind(MOST_HOPS - 1), "1.1.1.1");
        assert_eq!(behind(MOST_HOPS), "10.0.0.2", "a list without an end is no proxies' of ours");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let cases = [
            ("for=1.1.1.1", "1.1.1.1"),
            ("for=6.6.6.6, For=\"1.1.1.1:80\";proto=https", "1.1.1.1"),
            ("by=3.3.3.3;for=\"[2a00::1]:4711\"", "2a00::1"),
            ("for=\"x,for=1.1.1.1\"", "0.0.0.0"),
            ("for=_hidden", "0.0.0.0"),
            ("for=unknown", "0.0.0.0"),
            ("proto=https", "0.0.0.0"),
            ("for=\"\\\"", "0.0.0.0"),
            ("for=2.2.2.2, for=\"[2001:db8::5]\"", "2.2.2.2"),
        ];
        for (list, expected) in cases {
            assert_eq!(client("10.0.0.1", &[("forwarded", list)]), expected, "{list:?}");
        }
    }

    #[test]
    fn who_is_named_in_two_ways_is_nobody() {
        let both =
            |forwarded, list| client("10.0.0.1", &[("forwarded", forwarded), ("x-forwarded-for", list)]);
        assert_eq!(both("for=1.1.1.1", "1.1.1.1"), "1.1.1.1");
        assert_eq!(both("for=127.0.0.1", "1.1.1.1"), "0.0.0.0");
    }
}
