//! Many connections that want nothing, and many messages.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::Stranger;

const IDLE: usize = 1_000;
const HALF_SENT: usize = 200;
/// What one connection may say at once before it is closed for it.
const BURST: usize = 250;
const FLOODING: usize = 8;
const LONG: Duration = Duration::from_secs(60);

/// From an address of the loopback network that nobody else uses.
async fn connect(to: SocketAddr, number: usize) -> TcpStream {
    let [third, fourth] = u16::try_from(number % 60_000 + 256).expect("small").to_be_bytes();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::new(127, 1, third, fourth), 0).into()).expect("binds");
    timeout(LONG, socket.connect(to)).await.expect("in time").expect("connects")
}

pub(super) async fn all(stranger: &Stranger) {
    let mut held = Vec::new();
    for number in 0..IDLE {
        held.push(connect(stranger.http, number).await);
    }
    for number in 0..HALF_SENT {
        let mut half = connect(stranger.http, IDLE + number).await;
        half.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half").await.expect("sent");
        held.push(half);
    }
    let health = stranger.person.get("/health").await.expect("answered while they are all there");
    assert_eq!(health.status, 200, "{}", health.body);
    flood(stranger).await;
    let health = stranger.person.get("/health").await.expect("answered after the flood");
    assert_eq!(health.status, 200, "{}", health.body);
    drop(held);
}

/// How many messages the flood has.
pub(super) fn flood_size() -> u32 {
    std::env::var("CURFEW_FLOOD").map_or(20_000, |text| text.parse().expect("a number"))
}

/// Messages of nobody, as many as asked for; each connection is closed when it goes too far.
async fn flood(stranger: &Stranger) {
    let all = usize::try_from(flood_size()).expect("small");
    let mut tasks = JoinSet::new();
    for task in 0..FLOODING {
        let (to, url) = (stranger.http, format!("{}/ws", stranger.url.replacen("http", "ws", 1)));
        tasks.spawn(async move {
            let mut sent = 0;
            let mut connections = 0;
            while sent < all / FLOODING {
                let stream = connect(to, 2_000 + task * 5_000 + connections % 5_000).await;
                let (mut socket, _) =
                    tokio_tungstenite::client_async(&url, stream).await.expect("a WebSocket");
                connections += 1;
                for _ in 0..BURST {
                    let text = r#"{"event":"join-room","data":{"roomId":"x"}}"#;
                    if socket.feed(Message::text(text)).await.is_err() {
                        break;
                    }
                    sent += 1;
                }
                let _ = socket.flush().await;
                // It is told, and closed; a reset may swallow the words.
                let closed = async { while let Some(Ok(_)) = socket.next().await {} };
                timeout(LONG, closed).await.expect("whoever floods is closed");
            }
            sent
        });
    }
    let sent: usize = tasks.join_all().await.into_iter().sum();
    assert!(sent >= all / FLOODING * FLOODING);
}
