//! Whose datagram is it? One socket serves all peers, so every datagram is assigned by what it proves.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use curfew_domain::PeerId;
use ring::hmac;
use rtc::shared::TransportProtocol;

use super::gate::Class;
use super::paths::Path;
use super::stun::{self, Kind, Message};

/// Remote addresses one peer may hold at a time: a host with several interfaces, behind NAT, twice.
const ADDRESSES_PER_PEER: usize = 16;
/// An address that proved nothing for this long is forgotten. ICE consent is refreshed every few seconds.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    To(PeerId),
    /// Nobody's, by its address or ufrag.
    Unknown,
    /// It claims a peer and does not prove it.
    Unproven,
}

struct Credentials {
    peer: PeerId,
    local: hmac::Key,
}

struct Bound {
    peer: PeerId,
    proven_at: Instant,
}

/// The tables that assign datagrams to peers.
#[derive(Default)]
pub(super) struct Demux {
    by_ufrag: HashMap<String, Credentials>,
    /// By protocol too: the same port of a host is another one over TCP.
    by_address: HashMap<(TransportProtocol, SocketAddr), Bound>,
    /// What the far end proves itself with: since its first offer, and since each restart of ICE that still counts.
    remote: HashMap<PeerId, Vec<hmac::Key>>,
}

impl Demux {
    /// Makes a peer reachable, or adds credentials to those by which it is. `false` when its ufrag is taken, which random ufrags of 16 characters do not meet.
    pub(super) fn register(
        &mut self,
        peer: PeerId,
        ufrag: &str,
        password: &str,
        remote_password: &str,
    ) -> bool {
        if self.by_ufrag.contains_key(ufrag) {
            return false;
        }
        self.by_ufrag.insert(ufrag.to_owned(), Credentials { peer, local: stun::key(password) });
        self.remote.entry(peer).or_default().push(stun::key(remote_password));
        true
    }

    /// Forgets the oldest of a peer's credentials, after a restart of ICE.
    pub(super) fn forget_oldest(&mut self, peer: PeerId, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
        if let Some(keys) = self.remote.get_mut(&peer).filter(|keys| !keys.is_empty()) {
            keys.remove(0);
        }
    }

    pub(super) fn forget(&mut self, peer: PeerId, ufrags: &[String]) {
        for ufrag in ufrags {
            self.by_ufrag.remove(ufrag);
        }
        self.remote.remove(&peer);
        self.by_address.retain(|_, bound| bound.peer != peer);
    }

    /// Forgets a peer's connections over TCP; their far ends.
    pub(super) fn forget_connections(&mut self, peer: PeerId) -> Vec<SocketAddr> {
        let of_peer = |(protocol, _): &(TransportProtocol, SocketAddr), bound: &mut Bound| {
            *protocol == TransportProtocol::TCP && bound.peer == peer
        };
        self.by_address.extract_if(of_peer).map(|((_, remote), _)| remote).collect()
    }

    /// Forgets a connection over TCP that is gone: the next from there proves itself anew.
    pub(super) fn forget_connection(&mut self, remote: SocketAddr) {
        self.by_address.remove(&(TransportProtocol::TCP, remote));
    }

