//! What an operator sees: metrics, the log, health; and what nobody sees there.

use std::net::{IpAddr, SocketAddr};

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use crate::limits::offer;
use crate::outside::lab::{self, Lab};
use crate::outside::server::{Server, logged};
use crate::support::{Client, PASSWORD, Signaling, TestApp};

const MISSING: &str = "/bookings/0190a0b0-0000-7000-8000-000000000001";

#[tokio::test]
async fn metrics_count_by_route_and_name_nobody() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    assert_eq!(viewer.client.get(MISSING).await.status, 404);
    app.anyone().post("/auth/login", json!({"email": viewer.user.email, "password": "guess"})).await;
    let _signaling = Signaling::registered(app.app.http_addr, "viewer", &viewer.token).await;
    let (headers, text) = admin.client.get_text("/metrics").await;
    assert!(headers["content-type"].to_str().expect("text").starts_with("application/openmetrics-text"));
    for line in [
        r#"curfew_http_requests_total{method="GET",route="/bookings/{id}",status="404"} 1"#,
        r#"curfew_http_requests_total{method="POST",route="/auth/login",status="401"} 1"#,
        r#"curfew_http_requests_total{method="GET",route="/ws",status="101"} 1"#,
        r#"curfew_http_request_seconds_count{route="/bookings/{id}"} 1"#,
        "curfew_websockets 1",
        "curfew_rooms_open 0",
        "curfew_sign_ins_refused_total 1",
        "curfew_media_sent_total 0",
        "curfew_media_refused_by_gate_total 0",
        "curfew_end_lateness_seconds_count 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for name in [
        "curfew_connections ",
        "curfew_append_seconds_count ",
        "curfew_append_batch_count ",
        "curfew_events_position ",
        "curfew_projector_lag_events ",
        "curfew_workflow_lag_events ",
        "curfew_process_resident_bytes ",
        "curfew_process_open_descriptors ",
        "curfew_build_info{",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not in\n{text}");
    }
    for private in [&viewer.id(), &viewer.user.email, &viewer.token, "127.0.0.1", "turtle"] {
        assert!(!text.contains(private), "{private} is in\n{text}");
    }
    app.stop().await;
}

