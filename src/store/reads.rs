//! Questions to the projections' tables. Every list is in the order of its key or its time and is bounded by the caller.

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, BookingId, RobotId, RoomId};
use curfew_projections::{
    AccountRow, Accounts, BookingRow, Calendar, Fleet, Projection, RobotRow, SessionRow, Sessions, Timeline,
    TimelineRow,
};
use sqlx::{Row, SqlitePool};

use super::StoreError;
use super::projector::parse;
use super::statement::Value;

/// Reads the tables as they are now; [`super::Projector::caught_up`] says how far they are.
#[derive(Clone, Debug)]
pub struct Reads {
    tables: SqlitePool,
}

impl Reads {
    pub(super) fn new(tables: SqlitePool) -> Self {
        Self { tables }
    }

    pub async fn booking(&self, id: BookingId) -> Result<Option<BookingRow>, StoreError> {
        self.by_key::<Calendar>(id.to_string()).await
    }

    /// The booking whose session is or will be in this room.
    pub async fn booking_in(&self, room: RoomId) -> Result<Option<BookingRow>, StoreError> {
        let sql = "SELECT row FROM calendar WHERE room_id = ?";
        Ok(self.rows::<Calendar>(sql, [room.to_string().into()]).await?.pop())
    }

    /// All bookings, or those that `of` holds or is a guest of; by id, which is by time of request.
    pub async fn bookings(
        &self,
        of: Option<AccountId>,
        after: Option<BookingId>,
        limit: usize,
    ) -> Result<Vec<BookingRow>, StoreError> {
        self.bookings_where("", of, after, limit).await
    }

    /// Like `bookings`, and only those requested, confirmed and active, whenever their windows are.
    pub async fn bookings_live(
        &self,
        of: Option<AccountId>,
        after: Option<BookingId>,
        limit: usize,
    ) -> Result<Vec<BookingRow>, StoreError> {
        self.bookings_where("is_live = 1 AND", of, after, limit).await
    }

    async fn bookings_where(
        &self,
        also: &'static str,
        of: Option<AccountId>,
        after: Option<BookingId>,
        limit: usize,
    ) -> Result<Vec<BookingRow>, StoreError> {
        let (after, limit) = (key_or_first(after), bound(limit));
        match of {
            None => {
                let sql = format!("SELECT row FROM calendar WHERE {also} key > ? ORDER BY key LIMIT ?");
                self.rows::<Calendar>(&sql, [after, limit]).await
            }
            Some(account) => {
                let sql = format!(
                    "SELECT row FROM calendar_links JOIN calendar USING (key) \
                     WHERE {also} link = ? AND key > ? ORDER BY key LIMIT ?"
                );
                self.rows::<Calendar>(&sql, [account.to_string().into(), after, limit]).await
            }
        }
    }

    /// Bookings whose windows overlap `[from, to)`, whatever became of them, by start. As many as there are: the span is
    /// the bound.
    pub async fn bookings_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<BookingRow>, StoreError> {
        let sql = "SELECT row FROM calendar WHERE ends_at > ? AND starts_at < ? ORDER BY starts_at, key";
        self.rows::<Calendar>(sql, [from.timestamp_micros().into(), to.timestamp_micros().into()]).await
    }

    /// Requested, confirmed and active bookings whose window holds `at`.
    pub async fn bookings_live_at(&self, at: DateTime<Utc>) -> Result<Vec<BookingRow>, StoreError> {
        let sql = "SELECT row FROM calendar WHERE is_live = 1 AND ((ends_at > ? AND starts_at <= ?) \
             OR json_extract(row, '$.status') = 'active') ORDER BY key";
        let at = at.timestamp_micros();
        self.rows::<Calendar>(sql, [at.into(), at.into()]).await
    }

    /// All robots, retired ones too, by id.
    pub async fn fleet(&self) -> Result<Vec<RobotRow>, StoreError> {
        self.rows::<Fleet>("SELECT row FROM fleet ORDER BY key", []).await
    }

    /// The robot of this id or slug; of several that had a slug, the one that still has it.
    pub async fn robot(&self, id_or_slug: &str) -> Result<Option<RobotRow>, StoreError> {
        if let Ok(id) = id_or_slug.parse::<RobotId>() {
            return self.by_key::<Fleet>(id.to_string()).await;
        }
        let sql = "SELECT row FROM fleet WHERE slug = ? ORDER BY retired, key LIMIT 1";
        Ok(self.rows::<Fleet>(sql, [id_or_slug.into()]).await?.pop())
    }

    pub async fn account(&self, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
        self.by_key::<Accounts>(id.to_string()).await
    }

    /// By id.
    pub async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountRow>, StoreError> {
        let sql = "SELECT row FROM accounts WHERE key > ? ORDER BY key LIMIT ?";
        self.rows::<Accounts>(sql, [key_or_first(after), bound(limit)]).await
    }

    pub async fn session(&self, room: RoomId) -> Result<Option<SessionRow>, StoreError> {
        self.by_key::<Sessions>(room.to_string()).await
    }

    /// Rooms that were opened in `[from, to)`, by when they were.
    pub async fn sessions_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let sql =
            "SELECT row FROM sessions WHERE opened_at >= ? AND opened_at < ? ORDER BY opened_at, key LIMIT ?";
        let values = [from.timestamp_micros().into(), to.timestamp_micros().into(), bound(limit)];
        self.rows::<Sessions>(sql, values).await
    }

    /// Rooms that are not closed, or have peers whose end is not recorded, by id.
    pub async fn sessions_unsettled(&self) -> Result<Vec<SessionRow>, StoreError> {
        self.rows::<Sessions>("SELECT row FROM sessions WHERE is_unsettled = 1 ORDER BY key", []).await
    }

    /// What happened to a session, in the log's order, after position `after`.
    pub async fn timeline(
        &self,
        room: RoomId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<TimelineRow>, StoreError> {
        let sql = "SELECT row FROM timeline WHERE key > ? AND key <= ? ORDER BY key LIMIT ?";
        let (first, last) = (Timeline::key(room, after), Timeline::key(room, u64::MAX));
        self.rows::<Timeline>(sql, [first.into(), last.into(), bound(limit)]).await
    }

    async fn by_key<P: Projection>(&self, key: String) -> Result<Option<P::Row>, StoreError> {
        let sql = format!("SELECT row FROM {} WHERE key = ?", P::NAME);
        Ok(self.rows::<P>(&sql, [key.into()]).await?.pop())
    }

    async fn rows<P: Projection>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<P::Row>, StoreError> {
        let query = values.into_iter().fold(sqlx::query(sql), |query, value| value.bind(query));
        let rows = query.fetch_all(&self.tables).await?;
        rows.iter().map(|row| parse::<P>(row.try_get("row")?)).collect()
    }
}

/// Ids sort as their texts do, and the empty text is before them all.
fn key_or_first(after: Option<impl ToString>) -> Value {
    after.map(|id| id.to_string()).unwrap_or_default().into()
}

fn bound(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}
