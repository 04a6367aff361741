//! The log: one per data folder, whoever holds a handle.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::persist::{EventStoreAggregateContext, PersistedEventStore};
use cqrs_es::{Aggregate, EventStore};
use curfew_domain::{Metadata, Recorded};
use sqlite_es::SqliteEventRepository;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqliteConnection, SqlitePool};
use tokio::sync::watch;

use super::folder::Folder;
use super::reader::{from_micros, instant, read_after};
use super::repository::LogRepository;
use super::schema::migrate;
use super::statement::{Kind, Statement};
use super::upcasters::{check_readable, upcasters};
use super::writer::Writer;
use super::{Idempotency, Meters, OneTimeLinks, People, Reasons, Secrets, StoreError};
use crate::clock::SharedClock;

/// Connections that read at the same time; writing has its own.
const READERS: u32 = 4;

/// An aggregate as its stream says it is.
#[derive(Clone, Debug)]
pub struct Loaded<A> {
    pub aggregate: A,
    /// The sequence of the stream's last event; 0 where there is none.
    pub sequence: usize,
}

/// Where an append ended: its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// In its stream.
    pub sequence: usize,
    /// In the log.
    pub position: u64,
    /// To the microsecond; later than that of every event before.
    pub recorded_at: DateTime<Utc>,
}

/// A handle to the event log of a data folder.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    folder: Arc<Folder>,
    writer: Writer,
    readers: SqlitePool,
    stock: Arc<SqliteEventRepository>,
    id: String,
}

impl Log {
    /// Whether `dir` holds a log, opened by somebody or not.
    pub fn exists(dir: &Path) -> bool {
        Folder::holds_log(dir)
    }

