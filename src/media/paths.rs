//! Which way to a peer: the address pair it nominated last, followed when it changes.
//!
//! The library's ICE agent keeps the first nominated pair for good, and a browser nominates anew whenever its own best path
//! changes: another interface, a NAT that rebinds. So the choice is kept here, by RFC 8445's rule for the controlled side
//! (7.3.1.5): a nomination counts once a check of the server's own came back over that path. A request alone can be
//! replayed by anybody who saw it; an answer to a fresh transaction cannot.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::shared::{TransportContext, TransportProtocol};

use super::stun::{Kind, Message, TransactionId};

/// Checks of the server's own that may be answered still.
const MAX_CHECKS: usize = 32;
/// A path that nothing comes over for so long gives way to one that checks do come over: a NAT that rebinds is not noticed
/// by the peer behind it, so it nominates nothing.
const DESERTED_AFTER: Duration = Duration::from_secs(5);
/// Ways known to work. A peer binds no more addresses than the demux lets it.
const MAX_PROVEN: usize = 16;

/// The server's address and the peer's. Over TCP it is one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) protocol: TransportProtocol,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

impl Path {
    pub(super) fn of(transport: &TransportContext) -> Self {
        Self {
            protocol: transport.transport_protocol,
            local: transport.local_addr,
            remote: transport.peer_addr,
        }
    }

    pub(super) fn transport(self) -> TransportContext {
        TransportContext {
            local_addr: self.local,
            peer_addr: self.remote,
            ecn: None,
            transport_protocol: self.protocol,
        }
    }
}

pub(super) struct Paths {
    current: Option<Path>,
    nominated: Option<Path>,
    proven: VecDeque<Path>,
    checks: VecDeque<(TransactionId, Path)>,
    heard_at: Instant,
    current_heard_at: Instant,
}

impl Paths {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            current: None,
            nominated: None,
            proven: VecDeque::new(),
            checks: VecDeque::new(),
            heard_at: now,
            current_heard_at: now,
        }
    }

    /// Where to send; `None` until a nomination counted.
    pub(super) fn current(&self) -> Option<Path> {
        self.current
    }

    /// Whether a check of the server's own came back that way.
    pub(super) fn is_proven(&self, path: Path) -> bool {
        self.proven.contains(&path)
    }

    /// Notes a STUN message that is about to be sent.
    pub(super) fn sending(&mut self, path: Path, raw: &[u8]) {
        if let Some(message) = Message::parse(raw).filter(|message| message.kind == Kind::BindingRequest) {
            push_bounded(&mut self.checks, (message.transaction_id(), path), MAX_CHECKS);
        }
    }

    /// Takes a STUN message that was authenticated.
    pub(super) fn received(&mut self, now: Instant, path: Path, raw: &[u8]) {
        let Some(message) = Message::parse(raw) else { return };
        match message.kind {
            Kind::BindingRequest => {
                self.heard_at = now;
                if message.use_candidate {
                    self.nominated = Some(path);
                }
            }
            Kind::BindingSuccess => {
                let check = (message.transaction_id(), path);
                let Some(index) = self.checks.iter().position(|sent| *sent == check) else { return };
                self.checks.remove(index);
                self.heard_at = now;
                if !self.proven.contains(&path) {
                    push_bounded(&mut self.proven, path, MAX_PROVEN);
                }
            }
            Kind::Other => {}
        }
        self.choose(now, path);
    }

    fn choose(&mut self, now: Instant, heard: Path) {
        let proven = |path: &Path| self.proven.contains(path);
        if let Some(nominated) = self.nominated.take_if(|path| proven(path)) {
            self.current = Some(nominated);
            self.current_heard_at = now;
        }
        let Some(current) = &mut self.current else { return };
        let deserted = now.saturating_duration_since(self.current_heard_at) > DESERTED_AFTER;
        if deserted && proven(&heard) {
            *current = heard;
        }
        if *current == heard {
            self.current_heard_at = now;
        }
    }

    /// When the peer will have been silent for `limit`: its consent to be sent to ends (RFC 7675, 5.1).
    pub(super) fn consent_ends(&self, limit: Duration) -> Instant {
        self.heard_at + limit
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() == limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Path { protocol: TransportProtocol::UDP, local: address(1), remote: address(port) }
    }

    fn message(kind: [u8; 2], transaction: u8, nominates: bool) -> Vec<u8> {
        let mut raw = vec![kind[0], kind[1], 0, if nominates { 4 } else { 0 }, 0x21, 0x12, 0xa4, 0x42];
        raw.extend([transaction; 12]);
        raw.extend(if nominates { &[0x00, 0x25, 0, 0][..] } else { &[] });
        raw
    }

    const REQUEST: [u8; 2] = [0, 1];
    const SUCCESS: [u8; 2] = [1, 1];

    #[test]
    fn a_nomination_counts_once_the_servers_check_came_back_over_its_path() {
        let now = Instant::now();
        let mut paths = Paths::new(now);
        paths.received(now, path(9), &message(REQUEST, 1, true));
        assert_eq!(paths.current(), None);
        paths.sending(path(9), &message(REQUEST, 2, false));
        paths.received(now, path(8), &message(SUCCESS, 2, false));
        assert_eq!(paths.current(), None, "the answer came from elsewhere");
        paths.received(now, path(9), &message(SUCCESS, 3, false));
        assert_eq!(paths.current(), None, "nobody asked that");
        paths.received(now, path(9), &message(SUCCESS, 2, false));
        assert_eq!(paths.current(), Some(path(9)));
    }

    #[test]
    fn a_later_nomination_moves_the_path_and_a_replayed_one_does_not() {
        let now = Instant::now();
        let mut paths = Paths::new(now);
        for port in [9, 7] {
            paths.sending(path(port), &message(REQUEST, port as u8, false));
            paths.received(now, path(port), &message(SUCCESS, port as u8, false));
            paths.received(now, path(port), &message(REQUEST, 1, true));
            assert_eq!(paths.current(), Some(path(port)));
        }
        paths.received(now, path(666), &message(REQUEST, 1, true));
        assert_eq!(paths.current(), Some(path(7)));
    }

    #[test]
    fn a_path_that_fell_silent_gives_way_to_one_that_is_proven() {
        let now = Instant::now();
        let mut paths = Paths::new(now);
        for port in [9, 7] {
            paths.sending(path(port), &message(REQUEST, port as u8, false));
            paths.received(now, path(port), &message(SUCCESS, port as u8, false));
        }
        paths.received(now, path(9), &message(REQUEST, 1, true));
        let at = |seconds| now + Duration::from_secs(seconds);
        paths.received(at(4), path(9), &message(REQUEST, 2, false));
        paths.received(at(8), path(7), &message(REQUEST, 3, false));
        assert_eq!(paths.current(), Some(path(9)), "it was heard four seconds ago");
        paths.received(at(10), path(5), &message(REQUEST, 4, false));
        assert_eq!(paths.current(), Some(path(9)), "the other is not proven");
        paths.received(at(10), path(7), &message(REQUEST, 5, false));
        assert_eq!(paths.current(), Some(path(7)));
    }

    #[test]
    fn consent_is_renewed_by_what_the_peer_says() {
        let now = Instant::now();
        let limit = Duration::from_secs(30);
        let mut paths = Paths::new(now);
        let later = now + Duration::from_secs(5);
        paths.received(later, path(9), &message(SUCCESS, 1, false));
        assert_eq!(paths.consent_ends(limit), now + limit, "an answer to no question");
        paths.received(later, path(9), &message(REQUEST, 1, false));
        assert_eq!(paths.consent_ends(limit), later + limit);
    }
}
