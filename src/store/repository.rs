//! The repository that the cqrs-es frame works with: loading is sqlite-es's, appending is the one writer's.

use std::sync::{Arc, OnceLock};

use cqrs_es::Aggregate;
use cqrs_es::persist::{
    PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot,
};
use serde_json::Value;
use sqlite_es::SqliteEventRepository;

use super::StoreError;
use super::error::into_frame;
use super::statement::{Entry, Kind};
use super::upcasters::check_readable;
use super::writer::{Receipt, Writer};

/// One per use: it keeps where the events it persisted came to stand.
pub(super) struct LogRepository {
    stock: Arc<SqliteEventRepository>,
    writer: Writer,
    receipt: Arc<OnceLock<Receipt>>,
}

impl LogRepository {
    pub(super) fn new(stock: Arc<SqliteEventRepository>, writer: Writer) -> Self {
        Self { stock, writer, receipt: Arc::default() }
    }

    /// Filled once `persist` succeeded.
    pub(super) fn receipt(&self) -> Arc<OnceLock<Receipt>> {
        Arc::clone(&self.receipt)
    }
}

impl PersistedEventRepository for LogRepository {
    async fn get_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        check(self.stock.get_events::<A>(aggregate_id).await?, 0)
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        check(self.stock.get_last_events::<A>(aggregate_id, last_sequence).await?, last_sequence)
    }

    async fn get_snapshot<A: Aggregate>(
        &self,
        _aggregate_id: &str,
    ) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        // The frame's snapshots apply events twice; this log has none.
        Ok(None)
    }

    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        snapshot_update: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        if snapshot_update.is_some() {
            return Err(into_frame(StoreError::Unavailable("this log keeps no snapshots".to_owned())));
        }
        let entries = events.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let receipt = self.writer.append(entries).await.map_err(into_frame)?;
        // One repository persists once; a second receipt would have no reader.
        let _ = self.receipt.set(receipt);
        Ok(())
    }

    async fn stream_events<A: Aggregate>(&self, _: &str) -> Result<ReplayStream, PersistenceError> {
        Err(no_stream())
    }

    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        Err(no_stream())
    }
}

/// The stock streams can end early and say nothing of it; the reader by position is this log's replay.
fn no_stream() -> PersistenceError {
    into_frame(StoreError::Unavailable("events are replayed by position".to_owned()))
}

fn entry(event: &SerializedEvent) -> Result<Entry, PersistenceError> {
    Ok(Entry {
        kind: kind(event),
        aggregate_id: event.aggregate_id.clone(),
        sequence: i64::try_from(event.sequence).map_err(|_| PersistenceError::OptimisticLockError)?,
        payload: serde_json::to_string(&event.payload)?,
        metadata: serde_json::to_string(&event.metadata)?,
    })
}

fn kind(event: &SerializedEvent) -> Kind {
    Kind {
        aggregate_type: event.aggregate_type.clone(),
        event_type: event.event_type.clone(),
        event_version: event.event_version.clone(),
    }
}

/// Refuses what is not the whole stream after `last_sequence`, and what this program cannot read.
fn check(
    events: Vec<SerializedEvent>,
    last_sequence: usize,
) -> Result<Vec<SerializedEvent>, PersistenceError> {
    for (event, expected) in events.iter().zip(last_sequence + 1..) {
        if event.sequence != expected {
            let stream = format!("{} {}", event.aggregate_type, event.aggregate_id);
            let found = event.sequence;
            let text = format!("stream {stream} has {found} where {expected} was to come");
            return Err(into_frame(StoreError::Corrupt(text)));
        }
        check_readable(&kind(event)).map_err(into_frame)?;
    }
    Ok(events)
}
