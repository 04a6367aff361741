//! Replies by idempotency key, so that a request that is sent again is not carried out again.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Row, SqlitePool};

use super::StoreError;
use super::statement::Statement;
use super::writer::Writer;

/// How long a key is remembered.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// What became of asking for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is new, and now the caller's: to be answered with [`Idempotency::keep`] or given back with
    /// [`Idempotency::release`].
    New,
    /// The same request was answered with this.
    Answered(KeptReply),
    /// The same request is being carried out, or was when the process died.
    Pending,
    /// The key was used for another request.
    Other,
}

/// A reply as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReply {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
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

    /// Claims a key, durably: of two who try at once, one gets it. Forgets the keys that are too old.
    pub async fn claim(
        &self,
        who: &str,
        key: &str,
        request_sha256: &str,
        now: DateTime<Utc>,
    ) -> Result<Claim, StoreError> {
        let oldest = (now - REMEMBERED).timestamp_micros();
        let forget = "DELETE FROM idempotency WHERE claimed_at < ?";
        self.writer.write(Statement::new(forget, [oldest.into()])).await?;
        let insert = "INSERT INTO idempotency (who, key, request_sha256, claimed_at) VALUES (?, ?, ?, ?)";
        let values = [who.into(), key.into(), request_sha256.into(), now.timestamp_micros().into()];
        match self.writer.write(Statement::new(insert, values)).await {
            Ok(_) => Ok(Claim::New),
            Err(StoreError::Conflict) => self.known(who, key, request_sha256).await,
            Err(error) => Err(error),
        }
    }

    async fn known(&self, who: &str, key: &str, request_sha256: &str) -> Result<Claim, StoreError> {
        let select =
            "SELECT request_sha256, status, location, body FROM idempotency WHERE who = ? AND key = ?";
        let row = sqlx::query(select).bind(who).bind(key).fetch_optional(&self.readers).await?;
        let Some(row) = row else { return Ok(Claim::Pending) };
        if row.try_get::<String, _>("request_sha256")? != request_sha256 {
            return Ok(Claim::Other);
        }
        let Some(status) = row.try_get::<Option<u16>, _>("status")? else { return Ok(Claim::Pending) };
        let body = row.try_get::<Option<String>, _>("body")?.unwrap_or_default();
        Ok(Claim::Answered(KeptReply { status, location: row.try_get("location")?, body }))
    }

    /// Keeps the reply to a claimed key.
    pub async fn keep(&self, who: &str, key: &str, reply: KeptReply) -> Result<(), StoreError> {
        let sql = "UPDATE idempotency SET status = ?, location = ?, body = ? WHERE who = ? AND key = ?";
        let values = [
            i64::from(reply.status).into(),
            reply.location.into(),
            reply.body.into(),
            who.into(),
            key.into(),
        ];
        self.writer.write(Statement::new(sql, values)).await.map(drop)
    }

    /// Gives a claimed key back: nothing was carried out.
    pub async fn release(&self, who: &str, key: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM idempotency WHERE who = ? AND key = ? AND status IS NULL";
        self.writer.write(Statement::new(sql, [who.into(), key.into()])).await.map(drop)
    }
}
