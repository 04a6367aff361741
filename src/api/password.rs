//! Passwords: Argon2id (RFC 9106), off the async threads, a bounded number at a time in memory that is kept for the next, and
//! as much work for an account that does not exist as for one that does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use prometheus_client::metrics::counter::Counter;
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
    memory: Arc<Memory>,
    /// What a password for an unknown account is compared with.
    decoy: Arc<str>,
    /// Argon2id computed, to store a password or to compare one.
    pub(super) hashed: Counter,
}

impl Passwords {
    pub(super) async fn new(limits: &Limits) -> Result<Self, Problem> {
        let mut passwords = Self {
            hashing: Arc::new(Semaphore::new(limits.password_hashes)),
            queue: Arc::new(Semaphore::new(limits.password_hashes + limits.sign_ins_waiting)),
            memory: Arc::default(),
            decoy: Arc::from(""),
            hashed: Counter::default(),
        };
        passwords.decoy = passwords.hash("no password is this one".to_owned()).await?.into();
        Ok(passwords)
    }

    /// The PHC string to store, with a fresh salt.
    pub(super) async fn hash(&self, password: String) -> Result<String, Problem> {
        check_new(&password)?;
        self.work(move |memory| hash(&password, memory)).await?.map_err(|error| {
            tracing::error!(%error, "hashing a password failed");
            Problem::unavailable("The server cannot set a password just now.")
        })
    }

    /// Whether `password` is the one that `stored` was made from. `None`, an account that does not exist, takes as much
    /// work.
    pub(super) async fn verify(&self, stored: Option<String>, password: String) -> Result<bool, Problem> {
        if password.len() > LONGEST_BYTES {
            return Ok(false);
        }
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        let matches = self.work(move |memory| matches(&stored, &password, memory)).await?;
        Ok(matches && known)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || {
            let detail = "Too many people are signing in at this moment. Please try again.";
            Problem::rate_limited(detail, Duration::from_secs(2))
        };
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| busy())?;
        let (memory, hashed) = (Arc::clone(&self.memory), self.hashed.clone());
        let done = tokio::task::spawn_blocking(move || {
            // Given back when the work is done, also when the client has gone meanwhile.
            let _turn = turn;
            hashed.inc();
            memory.lend(work)
        });
        done.await.map_err(|_| Problem::unavailable("The server cannot check passwords just now."))
    }
}

/// The memory that is being filled, 19 MiB each: kept from one password to the next, since what is given back to the
/// allocator by a hundred threads stays with it.
#[derive(Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

impl Memory {
    fn lend<T>(&self, work: impl FnOnce(&mut Vec<Block>) -> T) -> T {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut blocks = kept.unwrap_or_default();
        let done = work(&mut blocks);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
        done
    }
}

fn hash(password: &str, memory: &mut Vec<Block>) -> argon2::password_hash::Result<String> {
    let mut random = [0; Salt::RECOMMENDED_LENGTH];
    rand::rng().fill_bytes(&mut random);
    let salt = SaltString::encode_b64(&random)?;
    let params = Params::default();
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(&params, password, &random, &mut output, memory)?;
    let made = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::default().into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&output)?),
    };
    Ok(made.to_string())
}

/// False for a `stored` that is no PHC string of Argon2id with a salt and a hash.
fn matches(stored: &str, password: &str, memory: &mut Vec<Block>) -> bool {
    let mut compare = || -> argon2::password_hash::Result<bool> {
        let stored = PasswordHash::new(stored)?;
        let (Some(salt), Some(expected), ARGON2ID_IDENT) = (stored.salt, stored.hash, stored.algorithm)
        else {
            return Ok(false);
        };
        let mut decoded = [0; Salt::MAX_LENGTH];
        let salt = salt.decode_b64(&mut decoded)?;
        let params = Params::try_from(&stored)?;
        let mut output = vec![0; expected.len()];
        fill(&params, password, salt, &mut output, memory)?;
        // `Output` compares in constant time.
        Ok(Output::new(&output)? == expected)
    };
    compare().unwrap_or(false)
}

fn fill(
    params: &Params,
    password: &str,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Vec<Block>,
) -> argon2::password_hash::Result<()> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::default(), params.clone());
    let blocks = &mut memory[..params.block_count()];
    Ok(argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, blocks)?)
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
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

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
    async fn others_understand_what_is_stored_and_it_understands_theirs() {
        let passwords = passwords().await;
        let stored = passwords.hash("correct horse".into()).await.expect("hashed");
        let parsed = PasswordHash::new(&stored).expect("a PHC string");
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        let salt = SaltString::encode_b64(&[7; 16]).expect("a salt");
        let theirs = Argon2::default().hash_password(b"correct horse", &salt).expect("hashed").to_string();
        assert_eq!(passwords.verify(Some(theirs.clone()), "correct horse".into()).await, Ok(true));
        assert_eq!(passwords.verify(Some(theirs), "wrong horse".into()).await, Ok(false));
    }

    #[tokio::test]
    async fn an_account_that_does_not_exist_is_as_much_work() {
        let passwords = passwords().await;
        let stored = passwords.hash("correct horse".into()).await.expect("hashed");
        for stored in [Some(stored), None] {
            let before = passwords.hashed.get();
            passwords.verify(stored, "wrong horse".into()).await.expect("compared");
            assert_eq!(passwords.hashed.get(), before + 1);
        }
    }

    #[tokio::test]
    async fn memory_is_kept_for_as_many_as_hash_at_a_time() {
        let passwords = passwords().await;
        let many = (0..8).map(|_| passwords.verify(None, "wrong horse".into()));
        futures_util::future::join_all(many).await;
        let kept = passwords.memory.0.lock().expect("whole");
        assert!((1..=2).contains(&kept.len()), "{}", kept.len());
        assert!(kept.iter().all(|blocks| blocks.len() == Params::default().block_count()));
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
