//! One socket, of whatever kind: it ends when it has to make room, and when its client takes nothing of what it is sent.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Sleep, sleep};

use super::slots::Slot;

pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

impl Socket {
    fn duplex(&mut self) -> Pin<&mut dyn Duplex> {
        match self {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Unix(stream) => Pin::new(stream),
        }
    }
}

/// A socket and the slot it holds.
pub(super) struct Stream {
    socket: Socket,
    slot: Slot,
    write_timeout: Duration,
    /// Runs while the client takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(super) fn new(socket: Socket, slot: Slot, write_timeout: Duration) -> Self {
        Self { socket, slot, write_timeout, stall: None }
    }

    /// Whether the client begins with a TLS handshake (RFC 8446, section 5.1), once it says something.
    pub(super) async fn begins_with_tls(&mut self) -> io::Result<bool> {
        const HANDSHAKE: u8 = 22;
        let mut first = [0];
        let peeked = poll_fn(|cx| {
            self.check_open(cx)?;
            match &self.socket {
                Socket::Tcp(stream) => stream.poll_peek(cx, &mut ReadBuf::new(&mut first)),
                Socket::Unix(_) => Poll::Ready(Ok(1)),
            }
        });
        match peeked.await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ => Ok(first == [HANDSHAKE]),
        }
    }

    fn check_open(&self, cx: &Context<'_>) -> io::Result<()> {
        match self.slot.closer.is_closed(cx) {
            true => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it idled and made room")),
            false => Ok(()),
        }
    }

    /// Passes on what became of a write, and ends one that has waited too long.
    fn unless_stalled<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        stall.as_mut().poll(cx).map(|()| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_open(cx)?;
        self.socket.duplex().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.socket.duplex().poll_write(cx, buf);
        self.unless_stalled(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.socket.duplex().poll_flush(cx);
        self.unless_stalled(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.socket.duplex().poll_shutdown(cx);
        self.unless_stalled(polled, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::slots::Slots;
    use super::*;

    fn pair(slot: Slot) -> (Stream, UnixStream) {
        let (near, far) = UnixStream::pair().expect("a pair");
        (Stream::new(Socket::Unix(near), slot, Duration::from_millis(20)), far)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_let_go() {
        let (mut stream, far) = pair(Slot::none());
        let written = stream.write_all(&vec![0; 16 * 1024 * 1024]).await;
        assert_eq!(written.expect_err("it stalls").kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn who_has_to_make_room_reads_no_more() {
        let slots = Arc::new(Slots::new(1, 0, Default::default()));
        let (mut stream, _far) = pair(slots.take(None).expect("a slot").0);
        let reading = tokio::spawn(async move { stream.read_u8().await });
        let _next = slots.take(None).expect("the first makes room");
        let read = reading.await.expect("it ends");
        assert_eq!(read.expect_err("closed").kind(), io::ErrorKind::ConnectionAborted);
    }
}
