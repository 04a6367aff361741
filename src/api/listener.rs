//! The accept loop: TCP in, HTTP/1.1 out, with the timeouts, limits and drain that `warp::serve` does not have.
//!
//! It knows nothing of routes; what answers a request is handed in.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Where a request came in, in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Over the network, from this address.
    Network(SocketAddr),
    /// Over the socket in the data folder, which only this user of the machine can open; or from within the process.
    DataFolder,
}

/// A bound socket that can be accepted from.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Clone, Debug)]
pub struct ListenerLimits {
    /// Open connections, those upgraded to WebSockets included. Past them, connections wait in the kernel's backlog.
    pub connections: usize,
    /// From the accept, or from the last answer, until the head of the next request is complete.
    pub header_timeout: Duration,
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
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = told_to_stop(&mut shutdown) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, via)) => {
                connections.spawn(serve(
                    stream,
                    via,
                    service.clone(),
                    limits.header_timeout,
                    shutdown.clone(),
                ));
            }
            Err(error) => back_off(&error).await,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were still open after the drain; closing them");
    }
}

async fn accept(listener: &Listener, slots: &Arc<Semaphore>) -> io::Result<(Stream, Via)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    match listener {
        Listener::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Stream { socket: Socket::Tcp(stream), _slot: slot }, Via::Network(peer)))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            same_user(&stream)?;
            Ok((Stream { socket: Socket::Unix(stream), _slot: slot }, Via::DataFolder))
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

async fn serve<S, F, B>(
    stream: Stream,
    via: Via,
    service: S,
    header_timeout: Duration,
    mut shutdown: watch::Receiver<bool>,
) where
    S: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(via);
        service(request)
    });
    let connection = http1::Builder::new()
        // Without a timer hyper ignores the timeout.
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = told_to_stop(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, ?via, "a connection ended early");
    }
}

/// Also when whoever could tell is gone.
async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // The guard that this gives is dropped here: it may not be held across an await.
    drop(shutdown.wait_for(|stop| *stop).await);
}

/// A connection that holds its slot for as long as it is open, also after an upgrade took it away from HTTP.
struct Stream {
    socket: Socket,
    _slot: OwnedSemaphorePermit,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
