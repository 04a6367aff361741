//! The small tables beside the log: the text of reasons, the server's own secrets, links that work once.

use chrono::{DateTime, Utc};
use curfew_domain::AccountId;
use ring::rand::{SecureRandom, SystemRandom};
use sqlx::{Row, SqlitePool};

use super::StoreError;
use super::statement::{Statement, Value};
use super::writer::Writer;

/// The free text of reasons, by the salted hash that stands in the log.
#[derive(Clone, Debug)]
pub struct Reasons {
    writer: Writer,
    readers: SqlitePool,
}

impl Reasons {
    /// Characters in a reason.
    pub const LONGEST: usize = 1000;

    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }

    /// Durable when `Ok`. The same hash again changes nothing. Text beyond [`Reasons::LONGEST`] is cut off.
    pub async fn put(&self, hash: &str, text: &str) -> Result<(), StoreError> {
        let text: String = text.chars().take(Self::LONGEST).collect();
        let sql = "INSERT OR IGNORE INTO reasons (hash, text) VALUES (?, ?)";
        self.writer.write(Statement::new(sql, [hash.into(), text.into()])).await.map(drop)
    }

    /// `None` where it was erased or never known.
    pub async fn get(&self, hash: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT text FROM reasons WHERE hash = ?")
            .bind(hash)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|row| row.try_get("text")).transpose()?)
    }
}

/// Keys and salts that the server makes for itself and keeps.
#[derive(Clone, Debug)]
pub struct Secrets {
    writer: Writer,
    readers: SqlitePool,
}

impl Secrets {
    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }

    /// The secret of this name; at first use, `length` random bytes.
    pub async fn get_or_create(&self, name: &str, length: usize) -> Result<Vec<u8>, StoreError> {
        let select = "SELECT value FROM secrets WHERE name = ?";
        if let Some(row) = sqlx::query(select).bind(name).fetch_optional(&self.readers).await? {
            return Ok(row.try_get("value")?);
        }
        let mut value = vec![0; length];
        let exhausted = |_| StoreError::Unavailable("the system gives no random bytes".to_owned());
        SystemRandom::new().fill(&mut value).map_err(exhausted)?;
        // Whoever is first decides; the others get what it made.
        let sql = "INSERT INTO secrets (name, value) VALUES (?, ?) \
                   ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value";
        let rows = self.writer.write(Statement::new(sql, [name.into(), Value::Blob(value)])).await?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt("a secret was not kept".to_owned()))?;
        Ok(row.try_get("value")?)
    }
}

/// Links that work once, by the hash of their token.
#[derive(Clone, Debug)]
pub struct OneTimeLinks {
    writer: Writer,
    readers: SqlitePool,
}

impl OneTimeLinks {
    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }

    /// What a link is for, without using it up. `None` when it is unknown, used or expired.
    pub async fn purpose(&self, hash: &str, now: DateTime<Utc>) -> Result<Option<String>, StoreError> {
        let sql = "SELECT purpose FROM one_time_links WHERE hash = ? AND expires_at > ?";
        let purpose = sqlx::query_scalar(sql).bind(hash).bind(now.timestamp_micros());
        Ok(purpose.fetch_optional(&self.readers).await?)
    }

    /// `purpose` says what the link is for; `account` whose it is, where there is one already.
    pub async fn create(
        &self,
        hash: &str,
        purpose: &str,
        account: Option<AccountId>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO one_time_links (hash, purpose, account_id, expires_at) VALUES (?, ?, ?, ?)";
        let account = account.map(|id| id.to_string());
        let values = [hash.into(), purpose.into(), account.into(), expires_at.timestamp_micros().into()];
        self.writer.write(Statement::new(sql, values)).await.map(drop)
    }

    /// Takes every link of an account away.
    pub async fn revoke(&self, account: AccountId) -> Result<(), StoreError> {
        let sql = "DELETE FROM one_time_links WHERE account_id = ?";
        self.writer.write(Statement::new(sql, [account.to_string().into()])).await.map(drop)
    }

    /// Uses a link up, durably: of two who try, one gets it. `None` when it is unknown, used or expired.
    pub async fn take(&self, hash: &str, now: DateTime<Utc>) -> Result<Option<OneTimeLink>, StoreError> {
        let sql = "DELETE FROM one_time_links WHERE hash = ? OR expires_at <= ? \
                   RETURNING hash, purpose, account_id, expires_at";
        let now_us = now.timestamp_micros();
        let rows = self.writer.write(Statement::new(sql, [hash.into(), now_us.into()])).await?;
        for row in &rows {
            if row.try_get::<String, _>("hash")? == hash && row.try_get::<i64, _>("expires_at")? > now_us {
                let account: Option<String> = row.try_get("account_id")?;
                let damaged = |_| StoreError::Corrupt("a link has no valid account".to_owned());
                let account = account.map(|id| id.parse()).transpose().map_err(damaged)?;
                return Ok(Some(OneTimeLink { purpose: row.try_get("purpose")?, account }));
            }
        }
        Ok(None)
    }
}

/// What a link was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeLink {
    pub purpose: String,
    pub account: Option<AccountId>,
}
