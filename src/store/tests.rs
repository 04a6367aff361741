//! The contract of the store, on a real database in a folder of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew_domain::{Actor, Fact, Lab, LabEvent, Metadata};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::statement::Statement;
use super::*;
use crate::clock::{BootInstant, Clock, ManualClock};

pub(super) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("in range")
}

pub(super) fn manual() -> Arc<ManualClock> {
    ManualClock::new(noon(), BootInstant::from_nanos(1_000_000_000))
}

pub(super) async fn open(dir: &Path) -> Log {
    Log::open(dir, manual()).await.expect("opens")
}

pub(super) fn by_system() -> Metadata {
    Metadata::new(Actor::System, Uuid::from_u128(7))
}

fn fact() -> LabEvent {
    LabEvent::ServerStopped { stopped_at: noon() }
}

async fn append(log: &Log, stream: &str, expected: usize) -> Result<Appended, StoreError> {
    append_many(log, stream, expected, 1).await
}

async fn append_many(log: &Log, stream: &str, expected: usize, count: usize) -> Result<Appended, StoreError> {
    log.append::<Lab>(stream, expected, vec![fact(); count], &by_system()).await
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_log_is_opened_again() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    let first = append_many(&log, "a", 0, 2).await.expect("appends");
    assert_eq!((first.sequence, first.position), (2, 2));
    log.close().await;

    let log = open(dir.path()).await;
    assert_eq!(*log.head().borrow(), 2);
    assert_eq!(log.last_recorded_at(), Some(first.recorded_at));
    assert_eq!(log.load::<Lab>("a").await.expect("loads").sequence, 2);
    let events = log.read_after(0, 10).await.expect("reads");
    assert_eq!(events.iter().map(|event| event.position).collect::<Vec<_>>(), [1, 2]);
    assert!(events.iter().all(|event| event.fact == Fact::Lab(fact()) && event.metadata == by_system()));
    assert_eq!(events[0].recorded_at, noon());
    assert_eq!(events[1].recorded_at, noon() + Duration::from_micros(1));
    assert!(events.iter().all(|event| event.wall_at == noon()));
}

#[tokio::test]
async fn a_conflict_fails_nobody_else() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    append(&log, "a", 0).await.expect("appends");
    // Joined, so that they share a transaction: a stale writer, one ahead of the stream, and two that are right.
    let (stale, ahead, right, long) = tokio::join!(
        append(&log, "a", 0),
        append(&log, "b", 5),
        append(&log, "a", 1),
        append_many(&log, "c", 0, 140),
    );
    assert_eq!(stale, Err(StoreError::Conflict));
    assert_eq!(ahead, Err(StoreError::Conflict));
    assert_eq!(right.expect("appends").position, 2);
    assert_eq!(long.expect("appends").position, 142);
    assert_eq!(log.read_after(0, 200).await.expect("reads").len(), 142);
}

