//! Robots, and what of them a session opens.

use chrono::{TimeDelta, Utc};
use curfew::protocol::millis;
use serde_json::json;

use crate::support::TestApp;

/// As much of an offer (RFC 8829) as it takes to tell it from others.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n\
     a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
     00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";

#[tokio::test]
async fn admins_keep_the_registry() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    assert_eq!((&robot["slug"], &robot["online"]), (&json!("turtle"), &json!(false)));
    assert_eq!(robot["cameras"], json!(["main"]));
    let again = json!({"slug": "turtle", "name": "Other", "type": "turtlebot"});
    assert_eq!(admin.client.post("/admin/robots", again).await.refusal(), (409, "conflict"));
    let odd = json!({"slug": "no slug", "name": "Odd", "type": "turtlebot"});
    assert_eq!(admin.client.post("/admin/robots", odd).await.refusal(), (422, "invalid"));
    let an_id = json!({"slug": "01900000-0000-7000-8000-000000000001", "name": "Odd", "type": "turtlebot"});
    assert_eq!(admin.client.post("/admin/robots", an_id).await.refusal(), (422, "invalid"));
    let change = json!({"name": "Turtle", "cameras": ["front", "arm"]});
    let changed = admin.client.send("PATCH", "/admin/robots/turtle", Some(change)).await;
    assert_eq!((changed.text("name"), &changed.body["cameras"]), ("Turtle", &json!(["front", "arm"])));
    let fixed = admin.client.send("PATCH", "/admin/robots/turtle", Some(json!({"slug": "hare"}))).await;
    assert_eq!(fixed.refusal(), (422, "invalid"), "what cannot be changed is not answered as if it were");
    let seen = viewer.client.get("/robots").await;
    assert_eq!(seen.body["robots"], json!(["turtlebot"]));
    assert_eq!(seen.body["registry"][0]["id"], robot["id"]);
    assert!(!seen.body.to_string().contains("sha256"));
    let retired =
        admin.client.send("DELETE", "/admin/robots/turtle", Some(json!({"reason": "worn out"}))).await;
    assert_eq!(retired.status, 204, "{retired:?}");
    assert_eq!(viewer.client.get("/robots").await.body["registry"], json!([]));
    admin.robot("hare", "turtlebot").await;
    let (starts_at, ends_at) = (Utc::now() + TimeDelta::hours(1), Utc::now() + TimeDelta::hours(2));
    let body = json!({
        "robot_id": "hare", "starts_at": millis::to_string(&starts_at), "ends_at": millis::to_string(&ends_at),
    });
    let made = viewer.client.post("/bookings", body).await;
    let unreasoned = admin.client.send("DELETE", "/admin/robots/hare", None).await;
    assert_eq!(unreasoned.refusal(), (422, "reason_required"), "somebody would lose a booking");
    let path = format!("/bookings/{}", made.text("id"));
    assert_eq!(viewer.client.send("DELETE", &path, None).await.status, 200);
    assert_eq!(
        admin.client.send("DELETE", "/admin/robots/hare", None).await.status,
        204,
        "nobody is owed one"
    );
    app.stop().await;
}

#[tokio::test]
async fn a_credential_is_shown_once_and_can_be_revoked() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.robot("turtle", "turtlebot").await;
    let issued = admin.client.post("/admin/robots/turtle/credentials", json!({})).await;
    assert_eq!(issued.status, 201);
    let token = issued.text("token");
    assert!(token.starts_with("curfew_robot_") && token.len() == 13 + 64 + 1 + 43, "{token}");
    let listed = admin.client.get("/admin/robots").await.body;
    assert!(!listed.to_string().contains(token));
    assert_eq!(listed["items"][0]["credentials"], json!([issued.text("id")]));
    assert_eq!(listed["items"][0]["last_seen"], json!(null));
    let robot = app.anyone().with_token(token);
    assert_eq!(robot.get("/robots").await.refusal(), (403, "wrong_role"));
    let (rest, last) = token.split_at(token.len() - 1);
    let altered = format!("{rest}{}", if last == "A" { "B" } else { "A" });
    assert_eq!(app.anyone().with_token(&altered).get("/robots").await.refusal(), (401, "bad_token"));
    admin.robot("hare", "turtlebot").await;
    let nobodys = curfew_domain::CredentialId::from(uuid::Uuid::nil()).to_string();
    for (robot, credential) in [("hare", issued.text("id")), ("turtle", nobodys.as_str())] {
        let path = format!("/admin/robots/{robot}/credentials/{credential}");
        let refused = admin.client.send("DELETE", &path, None).await;
        assert_eq!(refused.refusal(), (404, "not_found"), "{robot} has no such credential");
    }
    assert_eq!(robot.get("/robots").await.refusal(), (403, "wrong_role"), "it is good still");
    let path = format!("/admin/robots/turtle/credentials/{}", issued.text("id"));
    for _ in 0..2 {
        assert_eq!(admin.client.send("DELETE", &path, None).await.status, 204);
    }
    assert_eq!(admin.client.get("/admin/robots").await.body["items"][0]["credentials"], json!([]));
    assert_eq!(robot.get("/robots").await.refusal(), (401, "bad_token"));
    app.stop().await;
}

