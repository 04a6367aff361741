//! Refusals, folded: the first of an account (to a room, or to sign in) is recorded at once, those that follow within a minute as one fact
//! with their count, so that nobody can flood the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew_domain::{AccountCommand, AccountId, Actor, Reason, RoomCommand, RoomId};

use super::account::AccountSide;
use super::room::RoomSide;
use super::shell::Shell;
use crate::clock::BootInstant;

const FOLD: Duration = Duration::from_secs(60);

/// Combinations of room, account and reason remembered at a time; beyond, refusals are told and not recorded.
const MOST: usize = 10_000;

/// `None`: refused to sign in.
type Key = (Option<RoomId>, AccountId, Reason);

#[derive(Debug, Default)]
pub(crate) struct Folded {
    counts: Mutex<HashMap<Key, Count>>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    /// Since the last fact.
    count: u32,
    since: DateTime<Utc>,
    recorded_at: BootInstant,
}

impl Folded {
    /// Counts one in; true when it is to be recorded by itself.
    fn add(&self, key: Key, wall: DateTime<Utc>, boot: BootInstant) -> bool {
        let mut counts = self.counts();
        if let Some(known) = counts.get_mut(&key) {
            if known.count == 0 {
                known.since = wall;
            }
            known.count = known.count.saturating_add(1);
            return false;
        }
        if counts.len() >= MOST {
            return false;
        }
        counts.insert(key, Count { count: 0, since: wall, recorded_at: boot });
        true
    }

    /// What is to be recorded now: those whose minute is over, or all.
    fn due(&self, boot: BootInstant, all: bool) -> Vec<(Key, u32, DateTime<Utc>)> {
        let mut due = Vec::new();
        self.counts().retain(|key, known| {
            if !all && boot.saturating_since(known.recorded_at) < FOLD {
                return true;
            }
            if known.count > 0 {
                due.push((*key, known.count, known.since));
            }
            let is_quiet = known.count == 0;
            known.count = 0;
            known.recorded_at = boot;
            !is_quiet && !all
        });
        due
    }

    /// Takes back what could not be recorded: it is counted in with what comes in its minute.
    fn put_back(&self, key: Key, count: u32, since: DateTime<Utc>, boot: BootInstant) {
        let mut counts = self.counts();
        let known = counts.entry(key).or_insert(Count { count: 0, since, recorded_at: boot });
        known.since = if known.count == 0 { since } else { known.since.min(since) };
        known.count = known.count.saturating_add(count);
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records that an account was not let into a room, without making anybody wait for it.
pub(crate) fn refused(shell: &Arc<Shell>, room: RoomId, account: AccountId, reason: Reason) {
    count(shell, (Some(room), account, reason));
}

/// Records that somebody failed to sign in to an account.
pub(crate) fn sign_in_refused(shell: &Arc<Shell>, account: AccountId, reason: Reason) {
    count(shell, (None, account, reason));
}

fn count(shell: &Arc<Shell>, key: Key) {
    let now = shell.clock.wall();
    if shell.folded.add(key, now, shell.clock.boot()) {
        shell.spawn(record(Arc::clone(shell), key, 1, now));
    }
}

/// Records what was counted since the last look.
pub(crate) async fn flush(shell: Arc<Shell>, all: bool) {
    for (key, count, since) in shell.folded.due(shell.clock.boot(), all) {
        record(Arc::clone(&shell), key, count, since).await;
    }
}

async fn record(shell: Arc<Shell>, (room, account_id, reason): Key, count: u32, since: DateTime<Utc>) {
    let metadata = Shell::metadata(Actor::Account(account_id));
    let recorded = match room {
        Some(room) => {
            let command = RoomCommand::RecordRefused { account_id, reason, count, since };
            shell.carry::<RoomSide>(room, command, metadata).await.map(drop)
        }
        None => {
            let command = AccountCommand::RecordSignInRefused { reason, count, since };
            shell.carry::<AccountSide>(account_id, command, metadata).await.map(drop)
        }
    };
    let Err(refused) = recorded else { return };
    tracing::warn!(%account_id, %refused, "a refusal was not recorded");
    if refused.reason == Reason::Unavailable {
        shell.folded.put_back((room, account_id, reason), count, since, shell.clock.boot());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_thousand_refusals_in_a_minute_are_two_facts() {
        let folded = Folded::default();
        let key = (Some(RoomId::from(Uuid::nil())), AccountId::from(Uuid::nil()), Reason::NotYourBooking);
        let wall = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let boot = BootInstant::from_nanos(0);
        let recorded_alone = (0..1000).filter(|_| folded.add(key, wall, boot)).count();
        assert_eq!(recorded_alone, 1);
        assert_eq!(folded.due(boot.saturating_add(Duration::from_secs(59)), false), vec![]);
        let minute = boot.saturating_add(FOLD);
        assert_eq!(folded.due(minute, false), vec![(key, 999, wall)]);
        assert_eq!(folded.due(minute.saturating_add(FOLD), false), vec![]);
        assert!(folded.add(key, wall, minute), "after a quiet minute the next one is recorded by itself");
    }

    #[test]
    fn so_many_are_remembered_and_those_beyond_are_not_recorded() {
        let folded = Folded::default();
        let key = |number: u128| (None, AccountId::from(Uuid::from_u128(number)), Reason::BadToken);
        let (wall, boot) =
            (DateTime::from_timestamp(1_800_000_000, 0).expect("in range"), BootInstant::from_nanos(0));
        for number in 0..10_000 {
            assert!(folded.add(key(number), wall, boot));
        }
        assert!(!folded.add(key(10_000), wall, boot), "beyond");
        assert_eq!(folded.due(boot.saturating_add(FOLD), false), vec![], "nothing is counted of it either");
        assert!(folded.add(key(10_000), wall, boot), "after a quiet minute there is room");
    }

    #[test]
    fn what_a_full_disk_refused_is_recorded_with_the_next() {
        let folded = Folded::default();
        let key = (None, AccountId::from(Uuid::nil()), Reason::BadToken);
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range");
        let boot = BootInstant::from_nanos(0);
        assert!(folded.add(key, at(0), boot));
        folded.put_back(key, 1, at(0), boot);
        assert!(!folded.add(key, at(5), boot));
        let minute = boot.saturating_add(FOLD);
        assert_eq!(folded.due(minute, false), vec![(key, 2, at(0))]);
        folded.put_back(key, 2, at(0), minute);
        assert_eq!(folded.due(minute.saturating_add(FOLD), false), vec![(key, 2, at(0))]);
    }
}
