//! Credentials that are none, or are somebody else's.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Row};
use uuid::Uuid;

use super::{Stranger, refused};
use crate::support::Signaling;

pub(super) async fn all(stranger: &Stranger, data: &Path) {
    forged(stranger, &signing_key(data).await).await;
    wrong_kind(stranger).await;
    others_things(stranger).await;
}

/// Even with the server's key in hand, only a token as the server makes them is taken.
async fn forged(stranger: &Stranger, key: &[u8]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = json!({
        "iss": "curfew", "aud": "curfew", "sub": stranger.account, "iat": now, "nbf": now - 60, "exp": now + 600,
    });
    let with = |claim: &str, value: Value| {
        let mut claims = claims.clone();
        claims[claim] = value;
        claims
    };
    let hs256 = json!({ "typ": "JWT", "alg": "HS256" });
    let good = token(&hs256, &claims, key);
    let unsigned = token(&json!({ "alg": "none" }), &claims, key);
    let cases = [
        String::new(),
        "x".to_owned(),
        "x".repeat(3_000),
        format!("curfew_robot_{}", "0".repeat(64)),
        // Another robot each time: what is looked up for it is not to stay.
        format!(
            "curfew_robot_{}{}_x",
            Uuid::from_u128(rand::random()).simple(),
            Uuid::from_u128(rand::random()).simple()
        ),
        token(&hs256, &with("exp", json!(now - 1)), key),
        token(&hs256, &with("nbf", json!(now + 60)), key),
        token(&hs256, &with("aud", json!("other")), key),
        token(&hs256, &with("iss", json!("other")), key),
        token(&json!({ "alg": "HS512" }), &claims, key),
        token(&json!({ "alg": "RS256" }), &claims, key),
        token(&hs256, &claims, b"another key"),
        format!("{}.", unsigned.rsplit_once('.').expect("three parts").0),
        unsigned,
    ];
    let accepted = stranger.person.with_token(&good).get("/auth/me").await.expect("answered");
    assert_eq!(accepted.status, 200, "the key is the server's: {}", accepted.body);
    for case in &cases {
        refused(&stranger.person.with_token(case), "GET", "/auth/me", Value::Null, (401, "bad_token")).await;
        let mut signaling = Signaling::open(stranger.http).await;
        signaling.say("register", json!({ "userId": "x", "userType": "viewer", "token": case })).await;
        signaling.hear_error("bad_token").await;
        signaling.hear_close().await;
    }
    let path = format!("/auth/me?token={good}");
    refused(&stranger.person.with_token(""), "GET", &path, Value::Null, (401, "bad_token")).await;
}

fn token(header: &Value, claims: &Value, key: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

async fn signing_key(data: &Path) -> Vec<u8> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("curfew.db")).read_only(true);
    let mut connection = options.connect().await.expect("the log can be read");
    let row =
        sqlx::query("SELECT value FROM secrets WHERE name = 'token-hs256'").fetch_one(&mut connection).await;
    row.expect("there is a key").get("value")
}

/// A robot's credential as a person's, a person's token as a robot's, and a robot that is there twice.
async fn wrong_kind(stranger: &Stranger) {
    let robot = stranger.person.with_token(&stranger.robot.token);
    for path in ["/auth/me", "/bookings", "/admin/users"] {
        refused(&robot, "GET", path, Value::Null, (403, "wrong_role")).await;
    }
    for (kind, token) in [("viewer", &stranger.robot.token), ("robot", &stranger.person.token)] {
        let mut signaling = Signaling::open(stranger.http).await;
        signaling.say("register", json!({ "userId": "x", "userType": kind, "token": token })).await;
        signaling.hear_error("wrong_role").await;
        signaling.hear_close().await;
    }
    let mut first = Signaling::registered(stranger.http, "robot", &stranger.robot.token).await;
    let _second = Signaling::registered(stranger.http, "robot", &stranger.robot.token).await;
    first.hear_close().await;
}

/// Other people's bookings, rooms and peers, and what is an admin's.
async fn others_things(stranger: &Stranger) {
    let (me, theirs) = (&stranger.person, &stranger.theirs);
    let (booking, room) =
        (theirs["id"].as_str().expect("an id"), theirs["room_id"].as_str().expect("a room"));
    let nobodys = "01900000-0000-7000-8000-000000000000";
    for (method, path, body, expected) in [
        ("GET", format!("/bookings/{booking}"), Value::Null, (403, "not_your_booking")),
        ("DELETE", format!("/bookings/{booking}"), Value::Null, (403, "not_your_booking")),
        (
            "POST",
            format!("/bookings/{booking}/guests"),
            json!({ "user_id": stranger.account }),
            (403, "not_your_booking"),
        ),
        (
            "POST",
            format!("/admin/bookings/{booking}/terminate"),
            json!({ "reason": "mine" }),
            (403, "wrong_role"),
        ),
        ("GET", "/admin/users".to_owned(), Value::Null, (403, "wrong_role")),
        ("DELETE", format!("/webrtc/peer/{nobodys}"), Value::Null, (404, "not_found")),
        ("GET", format!("/webrtc/candidates/{nobodys}"), Value::Null, (404, "not_found")),
        ("GET", "/bookings?limit=1001".to_owned(), Value::Null, (422, "invalid")),
        ("GET", "/bookings?limit=0".to_owned(), Value::Null, (422, "invalid")),
    ] {
        refused(me, method, &path, body, expected).await;
    }
    let offer = json!({ "robot_id": theirs["robot_id"], "sdp": super::messages::OFFER, "type": "offer" });
    refused(me, "POST", "/webrtc/offer", offer, (403, "no_active_booking")).await;
    let mut signaling = Signaling::registered(stranger.http, "viewer", &me.token).await;
    for name in [booking, room] {
        signaling.say("join-room", json!({ "roomId": name })).await;
        signaling.hear_error("not_your_booking").await;
    }
    signaling.say("join-room", json!({ "roomId": "x".repeat(300) })).await;
    signaling.hear_error("invalid").await;
}
