//! A fact of any stream, and the record in which it stands in the log.

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Account, AccountEvent, Booking, BookingEvent, Lab, LabEvent, Metadata, Robot, RobotEvent, Room, RoomEvent,
};

/// The version in which this build writes and reads every event.
pub(crate) const EVENT_VERSION: &str = "1";

/// An event of one of the five kinds of stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Robot(RobotEvent),
    Booking(BookingEvent),
    Room(RoomEvent),
    Account(AccountEvent),
    Lab(LabEvent),
}

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the log holds a stream of an unknown kind, {0}")]
    UnknownStream(String),
    #[error(
        "the log holds {stream}.{event} in version {version}, which this version of curfew does not know"
    )]
    UnknownEvent { stream: String, event: String, version: String },
    #[error("a stored {stream}.{event} cannot be read: {source}")]
    Malformed { stream: String, event: String, source: serde_json::Error },
}

impl Fact {
    /// Reads a stored event.
    pub fn decode(
        aggregate_type: &str,
        event_type: &str,
        event_version: &str,
        payload: Value,
    ) -> Result<Self, DecodeError> {
        let known = match aggregate_type {
            Robot::TYPE => RobotEvent::NAMES,
            Booking::TYPE => BookingEvent::NAMES,
            Room::TYPE => RoomEvent::NAMES,
            Account::TYPE => AccountEvent::NAMES,
            Lab::TYPE => LabEvent::NAMES,
            other => return Err(DecodeError::UnknownStream(other.to_owned())),
        };
        if event_version != EVENT_VERSION || !known.contains(&event_type) {
            return Err(DecodeError::UnknownEvent {
                stream: aggregate_type.to_owned(),
                event: event_type.to_owned(),
                version: event_version.to_owned(),
            });
        }
        let fact = match aggregate_type {
            Robot::TYPE => serde_json::from_value(payload).map(Self::Robot),
            Booking::TYPE => serde_json::from_value(payload).map(Self::Booking),
            Room::TYPE => serde_json::from_value(payload).map(Self::Room),
            Account::TYPE => serde_json::from_value(payload).map(Self::Account),
            _ => serde_json::from_value(payload).map(Self::Lab),
        };
        fact.map_err(|source| DecodeError::Malformed {
            stream: aggregate_type.to_owned(),
            event: event_type.to_owned(),
            source,
        })
    }

    pub const fn aggregate_type(&self) -> &'static str {
        match self {
            Self::Robot(_) => Robot::TYPE,
            Self::Booking(_) => Booking::TYPE,
            Self::Room(_) => Room::TYPE,
            Self::Account(_) => Account::TYPE,
            Self::Lab(_) => Lab::TYPE,
        }
    }

    pub fn event_type(&self) -> String {
        match self {
            Self::Robot(event) => event.event_type(),
            Self::Booking(event) => event.event_type(),
            Self::Room(event) => event.event_type(),
            Self::Account(event) => event.event_type(),
            Self::Lab(event) => event.event_type(),
        }
    }
}

/// A fact as it stands in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its place in the one order of all streams; gapless, from 1.
    pub position: u64,
    pub aggregate_type: String,
    pub aggregate_id: String,
    /// Its place in its own stream, from 1.
    pub sequence: u64,
    /// Never earlier than the one before; see `wall_at` for the clock's own reading.
    pub recorded_at: DateTime<Utc>,
    pub wall_at: DateTime<Utc>,
    pub metadata: Metadata,
    pub fact: Fact,
}

/// Gives an event enum its names: the variants' own, in the log as in the code.
macro_rules! event_names {
    ($event:ident, $($name:ident),+ $(,)?) => {
        impl $event {
            /// The names of all events of this stream, as `event_type` gives them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)+
                }
            }
        }

        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                self.name().to_owned()
            }

            fn event_version(&self) -> String {
                $crate::fact::EVENT_VERSION.to_owned()
            }
        }
    };
}
pub(crate) use event_names;
