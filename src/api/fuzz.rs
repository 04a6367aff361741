//! Fuzz bodies: credentials, and the bodies of booking requests.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use curfew_domain::LabRules;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use ring::hmac;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::auth::{ROBOT_PREFIX, bearer, robot_ids};
use super::bookings::{Create, window};
use super::token::Tokens;
use crate::clock::{BootInstant, Reading};

const KEY: &[u8] = b"a key of thirty-two bytes or more";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default()
}

/// On a boot of which no input knows, so that the wall clock decides.
fn reading() -> Reading {
    Reading { wall: now(), boot: BootInstant::default(), boot_id: Uuid::from_u128(0x5eed_0f1e_b007) }
}

/// A header's value as it comes; and a token of the input's header and claims, each a line, that this server signed and
/// that somebody else signed.
pub fn tokens(input: &[u8]) {
    let tokens = Tokens::new(KEY, Duration::from_secs(600));
    if let Ok(value) = HeaderValue::from_bytes(input) {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        if let Some(token) = bearer(&headers) {
            assert!(tokens.bearer(token, reading()).is_err(), "a token that nobody signed");
            if let Some((credential, robot)) = token.strip_prefix(ROBOT_PREFIX).and_then(robot_ids) {
                assert!(!credential.as_uuid().is_nil() || !robot.as_uuid().is_nil() || token.len() > 64);
            }
        }
    }
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (header, claims) = (&input[..at], &input[at + 1..]);
    let signed_with = |key: &[u8]| {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    assert!(tokens.bearer(&signed_with(b"somebody else's key"), reading()).is_err());
    if let Ok(bearer) = tokens.bearer(&signed_with(KEY), reading()) {
        let (header, claims): (Header, Claims) = (taken(header), taken(claims));
        assert_eq!(header.alg, "HS256");
        assert_eq!(claims.sub.parse().ok(), Some(bearer.subject));
        assert!(claims.nbf <= now().timestamp() && claims.exp > now().timestamp());
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("curfew", "curfew"));
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    nbf: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// Reads what was taken. Members that are skipped need be neither UTF-8 nor numbers that anything can hold.
fn taken<T: DeserializeOwned>(text: &[u8]) -> T {
    serde_json::from_str(&String::from_utf8_lossy(text)).expect("it was taken, so it is there")
}

/// A booking request, and in a second line the lab's rules as an admin may set them.
pub fn booking_requests(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let Some(request) = lines.next().and_then(|text| serde_json::from_slice::<Create>(text).ok()) else {
        return;
    };
    let rules = lines.next().and_then(|text| serde_json::from_slice::<LabRules>(text).ok());
    let rules = rules.filter(|rules| rules.validate().is_ok()).unwrap_or_default();
    let Ok(window) = window(&rules, &request) else { return };
    assert!(!window.is_empty() && window.overlaps(&window));
    if rules.check(&window, now()).is_ok() {
        assert!(!window.has_ended(now()));
        let minutes = window.length().num_minutes();
        assert!((i64::from(rules.min_minutes)..=i64::from(rules.max_minutes)).contains(&minutes));
        assert!(rules.check_extension(&window, now()).is_ok());
    }
    let date = window.starts_at.date_naive();
    for slot in rules.slots_on(date, now()) {
        assert_eq!(rules.check(&slot, now()), Ok(()));
    }
}
