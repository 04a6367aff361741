//! The token that a person gets on signing in: a JWT (RFC 7519) with HMAC-SHA-256, and nothing else accepted.
//!
//! It says who somebody is and until when; never what they may do. Roles are looked up with every request.

use std::sync::Once;
use std::time::Duration;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{BootInstant, Reading};

const ISSUER: &str = "curfew";
const AUDIENCE: &str = "curfew";

/// Issues and checks tokens with one key.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

/// Why a token is not taken. Clients learn none of this; it is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is malformed, or of another issuer or audience, or not signed by this server")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub subject: Uuid,
    /// The account's count of them at the time: with another one the token is worth nothing.
    pub sign_outs: u32,
}

/// Times are whole Unix seconds.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    /// How often the account had been signed out of everything when this was issued.
    #[serde(default)]
    sign_outs: u32,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// On which boot of the machine this was issued, and how many seconds into it.
    boot: Option<Uuid>,
    boot_s: Option<u64>,
}

impl Claims {
    /// Seconds since it was issued, by the boot clock, which never steps; `None` when that was on another boot.
    fn age(&self, now: &Reading) -> Option<i64> {
        let issued = self.boot_s.filter(|_| self.boot == Some(now.boot_id))?;
        i64::try_from(seconds(now.boot).checked_sub(issued)?).ok()
    }
}

impl Tokens {
    /// `key` should be 32 random bytes or more (RFC 7518, section 3.2).
    pub fn new(key: &[u8], lifetime: Duration) -> Self {
        install_provider();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        // `exp` and `nbf` are checked in `bearer`, with no leeway: the library would ask the machine's clock, and time is
        // an input here.
        validation.leeway = 0;
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
            lifetime,
        }
    }

    /// A token for `bearer`, valid from `now` for the configured lifetime.
    pub fn issue(&self, bearer: Bearer, now: Reading) -> Result<String, TokenError> {
        let from = now.wall.timestamp();
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: bearer.subject,
            sign_outs: bearer.sign_outs,
            iat: from,
            nbf: from,
            exp: from.saturating_add(lifetime),
            boot: Some(now.boot_id),
            boot_s: Some(seconds(now.boot)),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|_| TokenError::Invalid)
    }

    /// Whose token it is, if it is one of ours and `now` is within its time: by the boot clock as long as the machine runs,
    /// so that a step of the wall clock neither refuses a sign-in nor lengthens it, and by the wall clock afterwards.
    pub fn bearer(&self, token: &str, now: Reading) -> Result<Bearer, TokenError> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let lifetime = claims.exp.saturating_sub(claims.iat);
        let (is_over, is_early) = match claims.age(&now) {
            Some(age) => (age >= lifetime, false),
            None => (now.wall.timestamp() >= claims.exp, now.wall.timestamp() < claims.nbf),
        };
        if is_over {
            Err(TokenError::Expired)
        } else if is_early {
            Err(TokenError::NotYet)
        } else {
            Ok(Bearer { subject: claims.sub, sign_outs: claims.sign_outs })
        }
    }
}

fn seconds(boot: BootInstant) -> u64 {
    boot.as_nanos() / 1_000_000_000
}

/// HMAC-SHA-256 on ring, the one algorithm there is; see `Cargo.toml` for why none of the library's own providers.
fn install_provider() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| {
            hs256_only(*algorithm)?;
            Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))))
        },
        verifier_factory: |algorithm, key| {
            hs256_only(*algorithm)?;
            Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?))))
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if PROVIDER.install_default().is_err() {
            tracing::debug!("a JWT provider is installed already");
        }
    });
}

