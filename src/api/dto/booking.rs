//! A booking as one person sees it.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use curfew_domain::booking::State;
use curfew_domain::{AccountId, BookingId, Cause, Reason, RobotChoice, RobotId, RoomId, Window};
use curfew_projections::{BookingRow, Status};
use schemars::JsonSchema;
use serde::Serialize;

use super::Span;

/// The names of those who were not erased.
pub(in crate::api) type Names = HashMap<AccountId, String>;

#[derive(JsonSchema, Serialize)]
pub(in crate::api) struct Booking {
    pub(in crate::api) id: BookingId,
    /// The holder.
    user_id: AccountId,
    /// Null until a booking by type has its robot.
    robot_id: Option<RobotId>,
    robot_type: String,
    #[serde(flatten)]
    span: Span,
    room_id: RoomId,
    status: Status,
    /// What whoever asks is to this booking; null for admins who are neither.
    role: Option<Part>,
    /// Who invited whoever asks; null for all but guests.
    invited_by: Option<Member>,
    guests: Vec<Member>,
    /// Why it ended or was cancelled.
    cause: Option<Cause>,
    /// Why it was rejected: a code.
    rejected: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(rename = "BookingRole")]
#[serde(rename_all = "snake_case")]
enum Part {
    Holder,
    Guest,
}

/// Somebody who takes part in a booking.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "BookingMember")]
struct Member {
    user_id: AccountId,
    /// Null once the person was erased.
    name: Option<String>,
}

/// What a booking is, wherever that was read.
pub(in crate::api) struct Facts {
    id: BookingId,
    holder: AccountId,
    robot_id: Option<RobotId>,
    robot_type: String,
    window: Window,
    room_id: RoomId,
    status: Status,
    guests: BTreeSet<AccountId>,
    cause: Option<Cause>,
    rejected: Option<Reason>,
}

impl Facts {
    pub(in crate::api) const fn rejected(&self) -> Option<Reason> {
        self.rejected
    }

    /// Whether it stands as requested.
    pub(in crate::api) fn is_undecided(&self) -> bool {
        self.status == Status::Requested
    }

    pub(in crate::api) const fn ends_at(&self) -> DateTime<Utc> {
        self.window.ends_at
    }

    pub(in crate::api) fn is_of(&self, account: AccountId) -> bool {
        self.holder == account
    }

    /// Holder or guest.
    pub(in crate::api) fn concerns(&self, account: AccountId) -> bool {
        self.is_of(account) || self.guests.contains(&account)
    }

    /// Everybody who is named in it.
    pub(in crate::api) fn people(&self) -> impl Iterator<Item = AccountId> {
        self.guests.iter().copied().chain([self.holder])
    }

    /// As `viewer` sees it, who may be nobody in particular.
    pub(in crate::api) fn seen_by(self, viewer: Option<AccountId>, names: &Names) -> Booking {
        let role = match viewer {
            Some(account) if self.is_of(account) => Some(Part::Holder),
            Some(account) if self.guests.contains(&account) => Some(Part::Guest),
            _ => None,
        };
        let member = |user_id: AccountId| Member { user_id, name: names.get(&user_id).cloned() };
        Booking {
            id: self.id,
            user_id: self.holder,
            robot_id: self.robot_id,
            robot_type: self.robot_type,
            span: self.window.into(),
            room_id: self.room_id,
            status: self.status,
            role,
            // Nobody but the holder invites.
            invited_by: (role == Some(Part::Guest)).then(|| member(self.holder)),
            guests: self.guests.into_iter().map(member).collect(),
            cause: self.cause,
            rejected: self.rejected.map(Reason::code),
        }
    }
}

impl From<BookingRow> for Facts {
    fn from(row: BookingRow) -> Self {
        Self {
            id: row.booking_id,
            holder: row.account_id,
            robot_id: row.robot_id,
            robot_type: row.robot_type,
            window: row.window,
            room_id: row.room_id,
            status: row.status,
            guests: row.guests,
            cause: row.cause,
            rejected: row.rejected,
        }
    }
}

impl From<State> for Facts {
    fn from(state: State) -> Self {
        let chosen = match state.choice {
            RobotChoice::Id(robot_id) => Some(robot_id),
            RobotChoice::Type(_) => None,
        };
        // A session that was cut is over for everybody in it; how its room was closed is still to be recorded.
        let is_cut = state.is_active() && state.ending.is_some();
        Self {
            status: if is_cut { Status::Ended } else { state.phase.into() },
            id: state.booking_id,
            holder: state.holder,
            robot_id: state.robot_id.or(chosen),
            robot_type: state.robot_type,
            window: state.window,
            room_id: state.room_id,
            guests: state.guests,
            cause: state.cause,
            rejected: state.rejected,
        }
    }
}
