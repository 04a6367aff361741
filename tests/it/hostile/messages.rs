//! Frames, bodies, offers and candidates that are malformed or too large.

use serde_json::{Value, json};

use super::{Stranger, refused, sdp_offer};
use crate::support::{Client, Signaling};

/// What a browser offers, as short as it may be.
pub(super) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n";

pub(super) async fn all(stranger: &Stranger) {
    frames(stranger).await;
    offers(stranger).await;
    bodies(stranger).await;
}

async fn frames(stranger: &Stranger) {
    let token = &stranger.person.token;
    let mut signaling = Signaling::registered(stranger.http, "viewer", token).await;
    let deep = "[".repeat(60_000);
    let long = format!(r#"{{"event":"{}"}}"#, "x".repeat(60_000));
    let echo = json!({ "event": "register", "data": { "userType": "y".repeat(60_000) } }).to_string();
    for text in ["", "{", "nonsense", "\u{0}", &deep, &long, &echo, r#"{"event":"offer","data":7}"#] {
        signaling.raw(text.to_owned()).await;
        signaling.hear_error("invalid").await;
    }
    signaling.say("leave-room", json!({})).await;
    signaling.hear_at_last("left-room").await;
    for size in [64 * 1024 + 1, 1024 * 1024] {
        let mut signaling = Signaling::registered(stranger.http, "viewer", token).await;
        signaling.raw("x".repeat(size)).await;
        signaling.hear_close().await;
    }
    let mut signaling = Signaling::registered(stranger.http, "viewer", token).await;
    for _ in 0..400 {
        signaling.say("leave-room", json!({})).await;
    }
    signaling.hear_error("rate_limited").await;
    signaling.hear_close().await;
}

async fn offers(stranger: &Stranger) {
    let mut signaling = Signaling::registered(stranger.http, "viewer", &stranger.person.token).await;
    signaling.say("join-room", json!({ "roomId": stranger.booking })).await;
    signaling.hear_at_last("joined-room").await;
    let many = format!("{OFFER}{}", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(65));
    let sections = format!("{OFFER}{}", "m=video 9 x 1\r\n".repeat(20));
    for (sdp, code) in [
        ("", "invalid"),
        ("v=0\r\n", "invalid"),
        ("\u{0}", "invalid"),
        (&OFFER.replace("a=ice-pwd", "a=no-pwd"), "invalid"),
        (&OFFER.replace("H264", "AV1"), "invalid"),
        (&sections, "invalid"),
    ] {
        signaling.say("offer", sdp_offer(sdp)).await;
        signaling.hear_error(code).await;
    }
    let candidate =
        json!({ "to": "x", "candidate": { "candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host" } });
    signaling.say("ice-candidate", candidate.clone()).await;
    signaling.hear_error("conflict").await;
    signaling.say("offer", sdp_offer(OFFER)).await;
    signaling.hear_at_last("answer").await;
    for _ in 0..65 {
        signaling.say("ice-candidate", candidate.clone()).await;
    }
    signaling.hear_error("rate_limited").await;
    signaling.hear_close().await;
    let mut signaling = Signaling::registered(stranger.http, "viewer", &stranger.person.token).await;
    signaling.say("join-room", json!({ "roomId": stranger.booking })).await;
    signaling.hear_at_last("joined-room").await;
    signaling.say("offer", sdp_offer(&many)).await;
    signaling.hear_error("rate_limited").await;
    signaling.hear_close().await;
}

async fn bodies(stranger: &Stranger) {
    let me = &stranger.person;
    let wrong = [
        json!([]),
        json!({ "starts_at": "never", "ends_at": "ever" }),
        json!({ "robot_id": "x", "date": "2027-13-45", "start_time": "25:00", "end_time": "x" }),
        json!({ "robot_id": "x", "starts_at": "+262142-12-31T23:59:59Z", "ends_at": "-262142-01-01T00:00:00Z" }),
    ];
    for body in wrong {
        refused(me, "POST", "/bookings", body, (422, "invalid")).await;
    }
    let too_large = Value::String("x".repeat(300 * 1024));
    refused(me, "POST", "/bookings", too_large, (413, "too_large")).await;
    let raw = Client::new(stranger.http).with_token(&me.token);
    for (content_type, body, expected) in [
        ("application/json", b"{".to_vec(), (422, "invalid")),
        ("application/json", "[".repeat(100_000).into_bytes(), (422, "invalid")),
        ("application/json", vec![0xff; 100], (422, "invalid")),
        ("text/html", b"<p>".to_vec(), (415, "unsupported_media_type")),
    ] {
        assert_eq!(raw.send_raw("POST", "/bookings", content_type, body).await.refusal(), expected);
    }
}
