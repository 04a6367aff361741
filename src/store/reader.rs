//! Reads the log in its one order. What it gives is whole: a gap, or an end before the head, is an error and never a
//! shorter answer.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use cqrs_es::persist::SerializedEvent;
use curfew_domain::{Metadata, Recorded};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use super::StoreError;
use super::upcasters::decode;

/// The events after `position`, at most `limit`; `head` is a position the log is known to reach.
pub(super) async fn read_after(
    pool: &SqlitePool,
    position: u64,
    limit: usize,
    head: u64,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = sqlx::query(
        "SELECT position, aggregate_type, aggregate_id, sequence, recorded_at, wall_at, event_type, event_version, \
         payload, metadata FROM events WHERE position > ? ORDER BY position LIMIT ?",
    )
    .bind(i64::try_from(position).unwrap_or(i64::MAX))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    let mut last = position;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        let event = recorded(row)?;
        if event.position != last + 1 {
            let found = event.position;
            return Err(StoreError::Corrupt(format!("position {found} follows position {last}")));
        }
        last = event.position;
        events.push(event);
    }
    if events.len() < limit && last < head {
        return Err(StoreError::Corrupt(format!("the log ends at {last} and its head is {head}")));
    }
    Ok(events)
}

fn recorded(row: &SqliteRow) -> Result<Recorded, StoreError> {
    let position = unsigned(row, "position")?;
    let damaged =
        |what: &str| StoreError::Corrupt(format!("the event at position {position} has no valid {what}"));
    let json = |column: &str| -> Result<serde_json::Value, StoreError> {
        serde_json::from_str(row.try_get(column)?).map_err(|_| damaged(column))
    };
    let metadata: HashMap<String, String> =
        serde_json::from_value(json("metadata")?).map_err(|_| damaged("metadata"))?;
    let metadata = Metadata::from_map(&metadata).map_err(|_| damaged("metadata"))?;
    let aggregate_type: String = row.try_get("aggregate_type")?;
    let aggregate_id: String = row.try_get("aggregate_id")?;
    let fact = decode(SerializedEvent::new(
        aggregate_id.clone(),
        0,
        aggregate_type.clone(),
        row.try_get("event_type")?,
        row.try_get("event_version")?,
        json("payload")?,
        serde_json::Value::Null,
    ))?;
    Ok(Recorded {
        position,
        aggregate_type,
        aggregate_id,
        sequence: unsigned(row, "sequence")?,
        recorded_at: instant(row, "recorded_at")?,
        wall_at: instant(row, "wall_at")?,
        metadata,
        fact,
    })
}

fn unsigned(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| StoreError::Corrupt(format!("{column} is negative")))
}

/// A column of microseconds since the epoch.
pub(super) fn instant(row: &SqliteRow, column: &str) -> Result<DateTime<Utc>, StoreError> {
    from_micros(row.try_get(column)?)
}

pub(super) fn from_micros(micros: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::Corrupt(format!("{micros} us is no instant")))
}
