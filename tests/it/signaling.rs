//! The signaling protocol over WebSockets, against the started app.

use chrono::{DateTime, TimeDelta, Utc};
use curfew::clock::{Clock, ManualClock, SystemClock};
use curfew::protocol::millis;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Person, Signaling, TestApp};

/// Books the robot for the person: a window that begins `after` from now and lasts five minutes.
async fn book(person: &Person, robot: &Value, after: TimeDelta) -> Value {
    let starts_at: DateTime<Utc> = Utc::now() + after;
    let ends_at = starts_at + TimeDelta::minutes(5);
    let body = json!({
        "robot_id": robot["id"], "starts_at": millis::to_string(&starts_at), "ends_at": millis::to_string(&ends_at),
    });
    let reply = person.client.post("/bookings", body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.body
}

/// What a browser offers, as short as it may be.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n";

async fn credential(admin: &Person, robot: &Value) -> String {
    let path = format!("/admin/robots/{}/credentials", robot["id"].as_str().expect("an id"));
    let reply = admin.client.post(&path, json!({})).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.text("token").to_owned()
}

fn status_of<T>(refused: Result<T, Error>) -> u16 {
    match refused {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("refused otherwise: {error}"),
        Ok(_) => panic!("the connection was accepted"),
    }
}

#[tokio::test]
async fn registering_needs_a_token_of_the_named_kind() {
    let app = TestApp::start().await;
    let addr = app.app.http_addr;
    let viewer = app.viewer().await;
    for (data, code) in [
        (json!({"userId": "x", "userType": "viewer"}), "bad_token"),
        (json!({"userId": "x", "userType": "viewer", "token": "nonsense"}), "bad_token"),
        (json!({"userId": "x", "userType": "robot", "token": viewer.token}), "wrong_role"),
    ] {
        let mut signaling = Signaling::open(addr).await;
        signaling.say("register", data).await;
        signaling.hear_error(code).await;
        signaling.hear_close().await;
    }
    let mut signaling = Signaling::open(addr).await;
    signaling.say("join-room", json!({"roomId": "x"})).await;
    signaling.hear_error("bad_token").await;
    signaling
        .say("register", json!({"userId": "somebody else", "userType": "viewer", "token": viewer.token}))
        .await;
    let registered = signaling.hear("registered").await;
    assert_eq!(registered, json!({"success": true, "userId": viewer.id(), "userType": "viewer"}));
    app.stop().await;
}

#[tokio::test]
async fn a_token_may_come_with_the_handshake_but_never_in_the_url() {
    let app = TestApp::start().await;
    let addr = app.app.http_addr;
    let viewer = app.viewer().await;
    let protocols = format!("curfew.v1, bearer.{}", viewer.token);
    let bearer = format!("Bearer {}", viewer.token);
    for headers in [[("sec-websocket-protocol", protocols.as_str())], [("authorization", bearer.as_str())]] {
        let (mut signaling, response) = Signaling::open_with(addr, "/ws", &headers).await.expect("connects");
        let selected = response.headers().get("sec-websocket-protocol");
        assert!(selected.is_none_or(|selected| selected == "curfew.v1"), "{selected:?}");
        signaling.say("register", json!({"userId": "x", "userType": "viewer"})).await;
        signaling.hear("registered").await;
    }
    let path = format!("/ws?token={}", viewer.token);
    assert_eq!(status_of(Signaling::open_with(addr, &path, &[]).await), 401);
    let foreign = [("origin", "https://elsewhere.example")];
    assert_eq!(status_of(Signaling::open_with(addr, "/ws", &foreign).await), 403);
    app.stop().await;
}

#[tokio::test]
async fn what_is_malformed_gets_an_error_and_the_connection_stays() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await;
    let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &viewer.token).await;
    let damaged = [
        "",
        "{",
        "[]",
        "null",
        "42",
        r#"{"event":"dance","data":{}}"#,
        r#"{"event":"offer","data":{"to":1}}"#,
        r#"{"event":"offer","data":{"to":"turtle","offer":{"type":"answer","sdp":"v=0\r\n"}}}"#,
    ];
    for text in damaged {
        signaling.raw(text.to_owned()).await;
        signaling.hear_error("invalid").await;
    }
    signaling.say("leave-room", json!({})).await;
    signaling.hear("left-room").await;
    app.stop().await;
}

