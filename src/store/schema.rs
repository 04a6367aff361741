//! The log's own migrations, embedded, run at start. `migrations/sqlite/NNNN_*.sql`; one that was released never changes.

use std::borrow::Cow;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};

use super::StoreError;
use super::error::migration_error;

const MIGRATIONS: [(i64, &str, &str); 4] = [
    (1, "log", include_str!("../../migrations/sqlite/0001_log.sql")),
    (2, "people", include_str!("../../migrations/sqlite/0002_people.sql")),
    (3, "idempotency", include_str!("../../migrations/sqlite/0003_idempotency.sql")),
    (4, "sealed_replies", include_str!("../../migrations/sqlite/0004_sealed_replies.sql")),
];

/// Brings the database to this program's schema; touches nothing when a newer program was there before.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let newest = MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or_default();
    let migrator = Migrator::new(Embedded).await.map_err(|error| migration_error(error, newest))?;
    migrator.run_direct(connection).await.map_err(|error| migration_error(error, newest))
}

#[derive(Debug)]
struct Embedded;

impl MigrationSource<'static> for Embedded {
    fn resolve(self) -> BoxFuture<'static, Result<Vec<Migration>, BoxDynError>> {
        Box::pin(async {
            Ok(MIGRATIONS
                .iter()
                .map(|&(version, name, sql)| {
                    let kind = MigrationType::Simple;
                    Migration::new(version, Cow::Borrowed(name), kind, Cow::Borrowed(sql), false)
                })
                .collect())
        })
    }
}
