//! Durable appends per second: the stock repository, one event at a time, against this log with one caller and with many,
//! alone, with the projector following in its own file, and with something that writes as often to the log's file.
//!
//! `cargo bench --bench append`. All in one run on one disk, so that the ratios mean something where the figures do not
//! carry over. Everything uses WAL, and `synchronous=FULL` but for the projections. Ends with 1 when a limit is broken; the
//! limits are judged by the medians of rounds that take turns.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{EventStoreAggregateContext, PersistedEventStore};
use cqrs_es::{Aggregate, DomainEvent, EventStore};
use curfew::clock::SystemClock;
use curfew::store::{Log, Projector};
use curfew_domain::{Account, AccountEvent, Actor, Metadata, Role};
use serde::{Deserialize, Serialize};
use sqlite_es::SqliteEventRepository;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

/// Short, and many of them: what else the machine does meets neighbours alike.
const EACH: Duration = Duration::from_millis(600);
const ROUNDS: usize = 9;
/// Callers, and how many times the stock repository's rate they have at least.
const LIMITS: [(usize, f64); 2] = [(1, 1.0), (64, 10.0)];
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
fn counted() -> Vec<Counted> {
    vec![Counted { text: "x".repeat(240) }]
}

/// What goes on beside the appends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Projector,
    WriterOfTheSameFile,
}

fn main() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<ExitCode> {
    let dir = tempfile::tempdir_in(std::env::current_dir()?).context("a folder on this disk")?;
    let mut out = std::io::stdout();
    let mut ratios = [const { Vec::new() }; LIMITS.len()];
    let mut stock_rate = 0.0;
    for round in 0..ROUNDS {
        let folder = dir.path().join(format!("round {round}"));
        std::fs::create_dir(&folder)?;
        stock_rate = stock(&folder).await?;
        writeln!(out, "{:<20} {:>3} caller:  {stock_rate:>8.0} appends/s", "stock repository", 1)?;
        for ((callers, _), ratios) in LIMITS.iter().zip(&mut ratios) {
            ratios.push(measure(&folder, *callers, Beside::Nothing, stock_rate).await?);
        }
    }
    for beside in [Beside::Projector, Beside::WriterOfTheSameFile] {
        for callers in [1, 64] {
            measure(dir.path(), callers, beside, stock_rate).await?;
        }
    }
    let mut code = ExitCode::SUCCESS;
    for ((callers, limit), mut ratios) in LIMITS.into_iter().zip(ratios) {
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
        let verdict = if median >= limit { "ok  " } else { "FAIL" };
        if median < limit {
            code = ExitCode::FAILURE;
        }
        writeln!(out, "  {verdict}  {callers} callers: {median:.2} times stock, limit {limit:.0} at least")?;
    }
    Ok(code)
}

/// Prints what appends do; how many times stock.
async fn measure(dir: &Path, callers: usize, beside: Beside, stock: f64) -> Result<f64> {
    let what = match beside {
        Beside::Nothing => "this log",
        Beside::Projector => "with the projector",
        Beside::WriterOfTheSameFile => "with a second writer",
    };
    let Figures { rate, p50, p99 } = ours(&dir.join(format!("{what} {callers}")), callers, beside).await?;
    let ratio = rate / stock;
    writeln!(
        std::io::stdout(),
        "{what:<20} {callers:>3} callers: {rate:>8.0} appends/s, {ratio:>4.1} times stock; p50 {p50:.2} ms, p99 {p99:.2} ms"
    )?;
    Ok(ratio)
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
            .commit(counted(), context, metadata.clone())
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        done += 1;
    }
    let rate = per_second(done, begun.elapsed());
    pool.close().await;
    Ok(rate)
}

struct Figures {
    /// Appends per second over all callers.
    rate: f64,
    /// How long one append took, in milliseconds.
    p50: f64,
    p99: f64,
}

async fn ours(dir: &Path, callers: usize, beside: Beside) -> Result<Figures> {
    let log = Log::open(dir, SystemClock::shared()).await?;
    let projector = match beside {
        Beside::Projector => Some(Projector::start(log.clone()).await?),
        _ => None,
    };
    let begun = Instant::now();
    let second = match beside {
        Beside::WriterOfTheSameFile => Some(tokio::spawn(write_beside(dir.join("curfew.db"), begun))),
        _ => None,
    };
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(call(log.clone(), begun))).collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    let rate = per_second(took.len(), begun.elapsed());
    if let Some(second) = second {
        second.await??;
    }
    if let Some(projector) = projector {
        projector.close().await;
    }
    log.close().await;
    took.sort_unstable();
    let at =
        |share: usize| took.get(took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1000.0);
    Ok(Figures { rate, p50: at(50), p99: at(99) })
}

/// One caller: facts of one account, one after the other.
async fn call(log: Log, begun: Instant) -> Result<Vec<Duration>> {
    let (account, metadata) = (Uuid::now_v7(), metadata());
    let mut took = Vec::new();
    while begun.elapsed() < EACH {
        let event = match took.len() {
            0 => AccountEvent::Registered { account_id: account.into(), role: Role::Viewer },
            _ => AccountEvent::RoleChanged { from: Role::Viewer, to: Role::Viewer, by: Actor::System },
        };
        let asked = Instant::now();
        log.append::<Account>(&account.to_string(), took.len(), vec![event], &metadata).await?;
        took.push(asked.elapsed());
    }
    Ok(took)
}

/// What a projector in the log's own file would do to it: small transactions, one after the other.
async fn write_beside(file: PathBuf, begun: Instant) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(file).synchronous(SqliteSynchronous::Full);
    let mut connection = options.busy_timeout(Duration::from_secs(60)).connect().await?;
    while begun.elapsed() < EACH {
        sqlx::query("INSERT OR REPLACE INTO heartbeat (id, at) VALUES (1, 1)")
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of appends is far below 2^52")]
fn per_second(count: usize, during: Duration) -> f64 {
    count as f64 / during.as_secs_f64()
}

fn metadata() -> Metadata {
    Metadata::new(Actor::System, Uuid::from_u128(1))
}
