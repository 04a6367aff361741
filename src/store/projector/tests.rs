use std::path::Path;
use std::time::Duration;

use curfew_domain::{
    Account, AccountEvent, AccountId, Booking, BookingEvent, BookingId, RobotChoice, Role, RoomId, Window,
};
use curfew_projections::Status;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::store::tests::{by_system, manual, noon, open};

fn account(number: u128) -> AccountId {
    Uuid::from_u128(number).into()
}

fn booking(number: u128) -> BookingId {
    Uuid::from_u128(0x1000 + number).into()
}

fn room(number: u128) -> RoomId {
    Uuid::from_u128(0x2000 + number).into()
}

/// The hour that begins `number` hours after noon.
fn hour(number: u128) -> Window {
    let starts_at = noon() + Duration::from_secs(3600) * u32::try_from(number).expect("small");
    Window { starts_at, ends_at: starts_at + Duration::from_secs(3600) }
}

fn requested(number: u128, holder: u128) -> BookingEvent {
    BookingEvent::Requested {
        booking_id: booking(number),
        room_id: room(number),
        holder: account(holder),
        choice: RobotChoice::Type("arm".to_owned()),
        robot_type: "arm".to_owned(),
        candidates: Vec::new(),
        window: hour(number),
        buffer_s: 0,
        viewer_limit: 4,
    }
}

/// Appends bookings `from..to`, each with a guest, of holders 1 and 2 in turn.
async fn book(log: &Log, from: u128, to: u128) -> u64 {
    let mut position = 0;
    for number in from..to {
        let guest = BookingEvent::GuestInvited { account_id: account(9), by: account(1) };
        let events = vec![requested(number, 1 + number % 2), guest];
        let id = booking(number).to_string();
        position = log.append::<Booking>(&id, 0, events, &by_system()).await.expect("appends").position;
    }
    position
}

async fn register(log: &Log, number: u128) -> u64 {
    let event = AccountEvent::Registered { account_id: account(number), role: Role::Viewer };
    let id = account(number).to_string();
    log.append::<Account>(&id, 0, vec![event], &by_system()).await.expect("appends").position
}

async fn directly(dir: &Path, sql: &'static str) {
    let url = format!("sqlite://{}", dir.join("projections.db").display());
    let mut connection = SqliteConnection::connect(&url).await.expect("connects");
    sqlx::raw_sql(sql).execute(&mut connection).await.expect("runs");
    connection.close().await.expect("closes");
}

async fn assert_matches(projector: &Projector, events: u64) {
    let rebuilt = projector.rebuild_matches().await.expect("rebuilds");
    assert_eq!((rebuilt.events, rebuilt.differences), (events, Vec::new()));
}

#[tokio::test]
async fn the_tables_follow_the_log_and_equal_a_rebuild() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    let before = book(&log, 0, 10).await;
    let projector = Projector::start(log.clone()).await.expect("starts");
    assert_eq!(projector.progress().borrow().position, before, "it starts caught up");
    register(&log, 1).await;
    let last = book(&log, 10, 20).await;
    projector.caught_up(last).await.expect("follows");
    assert_matches(&projector, last).await;
    assert_eq!(projector.reads().bookings(None, None, 100).await.expect("reads").len(), 20);
}

#[tokio::test]
async fn a_table_that_was_tampered_with_is_told() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    let last = book(&log, 0, 3).await;
    let projector = Projector::start(log.clone()).await.expect("starts");
    assert_matches(&projector, last).await;
    directly(
        dir.path(),
        "DELETE FROM calendar WHERE starts_at = (SELECT min(starts_at) FROM calendar);
         UPDATE calendar SET row = json_set(row, '$.status', 'ended');",
    )
    .await;
    let rebuilt = projector.rebuild_matches().await.expect("rebuilds");
    assert_eq!(rebuilt.differences.len(), 3, "{rebuilt:?}");
    assert!(!rebuilt.matches());
}

#[tokio::test]
async fn rows_and_checkpoint_change_together_or_not_at_all() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    let projector = Projector::start(log.clone()).await.expect("starts");
    // The calendar's rows are written before the accounts' fail: none of them may stay.
    directly(dir.path(), "ALTER TABLE accounts RENAME TO gone").await;
    book(&log, 0, 1).await;
    let last = register(&log, 1).await;
    let mut progress = projector.progress();
    progress.wait_for(|now| now.fault.is_some() && now.position < last).await.expect("faults");
    let reads = projector.reads();
    let position = progress.borrow().position;
    let rows = reads.bookings(None, None, 10).await.expect("reads").len();
    assert!((position, rows) == (0, 0) || (position, rows) == (2, 1), "{position} {rows}");
    assert!(reads.account(account(1)).await.is_err());
    directly(dir.path(), "ALTER TABLE gone RENAME TO accounts").await;
    projector.caught_up(last).await.expect("goes on");
    assert_eq!(projector.progress().borrow().fault, None);
    assert_matches(&projector, last).await;
}

