//! Bookings, by booking id.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use curfew_domain::{
    AccountId, Actor, BookingEvent, BookingId, Cause, Fact, Phase, Reason, Recorded, RobotChoice, RobotId,
    RoomId, Window,
};
use serde::{Deserialize, Serialize};

use crate::Projection;

/// As on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Requested,
    Confirmed,
    Active,
    Ended,
    Rejected,
    Cancelled,
    NoShow,
}

impl From<Phase> for Status {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Requested => Self::Requested,
            Phase::Confirmed => Self::Confirmed,
            Phase::Active => Self::Active,
            Phase::Ended => Self::Ended,
            Phase::Rejected => Self::Rejected,
            Phase::Cancelled => Self::Cancelled,
            Phase::NoShow => Self::NoShow,
        }
    }
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Confirmed => "confirmed",
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no_show",
        }
    }

    /// It holds, or may come to hold, a slot.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Requested | Self::Confirmed | Self::Active)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookingRow {
    pub booking_id: BookingId,
    pub room_id: RoomId,
    /// The holder.
    pub account_id: AccountId,
    /// The robot that was confirmed or, before that, named.
    pub robot_id: Option<RobotId>,
    pub robot_type: String,
    pub window: Window,
    pub status: Status,
    pub guests: BTreeSet<AccountId>,
    pub requested_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over, in whatever way.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended or was cancelled.
    pub cause: Option<Cause>,
    /// Who cancelled it, and the hash of why.
    pub cancelled_by: Option<Actor>,
    pub reason_hash: Option<String>,
    /// Why it was rejected.
    pub rejected: Option<Reason>,
    /// The end that an extension on its way would give.
    pub extension_to: Option<DateTime<Utc>>,
    /// Why the last extension was refused.
    pub extension_refused: Option<Reason>,
}

/// Who has which robot when.
pub struct Calendar;

impl Projection for Calendar {
    const NAME: &'static str = "calendar";
    type Row = BookingRow;

    fn keys(recorded: &Recorded) -> Vec<String> {
        match &recorded.fact {
            Fact::Booking(_) => vec![recorded.aggregate_id.clone()],
            _ => vec![],
        }
    }

    fn fold(_key: &str, row: Option<BookingRow>, recorded: &Recorded) -> Option<BookingRow> {
        let Fact::Booking(event) = &recorded.fact else { return row };
        match row {
            None => requested(event, recorded.recorded_at),
            Some(mut row) => {
                row.apply(event);
                Some(row)
            }
        }
    }
}

fn requested(event: &BookingEvent, requested_at: DateTime<Utc>) -> Option<BookingRow> {
    let BookingEvent::Requested { booking_id, room_id, holder, choice, robot_type, window, .. } = event
    else {
        return None;
    };
    Some(BookingRow {
        booking_id: *booking_id,
        room_id: *room_id,
        account_id: *holder,
        robot_id: match choice {
            RobotChoice::Id(robot_id) => Some(*robot_id),
            RobotChoice::Type(_) => None,
        },
        robot_type: robot_type.clone(),
        window: *window,
        status: Status::Requested,
        guests: BTreeSet::new(),
        requested_at,
        started_at: None,
        ended_at: None,
        cause: None,
        cancelled_by: None,
        reason_hash: None,
        rejected: None,
        extension_to: None,
        extension_refused: None,
    })
}

impl BookingRow {
    fn apply(&mut self, event: &BookingEvent) {
        match event {
            BookingEvent::Requested { .. } => {}
            BookingEvent::Confirmed { robot_id, .. } => {
                self.robot_id = Some(*robot_id);
                self.status = Status::Confirmed;
            }
            BookingEvent::Rejected { reason, at, .. } => {
                self.rejected = Some(*reason);
                self.over(Status::Rejected, *at);
            }
            BookingEvent::Cancelled { by, cause, reason_hash, is_running, at, .. } => {
                self.cause = Some(*cause);
                self.cancelled_by = Some(*by);
                self.reason_hash.clone_from(reason_hash);
                self.extension_to = None;
                // Whoever asked was told that it is over; what is still to be recorded is how its room was closed.
                self.over(if *is_running { Status::Ended } else { Status::Cancelled }, *at);
            }
            BookingEvent::GuestInvited { account_id, .. } => {
                self.guests.insert(*account_id);
            }
            BookingEvent::GuestRemoved { account_id, .. } => {
                self.guests.remove(account_id);
            }
            BookingEvent::SessionStarted { started_at, .. } => {
                self.status = Status::Active;
                self.started_at = Some(*started_at);
            }
            BookingEvent::ExtensionRequested { change, .. } => {
                self.extension_to = Some(change.to.ends_at);
                self.extension_refused = None;
            }
            BookingEvent::ExtensionRefused { reason, .. } => {
                self.extension_to = None;
                self.extension_refused = Some(*reason);
            }
            BookingEvent::SessionExtended { change, .. } | BookingEvent::SessionShortened { change, .. } => {
                self.window = change.to;
                self.extension_to = None;
            }
            BookingEvent::SessionEnded { cause, ended_at, .. } => {
                self.cause = Some(*cause);
                self.over(Status::Ended, *ended_at);
            }
            BookingEvent::NoShow { at, .. } => self.over(Status::NoShow, *at),
        }
    }

    fn over(&mut self, status: Status, at: DateTime<Utc>) {
        self.status = status;
        self.ended_at = Some(at);
        self.extension_to = None;
    }
}