    /// Assigns a datagram, and binds its source address where it proves whose it is.
    pub(super) fn route(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Route {
        match Class::of(datagram) {
            Class::Stun => self.route_stun(now, path, datagram),
            Class::Dtls | Class::Media => self
                .by_address
                .get(&(path.protocol, path.remote))
                .map_or(Route::Unknown, |bound| Route::To(bound.peer)),
            Class::Other => Route::Unknown,
        }
    }

    fn route_stun(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Route {
        let Some(message) = Message::parse(datagram) else { return Route::Unknown };
        match message.kind {
            Kind::BindingRequest => {
                let Some(credentials) = message.local_ufrag.and_then(|ufrag| self.by_ufrag.get(ufrag)) else {
                    return Route::Unknown;
                };
                if !message.is_from(&credentials.local) {
                    return Route::Unproven;
                }
                let peer = credentials.peer;
                if self.bind(now, path, peer) { Route::To(peer) } else { Route::Unproven }
            }
            Kind::BindingSuccess => {
                let Some(bound) = self.by_address.get_mut(&(path.protocol, path.remote)) else {
                    return Route::Unknown;
                };
                let keys = self.remote.get(&bound.peer);
                if !keys.is_some_and(|keys| keys.iter().any(|key| message.is_from(key))) {
                    return Route::Unproven;
                }
                bound.proven_at = now;
                Route::To(bound.peer)
            }
            Kind::Other => Route::Unknown,
        }
    }

    /// Binds where `path` leads to `peer`, also when another peer had it: a NAT reuses its ports. Over TCP it is one connection,
    /// which stays with the peer that proved it first: what the kernel holds of that peer's media has to end with it. `false`
    /// then, and at the limit of addresses.
    fn bind(&mut self, now: Instant, path: Path, peer: PeerId) -> bool {
        let from = (path.protocol, path.remote);
        if let Some(bound) = self.by_address.get_mut(&from) {
            if path.protocol == TransportProtocol::TCP && bound.peer != peer {
                return false;
            }
            *bound = Bound { peer, proven_at: now };
            return true;
        }
        if self.by_address.values().filter(|bound| bound.peer == peer).count() >= ADDRESSES_PER_PEER {
            return false;
        }
        self.by_address.insert(from, Bound { peer, proven_at: now });
        true
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_ufrag.len() + self.by_address.len() + self.remote.len()
    }

    /// Forgets addresses that proved nothing for a while. A connection over TCP is somebody's until it is closed.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.by_address.retain(|(protocol, _), bound| {
            *protocol == TransportProtocol::TCP
                || now.saturating_duration_since(bound.proven_at) < STALE_AFTER
        });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DTLS: &[u8] = &[22, 0xfe, 0xfd];

    fn peer(n: u128) -> PeerId {
        PeerId::from(Uuid::from_u128(n))
    }

    fn path(port: u16) -> Path {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Path { protocol: TransportProtocol::UDP, local: address(1), remote: address(port) }
    }

    /// A message with USERNAME and MESSAGE-INTEGRITY.
    fn message(kind: [u8; 2], username: &str, password: &str) -> Vec<u8> {
        let mut raw = vec![kind[0], kind[1], 0, 0, 0x21, 0x12, 0xa4, 0x42];
        raw.extend([7; 12]);
        raw.extend([0, 6]);
        raw.extend((username.len() as u16).to_be_bytes());
        raw.extend(username.as_bytes());
        raw.resize(raw.len().next_multiple_of(4), 0);
        let length = (raw.len() - 20 + 24) as u16;
        raw[2..4].copy_from_slice(&length.to_be_bytes());
        let tag = hmac::sign(&stun::key(password), &raw);
        raw.extend([0, 8, 0, 20]);
        raw.extend(tag.as_ref());
        raw
    }

    fn request(ufrag: &str, password: &str) -> Vec<u8> {
        message([0, 1], &format!("{ufrag}:theirs"), password)
    }

    fn demux() -> Demux {
        let mut demux = Demux::default();
        assert!(demux.register(peer(1), "one", "password-one", "remote-one"));
        assert!(demux.register(peer(2), "two", "password-two", "remote-two"));
        demux
    }

    #[test]
    fn an_address_is_bound_only_by_a_request_that_proves_the_password() {
        let (mut demux, now) = (demux(), Instant::now());
        assert_eq!(demux.route(now, path(1), DTLS), Route::Unknown);
        assert_eq!(demux.route(now, path(1), &request("one", "guess")), Route::Unproven);
        assert_eq!(demux.route(now, path(1), &request("none", "password-one")), Route::Unknown);
        assert_eq!(demux.route(now, path(1), DTLS), Route::Unknown);
        assert_eq!(demux.route(now, path(1), &request("one", "password-one")), Route::To(peer(1)));
        assert_eq!(demux.route(now, path(1), DTLS), Route::To(peer(1)));
    }

