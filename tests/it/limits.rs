//! The limits of the protocol that no other test is about. `docs/LIMITS.md` says which test has which.

use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use curfew::protocol::millis;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Person, Signaling, TestApp};

/// What a browser offers, as short as it may be, under this ufrag.
pub(crate) fn offer(ufrag: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
         a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
         a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n"
    )
}

/// Books the robot for five minutes that have begun.
pub(crate) async fn book(person: &Person, robot: &Value) -> Value {
    let starts_at = Utc::now() - TimeDelta::seconds(1);
    let body = json!({
        "robot_id": robot["id"], "starts_at": millis::to_string(&starts_at),
        "ends_at": millis::to_string(&(starts_at + TimeDelta::minutes(5))),
    });
    let reply = person.client.post("/bookings", body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

#[tokio::test]
async fn a_peers_65th_candidate_ends_the_connection_with_its_code() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let booking = book(&holder, &robot).await;
    let joined = async || {
        let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &holder.token).await;
        signaling.say("join-room", json!({"roomId": booking["id"]})).await;
        signaling.hear_at_last("joined-room").await;
        signaling
    };
    let candidate = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
    let mut signaling = joined().await;
    signaling.say("offer", json!({"to": "x", "offer": {"type": "offer", "sdp": offer("trickle")}})).await;
    signaling.hear_at_last("answer").await;
    for _ in 0..64 {
        signaling.say("ice-candidate", json!({"to": "x", "candidate": {"candidate": candidate}})).await;
    }
    signaling.say("ice-candidate", json!({"to": "x", "candidate": null})).await;
    // Answered in order: none of the 64 was refused.
    signaling.raw("{".to_owned()).await;
    signaling.hear_error("invalid").await;
    signaling.say("ice-candidate", json!({"to": "x", "candidate": {"candidate": candidate}})).await;
    signaling.hear_error("rate_limited").await;
    assert_eq!(signaling.hear_close().await, Some(1008));
    let mut signaling = joined().await;
    let many = format!("{}{}", offer("at-once"), format!("a={candidate}\r\n").repeat(65));
    signaling.say("offer", json!({"to": "x", "offer": {"type": "offer", "sdp": many}})).await;
    signaling.hear_error("rate_limited").await;
    assert_eq!(signaling.hear_close().await, Some(1008));
    app.stop().await;
}

