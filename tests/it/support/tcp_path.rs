//! A way over TCP between a viewer and the relay that is as bad as a test wants it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// What the kernel holds on the relay's side of the path; it doubles it. What is beyond is the relay's.
const HELD: u32 = 16 * 1024;
/// Bytes passed on at a time.
const PIECE: usize = 1_024;

/// What becomes of the bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// So many bytes a second reach the viewer; what it sends passes at once.
    Slow(u32),
    /// Nothing passes either way, and nothing is read.
    Still,
    /// The relay's bytes are read and thrown away, to see how they end.
    Drained,
}

pub(crate) struct TcpPath {
    /// Where the viewer connects.
    pub(crate) near: SocketAddr,
    pub(crate) weather: watch::Sender<Weather>,
    ended: oneshot::Receiver<Ended>,
    carrying: JoinHandle<()>,
}

/// How the relay's end of the path ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` where it was finished in order.
    pub(crate) error: Option<io::ErrorKind>,
    /// Bytes that still came after the weather changed last.
    pub(crate) bytes: usize,
}

impl TcpPath {
    pub(crate) async fn to(relay: SocketAddr, weather: Weather) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let near = listener.local_addr().expect("bound");
        let (weather, forecast) = watch::channel(weather);
        let (tell, ended) = oneshot::channel();
        let carrying = tokio::spawn(async move {
            let (viewer, _) = listener.accept().await.expect("accepts");
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_recv_buffer_size(HELD).expect("an option");
            let relay = socket.connect(relay).await.expect("the relay listens");
            carry(viewer, relay, forecast, tell).await;
        });
        Self { near, weather, ended, carrying }
    }

    pub(crate) async fn ended(&mut self) -> Ended {
        (&mut self.ended).await.expect("told")
    }
}

impl Drop for TcpPath {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(
    viewer: TcpStream,
    relay: TcpStream,
    forecast: watch::Receiver<Weather>,
    tell: oneshot::Sender<Ended>,
) {
    let (from_viewer, to_viewer) = viewer.into_split();
    let (from_relay, to_relay) = relay.into_split();
    tokio::join!(up(from_viewer, to_relay, forecast.clone()), down(from_relay, to_viewer, forecast, tell));
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut forecast: watch::Receiver<Weather>) {
    let mut piece = [0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let flows = forecast.wait_for(|weather| matches!(weather, Weather::Slow(_))).await.is_ok();
        if !flows || to.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}

async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut forecast: watch::Receiver<Weather>,
    tell: oneshot::Sender<Ended>,
) {
    let (mut piece, mut bytes) = ([0; PIECE], 0);
    let error = loop {
        let Ok(weather) = forecast.wait_for(|weather| *weather != Weather::Still).await.map(|now| *now)
        else {
            return;
        };
        let read = tokio::select! {
            biased;
            changed = forecast.changed() => match changed {
                Ok(()) => { bytes = 0; continue }
                Err(_) => return,
            },
            read = from.read(&mut piece) => read,
        };
        let count = match read {
            Ok(0) => break None,
            Ok(count) => count,
            Err(error) => break Some(error.kind()),
        };
        bytes += count;
        if let Weather::Slow(rate) = weather {
            // The viewer may be gone; the relay's end is what is told.
            let _ = to.write_all(&piece[..count]).await;
            tokio::time::sleep(Duration::from_secs(1) * count as u32 / rate).await;
        }
    };
    let _ = tell.send(Ended { error, bytes });
}