#[tokio::test]
async fn rules_are_read_and_changed_by_admins() {
    let app = TestApp::start().await;
    let admin = app.admin().await.client;
    let mut rules = admin.get("/admin/rules").await.body;
    rules["min_minutes"] = json!(15);
    for nullable in ["open_hours", "no_robot_grace_s", "no_show_after_s"] {
        let mut unaware = rules.clone();
        unaware.as_object_mut().expect("an object").remove(nullable);
        let refused = admin.send("PUT", "/admin/rules", Some(unaware)).await;
        assert_eq!(refused.refusal(), (422, "invalid"), "{nullable}");
        assert!(refused.text("detail").contains(nullable), "{refused:?}");
    }
    let changed = admin.send("PUT", "/admin/rules", Some(rules.clone())).await;
    assert_eq!((changed.status, &changed.body["min_minutes"]), (200, &json!(15)));
    assert_eq!(admin.get("/admin/rules").await.body, changed.body);
    let mut misspelt = rules.clone();
    misspelt["max_minuets"] = json!(30);
    let refused = admin.send("PUT", "/admin/rules", Some(misspelt)).await;
    assert_eq!(refused.refusal(), (422, "invalid"));
    assert!(refused.text("detail").contains("max_minuets"), "{refused:?}");
    rules["min_minutes"] = json!(0);
    assert_eq!(admin.send("PUT", "/admin/rules", Some(rules.clone())).await.refusal(), (422, "invalid"));
    rules["zone"] = json!("Mars/Olympus");
    assert_eq!(admin.send("PUT", "/admin/rules", Some(rules)).await.refusal(), (422, "invalid"));
    app.stop().await;
}

#[tokio::test]
async fn without_a_live_booking_there_is_nothing_to_watch() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    for named in
        [json!({"robot_id": "turtle"}), json!({"robot_type": "turtlebot"}), json!({"robot_id": robot["id"]})]
    {
        let mut body = json!({"sdp": OFFER, "type": "offer"});
        body.as_object_mut().expect("an object").extend(named.as_object().expect("an object").clone());
        let reply = viewer.client.post("/webrtc/offer", body).await;
        assert_eq!(reply.refusal(), (403, "no_active_booking"));
        let named = named.as_object().and_then(|named| named.values().next()?.as_str()).expect("a name");
        assert_eq!(reply.text("detail"), format!("No active booking session for robot {named}"));
    }
    let videos = viewer.client.get("/videos/turtlebot").await;
    assert_eq!(videos.refusal(), (403, "no_active_booking"));
    assert_eq!(videos.text("detail"), "No active booking session for robot turtlebot");
    let unreasoned = json!({"robot_id": "turtle", "sdp": OFFER, "type": "offer"});
    assert_eq!(admin.client.post("/webrtc/offer", unreasoned).await.refusal(), (422, "reason_required"));
    app.stop().await;
}

#[tokio::test]
async fn a_live_booking_opens_the_robots_videos() {
    let app = TestApp::start().await;
    let (admin, viewer, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let (starts_at, ends_at) = (Utc::now(), Utc::now() + TimeDelta::minutes(5));
    let body = json!({
        "robot_type": "turtlebot", "starts_at": millis::to_string(&starts_at), "ends_at": millis::to_string(&ends_at),
    });
    let made = viewer.client.post("/bookings", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let invite = format!("/bookings/{}/guests", made.text("id"));
    assert_eq!(viewer.client.post(&invite, json!({"user_id": guest.id()})).await.status, 200);
    for person in [&viewer, &guest] {
        let videos = person.client.get("/videos/turtlebot").await;
        assert_eq!((videos.status, &videos.body["robot_id"]), (200, &robot["id"]), "{videos:?}");
        assert_eq!(videos.body["ends_at"], made.body["ends_at"]);
        assert_eq!(videos.body["streams"], json!([{"type": "webrtc", "camera": "main"}]));
        let expected = format!("ws://{}/ws", app.app.http_addr);
        assert_eq!(videos.body["signaling"], json!({"websocket": expected}));
    }
    let garbage = json!({"robot_id": "turtle", "sdp": "not sdp", "type": "offer"});
    assert_eq!(viewer.client.post("/webrtc/offer", garbage).await.refusal(), (422, "invalid"));
    let answer = json!({"robot_id": "turtle", "sdp": OFFER, "type": "answer"});
    assert_eq!(viewer.client.post("/webrtc/offer", answer).await.refusal(), (422, "invalid"));
    app.stop().await;
}
