//! What can go wrong with the log, and how the database's own words map to it.

use cqrs_es::AggregateError;
use cqrs_es::persist::PersistenceError;
use sqlx::migrate::MigrateError;

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Something else was recorded first: load again and decide again.
    #[error("something else was recorded first")]
    Conflict,
    /// The disk or the database cannot do it now (full, I/O error, closed). Nothing was acknowledged; later it may work.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// What is stored cannot be what was written.
    #[error("the log is damaged: {0}")]
    Corrupt(String),
    /// A newer program wrote this log.
    #[error("this log was written by a newer version: it holds {found}, this program knows {known}")]
    Newer { found: String, known: String },
    /// Another process is active on the data folder.
    #[error("the data folder is in use by {by}")]
    Locked { by: String },
}

impl StoreError {
    pub(super) fn closed() -> Self {
        Self::Unavailable("the log is closed".to_owned())
    }
}

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>) that matter here.
mod code {
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const TOO_BIG: u32 = 18;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const MISMATCH: u32 = 20;
    pub(super) const NOT_A_DATABASE: u32 = 26;
    /// Extended codes of CONSTRAINT.
    pub(super) const PRIMARY_KEY: u32 = 1555;
    pub(super) const TRIGGER: u32 = 1811;
    pub(super) const UNIQUE: u32 = 2067;
}

fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match sqlite_code(&error) {
            Some(code::PRIMARY_KEY | code::TRIGGER | code::UNIQUE) => return Self::Conflict,
            Some(other) if matches!(other & 0xff, code::CORRUPT | code::NOT_A_DATABASE) => {
                return Self::Corrupt(error.to_string());
            }
            _ => {}
        }
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Corrupt(error.to_string())
            }
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Whether a statement's failure is its own (a constraint, a value too big) and leaves the transaction around it whole.
pub(super) fn concerns_only_its_statement(error: &sqlx::Error) -> bool {
    sqlite_code(error)
        .is_some_and(|found| matches!(found & 0xff, code::CONSTRAINT | code::TOO_BIG | code::MISMATCH))
}

/// A failed migration; `known` is the newest this program has.
pub(super) fn migration_error(error: MigrateError, known: i64) -> StoreError {
    match error {
        MigrateError::VersionMissing(found) => {
            StoreError::Newer { found: format!("schema {found}"), known: format!("schema {known}") }
        }
        MigrateError::VersionMismatch(version) => {
            StoreError::Corrupt(format!("schema {version} is not the one this program would make"))
        }
        MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => inner.into(),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// Lets a store error pass through the frame, which knows only its own kinds; [`from_frame`] gets it back.
pub(super) fn into_frame(error: StoreError) -> PersistenceError {
    match error {
        StoreError::Conflict => PersistenceError::OptimisticLockError,
        other => PersistenceError::ConnectionError(Box::new(other)),
    }
}

pub(super) fn from_frame<E: std::error::Error>(error: AggregateError<E>) -> StoreError {
    match error {
        AggregateError::AggregateConflict => StoreError::Conflict,
        AggregateError::DeserializationError(inner) => StoreError::Corrupt(inner.to_string()),
        AggregateError::UserError(inner) => StoreError::Corrupt(inner.to_string()),
        AggregateError::DatabaseConnectionError(inner) | AggregateError::UnexpectedError(inner) => {
            let inner = match inner.downcast::<StoreError>() {
                Ok(own) => return *own,
                Err(inner) => inner,
            };
            match inner.downcast::<sqlx::Error>() {
                Ok(database) => (*database).into(),
                Err(inner) if inner.is::<serde_json::Error>() => StoreError::Corrupt(inner.to_string()),
                Err(inner) => StoreError::Unavailable(inner.to_string()),
            }
        }
    }
}
