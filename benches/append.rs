//! Durable appends per second: the stock repository, one event at a time, against this log with one caller and with many.
//!
//! `cargo bench --bench append`. All in one run on one disk, so that the ratios mean something where the figures do not
//! carry over. Both sides use WAL with `synchronous=FULL`.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{EventStoreAggregateContext, PersistedEventStore};
use cqrs_es::{Aggregate, DomainEvent, EventStore};
use curfew::clock::SystemClock;
use curfew::store::Log;
use curfew_domain::{Actor, Metadata};
use serde::{Deserialize, Serialize};
use sqlite_es::SqliteEventRepository;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use uuid::Uuid;

const EACH: Duration = Duration::from_secs(2);
const STOCK_TABLE: &str = "CREATE TABLE events (
    aggregate_type TEXT NOT NULL, aggregate_id TEXT NOT NULL, sequence INTEGER NOT NULL, event_type TEXT NOT NULL,
    event_version TEXT NOT NULL, payload TEXT NOT NULL, metadata TEXT NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)) STRICT";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counter;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Counted {
    text: String,
}

impl DomainEvent for Counted {
    fn event_type(&self) -> String {
        "Counted".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    type Command = ();
    type Event = Counted;
    type Error = std::fmt::Error;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn apply(&mut self, _: Counted) {}
}

/// An event of the size of the domain's own, about 250 bytes of JSON.
fn events() -> Vec<Counted> {
    vec![Counted { text: "x".repeat(240) }]
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let dir = tempfile::tempdir_in(std::env::current_dir()?).context("a folder on this disk")?;
    let mut out = std::io::stdout();
    let stock = stock(dir.path()).await?;
    writeln!(out, "stock repository,  1 caller:  {stock:>8.0} appends/s")?;
    for callers in [1, 8, 64, 256] {
        let (rate, p50, p99) = ours(&dir.path().join(callers.to_string()), callers).await?;
        writeln!(
            out,
            "this log,        {callers:>3} callers: {rate:>8.0} appends/s, {:.1} times stock; p50 {p50:.2} ms, p99 {p99:.2} ms",
            rate / stock
        )?;
    }
    Ok(())
}

async fn stock(dir: &Path) -> Result<f64> {
    let options = SqliteConnectOptions::new()
        .filename(dir.join("stock.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    sqlx::query(STOCK_TABLE).execute(&pool).await?;
    let store = PersistedEventStore::<_, Counter>::new_event_store(SqliteEventRepository::new(pool.clone()));
    let metadata = metadata().to_map();
    let begun = Instant::now();
    let mut done = 0_usize;
    while begun.elapsed() < EACH {
        let context = EventStoreAggregateContext {
            aggregate_id: "one".to_owned(),
            aggregate: Counter,
            current_sequence: done,
            current_snapshot: None,
        };
        store
            .commit(events(), context, metadata.clone())
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        done += 1;
    }
    let rate = per_second(done, begun.elapsed());
    pool.close().await;
    Ok(rate)
}

/// Appends per second over all callers, and how long one append took.
async fn ours(dir: &Path, callers: usize) -> Result<(f64, f64, f64)> {
    let log = Log::open(dir, SystemClock::shared()).await?;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let log = log.clone();
            tokio::spawn(async move {
                let (stream, metadata) = (format!("stream-{caller}"), metadata());
                let mut took = Vec::new();
                while begun.elapsed() < EACH {
                    let asked = Instant::now();
                    log.append::<Counter>(&stream, took.len(), events(), &metadata).await?;
                    took.push(asked.elapsed());
                }
                anyhow::Ok(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    let rate = per_second(took.len(), begun.elapsed());
    log.close().await;
    took.sort_unstable();
    let at =
        |share: usize| took.get(took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1000.0);
    Ok((rate, at(50), at(99)))
}

#[expect(clippy::cast_precision_loss, reason = "a count of appends is far below 2^52")]
fn per_second(count: usize, during: Duration) -> f64 {
    count as f64 / during.as_secs_f64()
}

fn metadata() -> Metadata {
    Metadata::new(Actor::System, Uuid::from_u128(1))
}
