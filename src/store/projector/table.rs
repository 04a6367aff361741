//! One projection as a table: its key, its row as JSON, and the columns that queries need.

use std::collections::BTreeMap;

use curfew_domain::Recorded;
use curfew_projections::Projection;
use sqlx::{Row, SqliteConnection};

use super::super::StoreError;
use super::super::statement::Value;

/// What the table of a projection has beside `key` and `row`.
pub(super) trait Table: Projection {
    const COLUMNS: &'static [&'static str];

    /// A table of `link` and `key`, by which rows are found that have several values of one kind.
    const LINKS: Option<&'static str> = None;

    /// The columns' values, in their order.
    fn columns(row: &Self::Row) -> Vec<Value>;

    /// The row's values in [`Table::LINKS`], each once.
    fn links(_row: &Self::Row) -> Vec<String> {
        Vec::new()
    }
}

/// Folds `events` into the table, inside the transaction that is open. Each row is read and written once.
pub(super) async fn advance<T: Table>(
    connection: &mut SqliteConnection,
    events: &[Recorded],
) -> Result<(), StoreError> {
    let mut rows: BTreeMap<String, Option<T::Row>> = BTreeMap::new();
    for event in events {
        for key in T::keys(event) {
            let row = match rows.remove(&key) {
                Some(row) => row,
                None => load::<T>(connection, &key).await?,
            };
            let folded = T::fold(&key, row, event);
            rows.insert(key, folded);
        }
    }
    for (key, row) in rows {
        store::<T>(connection, &key, row).await?;
    }
    Ok(())
}

/// The rows of a projection held in memory, folded from the log's beginning.
pub(super) struct Memory<T: Projection>(pub(super) BTreeMap<String, T::Row>);

impl<T: Projection> Default for Memory<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Table> Memory<T> {
    pub(super) fn fold(&mut self, event: &Recorded) {
        for key in T::keys(event) {
            let row = self.0.remove(&key);
            if let Some(row) = T::fold(&key, row, event) {
                self.0.insert(key, row);
            }
        }
    }

    /// Says in words which rows of the table are not these.
    pub(super) async fn differences(
        &self,
        connection: &mut SqliteConnection,
        found: &mut Vec<String>,
    ) -> Result<usize, StoreError> {
        let sql = format!("SELECT key, row FROM {}", T::NAME);
        let mut stored = BTreeMap::new();
        for row in sqlx::query(&sql).fetch_all(connection).await? {
            stored.insert(row.try_get::<String, _>("key")?, parse::<T>(row.try_get("row")?)?);
        }
        for (key, row) in &self.0 {
            match stored.get(key) {
                None => found.push(format!("{} lacks {key}", T::NAME)),
                Some(other) if other != row => found.push(format!("{} has another {key}", T::NAME)),
                Some(_) => {}
            }
        }
        let extra = stored.keys().filter(|key| !self.0.contains_key(*key));
        found.extend(extra.map(|key| format!("{} should not have {key}", T::NAME)));
        Ok(self.0.len())
    }
}

/// Reads a row's JSON.
pub(in crate::store) fn parse<P: Projection>(json: &str) -> Result<P::Row, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("a row of {}: {error}", P::NAME)))
}

async fn load<T: Table>(connection: &mut SqliteConnection, key: &str) -> Result<Option<T::Row>, StoreError> {
    let sql = format!("SELECT row FROM {} WHERE key = ?", T::NAME);
    let row = sqlx::query(&sql).bind(key).fetch_optional(connection).await?;
    row.map(|row| parse::<T>(row.try_get("row")?)).transpose()
}

async fn store<T: Table>(
    connection: &mut SqliteConnection,
    key: &str,
    row: Option<T::Row>,
) -> Result<(), StoreError> {
    if let Some(links) = T::LINKS {
        let sql = format!("DELETE FROM {links} WHERE key = ?");
        sqlx::query(&sql).bind(key).execute(&mut *connection).await?;
        let sql = format!("INSERT OR IGNORE INTO {links} (link, key) VALUES (?, ?)");
        for link in row.iter().flat_map(T::links) {
            sqlx::query(&sql).bind(link).bind(key).execute(&mut *connection).await?;
        }
    }
    let Some(row) = row else {
        let sql = format!("DELETE FROM {} WHERE key = ?", T::NAME);
        sqlx::query(&sql).bind(key).execute(connection).await?;
        return Ok(());
    };
    let json = serde_json::to_string(&row)
        .map_err(|error| StoreError::Corrupt(format!("a row of {} has no JSON: {error}", T::NAME)))?;
    let columns: String = T::COLUMNS.iter().map(|name| format!(", {name}")).collect();
    let places = ", ?".repeat(T::COLUMNS.len());
    let sql = format!("INSERT OR REPLACE INTO {} (key, row{columns}) VALUES (?, ?{places})", T::NAME);
    let query = sqlx::query(&sql).bind(key).bind(json);
    T::columns(&row).into_iter().fold(query, |query, value| value.bind(query)).execute(connection).await?;
    Ok(())
}
