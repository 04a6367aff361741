//! How often a wrong password may be tried.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::api::error::Problem;
use crate::api::listener::one_client;
use crate::clock::BootInstant;

const WINDOW: Duration = Duration::from_secs(60);
/// Pairs remembered at a time. When full, those whose minute is over are forgotten, and if none is, the new one is.
const MOST_PAIRS: usize = 10_000;

type Pair = (Option<IpAddr>, String);

/// Counts wrong passwords per address and e-mail: guessing at one account is slowed, and nobody can lock somebody else out
/// from elsewhere.
pub(super) struct WrongPasswords {
    per_minute: u32,
    counts: Mutex<HashMap<Pair, (BootInstant, u32)>>,
}

impl WrongPasswords {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, counts: Mutex::default() }
    }

    /// Refuses with 429 when there were too many in the last minute.
    pub(super) fn check(&self, from: Option<IpAddr>, email: &str, now: BootInstant) -> Result<(), Problem> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get(&pair(from, email)) {
            Some((since, count)) if *count >= self.per_minute && now.saturating_since(*since) < WINDOW => {
                let after = WINDOW.saturating_sub(now.saturating_since(*since));
                Err(Problem::rate_limited("Too many wrong passwords. Please wait a minute.", after))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn count(&self, from: Option<IpAddr>, email: &str, now: BootInstant) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST_PAIRS {
            counts.retain(|_, (since, _)| now.saturating_since(*since) < WINDOW);
        }
        let pair = pair(from, email);
        if counts.len() >= MOST_PAIRS && !counts.contains_key(&pair) {
            return;
        }
        let entry = counts.entry(pair).or_insert((now, 0));
        if now.saturating_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
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

    #[test]
    fn too_many_wrong_passwords_from_one_address_wait_for_the_minute_to_pass() {
        let wrong = WrongPasswords::new(2);
        let here = Some(IpAddr::from([10, 0, 0, 1]));
        for second in 0..2 {
            assert_eq!(wrong.check(here, "a@x", at(second)), Ok(()));
            wrong.count(here, "a@x", at(second));
        }
        let refused = wrong.check(here, " A@X ", at(20)).expect_err("refused");
        assert_eq!((refused.code, refused.retry_after), ("rate_limited", Some(Duration::from_secs(40))));
        assert_eq!(wrong.check(here, "b@x", at(20)), Ok(()), "another e-mail");
        assert_eq!(wrong.check(Some(IpAddr::from([10, 0, 0, 2])), "a@x", at(20)), Ok(()), "another address");
        assert_eq!(wrong.check(here, "a@x", at(60)), Ok(()), "a minute later");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let wrong = WrongPasswords::new(1);
        for number in 0..MOST_PAIRS + 5 {
            wrong.count(None, &format!("{number}@x"), at(0));
        }
        assert_eq!(wrong.counts.lock().expect("whole").len(), MOST_PAIRS);
        wrong.count(None, "late@x", at(60));
        assert_eq!(wrong.counts.lock().expect("whole").len(), 1);
    }
}