#[tokio::test]
async fn a_room_takes_four_viewers_and_keeps_the_holders_place() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let booking = book(&holder, &robot).await;
    let guests_path = format!("/bookings/{}/guests", booking["id"].as_str().expect("an id"));
    let ask = async |person: &Person, ufrag: &str| {
        let body = json!({"robot_id": robot["id"], "sdp": offer(ufrag), "type": "offer"});
        person.client.post("/webrtc/offer", body).await
    };
    for (number, expected) in [200, 200, 200, 409].into_iter().enumerate() {
        let guest = app.viewer().await;
        let invited = holder.client.post(&guests_path, json!({"user_id": guest.id()})).await;
        assert_eq!(invited.status, 200, "{invited:?}");
        let reply = ask(&guest, &format!("guest{number}")).await;
        assert_eq!(reply.status, expected, "guest {number}: {reply:?}");
        if expected == 409 {
            assert_eq!(reply.refusal(), (409, "room_full"));
        }
    }
    assert_eq!(ask(&holder, "holder").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn an_accounts_third_peer_replaces_its_oldest() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    book(&holder, &robot).await;
    let mut peers = Vec::new();
    for ufrag in ["first", "second", "third"] {
        let body = json!({"robot_id": robot["id"], "sdp": offer(ufrag), "type": "offer"});
        let reply = holder.client.post("/webrtc/offer", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        peers.push(reply.text("peer_id").to_owned());
    }
    let mut statuses = Vec::new();
    for peer in &peers {
        statuses.push(holder.client.get(&format!("/webrtc/candidates/{peer}")).await.status);
    }
    assert_eq!(statuses, [404, 200, 200]);
    app.stop().await;
}

#[tokio::test]
async fn whoever_does_not_register_is_sent_away_after_ten_seconds() {
    let app = TestApp::start().await;
    let mut signaling = Signaling::open(app.app.http_addr).await;
    // Pings every ten seconds must not put it off to the twentieth.
    let closed = timeout(Duration::from_secs(16), signaling.hear_close()).await;
    assert_eq!(closed.expect("closed in time"), Some(1008));
    app.stop().await;
}

#[tokio::test]
async fn what_is_kept_of_people_and_robots_is_bounded() {
    let app = TestApp::start().await;
    let admin = app.admin().await.client;
    let word = |length: usize| "x".repeat(length);
    let email = |length: usize| format!("{}@lab.example", word(length - "@lab.example".len()));
    let ada = json!({"name": "Ada", "email": "ada@lab.example", "password": "long enough", "role": "viewer"});
    let people = [
        ("name", json!(word(255))),
        ("email", json!(email(255))),
        ("password", json!(word(7))),
        ("password", json!(word(513))),
    ];
    let robot = json!({"slug": "one", "name": "One", "type": "rover", "cameras": ["main"]});
    let cameras =
        |count: usize| json!((0..count).map(|number| format!("camera-{number}")).collect::<Vec<_>>());
    let robots = [
        ("slug", json!(word(65))),
        ("name", json!(word(121))),
        ("type", json!(word(65))),
        ("cameras", cameras(17)),
        ("cameras", json!([word(65)])),
    ];
    for (path, body, wrong) in [("/admin/users", &ada, &people[..]), ("/admin/robots", &robot, &robots[..])] {
        for (member, value) in wrong {
            let mut body = body.clone();
            body[*member] = value.clone();
            assert_eq!(admin.post(path, body).await.refusal(), (422, "invalid"), "{path} {member}");
        }
    }
    let ada = json!({"name": word(254), "email": email(254), "password": word(512), "role": "viewer"});
    assert_eq!(admin.post("/admin/users", ada).await.status, 201);
    let robot = json!({"slug": word(64), "name": word(120), "type": word(64), "cameras": cameras(16)});
    assert_eq!(admin.post("/admin/robots", robot).await.status, 201);
    let path = format!("/admin/robots/{}/credentials", word(64));
    for _ in 0..16 {
        assert_eq!(admin.post(&path, json!({})).await.status, 201);
    }
    assert_eq!(admin.post(&path, json!({})).await.refusal(), (409, "conflict"), "the 17th");
    app.stop().await;
}

#[tokio::test]
async fn what_a_request_asks_about_is_bounded() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await.client;
    let schedule = |end: &str| format!("/bookings/schedule?start_date=2027-01-01&end_date={end}");
    assert_eq!(viewer.get(&schedule("2027-03-03")).await.status, 200, "62 days");
    assert_eq!(viewer.get(&schedule("2027-03-04")).await.refusal(), (422, "invalid"));
    let head = viewer.with_header("x-padding", &"x".repeat(300_000)).get("/health").await;
    assert_eq!(head.status, 431, "a head that no client needs");
    app.stop().await;
}

/// Every test that the list of limits names.
#[test]
fn every_limit_is_listed_with_a_test_that_is_there() {
    fn sources(folder: &Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() && !path.ends_with("node_modules") => sources(&path, found),
                path if path.extension().is_some_and(|extension| extension == "rs") => {
                    found.push_str(&std::fs::read_to_string(path).expect("text"));
                }
                _ => {}
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in ["src", "tests", "domain", "projections"] {
        sources(&root.join(folder), &mut code);
    }
    let list = std::fs::read_to_string(root.join("docs/LIMITS.md")).expect("the list");
    let mut named = 0;
    for row in list.lines().filter(|line| line.starts_with("| ")) {
        let tests = row.trim_end_matches('|').rsplit('|').next().expect("a last column");
        for test in tests.split('`').skip(1).step_by(2).filter(|test| test.contains("::")) {
            let name = test.rsplit("::").next().expect("a name");
            let is_there = name == "tests" || code.contains(&format!("fn {name}("));
            assert!(is_there, "{test} is in docs/LIMITS.md and nowhere else");
            named += 1;
        }
    }
    assert!(named > 40, "only {named} tests were found in docs/LIMITS.md");
}

#[tokio::test]
async fn what_a_request_may_hold_is_bounded() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    book(&holder, &robot).await;
    let large = format!("{}{}", offer("large"), "a=x\r\n".repeat(14_000));
    let body = json!({"robot_id": robot["id"], "sdp": large, "type": "offer"});
    assert_eq!(holder.client.post("/webrtc/offer", body).await.refusal(), (413, "too_large"));
    let keyed = holder.client.with_header("idempotency-key", &"k".repeat(256));
    assert_eq!(keyed.post("/bookings", json!({})).await.refusal(), (422, "invalid"));
    let long = app.anyone().with_token(&"x".repeat(4_097));
    assert_eq!(long.get("/auth/me").await.refusal(), (401, "bad_token"));
    for limit in ["0", "1001", "-1", "x"] {
        let reply = holder.client.get(&format!("/bookings?limit={limit}")).await;
        assert_eq!(reply.refusal(), (422, "invalid"), "limit={limit}");
    }
    assert_eq!(holder.client.get("/bookings?limit=1000").await.status, 200);
    app.stop().await;
}
