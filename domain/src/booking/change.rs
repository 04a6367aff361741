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
        if !asked.overrides {
            rules.check_extension(&state.window.ending(asked.ends_at), now)?;
        }
        let change = state.change(asked)?;
        Ok(vec![BookingEvent::ExtensionRequested { change, at: now }])
    }

    /// Without effect for a change that was refused, withdrawn or carried out.
    pub(super) fn extend(&self, change_no: u32, now: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        let Some(change) = state.pending.clone().filter(|pending| pending.change_no == change_no) else {
            return if state.phase.is_over() { Err(BookingError::Over) } else { Ok(vec![]) };
        };
        // An end that has come stands: peers are cut at it, whatever is still on its way.
        if state.window.has_ended(now) || state.ending.is_some() {
            return Err(BookingError::WindowClosed);
        }
        Ok(vec![BookingEvent::SessionExtended { change, is_running: state.is_active(), at: now }])
    }

    pub(super) fn refuse_extension(&self, change_no: u32, reason: Reason, now: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        let refused = |pending: &WindowChange| BookingEvent::ExtensionRefused {
            change_no,
            to: pending.to.ends_at,
            reason,
            at: now,
        };
        let pending = state.pending.as_ref().filter(|pending| pending.change_no == change_no);
        Ok(pending.map(refused).into_iter().collect())
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
        let withdrawn = state.pending.as_ref().map(|pending| BookingEvent::ExtensionRefused {
            change_no: pending.change_no,
            to: pending.to.ends_at,
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
