//! From the request to the end: the phases of a booking, and its guests.

use chrono::{DateTime, Utc};

use super::{Booking, BookingError, BookingEvent, Decision, Ending, Phase, State};
use crate::{AccountId, Actor, Cause, Reason, RobotId};

const MOST_GUESTS: usize = 32;

impl Booking {
    pub(super) fn request(&self, requested: BookingEvent) -> Decision {
        match (&self.state, &requested) {
            (Some(known), BookingEvent::Requested { booking_id, holder, .. }) => {
                let is_the_same = known.booking_id == *booking_id && known.holder == *holder;
                if is_the_same { Ok(vec![]) } else { Err(BookingError::AlreadyRequested) }
            }
            (None, BookingEvent::Requested { candidates, .. }) if candidates.is_empty() => {
                Err(BookingError::NoRobot)
            }
            _ => Ok(vec![requested]),
        }
    }

    pub(super) fn confirm(&self, robot_id: RobotId, at: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        match (state.phase, state.robot_id) {
            (Phase::Requested, _) => Ok(vec![BookingEvent::Confirmed { robot_id, at }]),
            (phase, _) if phase.is_over() => Err(BookingError::Over),
            (_, Some(confirmed)) if confirmed == robot_id => Ok(vec![]),
            _ => Err(BookingError::ConfirmedElsewhere),
        }
    }

    /// Refused when the booking is over, rejected before included: a repeated delivery may have claimed its window again,
    /// and the refusal is what releases it.
    pub(super) fn reject(&self, reason: Reason, at: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        let rejected = BookingEvent::Rejected { holder: state.holder, reason, at };
        match state.phase {
            Phase::Requested => Ok(vec![rejected]),
            Phase::Confirmed | Phase::Active => Ok(vec![]),
            _ => Err(BookingError::Over),
        }
    }

    pub(super) fn cancel(
        &self,
        by: Actor,
        cause: Cause,
        reason_hash: Option<String>,
        at: DateTime<Utc>,
    ) -> Decision {
        let state = self.known()?;
        let owes_reason = by != Actor::System && by != Actor::Account(state.holder);
        if owes_reason && reason_hash.as_deref().is_none_or(str::is_empty) {
            return Err(BookingError::ReasonRequired);
        }
        if state.phase.is_over() || state.ending.is_some() {
            return Ok(vec![]);
        }
        Ok(vec![BookingEvent::Cancelled {
            by,
            cause,
            reason_hash,
            holder: state.holder,
            robot_id: state.robot_id,
            room_id: state.room_id,
            is_running: state.is_active(),
            at,
        }])
    }

    pub(super) fn invite_guest(&self, account_id: AccountId, by: AccountId, now: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        if by != state.holder {
            return Err(BookingError::NotYours);
        }
        if state.phase.is_over() || state.ending.is_some() || state.window.has_ended(now) {
            return Err(BookingError::Over);
        }
        if account_id == state.holder {
            return Err(BookingError::HolderIsNoGuest);
        }
        if state.guests.contains(&account_id) {
            return Ok(vec![]);
        }
        if state.guests.len() >= MOST_GUESTS {
            return Err(BookingError::TooManyGuests);
        }
        Ok(vec![BookingEvent::GuestInvited { account_id, by }])
    }

    pub(super) fn remove_guest(&self, account_id: AccountId, by: AccountId, now: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        if by != state.holder && by != account_id {
            return Err(BookingError::NotYours);
        }
        if !state.guests.contains(&account_id) {
            return Ok(vec![]);
        }
        Ok(vec![BookingEvent::GuestRemoved {
            account_id,
            by,
            room_id: state.room_id,
            is_running: state.is_active(),
            at: now,
        }])
    }

    pub(super) fn start_session(&self, now: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        let robot_id = match (state.phase, state.robot_id) {
            (Phase::Active, _) => return Ok(vec![]),
            (phase, _) if phase.is_over() => return Err(BookingError::Over),
            (Phase::Confirmed, Some(robot_id)) => robot_id,
            _ => return Err(BookingError::NotConfirmed),
        };
        if now < state.window.starts_at {
            return Err(BookingError::WindowNotOpen);
        }
        if state.window.has_ended(now) {
            return Err(BookingError::WindowClosed);
        }
        Ok(vec![BookingEvent::SessionStarted {
            booking_id: state.booking_id,
            room_id: state.room_id,
            robot_id,
            holder: state.holder,
            window: state.window,
            change_no: state.carried_out,
            viewer_limit: state.viewer_limit,
            due_at: state.window.starts_at,
            started_at: now,
        }])
    }

