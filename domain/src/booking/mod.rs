//! A booking: who wants which robot in which window, and how far that has come.
//!
//! A booking holds no calendar: the robot's and the account's streams say what overlaps. Peers and participants live in
//! `room`.

mod change;
mod command;
mod error;
mod event;
mod lifecycle;
#[cfg(test)]
mod tests;

pub use command::BookingCommand;
pub use error::BookingError;
pub use event::BookingEvent;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::decide::write_decision;
use crate::{
    AccountId, Actor, BookingId, Cause, Decide, Reason, RobotId, Role, RoomId, Window, WindowChange,
};

/// What the holder asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RobotChoice {
    Id(RobotId),
    Type(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Requested,
    Confirmed,
    Active,
    Ended,
    Rejected,
    Cancelled,
    NoShow,
}

impl Phase {
    /// Nothing follows any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Rejected | Self::Cancelled | Self::NoShow)
    }
}

/// On what ground somebody is let into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    Holder,
    Guest,
    /// An admin: into a watch only, never into the session's own room.
    Admin,
}

impl Basis {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::Guest => "guest",
            Self::Admin => "admin",
        }
    }
}

/// `None` inside before it is requested.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Booking {
    state: Option<State>,
}

/// Why and when a session's room had to close, and who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    pub cause: Cause,
    pub due_at: DateTime<Utc>,
    pub by: Actor,
    pub reason_hash: Option<String>,
}

/// What is known of a requested booking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub booking_id: BookingId,
    pub room_id: RoomId,
    pub holder: AccountId,
    pub choice: RobotChoice,
    pub robot_type: String,
    /// From the confirmation on.
    pub robot_id: Option<RobotId>,
    pub window: Window,
    pub phase: Phase,
    pub guests: BTreeSet<AccountId>,
    pub buffer_s: u32,
    pub viewer_limit: u16,
    /// Counts the window's changes that were requested.
    pub change_no: u32,
    /// The last of them that was carried out.
    pub carried_out: u32,
    /// The extension that is on its way.
    pub pending: Option<WindowChange>,
    /// The last change that was refused, and why.
    pub refused_change: Option<(u32, Reason)>,
    /// A running session whose end came before its window's: its room is being closed, or is closed since.
    pub ending: Option<Ending>,
    /// Why it was rejected.
    pub rejected: Option<Reason>,
    /// Why it ended or was cancelled.
    pub cause: Option<Cause>,
}

impl State {
    /// The session runs, its end included while its room is being closed.
    pub fn is_active(&self) -> bool {
        self.phase == Phase::Active
    }
}

impl Booking {
    /// `None` before it is requested.
    pub const fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    pub fn phase(&self) -> Option<Phase> {
        self.state().map(|state| state.phase)
    }

    pub fn window(&self) -> Option<Window> {
        self.state().map(|state| state.window)
    }

    /// Whether `account` may enter at `now`, and on what ground. A suspended account and a full room are refused elsewhere.
    pub fn admission(&self, account: AccountId, role: Role, now: DateTime<Utc>) -> Result<Basis, Reason> {
        let state = self.state().ok_or(Reason::NoActiveBooking)?;
        let basis = state.basis(account, role)?;
        if matches!(state.phase, Phase::Requested | Phase::Rejected) {
            return Err(Reason::NoActiveBooking);
        }
        if state.phase.is_over() || state.ending.is_some() || state.window.has_ended(now) {
            return Err(Reason::WindowClosed);
        }
        if state.phase != Phase::Active || now < state.window.starts_at {
            return Err(Reason::WindowNotOpen);
        }
        Ok(basis)
    }

    fn known(&self) -> Result<&State, BookingError> {
        self.state.as_ref().ok_or(BookingError::NotRequested)
    }
}

impl State {
    /// What `account` is to this booking, whatever the time.
    pub fn basis(&self, account: AccountId, role: Role) -> Result<Basis, Reason> {
        match role {
            Role::Auditor => Err(Reason::WrongRole),
            _ if account == self.holder => Ok(Basis::Holder),
            _ if self.guests.contains(&account) => Ok(Basis::Guest),
            Role::Admin => Ok(Basis::Admin),
            Role::Viewer => Err(Reason::NotYourBooking),
        }
    }
}

type Decision = Result<Vec<BookingEvent>, BookingError>;

impl Decide for Booking {
    fn decide(&self, command: BookingCommand) -> Decision {
        use BookingCommand as C;
        match command {
            C::Request {
                booking_id,
                room_id,
                holder,
                choice,
                robot_type,
                candidates,
                window,
                rules,
                now,
            } => {
                rules.check(&window, now)?;
                let requested = BookingEvent::Requested {
                    booking_id,
                    room_id,
                    holder,
                    choice,
                    robot_type,
                    candidates,
                    window,
                    buffer_s: rules.buffer_s,
                    viewer_limit: rules.viewer_limit,
                };
                self.request(requested)
            }
            C::Confirm { robot_id, now, .. } => self.confirm(robot_id, now),
            C::Reject { reason, now, .. } => self.reject(reason, now),
            C::Cancel { by, cause, reason_hash, now } => self.cancel(by, cause, reason_hash, now),
            C::InviteGuest { account_id, by, now } => self.invite_guest(account_id, by, now),
            C::RemoveGuest { account_id, by, now } => self.remove_guest(account_id, by, now),
            C::StartSession { now } => self.start_session(now),
            C::RequestExtension { ends_at, by, reason_hash, overrides, rules, now } => {
                self.request_extension(change::Asked { ends_at, by, reason_hash, overrides }, &rules, now)
            }
            C::Extend { change, now } => self.extend(change, now),
            C::RefuseExtension { change, reason, now } => self.refuse_extension(change, reason, now),
            C::Shorten { ends_at, by, reason_hash, now } => self.shorten(ends_at, by, reason_hash, now),
            C::EndSession { cause, due_at, room_closed, now } => {
                self.end_session(cause, due_at, room_closed, now)
            }
            C::RecordNoShow { now } => self.record_no_show(now),
        }
    }
}

impl Aggregate for Booking {
    const TYPE: &'static str = "booking";
    type Command = BookingCommand;
    type Event = BookingEvent;
    type Error = BookingError;
    type Services = ();

    async fn handle(
        &mut self,
        command: BookingCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), BookingError> {
        write_decision(self, command, sink).await
    }

    fn apply(&mut self, event: BookingEvent) {
        match (&mut self.state, event) {
            (None, event) => self.state = State::requested(event),
            (Some(state), event) => state.apply(event),
        }
    }
}
