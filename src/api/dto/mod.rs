//! Shapes on the wire that several routes share. Snake case; times RFC 3339 in UTC with milliseconds; ids as text.
//!
//! What answers a command is made from the aggregate's state, what answers a list from the read models; both come to the
//! same shape here. No rule and no query ever lives here.

mod booking;
mod robot;

pub(super) use booking::{Booking, Facts, Names};
pub(super) use robot::{AdminRobot, Robot};

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, Role, Window};
use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::millis;

/// A person with an account.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct User {
    pub id: AccountId,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub suspended: bool,
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    pub created_at: DateTime<Utc>,
}

/// A window, half-open.
#[derive(JsonSchema, Serialize)]
pub(super) struct Span {
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    starts_at: DateTime<Utc>,
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    ends_at: DateTime<Utc>,
}

impl From<Window> for Span {
    fn from(Window { starts_at, ends_at }: Window) -> Self {
        Self { starts_at, ends_at }
    }
}

/// Carried out, and not durable yet.
#[derive(JsonSchema, Serialize)]
pub(super) struct NotRecorded {
    pub(super) recorded: bool,
}
