//! Replies by idempotency key, so that a request that is sent again is not carried out again.
//!
//! Neither the callers' keys nor their replies are ever here in clear: names are derived, replies sealed, by the caller of
//! this module.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Row, SqlitePool};

use super::StoreError;
use super::statement::{Statement, Value};
use super::writer::Writer;

/// How long a key is remembered.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// Keys of one person that are remembered; the oldest that were answered make room.
const MOST_OF_ONE: i64 = 1_000;

/// What became of asking for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is new, and now the caller's: to be answered with [`Idempotency::keep`] or given back with
    /// [`Idempotency::release`].
    New,
    /// The same request was answered with this, sealed.
    Answered(Vec<u8>),
    /// The same request is being carried out, or was when the process died.
    Pending,
    /// The key was used for another request.
    Other,
}

/// A key as it is known here: whose it is, and the name that was derived from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName {
    pub who: String,
    pub name: String,
}

/// The table of keys; `who` keeps those of one person apart from another's.
#[derive(Clone, Debug)]
pub struct Idempotency {
    writer: Writer,
    readers: SqlitePool,
}

impl Idempotency {
    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }

    /// Claims a key, durably: of two who try at once, one gets it. Forgets the keys that are too old or too many.
    pub async fn claim(&self, key: &KeyName, request: &str, now: DateTime<Utc>) -> Result<Claim, StoreError> {
        let oldest = (now - REMEMBERED).timestamp_micros();
        let forget = "DELETE FROM idempotency WHERE claimed_at < ?";
        let trim = "DELETE FROM idempotency WHERE who = ?1 AND reply IS NOT NULL AND claimed_at < \
             (SELECT claimed_at FROM idempotency WHERE who = ?1 ORDER BY claimed_at DESC LIMIT 1 OFFSET ?2)";
        let insert = "INSERT INTO idempotency (who, name, request, claimed_at) VALUES (?, ?, ?, ?)";
        let values = [
            key.who.as_str().into(),
            key.name.as_str().into(),
            request.into(),
            now.timestamp_micros().into(),
        ];
        // One after the other, in one transaction where the writer has nothing else to do.
        let (forgotten, trimmed, inserted) = tokio::join!(
            self.writer.write(Statement::new(forget, [oldest.into()])),
            self.writer.write(Statement::new(trim, [key.who.as_str().into(), (MOST_OF_ONE - 1).into()])),
            self.writer.write(Statement::new(insert, values)),
        );
        forgotten?;
        trimmed?;
        match inserted {
            Ok(_) => Ok(Claim::New),
            Err(StoreError::Conflict) => self.known(key, request).await,
            Err(error) => Err(error),
        }
    }

    async fn known(&self, key: &KeyName, request: &str) -> Result<Claim, StoreError> {
        let select = "SELECT request, reply FROM idempotency WHERE who = ? AND name = ?";
        let row = sqlx::query(select).bind(&key.who).bind(&key.name).fetch_optional(&self.readers).await?;
        let Some(row) = row else { return Ok(Claim::Pending) };
        if row.try_get::<String, _>("request")? != request {
            return Ok(Claim::Other);
        }
        Ok(row.try_get::<Option<Vec<u8>>, _>("reply")?.map_or(Claim::Pending, Claim::Answered))
    }

    /// Keeps the sealed reply to a claimed key.
    pub async fn keep(&self, key: &KeyName, reply: Vec<u8>) -> Result<(), StoreError> {
        let sql = "UPDATE idempotency SET reply = ? WHERE who = ? AND name = ?";
        let values = [Value::Blob(reply), key.who.as_str().into(), key.name.as_str().into()];
        self.writer.write(Statement::new(sql, values)).await.map(drop)
    }

    /// Gives a claimed key back: nothing was carried out.
    pub async fn release(&self, key: &KeyName) -> Result<(), StoreError> {
        let sql = "DELETE FROM idempotency WHERE who = ? AND name = ? AND reply IS NULL";
        let values = [key.who.as_str().into(), key.name.as_str().into()];
        self.writer.write(Statement::new(sql, values)).await.map(drop)
    }
}
