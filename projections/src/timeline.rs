//! All that happened to a session, fact by fact, by room id and position.

use chrono::{DateTime, Utc};
use curfew_domain::{Actor, BookingEvent, Fact, Recorded, RoomId};
use serde::{Deserialize, Serialize};

use crate::Projection;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineRow {
    pub room_id: RoomId,
    pub position: u64,
    pub recorded_at: DateTime<Utc>,
    pub actor: Actor,
    /// The event's name, as in the log.
    pub event: String,
    pub fact: Fact,
}

/// The facts of one session in order: the room's own, and the booking's that name the room.
pub struct Timeline;

impl Timeline {
    /// Keys of one room sort by position.
    pub fn key(room_id: RoomId, position: u64) -> String {
        format!("{room_id}/{position:020}")
    }
}

impl Projection for Timeline {
    const NAME: &'static str = "timeline";
    type Row = TimelineRow;

    fn keys(recorded: &Recorded) -> Vec<String> {
        room_of(recorded).map(|room_id| Self::key(room_id, recorded.position)).into_iter().collect()
    }

    fn fold(_key: &str, _row: Option<TimelineRow>, recorded: &Recorded) -> Option<TimelineRow> {
        Some(TimelineRow {
            room_id: room_of(recorded)?,
            position: recorded.position,
            recorded_at: recorded.recorded_at,
            actor: recorded.metadata.actor,
            event: recorded.fact.event_type(),
            fact: recorded.fact.clone(),
        })
    }
}

fn room_of(recorded: &Recorded) -> Option<RoomId> {
    match &recorded.fact {
        Fact::Room(_) => recorded.aggregate_id.parse().ok(),
        Fact::Booking(
            BookingEvent::Requested { room_id, .. }
            | BookingEvent::Cancelled { room_id, .. }
            | BookingEvent::GuestRemoved { room_id, .. }
            | BookingEvent::SessionStarted { room_id, .. }
            | BookingEvent::SessionEnded { room_id, .. }
            | BookingEvent::NoShow { room_id, .. },
        ) => Some(*room_id),
        Fact::Booking(
            BookingEvent::ExtensionRequested { change, .. }
            | BookingEvent::ExtensionRefused { change, .. }
            | BookingEvent::SessionExtended { change, .. }
            | BookingEvent::SessionShortened { change, .. },
        ) => Some(change.room_id),
        _ => None,
    }
}
