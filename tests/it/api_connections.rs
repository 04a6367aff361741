//! How many connections there may be, of whom, for how long; and who a client behind a proxy is.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, Reply, Signaling, TestApp, fact};

/// Connections that say nothing.
async fn idle(app: &TestApp, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(TcpStream::connect(app.app.http_addr).await.expect("connects"));
    }
    streams
}

/// The health asked on a connection of its own.
async fn health(app: &TestApp) -> Reply {
    Client::new(app.app.http_addr).get("/health").await
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    let app = TestApp::start_with(|config| config.limits.connections = 4).await;
    let viewer = app.viewer().await;
    let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &viewer.token).await;
    let mut streams = idle(&app, 20).await;
    assert_eq!(health(&app).await.status, 200);
    let mut first = streams.remove(0);
    assert!(matches!(first.read(&mut [0; 1]).await, Ok(0) | Err(_)), "the one that idles longest made room");
    signaling.say("leave-room", json!({})).await;
    signaling.hear("left-room").await;
    app.stop().await;
}

#[tokio::test]
async fn when_all_connections_are_in_use_the_next_is_told_so() {
    let app = TestApp::start_with(|config| config.limits.connections = 1).await;
    let viewer = app.viewer().await;
    let signaling = Signaling::registered(app.app.http_addr, "viewer", &viewer.token).await;
    let refused = health(&app).await;
    assert_eq!(refused.refusal(), (503, "unavailable"));
    assert_eq!((refused.header("retry-after"), refused.header("connection")), (Some("1"), Some("close")));
    drop(signaling);
    let free = async { while health(&app).await.status != 200 {} };
    fact("place for another", free).await;
    app.stop().await;
}

#[tokio::test]
async fn an_address_has_a_bound_of_its_own() {
    let app = TestApp::start_with(|config| config.limits.connections_per_address = 1).await;
    let viewer = app.viewer().await;
    let _signaling = Signaling::registered(app.app.http_addr, "viewer", &viewer.token).await;
    let refused = health(&app).await;
    assert_eq!(refused.refusal(), (429, "rate_limited"));
    assert!(refused.header("retry-after").is_some());
    app.stop().await;
}

#[tokio::test]
async fn behind_a_proxy_the_bound_is_each_clients_own() {
    let app = TestApp::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        config.limits.connections_per_address = 1;
    })
    .await;
    let token = app.viewer().await.token;
    let here = [("x-forwarded-for", "6.6.6.6, 1.1.1.1")];
    let (mut signaling, _) = Signaling::open_with(app.app.http_addr, "/ws", &here).await.expect("connects");
    signaling.say("register", json!({"userId": "", "userType": "viewer", "token": token})).await;
    signaling.hear("registered").await;
    let from = |client: &str| app.anyone().with_header("x-forwarded-for", client);
    assert_eq!(from("1.1.1.1").get("/health").await.refusal(), (429, "rate_limited"));
    assert_eq!(from("1.1.1.1, 2.2.2.2").get("/health").await.status, 200);
    drop(signaling);
    let free = async { while from("1.1.1.1").get("/health").await.status != 200 {} };
    fact("place for another", free).await;
    app.stop().await;
}

#[tokio::test]
async fn a_websocket_has_to_register_in_time() {
    let app = TestApp::start_with(|config| config.limits.register_timeout_ms = 50).await;
    let mut signaling = Signaling::open(app.app.http_addr).await;
    assert_eq!(signaling.hear_close().await, Some(1008));
    app.stop().await;
}

#[tokio::test]
async fn a_websocket_that_does_not_answer_is_closed_and_told_why() {
    let app = TestApp::start_with(|config| config.limits.silence_timeout_ms = 90).await;
    let mut stream = TcpStream::connect(app.app.http_addr).await.expect("connects");
    let upgrade = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.expect("sent");
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(heard.starts_with("HTTP/1.1 101") && heard.ends_with("no answer to pings"), "{heard:?}");
    app.stop().await;
}

#[tokio::test]
async fn an_account_has_so_many_websockets() {
    let app = TestApp::start_with(|config| config.limits.connections_per_account = 1).await;
    let (viewer, other) = (app.viewer().await, app.viewer().await);
    let addr = app.app.http_addr;
    let first = Signaling::registered(addr, "viewer", &viewer.token).await;
    let mut second = Signaling::open(addr).await;
    let register = json!({"userId": "", "userType": "viewer", "token": viewer.token});
    second.say("register", register).await;
    second.hear_error("rate_limited").await;
    assert_eq!(second.hear_close().await, Some(1008));
    drop(Signaling::registered(addr, "viewer", &other.token).await);
    drop(first);
    app.stop().await;
}

#[tokio::test]
async fn only_a_trusted_proxys_word_moves_a_throttle_to_another_address() {
    for (trusted, expected) in [(vec![], 429), (vec!["127.0.0.1/32".parse().expect("a network")], 401)] {
        let app = TestApp::start_with(|config| {
            config.trusted_proxies = trusted;
            config.limits.wrong_passwords_per_minute = 1;
        })
        .await;
        let email = app.viewer().await.user.email;
        let guess = json!({"email": email, "password": "wrong"});
        let from = |client: &str| app.anyone().with_header("forwarded", &format!("for={client}"));
        assert_eq!(from("1.1.1.1").post("/auth/login", guess.clone()).await.status, 401);
        assert_eq!(from("1.1.1.1").post("/auth/login", guess.clone()).await.status, 429);
        assert_eq!(from("2.2.2.2").post("/auth/login", guess).await.status, expected);
        app.stop().await;
    }
}