#[tokio::test]
async fn a_message_or_a_flood_past_the_limit_ends_the_connection_with_its_code() {
    let app = TestApp::start_at(ManualClock::new(Utc::now(), SystemClock.boot()), |_| ()).await;
    let viewer = app.viewer().await;
    let addr = app.app.http_addr;
    let mut signaling = Signaling::registered(addr, "viewer", &viewer.token).await;
    signaling.say("join-room", json!({"roomId": "x".repeat(65 * 1024)})).await;
    signaling.hear_error("too_large").await;
    signaling.hear_close().await;
    // What is far too large is cut off while it is still being sent, so that its sender may miss the words.
    let mut signaling = Signaling::registered(addr, "viewer", &viewer.token).await;
    signaling.say("join-room", json!({"roomId": "x".repeat(1024 * 1024)})).await;
    signaling.hear_close().await;
    let mut signaling = Signaling::registered(addr, "viewer", &viewer.token).await;
    // By a clock that stands still, however long the machine takes for them.
    for _ in 0..400 {
        signaling.say("leave-room", json!({})).await;
    }
    signaling.hear_error("rate_limited").await;
    signaling.hear_close().await;
    app.stop().await;
}

#[tokio::test]
async fn a_flood_of_frames_that_are_no_messages_ends_the_connection_as_well() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await;
    for (frame, answer) in
        [(Message::binary(vec![0; 9]), "invalid"), (Message::Ping(Vec::new().into()), "none")]
    {
        let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &viewer.token).await;
        for _ in 0..400 {
            signaling.send(frame.clone()).await;
        }
        loop {
            let error = signaling.hear_at_last("error").await;
            if error["code"] == "rate_limited" {
                break;
            }
            assert_eq!(error["code"], answer, "{error}");
        }
        signaling.hear_close().await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_room_is_found_by_each_of_its_names_and_only_by_who_may_enter() {
    let app = TestApp::start().await;
    let addr = app.app.http_addr;
    let (admin, holder, stranger) = (app.admin().await, app.viewer().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let booking = book(&holder, &robot, TimeDelta::seconds(-1)).await;
    let old_name = format!("robot_turtlebot_{}", holder.id());
    let mut signaling = Signaling::registered(addr, "viewer", &holder.token).await;
    let room = booking["room_id"].as_str().expect("a room");
    for name in [booking["id"].as_str().expect("an id"), room, old_name.as_str()] {
        signaling.say("join-room", json!({"roomId": name})).await;
        let joined = signaling.hear_at_last("joined-room").await;
        assert_eq!(joined["roomId"], room, "{joined}");
        assert_eq!((&joined["role"], &joined["state"]), (&json!("holder"), &json!("open")), "{joined}");
        assert_eq!(joined["endsAt"], booking["ends_at"], "{joined}");
    }
    let mut other = Signaling::registered(addr, "viewer", &stranger.token).await;
    other.say("join-room", json!({"roomId": room})).await;
    other.hear_error("not_your_booking").await;
    // The name of somebody else's room leads a stranger to their own, of which there is none.
    other.say("join-room", json!({"roomId": old_name})).await;
    other.hear_error("no_active_booking").await;
    app.stop().await;
}

#[tokio::test]
async fn who_comes_early_waits_and_is_told_of_the_start() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    // Far enough for all that comes before it, on however busy a machine.
    let booking = book(&holder, &robot, TimeDelta::seconds(8)).await;
    let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &holder.token).await;
    signaling.say("join-room", json!({"roomId": booking["id"]})).await;
    let joined = signaling.hear("joined-room").await;
    assert_eq!(joined["state"], "waiting", "{joined}");
    signaling.say("offer", json!({"to": "turtle", "offer": {"type": "offer", "sdp": OFFER}})).await;
    signaling.hear_error("window_not_open").await;
    let started = signaling.hear_at_last("session-started").await;
    assert_eq!((&started["roomId"], &started["startsAt"]), (&booking["room_id"], &booking["starts_at"]));
    assert!(started["serverTime"].as_str() >= started["startsAt"].as_str(), "{started}");
    app.stop().await;
}

