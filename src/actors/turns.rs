//! Who goes first: what is looked up and then made or taken away by several who ask at one instant. One server is active on a data
//! folder, so these are the only ones that ask.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use curfew_domain::{AccountId, Actor, CredentialId};
use tokio::sync::OwnedMutexGuard;

/// What is looked up and then made, or taken away, by one at a time.
#[derive(Debug)]
pub(crate) struct Turns {
    /// The slugs that were given since the process began: read models that are behind may not have them yet.
    pub(crate) slugs: tokio::sync::Mutex<HashSet<String>>,
    pub(crate) watches: tokio::sync::Mutex<()>,
    pub(crate) leaving: Arc<Leaving>,
    pub(crate) revoked: Revoked,
    /// The log's end when the process began.
    pub(crate) began_at: u64,
}

impl Turns {
    pub(crate) fn new(began_at: u64) -> Self {
        Self {
            slugs: Default::default(),
            watches: Default::default(),
            leaving: Arc::default(),
            revoked: Revoked::default(),
            began_at,
        }
    }
}

/// The credentials that were revoked since the process began, from the moment an admin said so: the record may take as long as the disk
/// is full, and they open nothing meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Revoked(Mutex<HashSet<CredentialId>>);

impl Revoked {
    pub(crate) fn add(&self, credential: CredentialId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(credential);
    }

    pub(crate) fn has(&self, credential: CredentialId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&credential)
    }
}

/// Whose rights are being taken away just now. Whoever is among them takes nobody else's, so that of admins who take each other's
/// one is left. Nobody waits for it: what takes away does not.
#[derive(Debug, Default)]
pub(crate) struct Leaving(Mutex<HashMap<AccountId, usize>>);

/// Somebody is among those whose rights are being taken away, until this is dropped.
#[derive(Debug)]
pub(crate) struct Leave {
    among: Arc<Leaving>,
    account: AccountId,
}

impl Leaving {
    /// `None` where `by` is among them.
    pub(crate) fn begin(self: &Arc<Self>, by: Actor, account: AccountId) -> Option<Leave> {
        let mut leaving = self.accounts();
        if by.account().is_some_and(|by| leaving.contains_key(&by)) {
            return None;
        }
        *leaving.entry(account).or_default() += 1;
        Some(Leave { among: Arc::clone(self), account })
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut leaving = self.among.accounts();
        let others = leaving.get(&self.account).map_or(0, |count| count.saturating_sub(1));
        match others {
            0 => leaving.remove(&self.account),
            others => leaving.insert(self.account, others),
        };
    }
}

/// One at a time for each key, in the order in which they asked.
#[derive(Debug)]
pub(crate) struct TurnsBy<K>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>);

impl<K> Default for TurnsBy<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> TurnsBy<K> {
    pub(crate) async fn turn(&self, key: K) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(key).or_default())
        };
        turn.lock_owned().await
    }
}