fn hs256_only(algorithm: Algorithm) -> jsonwebtoken::errors::Result<()> {
    if algorithm == Algorithm::HS256 { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct Hs256(hmac::Key);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        hmac::verify(&self.0, message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;

    const KEY: &[u8] = b"a key of thirty-two bytes or more";
    const NOW: i64 = 1_800_000_000;

    const BOOT: Uuid = Uuid::from_u128(1);

    /// Both clocks, on a machine that booted an hour before [`NOW`].
    fn at(seconds: i64) -> Reading {
        let since_boot = u64::try_from(seconds - NOW + 3_600).expect("after the boot");
        Reading { boot: BootInstant::from_nanos(since_boot * 1_000_000_000), ..wall(seconds) }
    }

    /// The wall clock alone, its boot clock at zero.
    fn wall(seconds: i64) -> Reading {
        let wall = DateTime::from_timestamp(seconds, 999_000_000).expect("in range");
        Reading { wall, boot: BootInstant::default(), boot_id: BOOT }
    }

    fn tokens() -> Tokens {
        Tokens::new(KEY, Duration::from_secs(600))
    }

    fn subject() -> Uuid {
        Uuid::from_u128(7)
    }

    fn bearer(sign_outs: u32) -> Bearer {
        Bearer { subject: subject(), sign_outs }
    }

    fn claims() -> Value {
        json!({"iss":"curfew","aud":"curfew","sub":subject(),"iat":NOW,"nbf":NOW,"exp":NOW + 600})
    }

    /// A token made by hand, signed with `key` whatever its header says.
    fn forge(header: &Value, claims: &Value, key: &[u8]) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn without(claim: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().expect("an object").remove(claim);
        claims
    }

    fn with(claim: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[claim] = value;
        claims
    }

    #[test]
    fn an_issued_token_names_its_subject_until_it_expires() {
        let token = tokens().issue(bearer(3), at(NOW)).expect("issued");
        assert_eq!(tokens().bearer(&token, at(NOW)), Ok(bearer(3)));
        assert_eq!(tokens().bearer(&token, at(NOW + 599)), Ok(bearer(3)));
        assert_eq!(tokens().bearer(&token, at(NOW + 600)), Err(TokenError::Expired));
    }

    #[test]
    fn a_step_of_the_wall_clock_neither_ends_a_sign_in_nor_lengthens_it() {
        let token = tokens().issue(bearer(3), at(NOW)).expect("issued");
        for step in [-86_400, -1, 600, 86_400] {
            let stepped = |after: i64| Reading { wall: wall(NOW + after + step).wall, ..at(NOW + after) };
            assert_eq!(tokens().bearer(&token, stepped(0)), Ok(bearer(3)), "{step}");
            assert_eq!(tokens().bearer(&token, stepped(599)), Ok(bearer(3)), "{step}");
            assert_eq!(tokens().bearer(&token, stepped(600)), Err(TokenError::Expired), "{step}");
        }
    }

    #[test]
    fn after_another_boot_there_is_the_wall_clock_alone() {
        let token = tokens().issue(bearer(3), at(NOW)).expect("issued");
        let other = |seconds| Reading { boot_id: Uuid::from_u128(2), ..at(seconds) };
        // A boot clock that reads less than it did is another one, whatever its name.
        let reset = wall;
        for on in [other, reset] {
            assert_eq!(tokens().bearer(&token, on(NOW)), Ok(bearer(3)));
            assert_eq!(tokens().bearer(&token, on(NOW - 1)), Err(TokenError::NotYet));
            assert_eq!(tokens().bearer(&token, on(NOW + 600)), Err(TokenError::Expired));
        }
    }

    #[test]
    fn only_a_token_made_as_this_server_makes_them_is_taken() {
        let hs256 = json!({"typ":"JWT","alg":"HS256"});
        let cases = [
            ("as issued", forge(&hs256, &claims(), KEY), Ok(bearer(0))),
            (
                "a count below zero",
                forge(&hs256, &with("sign_outs", json!(-1)), KEY),
                Err(TokenError::Invalid),
            ),
            ("another key", forge(&hs256, &claims(), b"another"), Err(TokenError::Invalid)),
            ("another algorithm", forge(&json!({"alg":"HS512"}), &claims(), KEY), Err(TokenError::Invalid)),
            ("an asymmetric one", forge(&json!({"alg":"RS256"}), &claims(), KEY), Err(TokenError::Invalid)),
            ("alg none", forge(&json!({"alg":"none"}), &claims(), KEY), Err(TokenError::Invalid)),
            ("another audience", forge(&hs256, &with("aud", json!("x")), KEY), Err(TokenError::Invalid)),
            ("another issuer", forge(&hs256, &with("iss", json!("x")), KEY), Err(TokenError::Invalid)),
            ("expired", forge(&hs256, &with("exp", json!(NOW)), KEY), Err(TokenError::Expired)),
            ("not yet", forge(&hs256, &with("nbf", json!(NOW + 1)), KEY), Err(TokenError::NotYet)),
            ("no exp", forge(&hs256, &without("exp"), KEY), Err(TokenError::Invalid)),
            ("no nbf", forge(&hs256, &without("nbf"), KEY), Err(TokenError::Invalid)),
            ("no aud", forge(&hs256, &without("aud"), KEY), Err(TokenError::Invalid)),
            ("no iss", forge(&hs256, &without("iss"), KEY), Err(TokenError::Invalid)),
            ("no sub", forge(&hs256, &without("sub"), KEY), Err(TokenError::Invalid)),
            (
                "a sub that is no id",
                forge(&hs256, &with("sub", json!("root")), KEY),
                Err(TokenError::Invalid),
            ),
            ("exp as text", forge(&hs256, &with("exp", json!("9999999999")), KEY), Err(TokenError::Invalid)),
            ("nothing", String::new(), Err(TokenError::Invalid)),
            ("two parts", "a.b".to_owned(), Err(TokenError::Invalid)),
        ];
        for (what, token, expected) in cases {
            assert_eq!(tokens().bearer(&token, at(NOW)), expected, "{what}");
        }
        let unsigned = forge(&json!({"alg":"none"}), &claims(), KEY);
        let stripped = format!("{}.", unsigned.rsplit_once('.').expect("three parts").0);
        assert_eq!(tokens().bearer(&stripped, at(NOW)), Err(TokenError::Invalid), "signature left out");
    }
}