#[tokio::test]
async fn an_admin_ends_a_session_and_everybody_in_it_is_told_why() {
    let app = TestApp::start().await;
    let addr = app.app.http_addr;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let booking = book(&holder, &robot, TimeDelta::seconds(-1)).await;
    let mut machine = Signaling::registered(addr, "robot", &credential(&admin, &robot).await).await;
    let mut signaling = Signaling::registered(addr, "viewer", &holder.token).await;
    signaling.say("join-room", json!({"roomId": booking["id"]})).await;
    signaling.hear_at_last("joined-room").await;
    let publish = machine.hear_at_last("publish").await;
    let left = publish["inMs"].as_u64().expect("milliseconds");
    assert!((280_000..=300_000).contains(&left), "{publish}");
    let path = format!("/admin/bookings/{}/terminate", booking["id"].as_str().expect("an id"));
    assert_eq!(admin.client.post(&path, json!({})).await.body["code"], "reason_required");
    let ended = admin.client.post(&path, json!({"reason": "The floor is being cleaned."})).await;
    assert_eq!((ended.status, ended.text("status")), (200, "ended"), "{ended:?}");
    for told in [&mut signaling, &mut machine] {
        let end = told.hear_at_last("session-ended").await;
        assert_eq!(end["roomId"], booking["room_id"], "{end}");
        assert_eq!(end["cause"], "terminated_by_admin", "{end}");
        assert_eq!(end["reason"], "The floor is being cleaned.", "{end}");
    }
    machine.hear_at_last("unpublish").await;
    signaling.say("join-room", json!({"roomId": booking["id"]})).await;
    signaling.hear_error("window_closed").await;
    app.stop().await;
}

#[tokio::test]
async fn a_robots_second_connection_replaces_its_first() {
    let app = TestApp::start().await;
    let addr = app.app.http_addr;
    let admin = app.admin().await;
    let robot = admin.robot("turtle", "turtlebot").await;
    let token = credential(&admin, &robot).await;
    let mut first = Signaling::registered(addr, "robot", &token).await;
    let mut second = Signaling::registered(addr, "robot", &token).await;
    first.hear_close().await;
    second.say("leave-room", json!({})).await;
    second.hear_at_last("left-room").await;
    let registry = admin.client.get("/admin/robots").await;
    assert_eq!(registry.body["items"][0]["online"], true, "{registry:?}");
    assert!(registry.body["items"][0]["last_seen"].is_string(), "{registry:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_robots_credential_opens_nothing_that_is_for_people() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let robot = admin.robot("turtle", "turtlebot").await;
    let token = credential(&admin, &robot).await;
    let mut signaling = Signaling::open(app.app.http_addr).await;
    signaling.say("register", json!({"userId": "x", "userType": "viewer", "token": token})).await;
    signaling.hear_error("wrong_role").await;
    signaling.hear_close().await;
    let reply = app.anyone().with_token(&token).get("/bookings").await;
    assert_eq!((reply.status, reply.text("code")), (403, "wrong_role"), "{reply:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye_to_every_connection() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await;
    let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &viewer.token).await;
    let (closed, ()) = tokio::join!(signaling.hear_close(), app.stop());
    assert_eq!(closed, Some(1001));
}
