//! How often a wrong password may be tried: for one account from one address, for one account from anywhere, and from one
//! address for any account.
//!
//! Nobody locks anybody out. However often others guess, a person's first attempt from an address that has not guessed at
//! their account is heard, and an address from which they signed in before stays good for them whatever else it tries.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::address::one_client;
use crate::api::error::Problem;
use crate::clock::BootInstant;

const WINDOW: Duration = Duration::from_secs(60);
/// Keys remembered at a time, of each kind. When full, those whose minute is over are forgotten, and if none is, the new
/// one is.
const MOST: usize = 10_000;
/// One account from anywhere, or one address for any account, may be tried as often as this many pairs of both.
const WIDER: u32 = 10;

type Pair = (Option<IpAddr>, String);

/// Attempts at passwords of the last minute that were not right.
pub(super) struct Attempts {
    per_minute: u32,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    pairs: Counter<Pair>,
    accounts: Counter<String>,
    addresses: Counter<IpAddr>,
    /// Who signed in from where, since the server started.
    welcome: HashMap<Pair, BootInstant>,
}

struct Counter<K>(HashMap<K, (BootInstant, u32)>);

impl<K> Default for Counter<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl Attempts {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, counts: Mutex::default() }
    }

    /// Counts an attempt before it is judged, so that many at once are no way around. Refuses with 429 when there were too
    /// many. `from` is `None` for who owns the data folder.
    pub(super) fn begin(&self, from: Option<IpAddr>, email: &str, now: BootInstant) -> Result<(), Problem> {
        let (from, email) = pair(from, email);
        let mut counts = self.counts();
        let wide = self.per_minute.saturating_mul(WIDER);
        let (for_account, _) = counts.accounts.recent(&email, now);
        let (by_address, since) = from.map_or((0, now), |from| counts.addresses.recent(&from, now));
        let pair = (from, email);
        if by_address >= wide && !counts.welcome.contains_key(&pair) {
            return Err(refused(since, now));
        }
        let most = if for_account >= wide { 1 } else { self.per_minute };
        let (tried, since) = counts.pairs.recent(&pair, now);
        if tried >= most {
            return Err(refused(since, now));
        }
        counts.accounts.add(pair.1.clone(), now);
        if let Some(from) = from {
            counts.addresses.add(from, now);
        }
        counts.pairs.add(pair, now);
        Ok(())
    }

    /// The attempt was right: it does not count.
    pub(super) fn succeeded(&self, from: Option<IpAddr>, email: &str, now: BootInstant) {
        let pair = pair(from, email);
        let mut counts = self.counts();
        counts.accounts.take_back(&pair.1);
        if let Some(from) = pair.0 {
            counts.addresses.take_back(&from);
        }
        counts.pairs.take_back(&pair);
        if counts.welcome.len() >= MOST && !counts.welcome.contains_key(&pair) {
            let oldest = counts.welcome.iter().min_by_key(|(_, at)| **at).map(|(pair, _)| pair.clone());
            oldest.and_then(|oldest| counts.welcome.remove(&oldest));
        }
        counts.welcome.insert(pair, now);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Counter<K> {
    /// How many there were, and since when.
    fn recent(&self, key: &K, now: BootInstant) -> (u32, BootInstant) {
        match self.0.get(key) {
            Some((since, count)) if now.saturating_since(*since) < WINDOW => (*count, *since),
            _ => (0, now),
        }
    }

    fn add(&mut self, key: K, now: BootInstant) {
        if self.0.len() >= MOST {
            self.0.retain(|_, (since, _)| now.saturating_since(*since) < WINDOW);
        }
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            return;
        }
        let entry = self.0.entry(key).or_insert((now, 0));
        if now.saturating_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }

    fn take_back(&mut self, key: &K) {
        if let Some((_, count)) = self.0.get_mut(key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }
}

fn refused(since: BootInstant, now: BootInstant) -> Problem {
    let after = WINDOW.saturating_sub(now.saturating_since(since));
    Problem::rate_limited("Too many attempts. Please wait a minute.", after)
}

fn pair(from: Option<IpAddr>, email: &str) -> Pair {
    // An e-mail may be as long as a body; what is longer than any address is no different for being longer.
    (from.map(one_client), email.trim().to_lowercase().chars().take(254).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootInstant {
        BootInstant::from_nanos(seconds * 1_000_000_000)
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn too_many_wrong_passwords_from_one_address_wait_for_the_minute_to_pass() {
        let attempts = Attempts::new(2);
        for second in 0..2 {
            assert_eq!(attempts.begin(address(1), "a@x", at(second)), Ok(()));
        }
        let refused = attempts.begin(address(1), " A@X ", at(20)).expect_err("refused");
        assert_eq!((refused.code, refused.retry_after), ("rate_limited", Some(Duration::from_secs(40))));
        assert_eq!(attempts.begin(address(1), "b@x", at(20)), Ok(()), "another e-mail");
        assert_eq!(attempts.begin(address(2), "a@x", at(20)), Ok(()), "another address");
        assert_eq!(attempts.begin(address(1), "a@x", at(60)), Ok(()), "a minute later");
    }

    #[test]
    fn right_passwords_do_not_count() {
        let attempts = Attempts::new(1);
        for _ in 0..50 {
            assert_eq!(attempts.begin(address(1), "a@x", at(1)), Ok(()));
            attempts.succeeded(address(1), "a@x", at(1));
        }
    }

    #[test]
    fn an_account_guessed_at_from_everywhere_gives_each_address_one_attempt() {
        let attempts = Attempts::new(2);
        for number in 0..20 {
            assert_eq!(attempts.begin(address(number), "a@x", at(1)), Ok(()));
        }
        assert!(attempts.begin(address(0), "a@x", at(2)).is_err(), "its second");
        assert_eq!(attempts.begin(address(99), "a@x", at(2)), Ok(()), "the person's own, from elsewhere");
        assert_eq!(attempts.begin(address(0), "b@x", at(2)), Ok(()), "another account");
    }

    #[test]
    fn an_address_that_guesses_at_everybody_is_heard_only_for_who_signed_in_there() {
        let attempts = Attempts::new(2);
        attempts.begin(address(1), "at-home@x", at(0)).expect("heard");
        attempts.succeeded(address(1), "at-home@x", at(0));
        for number in 0..20 {
            assert_eq!(attempts.begin(address(1), &format!("{number}@x"), at(1)), Ok(()));
        }
        assert!(attempts.begin(address(1), "one-more@x", at(2)).is_err());
        assert_eq!(attempts.begin(address(1), "at-home@x", at(2)), Ok(()));
        assert_eq!(attempts.begin(address(2), "one-more@x", at(2)), Ok(()), "from elsewhere");
        assert_eq!(attempts.begin(address(1), "one-more@x", at(62)), Ok(()), "a minute later");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = Attempts::new(1);
        for number in 0..MOST + 5 {
            attempts.begin(None, &format!("{number}@x"), at(0)).expect("heard");
            attempts.succeeded(None, &format!("{number}@y"), at(0));
        }
        assert_eq!(attempts.counts().pairs.0.len(), MOST);
        assert_eq!(attempts.counts().welcome.len(), MOST);
        attempts.begin(None, "late@x", at(60)).expect("heard");
        assert_eq!(attempts.counts().pairs.0.len(), 1);
    }
}
