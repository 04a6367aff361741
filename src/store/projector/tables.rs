//! The projections of this program and the columns of their tables (`migrations/sqlite/projections.sql`).

use curfew_domain::Recorded;
use curfew_projections::{
    AccountRow, Accounts, BookingRow, Calendar, Fleet, RobotRow, SessionRow, Sessions, Timeline, TimelineRow,
};
use sqlx::SqliteConnection;

use super::super::StoreError;
use super::super::statement::Value;
use super::table::{self, Memory, Table};

impl Table for Calendar {
    const COLUMNS: &'static [&'static str] =
        &["account_id", "room_id", "robot_id", "starts_at", "ends_at", "is_live"];
    const LINKS: Option<&'static str> = Some("calendar_links");

    fn columns(row: &BookingRow) -> Vec<Value> {
        vec![
            row.account_id.to_string().into(),
            row.room_id.to_string().into(),
            row.robot_id.map(|id| id.to_string()).into(),
            row.window.starts_at.timestamp_micros().into(),
            row.window.ends_at.timestamp_micros().into(),
            i64::from(row.status.is_live()).into(),
        ]
    }

    fn links(row: &BookingRow) -> Vec<String> {
        row.guests.iter().chain([&row.account_id]).map(ToString::to_string).collect()
    }
}

impl Table for Fleet {
    const COLUMNS: &'static [&'static str] = &["slug", "retired"];

    fn columns(row: &RobotRow) -> Vec<Value> {
        vec![row.slug.as_str().into(), i64::from(row.retired).into()]
    }
}

impl Table for Sessions {
    const COLUMNS: &'static [&'static str] = &["booking_id", "robot_id", "opened_at", "is_unsettled"];

    fn columns(row: &SessionRow) -> Vec<Value> {
        vec![
            row.booking_id.map(|id| id.to_string()).into(),
            row.robot_id.to_string().into(),
            row.opened_at.timestamp_micros().into(),
            i64::from(!row.is_settled()).into(),
        ]
    }
}

impl Table for Timeline {
    const COLUMNS: &'static [&'static str] = &[];

    fn columns(_: &TimelineRow) -> Vec<Value> {
        Vec::new()
    }
}

impl Table for Accounts {
    const COLUMNS: &'static [&'static str] = &["role"];

    fn columns(row: &AccountRow) -> Vec<Value> {
        vec![row.role.name().into()]
    }
}

/// Folds `events` into every table, inside the transaction that is open.
pub(super) async fn advance(
    connection: &mut SqliteConnection,
    events: &[Recorded],
) -> Result<(), StoreError> {
    table::advance::<Calendar>(connection, events).await?;
    table::advance::<Fleet>(connection, events).await?;
    table::advance::<Sessions>(connection, events).await?;
    table::advance::<Timeline>(connection, events).await?;
    table::advance::<Accounts>(connection, events).await
}

/// Every projection, held in memory.
#[derive(Default)]
pub(super) struct Everything {
    calendar: Memory<Calendar>,
    fleet: Memory<Fleet>,
    sessions: Memory<Sessions>,
    timeline: Memory<Timeline>,
    accounts: Memory<Accounts>,
}

impl Everything {
    pub(super) fn fold(&mut self, event: &Recorded) {
        self.calendar.fold(event);
        self.fleet.fold(event);
        self.sessions.fold(event);
        self.timeline.fold(event);
        self.accounts.fold(event);
    }

    /// Adds what differs from the tables to `found`; the number of rows there should be.
    pub(super) async fn differences(
        &self,
        connection: &mut SqliteConnection,
        found: &mut Vec<String>,
    ) -> Result<usize, StoreError> {
        Ok(self.calendar.differences(connection, found).await?
            + self.fleet.differences(connection, found).await?
            + self.sessions.differences(connection, found).await?
            + self.timeline.differences(connection, found).await?
            + self.accounts.differences(connection, found).await?)
    }
}
