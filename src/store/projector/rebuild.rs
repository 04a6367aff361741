//! The proof that the tables are what the log says: fold it all again and compare.

use sqlx::SqlitePool;

use super::super::{Log, StoreError};
use super::tables::Everything;
use super::{BATCH, database};

/// What a rebuild found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events folded: the tables' checkpoint.
    pub events: u64,
    /// Rows the fold gave, over all tables.
    pub rows: usize,
    /// What differs, one sentence each; empty when the tables are right.
    pub differences: Vec<String>,
}

impl Rebuilt {
    pub fn matches(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares in one read transaction, so that the projector may go on meanwhile.
pub(super) async fn compare(log: &Log, readers: &SqlitePool) -> Result<Rebuilt, StoreError> {
    let mut snapshot = readers.begin().await?;
    let end = database::checkpoint(&mut snapshot).await?;
    let mut everything = Everything::default();
    let mut position = 0;
    while position < end {
        let events = log.read_after(position, BATCH).await?;
        let Some(last) = events.last() else {
            return Err(StoreError::Corrupt(format!("the log ends at {position}, the tables at {end}")));
        };
        position = last.position;
        events.iter().filter(|event| event.position <= end).for_each(|event| everything.fold(event));
    }
    let mut differences = Vec::new();
    let rows = everything.differences(&mut snapshot, &mut differences).await?;
    Ok(Rebuilt { events: end, rows, differences })
}
