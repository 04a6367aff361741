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

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tempfile::TempDir;

    use super::*;
    use crate::store::tests::{noon, open};

    fn key(who: &str, name: &str) -> KeyName {
        KeyName { who: who.to_owned(), name: name.to_owned() }
    }

    #[tokio::test]
    async fn a_key_is_claimed_by_one_and_remembered_for_a_day() {
        let dir = TempDir::new().expect("a folder");
        let log = open(dir.path()).await;
        let (keys, mine) = (log.idempotency(), key("a", "k"));
        let claim = async |key: &KeyName, request: &str, hours: i64| {
            keys.claim(key, request, noon() + TimeDelta::hours(hours)).await.expect("claims")
        };
        assert_eq!(claim(&mine, "r", 0).await, Claim::New);
        assert_eq!(claim(&mine, "r", 0).await, Claim::Pending);
        assert_eq!(claim(&mine, "other", 0).await, Claim::Other);
        assert_eq!(claim(&key("b", "k"), "r", 0).await, Claim::New, "somebody else's");
        keys.keep(&mine, vec![7]).await.expect("kept");
        keys.release(&mine).await.expect("nothing: it is answered");
        assert_eq!(claim(&mine, "r", 24).await, Claim::Answered(vec![7]));
        log.close().await;

        let log = open(dir.path()).await;
        let keys = log.idempotency();
        let later = noon() + TimeDelta::hours(24);
        assert_eq!(keys.claim(&mine, "r", later).await.expect("claims"), Claim::Answered(vec![7]));
        let after = later + TimeDelta::microseconds(1);
        assert_eq!(keys.claim(&mine, "r", after).await.expect("claims"), Claim::New, "forgotten");
        keys.release(&mine).await.expect("given back");
        assert_eq!(keys.claim(&mine, "s", after).await.expect("claims"), Claim::New);
    }

    #[tokio::test]
    async fn the_oldest_of_ones_keys_make_room_and_nobody_elses() {
        let dir = TempDir::new().expect("a folder");
        let log = open(dir.path()).await;
        let keys = log.idempotency();
        let at = |number: i64| noon() + TimeDelta::seconds(number);
        for who in ["one", "other"] {
            let claims = (0..MOST_OF_ONE).map(async |number| {
                let (key, keys) = (key(who, &number.to_string()), keys.clone());
                assert_eq!(keys.claim(&key, "r", at(number)).await, Ok(Claim::New));
                if number > 0 {
                    keys.keep(&key, vec![1]).await.expect("kept");
                }
            });
            join_all(claims).await;
        }
        let claim = async |who: &str, number: i64| {
            keys.claim(&key(who, &number.to_string()), "r", at(MOST_OF_ONE)).await.expect("claims")
        };
        assert_eq!(claim("one", MOST_OF_ONE).await, Claim::New);
        assert_eq!(claim("one", 0).await, Claim::Pending, "what is being carried out is not forgotten");
        assert_eq!(claim("other", 1).await, Claim::Answered(vec![1]));
        assert_eq!(claim("one", MOST_OF_ONE + 1).await, Claim::New);
        assert_eq!(claim("one", 1).await, Claim::New, "forgotten");
    }
}