    /// Opens the log in `dir`, and creates both where they are missing. The writer's task runs on the current runtime.
    ///
    /// # Errors
    /// `Locked` when another process is active there, `Newer` when a newer program wrote there.
    pub async fn open(dir: &Path, clock: SharedClock) -> Result<Self, StoreError> {
        let folder = Arc::new(Folder::claim(dir)?);
        let options = SqliteConnectOptions::new()
            .filename(folder.log_file())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged commit survives the loss of power, not only of the process.
            .synchronous(SqliteSynchronous::Full)
            // One prepared statement for each number of events that go in together.
            .statement_cache_capacity(128)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        migrate(&mut connection).await?;
        check_kinds(&mut connection).await?;
        let id =
            sqlx::query("SELECT log_id FROM identity").fetch_one(&mut connection).await?.try_get("log_id")?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.clone().pragma("query_only", "on"));
        let writer = Writer::start(options, connection, clock, Arc::clone(&folder)).await?;
        let stock = Arc::new(SqliteEventRepository::new(readers.clone()));
        Ok(Self { shared: Arc::new(Shared { folder, writer, readers, stock, id }) })
    }

    /// Replays one stream. A stream that does not exist is the default aggregate at sequence 0.
    pub async fn load<A: Aggregate>(&self, id: &str) -> Result<Loaded<A>, StoreError> {
        let store =
            PersistedEventStore::<_, A>::new_event_store(self.repository()).with_upcasters(upcasters());
        let context = store.load_aggregate(id).await.map_err(super::error::from_frame)?;
        Ok(Loaded { aggregate: context.aggregate, sequence: context.current_sequence })
    }

    /// Appends all of `events` after `expected_sequence`, or none of them; durable when `Ok`. No events are no append, and
    /// the answer is where the log stands.
    ///
    /// # Errors
    /// `Conflict` when the stream does not end at `expected_sequence`; `Unavailable` when it cannot be written now.
    pub async fn append<A: Aggregate>(
        &self,
        id: &str,
        expected_sequence: usize,
        events: Vec<A::Event>,
        metadata: &Metadata,
    ) -> Result<Appended, StoreError> {
        let sequence = expected_sequence + events.len();
        let last = if events.is_empty() {
            self.shared.writer.last()
        } else {
            let repository = self.repository();
            let receipt = repository.receipt();
            // The plain event store looks at the context's sequence alone, so nothing is loaded for it.
            let context = EventStoreAggregateContext {
                aggregate_id: id.to_owned(),
                aggregate: A::default(),
                current_sequence: expected_sequence,
                current_snapshot: None,
            };
            let store = PersistedEventStore::<_, A>::new_event_store(repository);
            store.commit(events, context, metadata.to_map()).await.map_err(super::error::from_frame)?;
            *receipt.get().ok_or_else(|| StoreError::Corrupt("an append left no receipt".to_owned()))?
        };
        Ok(Appended { sequence, position: last.position, recorded_at: from_micros(last.recorded_us)? })
    }

    /// The events after `position` in the log's order, at most `limit` of them; empty only at the log's end.
    pub async fn read_after(&self, position: u64, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        // Read before the query: the log may only have grown since.
        let head = *self.shared.writer.head().borrow();
        read_after(&self.shared.readers, position, limit, head).await
    }

    /// The position of the last event, as it grows; 0 for an empty log.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.shared.writer.head()
    }

    /// What is measured of its writing.
    pub fn meters(&self) -> &Meters {
        self.shared.writer.meters()
    }

    /// Why the last attempt to write failed; `None` where it went well.
    pub fn write_fault(&self) -> Option<StoreError> {
        self.shared.writer.fault()
    }

    /// When the last event was recorded; `None` for an empty log.
    pub fn last_recorded_at(&self) -> Option<DateTime<Utc>> {
        let last = self.shared.writer.last();
        (last.position > 0).then(|| from_micros(last.recorded_us).ok()).flatten()
    }

    /// Notes that the server is alive at `now`.
    pub async fn beat(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO heartbeat (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at";
        self.shared.writer.write(Statement::new(sql, [now.timestamp_micros().into()])).await.map(drop)
    }

    /// The last [`Log::beat`]; `None` before the first.
    pub async fn last_heartbeat(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let row = sqlx::query("SELECT at FROM heartbeat").fetch_optional(&self.shared.readers).await?;
        row.as_ref().map(|row| instant(row, "at")).transpose()
    }

    /// How far the workflow `name` has come; 0 before its first step.
    pub async fn checkpoint(&self, name: &str) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT position FROM checkpoints WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.shared.readers)
            .await?;
        row.map_or(Ok(0), |row| Ok(row.try_get::<i64, _>("position")?.unsigned_abs()))
    }

    /// Moves the checkpoint of `name` forward; one that stands further stays.
    pub async fn set_checkpoint(&self, name: &str, position: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO checkpoints (name, position) VALUES (?, ?) \
                   ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position)";
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        self.shared.writer.write(Statement::new(sql, [name.into(), position.into()])).await.map(drop)
    }

    pub fn people(&self) -> People {
        People::new(self.shared.writer.clone(), self.shared.readers.clone())
    }

    pub fn reasons(&self) -> Reasons {
        Reasons::new(self.shared.writer.clone(), self.shared.readers.clone())
    }

    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.shared.writer.clone(), self.shared.readers.clone())
    }

    pub fn idempotency(&self) -> Idempotency {
        Idempotency::new(self.shared.writer.clone(), self.shared.readers.clone())
    }

    pub fn one_time_links(&self) -> OneTimeLinks {
        OneTimeLinks::new(self.shared.writer.clone(), self.shared.readers.clone())
    }

    /// Writes what waits, then closes the files and lets the folder go. Every handle is of no use afterwards.
    pub async fn close(&self) {
        self.shared.writer.close().await;
        self.shared.readers.close().await;
        self.shared.folder.release();
    }

    fn repository(&self) -> LogRepository {
        LogRepository::new(Arc::clone(&self.shared.stock), self.shared.writer.clone())
    }

    #[cfg(test)]
    pub(super) fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.shared.folder
    }

    /// Says which log this is, whatever folder it is in.
    pub(super) fn id(&self) -> &str {
        &self.shared.id
    }
}

async fn check_kinds(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT aggregate_type, event_type, event_version FROM event_kinds")
        .fetch_all(connection)
        .await?;
    rows.iter().try_for_each(|row| check_readable(&Kind::read(row)?))
}
