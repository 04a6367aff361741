//! The accept loop: TCP in, HTTP/1.1 out, with the timeouts, limits and drain that `warp::serve` does not have.
//!
//! `slots` bounds what is open at a time, `stream` is one socket with its bounds, `connection` speaks HTTP on it. Nothing
//! here knows routes or people; what answers a request is handed in.

mod connection;
mod slots;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use crate::api::metrics::ListenerMeters;
use crate::api::proxies::Proxies;
use crate::api::tls::Tls;
use connection::Door;
use slots::{Slot, Slots};
use stream::{Socket, Stream};

pub use slots::Place;

/// Where a request came in, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Over the network, from this address; past the listener it is the client's own, as far as trusted proxies tell.
    Network(IpAddr),
    /// Over the socket in the data folder, which only this user of the machine can open; or from within the process.
    DataFolder,
}

/// Why a connection gets one refusal instead of its answers, in its requests' extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// Every connection there may be is in use.
    Full,
    /// This address uses every connection that one may have.
    AddressFull,
    /// It speaks plain HTTP to a port of TLS.
    NotTls,
}

/// Connections that are told why they are turned away at a time; more are closed without a word.
const TURNED_AWAY: usize = 64;

/// A bound socket that can be accepted from.
pub enum Listener {
    /// With TLS where a certificate is given, else plain.
    Tcp(TcpListener, Option<Tls>),
    Unix(UnixListener),
}

#[derive(Clone, Debug)]
pub struct ListenerLimits {
    /// Open connections, those upgraded to WebSockets included. Past them the one that idles longest makes room.
    pub connections: usize,
    /// Open connections of one address (an IPv6 network of 64 bits counts as one), and requests at a time of one behind a
    /// trusted proxy; 0 for no bound.
    pub connections_per_address: usize,
    /// Whose connections carry many clients' requests.
    pub proxies: Arc<Proxies>,
    /// For the TLS handshake; and from its end, or from the last answer, until the head of the next request is complete.
    pub header_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    pub write_timeout: Duration,
    pub meters: ListenerMeters,
    /// How long the shutdown waits for connections in use before it closes them.
    pub drain: Duration,
}

/// Serves until `shutdown` reads true; then accepts no more, lets each connection finish the request it is answering,
/// and returns when all are closed or `limits.drain` has passed.
pub async fn run<S, F, B>(
    listener: Listener,
    service: S,
    limits: ListenerLimits,
    mut shutdown: watch::Receiver<bool>,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let slots =
        Arc::new(Slots::new(limits.connections, limits.connections_per_address, limits.meters.open.clone()));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = told_to_stop(&mut shutdown) => break,
        };
        while connections.try_join_next().is_some() {}
        let (socket, via) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                back_off(&error).await;
                continue;
            }
        };
        let door = Door {
            service: service.clone(),
            via,
            header_timeout: limits.header_timeout,
            tls: listener.tls().cloned(),
            shutdown: shutdown.clone(),
        };
        match slots.take(counted(via, &limits.proxies)) {
            Ok((slot, place)) => {
                let stream = Stream::new(socket, slot, limits.write_timeout);
                connections.spawn(door.open(stream, place));
            }
            Err(why) => {
                limits.meters.turned_away.inc();
                let Ok(turn) = Arc::clone(&turned_away).try_acquire_owned() else { continue };
                let stream = Stream::new(socket, Slot::none(), limits.write_timeout);
                connections.spawn(async move {
                    door.turn_away(stream, why).await;
                    drop(turn);
                });
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were still open after the drain; closing them");
    }
}

/// The address that a connection counts for. A trusted proxy's is that of many: its requests are counted, one by one.
fn counted(via: Via, proxies: &Proxies) -> Option<IpAddr> {
    match via {
        Via::Network(peer) if !proxies.trust(peer) => Some(peer),
        Via::Network(_) | Via::DataFolder => None,
    }
}

impl Listener {
    fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tcp(_, tls) => tls.as_ref(),
            Self::Unix(_) => None,
        }
    }
}

async fn accept(listener: &Listener) -> io::Result<(Socket, Via)> {
    match listener {
        Listener::Tcp(listener, _) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Socket::Tcp(stream), Via::Network(peer.ip().to_canonical())))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            same_user(&stream)?;
            Ok((Socket::Unix(stream), Via::DataFolder))
        }
    }
}

/// The file's mode keeps others out once it is set; this also does while it is not.
fn same_user(stream: &UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    if peer == own || peer == 0 { Ok(()) } else { Err(io::Error::from(io::ErrorKind::ConnectionAborted)) }
}

/// A failed accept concerns either that one connection, or the whole process (no descriptors left); then an immediate
/// retry would only burn the core that has to free some.
async fn back_off(error: &io::Error) {
    let one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::InvalidInput
    );
    if !one_connection {
        tracing::error!(%error, "accepting a connection failed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Also when whoever could tell is gone.
async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // The guard that this gives is dropped here: it may not be held across an await.
    drop(shutdown.wait_for(|stop| *stop).await);
}
