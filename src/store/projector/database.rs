//! The projections' database file: opened, or made anew, and moved forward batch by batch.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, SqlitePool};

use super::super::{Log, StoreError};
use super::{BATCH, tables};

const SCHEMA: &str = include_str!("../../../migrations/sqlite/projections.sql");
/// The folds' own text: when it changes, the same events may give other rows, and nobody has to remember to say so.
const FOLDS: [&str; 6] = [
    include_str!("../../../projections/src/accounts.rs"),
    include_str!("../../../projections/src/calendar.rs"),
    include_str!("../../../projections/src/fleet.rs"),
    include_str!("../../../projections/src/sessions.rs"),
    include_str!("../../../projections/src/timeline.rs"),
    include_str!("tables.rs"),
];
const READERS: u32 = 4;

/// The writing side; owned by the projector's task alone.
pub(super) struct Database {
    file: PathBuf,
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    position: u64,
}

impl Database {
    pub(super) async fn open(log: &Log) -> Result<(Self, SqlitePool), StoreError> {
        let file = log.folder().projections_file();
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What the loss of power takes from here, rows and checkpoint together, the log gives back.
            .synchronous(SqliteSynchronous::Normal)
            .disable_statement_logging();
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.clone().create_if_missing(false).pragma("query_only", "on"));
        let mut database = Self { file, options, connection: None, position: 0 };
        match adopt(&database.options, log).await {
            Ok((connection, position)) => {
                database.connection = Some(connection);
                database.position = position;
            }
            Err(reason) => {
                if log.folder().projections_file().exists() {
                    tracing::info!(%reason, "making the read models anew");
                }
                database.make_anew(log).await?;
            }
        }
        Ok((database, readers))
    }

    /// Begins again with empty tables.
    pub(super) async fn make_anew(&mut self, log: &Log) -> Result<(), StoreError> {
        if let Some(connection) = self.connection.take() {
            // It may be what is broken.
            let _ = connection.close().await;
        }
        self.connection = Some(make(&self.options, &self.file, log).await?);
        self.position = 0;
        Ok(())
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Folds the next events, if there are any, and moves the checkpoint with them.
    pub(super) async fn advance(&mut self, log: &Log) -> Result<(), StoreError> {
        let events = log.read_after(self.position, BATCH).await?;
        let Some(last) = events.last() else { return Ok(()) };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        // A connection that failed is not put back: closing it rolls back what it had begun.
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        tables::advance(&mut connection, &events).await?;
        sqlx::query("UPDATE about SET position = ?")
            .bind(i64::try_from(last.position).unwrap_or(i64::MAX))
            .execute(&mut connection)
            .await?;
        sqlx::query("COMMIT").execute(&mut connection).await?;
        self.connection = Some(connection);
        self.position = last.position;
        Ok(())
    }

    pub(super) async fn close(mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the projections were not closed cleanly");
        }
    }
}

/// Goes on with the file that is there, if it is one of this log and this program.
async fn adopt(options: &SqliteConnectOptions, log: &Log) -> Result<(SqliteConnection, u64), StoreError> {
    if !log.folder().projections_file().exists() {
        return Err(StoreError::Unavailable("there are none yet".to_owned()));
    }
    let mut connection = options.clone().create_if_missing(false).connect().await?;
    let row = sqlx::query("SELECT log_id, made_by, position FROM about").fetch_one(&mut connection).await?;
    let position = row.try_get::<i64, _>("position")?.unsigned_abs();
    let head = *log.head().borrow();
    let reason = if row.try_get::<String, _>("log_id")? != log.id() {
        "they are of another log"
    } else if row.try_get::<String, _>("made_by")? != maker() {
        "another version of the program made them"
    } else if position > head {
        "they are ahead of the log"
    } else {
        return Ok((connection, position));
    };
    connection.close().await?;
    Err(StoreError::Unavailable(reason.to_owned()))
}

async fn make(
    options: &SqliteConnectOptions,
    file: &Path,
    log: &Log,
) -> Result<SqliteConnection, StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unavailable(format!("{}: {error}", path.display())));
            }
            _ => {}
        }
    }
    let mut connection = options.connect().await?;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await?;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
    sqlx::query("INSERT INTO about (id, log_id, made_by, position) VALUES (1, ?, ?, 0)")
        .bind(log.id())
        .bind(maker())
        .execute(&mut connection)
        .await?;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
    Ok(connection)
}

/// Differs wherever the tables' shape or content may.
fn maker() -> String {
    let mut digest = Sha256::new();
    for text in [SCHEMA].iter().chain(&FOLDS) {
        digest.update(text.as_bytes());
    }
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{} {digest}", env!("CARGO_PKG_VERSION"))
}

/// The checkpoint as the tables have it, in the caller's transaction.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT position FROM about").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>("position")?.unsigned_abs())
}
