//! Passwords: Argon2id (RFC 9106), off the async threads, a bounded number at a time, and as slow for an account that does
//! not exist as for one that does.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use rand::RngCore;
use tokio::sync::Semaphore;

use crate::api::error::Problem;
use crate::config::Limits;

/// Shorter ones are refused when a password is set.
const SHORTEST_CHARS: usize = 8;
/// Longer ones are refused before they are hashed.
const LONGEST_BYTES: usize = 512;

#[derive(Clone)]
pub(super) struct Passwords {
    hashing: Arc<Semaphore>,
    /// Those that hash and those that wait for their turn.
    queue: Arc<Semaphore>,
    /// What a password for an unknown account is compared with.
    decoy: Arc<str>,
}

impl Passwords {
    pub(super) async fn new(limits: &Limits) -> Result<Self, Problem> {
        let mut passwords = Self {
            hashing: Arc::new(Semaphore::new(limits.password_hashes)),
            queue: Arc::new(Semaphore::new(limits.password_hashes + limits.sign_ins_waiting)),
            decoy: Arc::from(""),
        };
        passwords.decoy = passwords.hash("no password is this one".to_owned()).await?.into();
        Ok(passwords)
    }

    /// The PHC string to store, with a fresh salt.
    pub(super) async fn hash(&self, password: String) -> Result<String, Problem> {
        check_new(&password)?;
        self.work(move || {
            let mut salt = [0; 16];
            rand::rng().fill_bytes(&mut salt);
            let salt = SaltString::encode_b64(&salt)?;
            Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
        })
        .await?
        .map_err(|error: argon2::password_hash::Error| {
            tracing::error!(%error, "hashing a password failed");
            Problem::unavailable("The server cannot set a password just now.")
        })
    }

    /// Whether `password` is the one that `stored` was made from. `None`, an account that does not exist, takes as long.
    pub(super) async fn verify(&self, stored: Option<String>, password: String) -> Result<bool, Problem> {
        if password.len() > LONGEST_BYTES {
            return Ok(false);
        }
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        let matches = self
            .work(move || {
                PasswordHash::new(&stored)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(matches && known)
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || {
            let detail = "Too many people are signing in at this moment. Please try again.";
            Problem::rate_limited(detail, Duration::from_secs(2))
        };
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            // Given back when the work is done, also when the client has gone meanwhile.
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| Problem::unavailable("The server cannot check passwords just now."))
    }
}

pub(super) fn check_new(password: &str) -> Result<(), Problem> {
    if password.chars().count() < SHORTEST_CHARS {
        Err(Problem::invalid(format!("`password` has to have at least {SHORTEST_CHARS} characters.")))
    } else if password.len() > LONGEST_BYTES {
        Err(Problem::invalid(format!("`password` may have at most {LONGEST_BYTES} bytes.")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    async fn passwords() -> Passwords {
        Passwords::new(&Config::default().limits).await.expect("made")
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_account_that_exists_is_taken() {
        let passwords = passwords().await;
        let stored = passwords.hash("correct horse".into()).await.expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let cases = [
            (Some(stored.clone()), "correct horse", true),
            (Some(stored), "wrong horse", false),
            (Some("not a hash".into()), "correct horse", false),
            (None, "no password is this one", false),
        ];
        for (stored, password, expected) in cases {
            assert_eq!(passwords.verify(stored, password.into()).await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn passwords_that_are_too_short_or_too_long_are_refused() {
        let passwords = passwords().await;
        for password in ["short".to_owned(), "x".repeat(LONGEST_BYTES + 1)] {
            assert_eq!(passwords.hash(password).await.expect_err("refused").code, "invalid");
        }
    }

    #[tokio::test]
    async fn past_the_queue_the_answer_is_to_come_back() {
        let mut limits = Config::default().limits;
        (limits.password_hashes, limits.sign_ins_waiting) = (1, 0);
        let passwords = Passwords::new(&limits).await.expect("made");
        let _busy = passwords.queue.acquire().await.expect("open");
        let refused = passwords.verify(None, "whatever".into()).await.expect_err("refused");
        assert_eq!((refused.code, refused.retry_after.is_some()), ("rate_limited", true));
    }
}
