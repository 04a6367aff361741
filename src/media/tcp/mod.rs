//! Media over TCP (RFC 6544), for those whose network lets no UDP through: the listener on the media port's number, and the
//! connections it accepted. The far ends connect; the server never does.
//!
//! Here frames become datagrams and datagrams frames. Whose they are, and whether they may leave, is the core's to say,
//! as for UDP. No protocol above the framing, and no clock: `now` comes in.

mod connection;
mod framing;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod slots;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rtc::shared::TransportProtocol;

use super::config::TcpLimits;
use super::io::{Batch, Sent};
use super::paths::Path;
use super::socket::counts_as;
use super::stats::MediaStats;
use connection::{Connection, Read};
use slots::{Entry, Slots};

/// The listener's token, above those of the driver's own; the connections' are above it, and none is used twice.
const LISTENER: usize = 8;
/// Connections accepted, and reads, before UDP gets its turn again.
const MAX_ACCEPTS: usize = 16;
const MAX_READS: usize = 16;
/// Bytes of one read.
const BUFFER: usize = 16 * 1024;
/// When the system has no descriptor left, accepting is tried again after so long.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Tcp {
    listener: TcpListener,
    registry: Registry,
    /// What is advertised, best first.
    addresses: Vec<SocketAddr>,
    slots: Slots,
    connections: HashMap<usize, Connection>,
    by_remote: HashMap<SocketAddr, usize>,
    /// Those that may have something to read, in turn.
    ready: VecDeque<usize>,
    accepting: bool,
    accept_again: Option<Instant>,
    last_id: usize,
    /// The far ends of those that were closed here, for the core to forget.
    closed: Vec<SocketAddr>,
    buffer: Vec<u8>,
    frames: Vec<u8>,
    turned_away: u64,
}

impl Tcp {
    /// Takes a listener over, and tells `registry` about it.
    pub(super) fn new(
        listener: std::net::TcpListener,
        registry: Registry,
        addresses: Vec<SocketAddr>,
        limits: TcpLimits,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, Token(LISTENER), Interest::READABLE)?;
        Ok(Self {
            listener,
            registry,
            addresses,
            slots: Slots::new(limits),
            connections: HashMap::new(),
            by_remote: HashMap::new(),
            ready: VecDeque::new(),
            accepting: true,
            accept_again: None,
            last_id: LISTENER,
            closed: Vec::new(),
            buffer: vec![0; BUFFER],
            frames: Vec::new(),
            turned_away: 0,
        })
    }

    /// Takes note of a token that is ready, if it is one of these.
    pub(super) fn note(&mut self, token: Token) {
        if token.0 == LISTENER {
            self.accepting = true;
        } else {
            self.list(token.0);
        }
    }

    /// Has a connection read in its turn, once however often it is told to be ready.
    fn list(&mut self, id: usize) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !std::mem::replace(&mut connection.listed, true)
        {
            self.ready.push_back(id);
        }
    }

    pub(super) fn has_work(&self) -> bool {
        self.accepting || !self.ready.is_empty()
    }

    /// Accepts and reads, a bounded number of times. `take` gets each datagram, and says whether it was for a peer.
    pub(super) fn receive(&mut self, now: Instant, mut take: impl FnMut(Path, &[u8]) -> bool) {
        self.accept(now);
        for _ in 0..MAX_READS {
            let Some(id) = self.ready.pop_front() else { return };
            self.read(now, id, &mut take);
        }
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..MAX_ACCEPTS {
            if !self.accepting {
                return;
            }
            match self.listener.accept() {
                Ok((stream, remote)) => self.enter(now, stream, remote),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.accepting = false,
                // Gone again before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted on the media port for now");
                    self.accepting = false;
                    self.accept_again = Some(now + ACCEPT_AGAIN);
                }
            }
        }
    }

    fn enter(&mut self, now: Instant, stream: TcpStream, remote: SocketAddr) {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let destination = stream.local_addr().ok().map(|address| address.ip().to_canonical());
        let path = Path {
            protocol: TransportProtocol::TCP,
            local: counts_as(&self.addresses, destination, remote),
            remote,
        };
        let Ok(mut connection) = Connection::new(stream, path) else { return };
        // Two local addresses may have a connection each of one far end; those cannot be told apart.
        let known = self.by_remote.contains_key(&remote);
        let id = self.last_id + 1;
        match if known { Entry::Refused } else { self.slots.enter(now, id, remote.ip()) } {
            Entry::Refused => {
                self.turned_away += 1;
                return;
            }
            Entry::InPlaceOf(other) => {
                self.turned_away += 1;
                self.close(other);
            }
            Entry::Admitted => {}
        }
        if let Err(error) = self.registry.register(&mut connection.stream, Token(id), Interest::READABLE) {
            tracing::debug!(%error, "connection not watched");
            return self.slots.leave(id);
        }
        self.last_id = id;
        self.by_remote.insert(remote, id);
        self.connections.insert(id, connection);
        self.list(id);
    }

    fn read(&mut self, now: Instant, id: usize, take: &mut impl FnMut(Path, &[u8]) -> bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.listed = false;
        let proven = self.slots.is_proven(id);
        let (path, mut known, mut strange) = (connection.path, false, false);
        let read = connection.read(&mut self.buffer, |frame| {
            // The first frame has to prove whose it is.
            if !strange {
                known |= take(path, frame);
                strange = !known && !proven;
            }
        });
        if known {
            self.slots.heard(now, id);
        }
        match read {
            Read::Over => self.close(id),
            _ if strange => self.close(id),
            Read::Some => self.list(id),
            Read::Nothing => {}
        }
    }

    /// Sends as [`Io::send`](super::io::Io::send) has it.
    pub(super) fn send(&mut self, batch: Batch<'_>) -> Sent {
        let to = self.by_remote.get(&batch.path.remote).copied();
        let Some((id, connection)) = to.and_then(|id| Some((id, self.connections.get_mut(&id)?))) else {
            return Sent::Lost;
        };
        connection.send(batch, &mut self.frames).unwrap_or_else(|error| {
            tracing::debug!(%error, "a media connection broke");
            self.close(id);
            Sent::Lost
        })
    }

    /// Resets the connections with these far ends: nothing more leaves on them, not even what the kernel holds.
    pub(super) fn reset(&mut self, remotes: impl IntoIterator<Item = SocketAddr>) {
        for remote in remotes {
            if let Some(id) = self.by_remote.get(&remote).copied() {
                self.close(id);
            }
        }
    }

    fn close(&mut self, id: usize) {
        self.slots.leave(id);
        if let Some(connection) = self.connections.remove(&id) {
            self.by_remote.remove(&connection.path.remote);
            self.closed.push(connection.path.remote);
        }
    }

    /// The far ends whose connections are gone.
    pub(super) fn take_closed(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.closed)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.slots.overdue(now) {
            self.close(id);
        }
        self.accepting |= self.accept_again.take_if(|at| *at <= now).is_some();
    }

    /// When to call [`Self::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.slots.poll_timeout().into_iter().chain(self.accept_again).min()
    }

    /// Adds what is counted here.
    pub(super) fn count(&self, stats: &mut MediaStats) {
        stats.tcp_connections = self.slots.len() as u64;
        stats.tcp_turned_away = self.turned_away;
    }
}