    #[test]
    fn answers_count_only_from_bound_addresses_and_with_the_far_ends_password() {
        let (mut demux, now) = (demux(), Instant::now());
        let success = |password| message([1, 1], "", password);
        assert_eq!(demux.route(now, path(1), &success("remote-one")), Route::Unknown);
        demux.route(now, path(1), &request("one", "password-one"));
        assert_eq!(demux.route(now, path(1), &success("remote-two")), Route::Unproven);
        assert_eq!(demux.route(now, path(1), &success("remote-one")), Route::To(peer(1)));
    }

    #[test]
    fn a_reused_address_goes_to_whoever_proves_it_last() {
        let (mut demux, now) = (demux(), Instant::now());
        demux.route(now, path(1), &request("one", "password-one"));
        demux.route(now, path(1), &request("two", "password-two"));
        assert_eq!(demux.route(now, path(1), DTLS), Route::To(peer(2)));
    }

    #[test]
    fn a_connection_over_tcp_is_the_first_peers_until_it_is_closed() {
        let (mut demux, now) = (demux(), Instant::now());
        let connection = Path { protocol: TransportProtocol::TCP, ..path(1) };
        assert_eq!(demux.route(now, connection, &request("one", "password-one")), Route::To(peer(1)));
        assert_eq!(demux.route(now, connection, &request("two", "password-two")), Route::Unproven);
        demux.sweep(now + 2 * STALE_AFTER);
        assert_eq!(demux.route(now, connection, DTLS), Route::To(peer(1)));
        assert_eq!(demux.forget_connections(peer(1)), [connection.remote]);
        assert_eq!(demux.route(now, connection, &request("two", "password-two")), Route::To(peer(2)));
        demux.forget_connection(connection.remote);
        assert_eq!(demux.route(now, connection, DTLS), Route::Unknown);
    }

    #[test]
    fn forgotten_peers_and_stale_addresses_are_unknown() {
        let (mut demux, now) = (demux(), Instant::now());
        demux.route(now, path(1), &request("one", "password-one"));
        demux.route(now, path(2), &request("two", "password-two"));
        demux.forget(peer(1), &["one".to_owned()]);
        assert_eq!(demux.route(now, path(1), DTLS), Route::Unknown);
        assert_eq!(demux.route(now, path(1), &request("one", "password-one")), Route::Unknown);
        demux.sweep(now + STALE_AFTER);
        assert_eq!(demux.route(now, path(2), DTLS), Route::Unknown);
    }

    #[test]
    fn a_peer_holds_a_limited_number_of_addresses() {
        let (mut demux, now) = (demux(), Instant::now());
        for port in 0..40 {
            let bound = demux.route(now, path(port), &request("one", "password-one")) == Route::To(peer(1));
            assert_eq!(bound, usize::from(port) < ADDRESSES_PER_PEER);
        }
    }

    #[test]
    fn after_a_restart_the_old_credentials_serve_until_they_are_forgotten() {
        let (mut demux, now) = (demux(), Instant::now());
        let success = |password| message([1, 1], "", password);
        assert!(demux.register(peer(1), "new", "password-new", "remote-new"));
        for (ufrag, password, port) in [("one", "password-one", 1), ("new", "password-new", 2)] {
            assert_eq!(demux.route(now, path(port), &request(ufrag, password)), Route::To(peer(1)));
        }
        assert_eq!(demux.route(now, path(1), &success("remote-new")), Route::To(peer(1)));
        demux.forget_oldest(peer(1), "one");
        assert_eq!(demux.route(now, path(1), &request("one", "password-one")), Route::Unknown);
        assert_eq!(demux.route(now, path(1), &success("remote-one")), Route::Unproven);
        assert_eq!(demux.route(now, path(2), &success("remote-new")), Route::To(peer(1)));
    }
}
