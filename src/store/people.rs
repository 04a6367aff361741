//! Names, e-mails and password hashes: personal data, which can be erased and never stands in the log.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use curfew_domain::AccountId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use super::StoreError;
use super::reader::instant;
use super::statement::Statement;
use super::writer::Writer;

/// Characters in a name, and in an e-mail (RFC 5321 allows 254 in a path).
const LONGEST: usize = 254;
/// A password hash in PHC format is about 100 bytes.
const LONGEST_HASH: usize = 512;

const COLUMNS: &str = "SELECT account_id, name, email, password_hash, created_at FROM people";

/// A person who has an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    pub account_id: AccountId,
    pub name: String,
    /// Lower case.
    pub email: String,
    /// In PHC format.
    pub password_hash: String,
    pub created_at: DateTime<Utc>,
}

/// What a person's record begins with.
#[derive(Clone)]
pub struct NewPerson {
    pub account_id: AccountId,
    pub name: String,
    pub email: String,
    pub password_hash: String,
    pub created_at: DateTime<Utc>,
}

impl NewPerson {
    /// Refuses what [`People::create`] would refuse for its shape, for callers that have to know beforehand.
    pub fn check(name: &str, email: &str) -> Result<(), PeopleError> {
        checked_name(name).and(checked_email(email)).map(drop)
    }
}

/// Why a person's record cannot be what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeopleError {
    #[error("another account has this e-mail")]
    EmailTaken,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("there is no such person")]
    Unknown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The table of people.
#[derive(Clone, Debug)]
pub struct People {
    writer: Writer,
    readers: SqlitePool,
}

impl People {
    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }

    /// Durable when `Ok`. E-mails are compared without regard to case and surrounding space.
    pub async fn create(&self, person: NewPerson) -> Result<Person, PeopleError> {
        let person = Person {
            account_id: person.account_id,
            name: checked_name(&person.name)?,
            email: checked_email(&person.email)?,
            password_hash: checked_hash(person.password_hash)?,
            created_at: person.created_at,
        };
        let sql =
            "INSERT INTO people (account_id, name, email, password_hash, created_at) VALUES (?, ?, ?, ?, ?)";
        let values = [
            person.account_id.to_string().into(),
            person.name.as_str().into(),
            person.email.as_str().into(),
            person.password_hash.as_str().into(),
            person.created_at.timestamp_micros().into(),
        ];
        match self.writer.write(Statement::new(sql, values)).await {
            Ok(_) => Ok(person),
            Err(StoreError::Conflict) => Err(PeopleError::EmailTaken),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn by_email(&self, email: &str) -> Result<Option<Person>, StoreError> {
        let sql = format!("{COLUMNS} WHERE email = ?");
        let row = sqlx::query(&sql).bind(normal(email)).fetch_optional(&self.readers).await?;
        row.as_ref().map(person).transpose()
    }

    pub async fn by_id(&self, account: AccountId) -> Result<Option<Person>, StoreError> {
        let sql = format!("{COLUMNS} WHERE account_id = ?");
        let row = sqlx::query(&sql).bind(account.to_string()).fetch_optional(&self.readers).await?;
        row.as_ref().map(person).transpose()
    }

    /// The names that go with these ids, as many as are known.
    pub async fn names(&self, of: &BTreeSet<AccountId>) -> Result<HashMap<AccountId, String>, StoreError> {
        let ids: Vec<String> = of.iter().map(ToString::to_string).collect();
        let ids = serde_json::Value::from(ids).to_string();
        let sql = format!("{COLUMNS} WHERE account_id IN (SELECT value FROM json_each(?))");
        let rows = sqlx::query(&sql).bind(ids).fetch_all(&self.readers).await?;
        rows.iter().map(|row| person(row).map(|person| (person.account_id, person.name))).collect()
    }

    /// By account id, those after `after`, at most `limit`.
    pub async fn all(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        let sql = format!("{COLUMNS} WHERE account_id > ? ORDER BY account_id LIMIT ?");
        let rows = sqlx::query(&sql)
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(person).collect()
    }

    pub async fn set_password_hash(&self, account: AccountId, hash: String) -> Result<(), PeopleError> {
        let sql = "UPDATE people SET password_hash = ? WHERE account_id = ? RETURNING account_id";
        let values = [checked_hash(hash)?.into(), account.to_string().into()];
        self.one(Statement::new(sql, values)).await
    }

    pub async fn set_name(&self, account: AccountId, name: &str) -> Result<(), PeopleError> {
        let sql = "UPDATE people SET name = ? WHERE account_id = ? RETURNING account_id";
        self.one(Statement::new(sql, [checked_name(name)?.into(), account.to_string().into()])).await
    }

    /// Forgets who the account belongs to; what it did stays in the log under its opaque id.
    pub async fn erase(&self, account: AccountId) -> Result<(), PeopleError> {
        let sql = "DELETE FROM people WHERE account_id = ? RETURNING account_id";
        self.one(Statement::new(sql, [account.to_string().into()])).await
    }

    async fn one(&self, statement: Statement) -> Result<(), PeopleError> {
        let rows = self.writer.write(statement).await?;
        if rows.is_empty() { Err(PeopleError::Unknown) } else { Ok(()) }
    }
}

fn person(row: &SqliteRow) -> Result<Person, StoreError> {
    let account: String = row.try_get("account_id")?;
    Ok(Person {
        account_id: account
            .parse()
            .map_err(|_| StoreError::Corrupt("a person has no valid id".to_owned()))?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        password_hash: row.try_get("password_hash")?,
        created_at: instant(row, "created_at")?,
    })
}

fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

fn checked_email(email: &str) -> Result<String, PeopleError> {
    let email = normal(email);
    let parts = email.split_once('@');
    let whole =
        parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if !whole || email.len() > LONGEST || email.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(PeopleError::Invalid("the e-mail address is not valid"));
    }
    Ok(email)
}

fn checked_name(name: &str) -> Result<String, PeopleError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST || name.contains(char::is_control) {
        return Err(PeopleError::Invalid("a name has 1 to 254 characters"));
    }
    Ok(name.to_owned())
}

fn checked_hash(hash: String) -> Result<String, PeopleError> {
    if hash.is_empty() || hash.len() > LONGEST_HASH {
        return Err(PeopleError::Invalid("a password hash has 1 to 512 bytes"));
    }
    Ok(hash)
}
