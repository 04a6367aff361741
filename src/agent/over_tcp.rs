//! TCP connections of the robot's media (RFC 6544), as the library's driver uses them. The library's own listen on every
//! interface for whoever wants to connect, and let its driver wait until a path that stalls moves on; a robot connects and
//! does nothing else, and media that would have to wait is late.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::net::TcpStream;
use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the kernel may hold of what was written: that much a slow path lags behind, and a key frame fits into it. The kernel
/// doubles it.
const KERNEL_BUFFER: usize = 48 * 1024;

/// The library's runtime, but for TCP.
pub(super) struct OverTcp(pub(super) Arc<dyn Runtime>);

impl fmt::Debug for OverTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OverTcp").field(&self.0).finish()
    }
}

impl Runtime for OverTcp {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.0.spawn(future)
    }

    fn spawn_reactor(&self, pool: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.0.spawn_reactor(pool, future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.0.wrap_udp_socket(socket)
    }

    /// Closes the listener: it was bound only for the library to have a candidate of this address.
    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Ok(Arc::new(Nobody(listener.local_addr()?)))
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async move {
            let stream = Stream::new(TcpStream::connect(remote).await?)?;
            Ok(Arc::new(stream) as Arc<dyn AsyncTcpStream>)
        })
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.0.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.0.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.0.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.0.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.0.yield_now()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }
}

/// Where nobody can connect.
#[derive(Debug)]
struct Nobody(SocketAddr);

impl AsyncTcpListener for Nobody {
    fn accept<'a>(&'a self) -> Boxed<'a, io::Result<(Arc<dyn AsyncTcpStream>, SocketAddr)>> {
        Box::pin(std::future::pending())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0)
    }
}

#[derive(Debug)]
struct Stream {
    inner: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    /// The end of a frame whose beginning was written.
    rest: Mutex<Vec<u8>>,
}

impl Stream {
    /// Whoever drops it resets the connection: what the kernel holds does not leave after the deadline.
    fn new(inner: TcpStream) -> io::Result<Self> {
        inner.set_nodelay(true)?;
        sockopt::set_socket_linger(&inner, Some(Duration::ZERO))?;
        sockopt::set_socket_send_buffer_size(&inner, KERNEL_BUFFER)?;
        let (local, remote) = (inner.local_addr()?, inner.peer_addr()?);
        Ok(Self { inner, local, remote, rest: Mutex::default() })
    }

    /// Writes a whole frame, or none of it where there is no room: the server counts it as lost, and the encoder follows.
    fn write(&self, frame: &[u8]) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.try_write(&rest);
        rest.drain(..written);
        if rest.is_empty()
            && let written @ 1.. = self.try_write(frame)
        {
            rest.extend_from_slice(frame.get(written..).unwrap_or_default());
        }
    }

    /// How much there was room for. A connection that broke has none: ICE notices that nothing comes back.
    fn try_write(&self, bytes: &[u8]) -> usize {
        if bytes.is_empty() { 0 } else { self.inner.try_write(bytes).unwrap_or(0).min(bytes.len()) }
    }
}

impl AsyncTcpStream for Stream {
    /// One that was reset has ended like any other: the server resets it when the session is over.
    fn read<'a, 'b>(&'a self, buffer: &'b mut [u8]) -> Boxed<'b, io::Result<usize>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            loop {
                match self.inner.readable().await.and_then(|()| self.inner.try_read(buffer)) {
                    Ok(count) => return Ok(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        tracing::debug!(%error, "a media connection broke");
                        return Ok(0);
                    }
                }
            }
        })
    }

    fn write_all<'a, 'b>(&'a self, frame: &'b [u8]) -> Boxed<'b, io::Result<()>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            self.write(frame);
            Ok(())
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.remote)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// A connection, and its far end.
    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let near = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
        let (far, _) = listener.accept().await.expect("accepted");
        (Stream::new(near).expect("a stream"), far)
    }

    const FRAME: usize = 1_102;

    async fn send(near: &Stream, number: u32) {
        near.write_all(&[&number.to_be_bytes()[..], &[7; FRAME - 4]].concat()).await.expect("taken");
    }

    #[tokio::test]
    async fn a_stalled_path_takes_whole_frames_or_none_and_keeps_nobody_waiting() {
        let (near, far) = pair().await;
        near.inner.writable().await.expect("open");
        // Many times what the kernels hold: none of these waits.
        let mut number = 5_000;
        for number in 0..number {
            send(&near, number).await;
        }
        assert!(near.rest.lock().expect("whole").len() < FRAME);
        let (mut seen, mut bytes, mut piece) = (Vec::new(), Vec::new(), vec![0; 65_536]);
        while seen.last().is_none_or(|last| *last < 5_000) {
            // What is read makes room, which is heard of only where others get a turn; then the rest leaves, and a later frame.
            tokio::task::yield_now().await;
            send(&near, number).await;
            number += 1;
            let count = far.try_read(&mut piece).unwrap_or(0);
            bytes.extend_from_slice(&piece[..count]);
            let whole = bytes.len() - bytes.len() % FRAME;
            for frame in bytes.drain(..whole).collect::<Vec<_>>().chunks(FRAME) {
                assert_eq!(frame[4..], [7; FRAME - 4], "each is whole");
                seen.push(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]));
            }
        }
        let before = seen.iter().filter(|number| **number < 5_000).count();
        assert!(seen.is_sorted_by(|a, b| a < b) && before < 4_999, "{before} of the first were kept");
    }

    #[tokio::test]
    async fn a_dropped_connection_is_reset_and_one_that_broke_has_ended() {
        let (near, mut far) = pair().await;
        drop(near);
        let error = far.read(&mut [0; 9]).await.expect_err("it is reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let (near, far) = pair().await;
        sockopt::set_socket_linger(&far, Some(Duration::ZERO)).expect("set");
        drop(far);
        assert_eq!(near.read(&mut [0; 9]).await.expect("no error"), 0);
        near.write_all(&[0; FRAME]).await.expect("nobody has to care");
    }

    #[tokio::test]
    async fn nobody_can_connect_to_a_robot() {
        let runtime = OverTcp(webrtc::runtime::default_runtime().expect("a runtime"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = runtime.wrap_tcp_listener(listener).expect("wrapped").local_addr().expect("kept");
        let error = TcpStream::connect(address).await.expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
