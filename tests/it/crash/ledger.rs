//! What the server acknowledged, kept outside of it: each entry is a promise that must survive any crash.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, BookingId, Cause, RoomId, Window};

/// How far somebody has come with ending a booking early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    NotAsked,
    /// Asked and never answered: both outcomes are right.
    Asked,
    /// Answered with success.
    Acknowledged(Cause),
}

/// A booking that was acknowledged, and what was acknowledged about it since.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) booking: BookingId,
    pub(super) room: RoomId,
    pub(super) holder: AccountId,
    pub(super) window: Window,
    /// The holder was told that it is in the open room.
    pub(super) admitted: bool,
    pub(super) ending: Ending,
    /// When the holder was told that the session is over.
    pub(super) told_over_at: Option<DateTime<Utc>>,
}

impl Promise {
    /// Whether it has to be there at `now`, neither over nor perhaps over.
    pub(super) fn is_live(&self, now: DateTime<Utc>) -> bool {
        !self.window.has_ended(now) && self.ending == Ending::NotAsked && self.told_over_at.is_none()
    }
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) promises: BTreeMap<BookingId, Promise>,
    /// How often each code was the answer.
    pub(super) refusals: BTreeMap<String, usize>,
    /// What clients saw that must not be.
    pub(super) violations: Vec<String>,
    /// Sessions that were found open again after a crash, and joined.
    pub(super) resumed: usize,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Mutex<Entries>,
}

impl Ledger {
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn promise(&self, promise: Promise) {
        let earlier = self.entries().promises.insert(promise.booking, promise);
        if let Some(earlier) = earlier {
            self.violation(format!("the id of {earlier:?} was given out twice"));
        }
    }

    pub(super) fn amend(&self, booking: BookingId, change: impl FnOnce(&mut Promise)) {
        if let Some(promise) = self.entries().promises.get_mut(&booking) {
            change(promise);
        }
    }

    pub(super) fn refused(&self, code: &str) {
        *self.entries().refusals.entry(code.to_owned()).or_default() += 1;
    }

    pub(super) fn violation(&self, text: String) {
        self.entries().violations.push(text);
    }

    /// The booking of this holder that is live at `now`.
    pub(super) fn live_of(&self, holder: AccountId, now: DateTime<Utc>) -> Option<Promise> {
        self.entries().promises.values().find(|one| one.holder == holder && one.is_live(now)).cloned()
    }

    /// Bookings whose windows were over at `now`.
    pub(super) fn passed(&self, now: DateTime<Utc>) -> Vec<Promise> {
        self.entries().promises.values().filter(|one| one.window.has_ended(now)).cloned().collect()
    }
}
