//! What is kept of a caller's idempotency key and of the reply to it: nothing that anybody could use who has not got the key.
//!
//! From the key, by HKDF-SHA-256 (RFC 5869): a name to find it by, a fingerprint of the request, and the key that seals the
//! reply with AES-256-GCM (RFC 5116). The caller's key itself is kept nowhere.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::actors::hex;

/// A reply as it was given.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptReply {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

/// A caller's key, ready to derive from.
pub(super) struct CallersKey(Prk);

impl CallersKey {
    /// `who` makes two people's same keys two keys.
    pub(super) fn new(who: &str, key: &str) -> Self {
        Self(Salt::new(HKDF_SHA256, who.as_bytes()).extract(key.as_bytes()))
    }

    /// What it is found by.
    pub(super) fn name(&self) -> Option<String> {
        Some(hex(&self.derive(b"name")?))
    }

    /// Tells this request from others.
    pub(super) fn fingerprint(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.derive(b"request")?);
        let mut tag = hmac::Context::with_key(&key);
        for part in [method.as_bytes(), b" ", path.as_bytes(), b"\n", body] {
            tag.update(part);
        }
        Some(hex(tag.sign().as_ref()))
    }

    /// Nonce and ciphertext.
    pub(super) fn seal(&self, reply: &KeptReply) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut text = serde_json::to_vec(reply).ok()?;
        let sealed = Nonce::assume_unique_for_key(nonce);
        self.cipher()?.seal_in_place_append_tag(sealed, Aad::empty(), &mut text).ok()?;
        Some([nonce.as_slice(), &text].concat())
    }

    /// `None` when it was not sealed with this key.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<KeptReply> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.cipher()?.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
        serde_json::from_slice(text).ok()
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.derive(b"reply")?).ok()?))
    }

    fn derive(&self, what: &'static [u8]) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        self.0.expand(&[what], HKDF_SHA256).ok()?.fill(&mut key).ok()?;
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> KeptReply {
        KeptReply { status: 201, location: None, body: r#"{"token":"curfew_robot_secret"}"#.to_owned() }
    }

    #[test]
    fn a_reply_is_read_with_its_own_key_alone() {
        let key = CallersKey::new("account:1", "a key");
        let sealed = key.seal(&reply()).expect("sealed");
        assert_eq!(key.open(&sealed), Some(reply()));
        let has = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
        assert!(!has(b"secret") && !has(b"a key"));
        for (who, other) in [("account:1", "another key"), ("account:2", "a key")] {
            assert_eq!(CallersKey::new(who, other).open(&sealed), None);
        }
        for damaged in [&sealed[1..], &sealed[..sealed.len() - 1], &[][..]] {
            assert_eq!(key.open(damaged), None);
        }
        assert_ne!(key.seal(&reply()).expect("sealed"), sealed, "the nonce is new each time");
    }

    #[test]
    fn names_and_fingerprints_differ_with_whatever_they_are_made_of() {
        let key = CallersKey::new("account:1", "a key");
        let of = |method, path, body: &[u8]| key.fingerprint(method, path, body).expect("derived");
        let first = of("POST", "/bookings", b"{}");
        assert_eq!(first, of("POST", "/bookings", b"{}"));
        for other in
            [of("PUT", "/bookings", b"{}"), of("POST", "/robots", b"{}"), of("POST", "/bookings", b"")]
        {
            assert_ne!(first, other);
        }
        assert_ne!(
            first,
            CallersKey::new("account:1", "b").fingerprint("POST", "/bookings", b"{}").expect("derived")
        );
        assert_ne!(key.name(), CallersKey::new("account:2", "a key").name());
    }
}