#[tokio::test]
async fn a_long_append_that_conflicts_in_its_middle_leaves_nothing() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    append(&log, "a", 0).await.expect("appends");
    let refused = append_many(&log, "a", 0, 140).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    assert_eq!(append(&log, "a", 1).await.expect("appends").position, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_have_no_gap_under_64_concurrent_callers() {
    let dir = TempDir::new().expect("a folder");
    let log = Log::open(dir.path(), crate::clock::SystemClock::shared()).await.expect("opens");
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut positions = Vec::new();
                for sequence in 0..8 {
                    // Pairs share a stream, so about half of all attempts conflict and are made again.
                    let stream = format!("stream-{}", caller / 2);
                    let mut expected = sequence;
                    loop {
                        match append(&log, &stream, expected).await {
                            Ok(appended) => break positions.push(appended.position),
                            Err(StoreError::Conflict) => expected += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                positions
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for caller in callers {
        acknowledged.extend(caller.await.expect("no panic"));
    }
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (1..=512).collect::<Vec<u64>>());
    let events = log.read_after(0, 1000).await.expect("reads");
    assert_eq!(events.iter().map(|event| event.position).collect::<Vec<_>>(), acknowledged);
    assert!(events.windows(2).all(|pair| pair[0].recorded_at < pair[1].recorded_at));
}

#[tokio::test]
async fn recorded_at_grows_while_the_wall_clock_steps_back() {
    let dir = TempDir::new().expect("a folder");
    let clock = manual();
    let log = Log::open(dir.path(), clock.clone()).await.expect("opens");
    let first = append(&log, "a", 0).await.expect("appends");
    clock.step_wall(noon() - Duration::from_secs(3600));
    let second = append(&log, "a", 1).await.expect("appends");
    assert_eq!(second.recorded_at, first.recorded_at + Duration::from_micros(1));
    assert_eq!(log.read_after(1, 1).await.expect("reads")[0].wall_at, clock.wall());
    clock.step_wall(noon() + Duration::from_secs(1));
    let third = append(&log, "a", 2).await.expect("appends");
    assert_eq!(third.recorded_at, noon() + Duration::from_secs(1));
}

#[tokio::test]
async fn a_second_opening_is_told_who_holds_the_folder() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    let refused = Log::open(dir.path(), manual()).await.err();
    assert_eq!(refused, Some(StoreError::Locked { by: format!("process {}", std::process::id()) }));
    log.close().await;
    open(dir.path()).await;
}

async fn directly(dir: &Path, sql: &'static str) {
    let url = format!("sqlite://{}", dir.join("curfew.db").display());
    let mut connection = SqliteConnection::connect(&url).await.expect("connects");
    sqlx::query(sql).execute(&mut connection).await.expect("runs");
    connection.close().await.expect("closes");
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() {
    let dir = TempDir::new().expect("a folder");
    open(dir.path()).await.close().await;
    directly(
        dir.path(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of tomorrow', TRUE, x'00', 0)",
    )
    .await;
    let refused = Log::open(dir.path(), manual()).await.err();
    // Which version this one knows is for the next migration to change.
    let Some(StoreError::Newer { found, known }) = refused else { panic!("{refused:?}") };
    assert_eq!(found, "schema 9999");
    assert!(known.starts_with("schema ") && known != found, "{known}");
}

#[tokio::test]
async fn an_event_of_a_newer_version_is_refused() {
    let dir = TempDir::new().expect("a folder");
    open(dir.path()).await.close().await;
    directly(dir.path(), "INSERT INTO event_kinds VALUES ('lab', 'ServerStopped', '99')").await;
    let refused = Log::open(dir.path(), manual()).await.err();
    assert!(matches!(refused, Some(StoreError::Newer { .. })), "{refused:?}");
}

#[tokio::test]
async fn every_kind_that_was_appended_is_noted() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    append(&log, "a", 0).await.expect("appends");
    append(&log, "a", 1).await.expect("appends");
    log.close().await;
    directly(dir.path(), "UPDATE event_kinds SET event_version = '99' WHERE event_type = 'ServerStopped'")
        .await;
    assert!(matches!(Log::open(dir.path(), manual()).await.err(), Some(StoreError::Newer { .. })));
}

#[tokio::test]
async fn the_log_can_be_neither_changed_nor_shortened() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    append(&log, "a", 0).await.expect("appends");
    for sql in ["UPDATE events SET payload = '{}'", "DELETE FROM events"] {
        let refused = log.writer().write(Statement::new(sql, [])).await.err();
        assert_eq!(refused, Some(StoreError::Conflict));
    }
    assert_eq!(log.read_after(0, 10).await.expect("reads").len(), 1);
}

#[tokio::test]
async fn a_gap_or_an_early_end_is_an_error() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    append_many(&log, "a", 0, 4).await.expect("appends");
    log.close().await;
    directly(dir.path(), "DROP TRIGGER events_never_vanish").await;
    directly(dir.path(), "DELETE FROM events WHERE position = 2").await;
    let log = open(dir.path()).await;
    assert!(matches!(log.read_after(0, 10).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(log.load::<Lab>("a").await, Err(StoreError::Corrupt(_))));
    // The rows after the gap vanish behind the back of the head that is known.
    directly(dir.path(), "DELETE FROM events WHERE position > 3").await;
    assert!(matches!(log.read_after(2, 10).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_full_disk_refuses_and_the_log_goes_on_when_there_is_space() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    append(&log, "a", 0).await.expect("appends");
    let pages = |count: &'static str| log.writer().write(Statement::new(count, []));
    pages("PRAGMA max_page_count = 1").await.expect("answers with what is used already");
    let mut acknowledged = 1;
    let refused = loop {
        let (first, second) = tokio::join!(
            append_many(&log, "a", acknowledged, 16),
            append_many(&log, "b", acknowledged - 1, 16)
        );
        match (first, second) {
            (Ok(_), Ok(_)) => acknowledged += 16,
            (first, second) => break [first, second],
        }
        assert!(acknowledged < 100_000, "the page limit has no effect");
    };
    for one in refused {
        assert!(matches!(one, Err(StoreError::Unavailable(_))), "{one:?}");
    }
    assert!(matches!(log.write_fault(), Some(StoreError::Unavailable(_))), "whoever asks is told");
    assert!(matches!(append(&log, "a", acknowledged).await, Ok(_) | Err(StoreError::Unavailable(_))));
    pages("PRAGMA max_page_count = 1000000").await.expect("lifts the limit");
    let head = *log.head().borrow();
    let sequence = log.load::<Lab>("a").await.expect("loads").sequence;
    let after = append_many(&log, "a", sequence, 140).await.expect("appends");
    assert_eq!(after.position, head + 140);
    assert_eq!(log.write_fault(), None);
    assert_eq!(log.read_after(0, 1_000_000).await.expect("reads").len() as u64, after.position);
}

#[tokio::test]
async fn a_closed_log_says_so() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    log.close().await;
    assert_eq!(append(&log, "a", 0).await, Err(StoreError::closed()));
    log.close().await;
}

#[tokio::test]
async fn checkpoints_move_forward_only_and_heartbeats_are_kept() {
    let dir = TempDir::new().expect("a folder");
    let log = open(dir.path()).await;
    assert_eq!(log.checkpoint("bookings").await, Ok(0));
    log.set_checkpoint("bookings", 7).await.expect("sets");
    log.set_checkpoint("bookings", 5).await.expect("sets");
    assert_eq!(log.checkpoint("bookings").await, Ok(7));
    assert_eq!(log.last_heartbeat().await, Ok(None));
    log.beat(noon()).await.expect("beats");
    log.beat(noon() + Duration::from_secs(1)).await.expect("beats");
    assert_eq!(log.last_heartbeat().await, Ok(Some(noon() + Duration::from_secs(1))));
}

#[tokio::test]
async fn an_email_belongs_to_one_person_whatever_its_case() {
    let dir = TempDir::new().expect("a folder");
    let people = open(dir.path()).await.people();
    let person = |id: u128, email: &str| NewPerson {
        account_id: Uuid::from_u128(id).into(),
        name: " Ada ".to_owned(),
        email: email.to_owned(),
        password_hash: "$argon2id$...".to_owned(),
        created_at: noon(),
    };
    let ada = people.create(person(1, " Ada@Example.org ")).await.expect("creates");
    assert_eq!((ada.name.as_str(), ada.email.as_str()), ("Ada", "ada@example.org"));
    assert_eq!(people.create(person(2, "ada@EXAMPLE.org")).await.err(), Some(PeopleError::EmailTaken));
    for wrong in ["", "ada", "@", "a@", "a@b@c", "a b@c", &format!("{}@c", "a".repeat(300))] {
        assert!(matches!(people.create(person(3, wrong)).await, Err(PeopleError::Invalid(_))), "{wrong}");
    }
    assert!(people.by_email("ADA@example.org").await.expect("reads") == Some(ada.clone()));
    assert!(people.by_id(ada.account_id).await.expect("reads") == Some(ada.clone()));
    people.create(person(4, "bob@example.org")).await.expect("creates");
    assert_eq!(people.all(None, 1).await.expect("reads").len(), 1);
    assert_eq!(people.all(Some(ada.account_id), 10).await.expect("reads")[0].email, "bob@example.org");
    people.set_password_hash(ada.account_id, "new".to_owned()).await.expect("sets");
    assert_eq!(
        people.by_id(ada.account_id).await.expect("reads").map(|p| p.password_hash),
        Some("new".to_owned())
    );
    people.erase(ada.account_id).await.expect("erases");
    assert_eq!(people.erase(ada.account_id).await, Err(PeopleError::Unknown));
    assert!(people.by_email("ada@example.org").await.expect("reads").is_none());
}

#[tokio::test]
async fn a_secret_is_made_once() {
    let dir = TempDir::new().expect("a folder");
    let secrets = open(dir.path()).await.secrets();
    let (one, other) = tokio::join!(secrets.get_or_create("key", 32), secrets.get_or_create("key", 32));
    let one = one.expect("creates");
    assert_eq!(one.len(), 32);
    assert_eq!(other.expect("reads"), one);
    assert_ne!(secrets.get_or_create("salt", 32).await.expect("creates"), one);
}

#[tokio::test]
async fn a_link_works_once_and_not_after_its_time() {
    let dir = TempDir::new().expect("a folder");
    let links = open(dir.path()).await.one_time_links();
    let account = Some(Uuid::from_u128(3).into());
    let later = noon() + Duration::from_secs(900);
    links.create("first", "reset", account, later).await.expect("creates");
    links.create("second", "admin", None, later).await.expect("creates");
    let (one, other) = tokio::join!(links.take("first", noon()), links.take("first", noon()));
    let mut taken = [one.expect("answers"), other.expect("answers")];
    taken.sort_by_key(Option::is_none);
    assert_eq!(taken, [Some(OneTimeLink { purpose: "reset".to_owned(), account }), None]);
    assert_eq!(links.take("second", later).await, Ok(None));
    assert_eq!(links.take("second", noon()).await, Ok(None), "an expired link is gone");
}

#[tokio::test]
async fn the_text_of_a_reason_is_bounded_and_kept_once() {
    let dir = TempDir::new().expect("a folder");
    let reasons = open(dir.path()).await.reasons();
    reasons.put("hash", &"ä".repeat(2000)).await.expect("puts");
    reasons.put("hash", "another").await.expect("puts");
    assert_eq!(reasons.get("hash").await, Ok(Some("ä".repeat(Reasons::LONGEST))));
    assert_eq!(reasons.get("other").await, Ok(None));
}