    pub(super) fn end_session(
        &self,
        cause: Cause,
        due_at: DateTime<Utc>,
        room_closed: bool,
        now: DateTime<Utc>,
    ) -> Decision {
        let state = self.known()?;
        if state.phase.is_over() {
            return Ok(vec![]);
        }
        let Some(robot_id) = state.robot_id else { return Err(BookingError::NotConfirmed) };
        let has_passed = state.window.has_ended(now);
        // A window that passes without a session has ended too; before that there is nothing to end.
        if !state.is_active() && !has_passed {
            return Err(BookingError::NotRunning);
        }
        if cause == Cause::WindowClosed && !has_passed && !room_closed {
            return Err(BookingError::WindowStillOpen);
        }
        Ok(vec![BookingEvent::SessionEnded {
            cause,
            holder: state.holder,
            robot_id,
            room_id: state.room_id,
            has_started: state.is_active(),
            due_at,
            ended_at: now,
        }])
    }

    pub(super) fn record_no_show(&self, at: DateTime<Utc>) -> Decision {
        let state = self.known()?;
        match (state.phase, state.robot_id) {
            (phase, _) if phase.is_over() || state.ending.is_some() => Ok(vec![]),
            (Phase::Active, Some(robot_id)) => {
                Ok(vec![BookingEvent::NoShow { holder: state.holder, robot_id, room_id: state.room_id, at }])
            }
            _ => Err(BookingError::NotRunning),
        }
    }
}

impl State {
    pub(super) fn requested(event: BookingEvent) -> Option<Self> {
        let BookingEvent::Requested {
            booking_id,
            room_id,
            holder,
            choice,
            robot_type,
            window,
            buffer_s,
            viewer_limit,
            candidates: _,
        } = event
        else {
            return None;
        };
        Some(Self {
            booking_id,
            room_id,
            holder,
            choice,
            robot_type,
            robot_id: None,
            window,
            phase: Phase::Requested,
            guests: Default::default(),
            buffer_s,
            viewer_limit,
            change_no: 0,
            carried_out: 0,
            pending: None,
            refused_change: None,
            ending: None,
            rejected: None,
            cause: None,
        })
    }

    pub(super) fn apply(&mut self, event: BookingEvent) {
        match event {
            BookingEvent::Requested { .. } => {}
            BookingEvent::Confirmed { robot_id, .. } => {
                self.robot_id = Some(robot_id);
                self.phase = Phase::Confirmed;
            }
            BookingEvent::Rejected { reason, .. } => {
                self.phase = Phase::Rejected;
                self.rejected = Some(reason);
            }
            BookingEvent::Cancelled { by, cause, reason_hash, is_running, at, .. } => {
                self.cause = Some(cause);
                self.pending = None;
                if is_running {
                    self.ending = Some(Ending { cause, due_at: at, by, reason_hash });
                } else {
                    self.phase = Phase::Cancelled;
                }
            }
            BookingEvent::GuestInvited { account_id, .. } => {
                self.guests.insert(account_id);
            }
            BookingEvent::GuestRemoved { account_id, .. } => {
                self.guests.remove(&account_id);
            }
            BookingEvent::SessionStarted { .. } => self.phase = Phase::Active,
            BookingEvent::ExtensionRequested { change, .. } => {
                self.change_no = change.change_no;
                self.pending = Some(change);
            }
            BookingEvent::ExtensionRefused { change, reason, .. } => {
                self.refused_change = Some((change.change_no, reason));
                self.pending = None;
            }
            BookingEvent::SessionExtended { change, .. } | BookingEvent::SessionShortened { change, .. } => {
                self.change_no = change.change_no;
                self.carried_out = change.change_no;
                self.window = change.to;
                self.pending = None;
            }
            BookingEvent::SessionEnded { cause, due_at, .. } => {
                self.phase = Phase::Ended;
                self.cause = Some(cause);
                self.pending = None;
                self.ending.get_or_insert(by_itself(cause, due_at));
            }
            BookingEvent::NoShow { at, .. } => {
                self.phase = Phase::NoShow;
                self.pending = None;
                self.ending.get_or_insert(by_itself(Cause::Cancelled, at));
            }
        }
    }
}

const fn by_itself(cause: Cause, due_at: DateTime<Utc>) -> Ending {
    Ending { cause, due_at, by: Actor::System, reason_hash: None }
}
