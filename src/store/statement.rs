//! What the writer is handed: statements with their values, and events with their place.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection};

use super::error::concerns_only_its_statement;
use super::writer::Receipt;

/// Events in one INSERT. A statement that fails undoes itself, so up to this many need no savepoint.
const ROWS_PER_STATEMENT: usize = 64;

/// One statement of this crate's own text and its values.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Blob(Vec<u8>),
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value {
    pub(super) fn bind<'q>(
        self,
        query: Query<'q, Sqlite, SqliteArguments<'q>>,
    ) -> Query<'q, Sqlite, SqliteArguments<'q>> {
        match self {
            Self::Text(text) => query.bind(text),
            Self::Integer(number) => query.bind(number),
            Self::Blob(bytes) => query.bind(bytes),
            Self::Null => query.bind(None::<String>),
        }
    }
}

impl Statement {
    pub(super) fn new(sql: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        Self { sql, values: values.into_iter().collect() }
    }

    pub(super) async fn fetch(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let query = self.values.iter().cloned().fold(sqlx::query(self.sql), |query, value| value.bind(query));
        query.fetch_all(connection).await
    }
}

/// What says how a payload is to be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) aggregate_type: String,
    pub(super) event_type: String,
    pub(super) event_version: String,
}

impl Kind {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            aggregate_type: row.try_get("aggregate_type")?,
            event_type: row.try_get("event_type")?,
            event_version: row.try_get("event_version")?,
        })
    }

    pub(super) fn statement(&self) -> Statement {
        Statement::new(
            "INSERT OR IGNORE INTO event_kinds (aggregate_type, event_type, event_version) VALUES (?, ?, ?)",
            [&self.aggregate_type, &self.event_type, &self.event_version].map(|text| text.as_str().into()),
        )
    }
}

/// One event as it is stored, but for its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) aggregate_id: String,
    pub(super) sequence: i64,
    pub(super) payload: String,
    pub(super) metadata: String,
}

/// The place of the first event of an append; those after it follow one position and one microsecond apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    position: i64,
    recorded_us: i64,
    wall_us: i64,
}

impl Placed {
    /// `recorded_at` follows the wall clock as long as that moves forward, and never stands still or goes back.
    pub(super) fn after(last: Receipt, wall_us: i64) -> Self {
        Self {
            position: i64::try_from(last.position).unwrap_or(i64::MAX).saturating_add(1),
            recorded_us: wall_us.max(last.recorded_us.saturating_add(1)),
            wall_us,
        }
    }

    /// Where the last of `count` stands; `count` is at least 1.
    pub(super) fn last(self, count: usize) -> Receipt {
        let further = i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1);
        Receipt {
            position: self.position.saturating_add(further).unsigned_abs(),
            recorded_us: self.recorded_us.saturating_add(further),
        }
    }

    fn next(&mut self) -> Self {
        let this = *self;
        self.position = self.position.saturating_add(1);
        self.recorded_us = self.recorded_us.saturating_add(1);
        this
    }
}

/// Inserts all of them or none, inside the transaction that is open.
pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    entries: &[&Entry],
    mut place: Placed,
) -> Result<(), sqlx::Error> {
    if entries.len() <= ROWS_PER_STATEMENT {
        return insert(connection, entries, &mut place).await;
    }
    sqlx::query("SAVEPOINT caller").execute(&mut *connection).await?;
    for some in entries.chunks(ROWS_PER_STATEMENT) {
        if let Err(error) = insert(connection, some, &mut place).await {
            if concerns_only_its_statement(&error) {
                sqlx::query("ROLLBACK TO caller").execute(&mut *connection).await?;
                sqlx::query("RELEASE caller").execute(&mut *connection).await?;
            }
            return Err(error);
        }
    }
    sqlx::query("RELEASE caller").execute(connection).await.map(drop)
}

async fn insert(
    connection: &mut SqliteConnection,
    entries: &[&Entry],
    place: &mut Placed,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, \
         position, recorded_at, wall_at) VALUES {}",
        vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; entries.len()].join(", ")
    );
    let mut query = sqlx::query(&sql);
    for entry in entries {
        let at = place.next();
        query = query
            .bind(&entry.kind.aggregate_type)
            .bind(&entry.aggregate_id)
            .bind(entry.sequence)
            .bind(&entry.kind.event_type)
            .bind(&entry.kind.event_version)
            .bind(&entry.payload)
            .bind(&entry.metadata)
            .bind(at.position)
            .bind(at.recorded_us)
            .bind(at.wall_us);
    }
    query.execute(connection).await.map(drop)
}
