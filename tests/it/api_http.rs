//! HTTP itself: health, errors that are no handler's, origins, timeouts, limits, and the way out.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::TestApp;

#[tokio::test]
async fn anybody_may_ask_whether_the_server_is_healthy() {
    let app = TestApp::start().await;
    let health = app.anyone().get("/health").await;
    assert_eq!((health.status, health.text("status"), health.text("service")), (200, "healthy", "curfew"));
    assert_eq!((&health.body["connections"], &health.body["rooms"]), (&json!(0), &json!(0)));
    assert!(health.text("timestamp").ends_with('Z'));
    assert_eq!(app.anyone().get("/config").await.body, json!({"iceServers": []}));
    let viewer = app.viewer().await.client;
    let expected = json!({"ice_servers": [], "ice_transport_policy": "all", "bundle_policy": "max-bundle"});
    assert_eq!(viewer.get("/webrtc/config").await.body, expected);
    app.stop().await;
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_a_problem() {
    let app = TestApp::start_with(|config| config.limits.body_bytes = 1_000).await;
    let anyone = app.anyone();
    let login = |body: &str| body.as_bytes().to_vec();
    let cases = [
        ("GET", "/nowhere", "application/json", login(""), (404, "not_found")),
        ("GET", "/auth/login/", "application/json", login(""), (404, "not_found")),
        ("GET", "/auth/login", "application/json", login(""), (405, "method_not_allowed")),
        ("POST", "/", "application/json", login("{}"), (405, "method_not_allowed")),
        ("DELETE", "/index.html", "application/json", login(""), (405, "method_not_allowed")),
        ("POST", "/auth/login", "application/json", login("{"), (422, "invalid")),
        ("POST", "/auth/login", "application/json", login(""), (422, "invalid")),
        (
            "POST",
            "/auth/login",
            "application/json",
            login(r#"{"email": 7, "password": "x"}"#),
            (422, "invalid"),
        ),
        ("POST", "/auth/login", "application/json", vec![0xff, 0xfe], (422, "invalid")),
        ("POST", "/auth/login", "application/json", vec![b' '; 1_001], (413, "too_large")),
        ("POST", "/auth/login", "text/plain", login("{}"), (415, "unsupported_media_type")),
        ("GET", "/health?token=x", "application/json", login(""), (401, "bad_token")),
        ("GET", "/?access_token=x", "application/json", login(""), (401, "bad_token")),
    ];
    for (method, path, content_type, body, expected) in cases {
        let reply = anyone.send_raw(method, path, content_type, body).await;
        assert_eq!(reply.refusal(), expected, "{method} {path}");
        assert_eq!(reply.text("instance"), path.split('?').next().expect("a path"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let wrong_method = anyone.send("PUT", "/auth/login", None).await;
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    assert_eq!(anyone.send("POST", "/", None).await.header("allow"), Some("GET, HEAD"));
    app.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_unless_configured() {
    let friend = "https://lab.example";
    let app = TestApp::start_with(|config| config.allowed_origins = vec![friend.to_owned()]).await;
    let from = |origin: &str| app.anyone().with_header("origin", origin);
    assert_eq!(from("https://evil.example").get("/health").await.refusal(), (403, "origin_refused"));
    assert_eq!(from("null").post("/auth/login", json!({})).await.refusal(), (403, "origin_refused"));
    let own = from(&format!("http://{}", app.app.http_addr)).get("/health").await;
    assert_eq!(own.status, 200);
    let allowed = from(friend).get("/health").await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, Some(friend)));
    let refused = from(friend).get("/auth/me").await;
    assert_eq!(refused.refusal(), (401, "bad_token"));
    assert_eq!(refused.header("access-control-allow-origin"), Some(friend), "the page can read why");
    let preflight = from(friend).with_header("access-control-request-method", "DELETE");
    let preflight = preflight.send("OPTIONS", "/bookings/x", None).await;
    assert_eq!(preflight.status, 204);
    assert!(
        preflight.header("access-control-allow-headers").is_some_and(|names| names.contains("Authorization"))
    );
    app.stop().await;
}

/// What the server sends to these bytes until it closes the connection.
async fn exchange(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.app.http_addr).await.expect("connects");
    stream.write_all(bytes).await.expect("sent");
    let mut reply = Vec::new();
    // A reset is a way of closing, too.
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn a_half_sent_request_does_not_hold_a_connection() {
    let app = TestApp::start_with(|config| {
        config.limits.header_timeout_ms = 100;
        config.limits.body_timeout_ms = 100;
    })
    .await;
    let head = exchange(&app, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow").await;
    assert!(!head.contains("200 OK"), "{head}");
    let idle = exchange(&app, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200 OK"), "{idle}");
    let body = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    let body = exchange(&app, body).await;
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    app.stop().await;
}

#[tokio::test]
async fn an_endless_body_is_cut_off_without_being_kept() {
    let app = TestApp::start_with(|config| config.limits.body_bytes = 1_000).await;
    let mut request = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..3 {
        request.extend_from_slice(b"200\r\n");
        request.extend(std::iter::repeat_n(b' ', 0x200));
        request.extend_from_slice(b"\r\n");
    }
    let reply = exchange(&app, &request).await;
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
    app.stop().await;
}

#[tokio::test]
async fn a_stopped_server_accepts_nothing_and_starts_again_where_it_was() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await;
    let (addr, config, folder) = (app.app.http_addr, app.config.clone(), app.folder);
    app.app.shutdown().await;
    assert!(TcpStream::connect(addr).await.is_err());
    let clock = curfew::clock::SystemClock::shared();
    let again = curfew::app::App::start(config, clock).await.expect("starts again");
    let client = crate::support::Client::new(again.http_addr);
    let body = json!({"email": viewer.user.email, "password": crate::support::PASSWORD});
    let login = client.post("/auth/login", body).await;
    assert_eq!((login.status, &login.body["user"]["id"]), (200, &Value::String(viewer.id())));
    again.shutdown().await;
    drop(folder);
}
