//! The windows an account has claimed: the rules that keep two of them from overlapping.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Account, AccountError, AccountEvent, Decision};
use crate::recent::Recent;
use crate::{AccountId, BookingId, Displaced, SlotRequest, Window, WindowChange};

/// More bookings ahead than any person has.
const MOST_CLAIMS: usize = 256;

/// A claimed window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub booking_id: BookingId,
    pub window: Window,
    /// The last of the booking's changes that was carried out here.
    pub change_no: u32,
}

/// Claims by start, from the last claim on; of those that had ended by then only the latest end is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    claims: Vec<Claim>,
    forgotten_until: Option<DateTime<Utc>>,
    released: Recent<BookingId>,
}

impl Windows {
    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter()
    }

    pub(super) fn claim(&self, booking_id: BookingId) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.booking_id == booking_id)
    }

    /// Whether a new window, or one moved for `own`, is free.
    pub(super) fn check(&self, window: &Window, own: Option<BookingId>) -> Result<(), AccountError> {
        let is_in_the_way = |claim: &Claim| Some(claim.booking_id) != own && claim.window.overlaps(window);
        // Only a new window that has begun already can reach back to what is forgotten.
        let reaches_back =
            own.is_none() && self.forgotten_until.is_some_and(|until| window.starts_at < until);
        if reaches_back || self.claims.iter().any(is_in_the_way) { Err(AccountError::Busy) } else { Ok(()) }
    }

    pub(super) fn not_over(&self, account_id: AccountId, now: DateTime<Utc>) -> Vec<Displaced> {
        let displaced =
            |claim: &Claim| Displaced { booking_id: claim.booking_id, account_id, window: claim.window };
        self.claims.iter().filter(|claim| !claim.window.has_ended(now)).map(displaced).collect()
    }

    fn forget_before(&mut self, at: DateTime<Utc>) {
        let (ended, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.claims).into_iter().partition(|claim| claim.window.has_ended(at));
        self.claims = rest;
        self.forgotten_until =
            ended.iter().map(|claim| claim.window.ends_at).chain(self.forgotten_until).max();
    }

    pub(super) fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::WindowClaimed { request, at } => {
                self.forget_before(*at);
                self.claims.push(Claim {
                    booking_id: request.booking_id,
                    window: request.window,
                    change_no: 0,
                });
                self.claims.sort_by_key(|claim| claim.window.starts_at);
            }
            AccountEvent::WindowReleased { booking_id, .. } => {
                self.claims.retain(|claim| claim.booking_id != *booking_id);
                self.released.insert(*booking_id);
            }
            AccountEvent::WindowMoved { change, is_restored, .. } => {
                if let Some(claim) =
                    self.claims.iter_mut().find(|claim| claim.booking_id == change.booking_id)
                {
                    claim.window = if *is_restored { change.from } else { change.to };
                    claim.change_no = change.change_no;
                }
            }
            _ => {}
        }
    }
}

impl Account {
    pub(super) fn claim_window(&self, request: SlotRequest, now: DateTime<Utc>) -> Decision {
        self.registered()?;
        if self.claim(request.booking_id).is_some() {
            return Ok(vec![]);
        }
        if self.windows.released.contains(&request.booking_id) {
            return Err(AccountError::WindowReleased);
        }
        if self.is_suspended {
            return Err(AccountError::Suspended);
        }
        if request.window.is_empty() {
            return Err(AccountError::EmptyWindow);
        }
        if request.window.has_ended(now) {
            return Err(AccountError::WindowOver);
        }
        self.windows.check(&request.window, None)?;
        if self.claims().filter(|claim| !claim.window.has_ended(now)).count() >= MOST_CLAIMS {
            return Err(AccountError::TooManyWindows);
        }
        Ok(vec![AccountEvent::WindowClaimed { request, at: now }])
    }

    pub(super) fn release_window(&self, booking_id: BookingId, now: DateTime<Utc>) -> Vec<AccountEvent> {
        let released =
            |claim: &Claim| AccountEvent::WindowReleased { booking_id, window: claim.window, at: now };
        self.claim(booking_id).map(released).into_iter().collect()
    }

    /// A shortened window is never refused.
    pub(super) fn move_window(&self, change: WindowChange, now: DateTime<Utc>) -> Decision {
        let claim = self.claim(change.booking_id).ok_or(AccountError::NoSuchWindow)?;
        if change.change_no <= claim.change_no {
            return Ok(vec![]);
        }
        if change.to.is_empty() {
            return Err(AccountError::EmptyWindow);
        }
        if change.to.ends_at > claim.window.ends_at {
            if claim.window.has_ended(now) {
                return Err(AccountError::WindowOver);
            }
            if self.is_suspended {
                return Err(AccountError::Suspended);
            }
            self.windows.check(&change.to, Some(change.booking_id))?;
        }
        Ok(vec![AccountEvent::WindowMoved { change, is_restored: false, at: now }])
    }

    pub(super) fn restore_window(&self, change: WindowChange, now: DateTime<Utc>) -> Vec<AccountEvent> {
        let is_moved = |claim: &&Claim| claim.change_no == change.change_no && claim.window == change.to;
        if self.claim(change.booking_id).filter(is_moved).is_none() || !change.is_extension() {
            return vec![];
        }
        vec![AccountEvent::WindowMoved { change, is_restored: true, at: now }]
    }
}
