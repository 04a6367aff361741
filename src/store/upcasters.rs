//! Which kinds of stored event this program reads, and how older ones become current ones.
//!
//! A fact is never rewritten: when an event's shape changes, its version is raised and an upcaster is added here that gives
//! the older payload the current shape as it is read. There is none so far.

use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use curfew_domain::{DecodeError, Fact};
use serde_json::Value;

use super::StoreError;
use super::statement::Kind;

/// In the order in which they apply.
pub(super) fn upcasters() -> Vec<Box<dyn EventUpcaster>> {
    Vec::new()
}

/// Reads a stored event of any version this program knows.
pub(super) fn decode(event: SerializedEvent) -> Result<Fact, StoreError> {
    let event = upcasters().iter().fold(event, |event, upcaster| {
        if upcaster.can_upcast(&event.event_type, &event.event_version) {
            upcaster.upcast(event)
        } else {
            event
        }
    });
    Fact::decode(&event.aggregate_type, &event.event_type, &event.event_version, event.payload)
        .map_err(|error| unreadable(&error))
}

/// Refuses a kind of event that a newer program wrote.
pub(super) fn check_readable(kind: &Kind) -> Result<(), StoreError> {
    let Kind { aggregate_type, event_type, event_version } = kind;
    let probe = SerializedEvent::new(
        String::new(),
        0,
        aggregate_type.clone(),
        event_type.clone(),
        event_version.clone(),
        Value::Null,
        Value::Null,
    );
    match decode(probe) {
        Err(newer @ StoreError::Newer { .. }) => Err(newer),
        // That the empty payload cannot be read says that the kind is known.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn unreadable(error: &DecodeError) -> StoreError {
    let known = || "no such event".to_owned();
    match error {
        DecodeError::UnknownStream(stream) => {
            StoreError::Newer { found: format!("{stream} streams"), known: "no such stream".to_owned() }
        }
        DecodeError::UnknownEvent { stream, event, version } => {
            StoreError::Newer { found: format!("{stream}.{event} in version {version}"), known: known() }
        }
        DecodeError::Malformed { .. } => StoreError::Corrupt(error.to_string()),
    }
}
