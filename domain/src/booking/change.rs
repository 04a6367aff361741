//! A booking's window, made longer or shorter.

use chrono::{DateTime, Utc};

use super::{Booking, BookingError, BookingEvent, Decision, Phase, State};
use crate::{Actor, LabRules, Reason, WindowChange};

/// An extension as it was asked for.
pub(super) struct Asked {
    pub(super) ends_at: DateTime<Utc>,
    pub(super) by: Actor,
    pub(super) reason_hash: Option<String>,
    pub(super) overrides: bool,
}

impl Booking {
    pub(super) fn request_extension(&self, asked: Asked, rules: &LabRules, now: DateTime<Utc>) -> Decision {
        let state = self.changeable(now)?;
        let is_holder = asked.by == Actor::Account(state.holder);
        let has_reason = asked.reason_hash.as_deref().is_some_and(|hash| !hash.is_empty());
        if (!is_holder || asked.overrides) && asked.by != Actor::System && !has_reason {
            return Err(BookingError::ReasonRequired);
        }
        match &state.pending {
            Some(pending) if pending.to.ends_at == asked.ends_at && pending.by == asked.by => {
                return Ok(vec![]);
            }
            Some(_) => return Err(BookingError::ChangePending),
            None if asked.ends_at == state.window.ends_at => return Ok(vec![]),
            None if asked.ends_at < state.window.ends_at => return Err(BookingError::NotLonger),
            None => {}
        }
        let longer = state.window.ending(asked.ends_at);
        if asked.overrides {
            LabRules::check_override(&longer)?;
        } else {
            rules.check_extension(&longer, now)?;
        }
        let change = state.change(asked)?;
        Ok(vec![BookingEvent::ExtensionRequested { change, at: now }])
    }

    /// Without effect for a change that was carried out, or whose place a later one took.
    pub(super) fn extend(&self, change: WindowChange, now: DateTime<Utc>) -> Decision {
        let Some(state) = self.pending(&change)? else { return Ok(vec![]) };
        // An end that has come stands: peers are cut at it, whatever is still on its way.
        if state.window.has_ended(now) || state.ending.is_some() {
            return Err(BookingError::WindowClosed);
        }
        Ok(vec![BookingEvent::SessionExtended { change, is_running: state.is_active(), at: now }])
    }

    pub(super) fn refuse_extension(
        &self,
        change: WindowChange,
        reason: Reason,
        now: DateTime<Utc>,
    ) -> Decision {
        let pending = self.pending(&change)?;
        let refused = |_: &State| BookingEvent::ExtensionRefused { change, reason, at: now };
        Ok(pending.map(refused).into_iter().collect())
    }

    /// The state when `change` is on its way, `None` when it was carried out or superseded. An error when it was refused or
    /// withdrawn: what was moved for it must move back.
    fn pending(&self, change: &WindowChange) -> Result<Option<&State>, BookingError> {
        let state = self.known()?;
        if state.pending.as_ref().is_some_and(|pending| pending.change_no == change.change_no) {
            return Ok(Some(state));
        }
        if change.change_no <= state.carried_out {
            return Ok(None);
        }
        Err(if state.phase.is_over() { BookingError::Over } else { BookingError::ChangeWithdrawn })
    }

    pub(super) fn shorten(
        &self,
        ends_at: DateTime<Utc>,
        by: Actor,
        reason_hash: String,
        now: DateTime<Utc>,
    ) -> Decision {
        let state = self.changeable(now)?;
        if reason_hash.is_empty() {
            return Err(BookingError::ReasonRequired);
        }
        if ends_at == state.window.ends_at {
            return Ok(vec![]);
        }
        if ends_at > state.window.ends_at || ends_at <= state.window.starts_at || ends_at <= now {
            return Err(BookingError::NotShorter);
        }
        let withdrawn = state.pending.clone().map(|change| BookingEvent::ExtensionRefused {
            change,
            reason: Reason::Conflict,
            at: now,
        });
        let change = state.change(Asked { ends_at, by, reason_hash: Some(reason_hash), overrides: false })?;
        let is_running = state.is_active();
        Ok(withdrawn
            .into_iter()
            .chain([BookingEvent::SessionShortened { change, is_running, at: now }])
            .collect())
    }

    /// A booking whose window can still be moved: confirmed or running, and not over at `now`.
    fn changeable(&self, now: DateTime<Utc>) -> Result<&State, BookingError> {
        let state = self.known()?;
        if state.phase == Phase::Requested {
            return Err(BookingError::NotConfirmed);
        }
        if state.phase.is_over() || state.ending.is_some() {
            return Err(BookingError::Over);
        }
        if state.window.has_ended(now) {
            return Err(BookingError::WindowClosed);
        }
        Ok(state)
    }
}

impl State {
    fn change(&self, asked: Asked) -> Result<WindowChange, BookingError> {
        Ok(WindowChange {
            booking_id: self.booking_id,
            account_id: self.holder,
            robot_id: self.robot_id.ok_or(BookingError::NotConfirmed)?,
            room_id: self.room_id,
            change_no: self.change_no + 1,
            from: self.window,
            to: self.window.ending(asked.ends_at),
            by: asked.by,
            reason_hash: asked.reason_hash,
            overrides: asked.overrides,
            buffer_s: self.buffer_s,
        })
    }
}