#[tokio::test]
async fn metrics_are_for_admins_and_for_configured_addresses() {
    let closed = TestApp::start().await;
    assert_eq!(closed.anyone().get("/metrics").await.refusal(), (401, "bad_token"));
    assert_eq!(closed.viewer().await.client.get("/metrics").await.refusal(), (403, "wrong_role"));
    closed.stop().await;
    let open = TestApp::start_with(|config| {
        config.metrics.allow = vec!["203.0.113.0/24".parse().expect("a network")];
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let from = |list: &str| open.anyone().with_header("x-forwarded-for", list);
    assert_eq!(from("203.0.113.7").get("/metrics").await.status, 200);
    assert_eq!(from("::ffff:203.0.113.7").get("/metrics").await.status, 200);
    assert_eq!(from("203.0.113.7, 198.51.100.1").get("/metrics").await.refusal(), (401, "bad_token"));
    assert_eq!(open.anyone().get("/metrics").await.refusal(), (401, "bad_token"));
    open.stop().await;
}

#[tokio::test]
async fn what_a_request_causes_carries_its_id() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let forged = Uuid::from_u128(7).to_string();
    let body = json!({"slug": "turtle", "name": "Turtle", "type": "turtlebot"});
    let reply = admin.client.with_header("x-request-id", &forged).post("/admin/robots", body).await;
    let id: Uuid = reply.header("x-request-id").expect("an id").parse().expect("a UUID");
    assert_ne!(id, Uuid::from_u128(7), "only a trusted proxy names requests");
    let events = app.app.core.log.read_after(0, 1_000).await.expect("reads");
    let caused: Vec<_> = events.iter().filter(|event| event.metadata.correlation_id == id).collect();
    assert!(!caused.is_empty() && caused.len() < events.len(), "{} of {}", caused.len(), events.len());
    app.stop().await;
}

#[tokio::test]
async fn the_log_has_a_line_for_each_request_and_nothing_of_people() {
    let (data, logs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let env = [("CURFEW_LOG_FORMAT", "json"), ("CURFEW_TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#)];
    let mut server = Server::start_with(data.path(), logs.path(), &env).await;
    let link = server.first_admin_token().await;
    let addr = server.url.trim_start_matches("http://").parse().expect("an address");
    let named = Uuid::from_u128(0x5eed).to_string();
    let anyone =
        Client::new(addr).with_header("x-forwarded-for", "203.0.113.7").with_header("x-request-id", &named);
    let redeem = json!({"token": link, "name": "Ada", "email": "ada@lab.example", "password": PASSWORD});
    let redeemed = anyone.post("/auth/redeem", redeem).await;
    assert_eq!((redeemed.status, redeemed.header("x-request-id")), (200, Some(named.as_str())));
    let token = redeemed.text("access_token").to_owned();
    let guess = json!({"email": "ada@lab.example", "password": "wrong password"});
    assert_eq!(anyone.post("/auth/login", guess).await.status, 401);
    assert_eq!(anyone.with_token(&token).get(MISSING).await.status, 404);
    assert_eq!(anyone.get(&format!("/robots?token={token}")).await.status, 401);
    drop(Signaling::registered(addr, "viewer", &token).await);
    assert!(server.stop().await);
    let log = std::fs::read_to_string(logs.path().join("server.log")).expect("a log");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let has = |method: &str, route: &str, status: u16| {
        lines.iter().any(|line| {
            line["message"] == "answered"
                && line["level"] == "INFO"
                && (&line["method"], &line["route"], &line["status"])
                    == (&json!(method), &json!(route), &json!(status))
                && line["request_id"].as_str().is_some_and(|id| Uuid::try_parse(id).is_ok())
                && line["duration_us"].is_u64()
        })
    };
    assert!(has("POST", "/auth/redeem", 200) && has("POST", "/auth/login", 401), "{log}");
    assert!(has("GET", "/bookings/{id}", 404) && has("GET", "none", 401) && has("GET", "/ws", 101), "{log}");
    for private in [&link, &token, "ada@lab.example", "wrong password", PASSWORD, "203.0.113.7", MISSING] {
        assert!(!log.contains(private), "{private} is in the log:\n{log}");
    }
}

/// From an address that nobody else has, what is no protocol's, to both ports.
async fn knock(from: [u8; 4], http: SocketAddr, media: SocketAddr) {
    let socket = tokio::net::UdpSocket::bind((IpAddr::from(from), 0)).await.expect("bound");
    socket.send_to(b"nothing that means anything", media).await.expect("sent");
    for to in [http, media] {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((IpAddr::from(from), 0).into()).expect("bound");
        let mut stream = socket.connect(to).await.expect("connects");
        stream.write_all(b"nothing that means anything\r\n\r\n").await.expect("sent");
        // However it ends.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

#[tokio::test]
async fn a_busy_run_logs_nothing_of_people_and_no_token() {
    let (data, logs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let lab =
        Lab::start(data.path(), logs.path(), &[("CURFEW_TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#)]).await;
    let http: SocketAddr = lab.server.url.trim_start_matches("http://").parse().expect("an address");
    let client =
        |token: &str| Client::new(http).with_header("x-forwarded-for", "203.0.113.7").with_token(token);
    let (robot, (viewer, _)) = (lab.robot("turtle").await, lab.person("vera-viewer").await);
    let (guest, guest_id) = lab.person("gus-guest").await;
    let (admin, holder) = (client(&lab.admin.token), client(&viewer.token));
    let at = |minutes| curfew::protocol::millis::to_string(&(Utc::now() + TimeDelta::minutes(minutes)));
    let body = json!({"robot_id": "turtle", "starts_at": at(-1), "ends_at": at(5)});
    let made = holder.with_header("idempotency-key", "idempotent-once").post("/bookings", body).await;
    let one = format!("/bookings/{}", made.text("id"));
    let guests = json!({"email": "gus-guest@lab.example"});
    assert_eq!(holder.post(&format!("{one}/guests"), guests).await.status, 200);
    let mut on_robot = Signaling::registered(http, "robot", &robot.token).await;
    on_robot.hear_at_last("publish").await;
    let from = [("x-forwarded-for", "203.0.113.8")];
    let (mut signaling, _) = Signaling::open_with(http, "/ws", &from).await.expect("connects");
    let register = json!({"userId": "", "userType": "viewer", "token": viewer.token});
    signaling.say("register", register).await;
    signaling.say("join-room", json!({"roomId": made.body["id"]})).await;
    signaling.hear_at_last("joined-room").await;
    let candidate = "candidate:1 1 udp 1 198.51.100.9 9 typ host";
    let sdp = format!("{}a={candidate}\r\n", offer("ufrag-of-hers"));
    signaling.say("offer", json!({"to": "x", "offer": {"type": "offer", "sdp": sdp}})).await;
    let answer = signaling.hear_at_last("answer").await;
    signaling.say("ice-candidate", json!({"to": "x", "candidate": {"candidate": candidate}})).await;
    signaling.say("nonsense-of-hers", json!({})).await;
    signaling.hear_error("invalid").await;
    let sdp = answer["answer"]["sdp"].as_str().expect("a description");
    let line = sdp.lines().find(|line| line.starts_with("a=candidate:")).expect("a candidate");
    let port = line.split(' ').nth(5).and_then(|port| port.parse().ok()).expect("a port");
    knock([127, 0, 0, 5], http, (http.ip(), port).into()).await;
    let garbage = json!({"robot_id": "turtle", "sdp": "x", "type": "offer"});
    assert_eq!(client(&guest.token).post("/webrtc/offer", garbage).await.status, 422);
    let cut = json!({"reason": "she smokes in the lab"});
    assert_eq!(admin.post(&format!("/admin{one}/terminate"), cut).await.status, 200);
    signaling.hear_at_last("session-ended").await;
    let link = admin.post(&format!("/admin/users/{guest_id}/reset-link"), json!({})).await;
    let change = json!({"old": lab::PASSWORD, "new": "another password of hers"});
    let changed = holder.post("/auth/password", change).await;
    let suspend = json!({"suspended": true, "reason": "he smokes as well"});
    assert_eq!(admin.send("PATCH", &format!("/admin/users/{guest_id}"), Some(suspend)).await.status, 200);
    assert_eq!(client("a.forged.token").get("/robots").await.status, 401);
    let (url, new_token) = (link.text("url").to_owned(), changed.text("access_token").to_owned());
    let (reset, root) = (url.rsplit('/').next().expect("a token"), lab.admin.token.clone());
    lab.stop(logs.path()).await;
    let log = std::fs::read_to_string(logs.path().join("server.log")).expect("a log");
    assert!(log.contains("/admin/bookings/{id}/terminate") && log.contains("/auth/password"), "{log}");
    for token in
        [&root, &viewer.token, &guest.token, &robot.token, &new_token, reset, "forged", "idempotent-once"]
    {
        assert!(!log.contains(token), "{token} is in the log:\n{log}");
    }
    let of_people =
        ["vera-viewer", "gus-guest", "root@", "203.0.113.", "198.51.100.9", "127.0.0.5", "smokes"];
    for private in
        of_people.into_iter().chain(["ufrag-of-hers", "nonsense-of-hers", lab::PASSWORD, "of hers"])
    {
        assert!(!log.contains(private), "{private} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn who_goes_away_before_the_answer_has_a_line_too() {
    let (data, logs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let server =
        Server::start_with(data.path(), logs.path(), &[("CURFEW_TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#)])
            .await;
    let addr: SocketAddr = server.url.trim_start_matches("http://").parse().expect("an address");
    let body = json!({"email": "nobody@lab.example", "password": PASSWORD}).to_string();
    let mut ids = Vec::new();
    for number in 0..4 {
        let id = Uuid::from_u128(0x5eed_0000 + number).to_string();
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nhost: curfew\r\nx-request-id: {id}\r\nexpect: 100-continue\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut gone = tokio::net::TcpStream::connect(addr).await.expect("connects");
        gone.write_all(head.as_bytes()).await.expect("sent");
        // It has begun when the body is asked for.
        let mut asked = vec![0; "HTTP/1.1 100".len()];
        gone.read_exact(&mut asked).await.expect("asked for the body");
        assert_eq!(asked, b"HTTP/1.1 100");
        gone.write_all(body.as_bytes()).await.expect("sent");
        ids.push(id);
    }
    for id in &ids {
        logged(logs.path(), &[id]).await;
    }
    assert!(server.stop().await);
    let log = std::fs::read_to_string(logs.path().join("server.log")).expect("a log");
    for id in &ids {
        assert_eq!(log.lines().filter(|line| line.contains(id.as_str())).count(), 1, "{id} in\n{log}");
    }
}

#[tokio::test]
async fn health_names_the_part_that_fails() {
    let app = TestApp::start().await;
    let before = Utc::now();
    let health = app.anyone().get("/health").await;
    assert_eq!(health.status, 200);
    assert!(health.text("timestamp") >= curfew::protocol::millis::to_string(&before).as_str());
    app.app.core.log.close().await;
    let failing = app.anyone().get("/health").await;
    assert_eq!(failing.refusal(), (503, "unavailable"));
    assert!(failing.text("detail").contains("log"), "{failing:?}");
    assert!(failing.header("retry-after").is_some());
}