#[tokio::test]
async fn what_is_missing_damaged_or_not_of_this_log_is_made_anew() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    let last = book(&log, 0, 3).await;
    let file = dir.path().join("projections.db");
    for (what, damage) in [
        ("another log", "UPDATE about SET log_id = 'other'; DELETE FROM calendar"),
        ("another program", "UPDATE about SET made_by = '0.0.1'; DELETE FROM calendar"),
        ("ahead", "UPDATE about SET position = 1000; DELETE FROM calendar"),
        ("no table", "UPDATE about SET position = 0; DROP TABLE calendar"),
    ] {
        let projector = Projector::start(log.clone()).await.expect(what);
        assert_matches(&projector, last).await;
        projector.close().await;
        directly(dir.path(), damage).await;
    }
    let projector = Projector::start(log.clone()).await.expect("starts");
    assert_matches(&projector, last).await;
    projector.close().await;
    std::fs::write(&file, "no database at all").expect("writes");
    let projector = Projector::start(log.clone()).await.expect("starts");
    assert_matches(&projector, last).await;
    projector.close().await;
    std::fs::remove_file(&file).expect("removes");
    let projector = Projector::start(log.clone()).await.expect("starts");
    assert_matches(&projector, last).await;
}

#[tokio::test]
async fn a_closed_projector_has_all_and_says_that_it_stopped() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    let projector = Projector::start(log.clone()).await.expect("starts");
    let last = book(&log, 0, 5).await;
    projector.close().await;
    assert_eq!(projector.caught_up(last).await, Ok(()));
    assert!(matches!(projector.caught_up(last + 1).await, Err(StoreError::Unavailable(_))));
    projector.close().await;
    log.close().await;
    let again = crate::store::Log::open(dir.path(), manual()).await.expect("opens");
    let projector = Projector::start(again).await.expect("starts");
    assert_matches(&projector, last).await;
}

#[tokio::test]
async fn bookings_are_found_by_person_page_time_and_room() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    book(&log, 0, 4).await;
    let rejected =
        BookingEvent::Rejected { holder: account(1), reason: curfew_domain::Reason::SlotTaken, at: noon() };
    log.append::<Booking>(&booking(0).to_string(), 2, vec![rejected], &by_system()).await.expect("appends");
    let reads = Projector::start(log.clone()).await.expect("starts").reads();
    let ids = |rows: Vec<curfew_projections::BookingRow>| {
        rows.iter().map(|row| row.booking_id.as_uuid().as_u128() - 0x1000).collect::<Vec<_>>()
    };
    assert_eq!(ids(reads.bookings(Some(account(1)), None, 10).await.expect("reads")), [0, 2]);
    assert_eq!(ids(reads.bookings(Some(account(9)), None, 10).await.expect("reads")), [0, 1, 2, 3]);
    assert_eq!(ids(reads.bookings(None, Some(booking(1)), 1).await.expect("reads")), [2]);
    assert_eq!(ids(reads.bookings_live(None, None, 10).await.expect("reads")), [1, 2, 3]);
    assert_eq!(ids(reads.bookings_live(Some(account(1)), None, 10).await.expect("reads")), [2]);
    let (from, to) = (hour(1).starts_at, hour(2).ends_at);
    assert_eq!(ids(reads.bookings_between(from, to).await.expect("reads")), [1, 2]);
    assert_eq!(ids(reads.bookings_live_at(hour(1).starts_at).await.expect("reads")), [1]);
    assert_eq!(ids(reads.bookings_live_at(hour(0).starts_at).await.expect("reads")), [0; 0]);
    let found = reads.booking_in(room(0)).await.expect("reads").expect("is there");
    assert_eq!((found.booking_id, found.status), (booking(0), Status::Rejected));
    assert_eq!(reads.timeline(room(0), 0, 10).await.expect("reads").len(), 1);
    assert_eq!(reads.timeline(room(0), 1, 10).await.expect("reads").len(), 0);
}
