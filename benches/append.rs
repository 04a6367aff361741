//! Durable appends per second: the stock repository, one event at a time, against this log with one caller and with many,
//! alone, with the projector following in its own file, and with something that writes as often to the log's file.
//!
//! `cargo bench --bench append`. All in one run on one disk, so that the ratios mean something where the figures do not
//! carry over. Everything uses WAL, and `synchronous=FULL` but for the projections. Ends with 1 when a limit is broken; the
//! limits are judged by the medians of short rounds that take turns, each beside its neighbour of the stock repository.

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
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

/// Short, and many of them: what else the machine and its disk do meets neighbours alike.
const EACH: Duration = Duration::from_millis(150);
const ROUNDS: usize = 41;
/// What is only shown takes one longer round.
const SHOWN: Duration = Duration::from_millis(2_000);
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
#[derive(Clone, Copy, Debug)]
enum Beside {
    Projector,
    WriterOfTheSameFile,
}

fn main() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<ExitCode> {
    let dir = tempfile::tempdir_in(std::env::current_dir()?).context("a folder on this disk")?;
    let mut stock = Stock::open(dir.path()).await?;
    let log = Log::open(&dir.path().join("log"), SystemClock::shared()).await?;
    let mut stock_rates = Vec::new();
    let mut figures = [const { Vec::new() }; LIMITS.len()];
    for round in 0..ROUNDS {
        // Whoever is first in one round is second in the next.
        for turn in 0..=LIMITS.len() {
            match (round + turn) % (LIMITS.len() + 1) {
                0 => stock_rates.push(stock.append_for(EACH).await?),
                n => figures[n - 1].push(append_for(&log, LIMITS[n - 1].0, EACH).await?),
            }
        }
    }
    stock.pool.close().await;
    log.close().await;
    let stock_rate = median(stock_rates.clone());
    let mut out = std::io::stdout();
    writeln!(out, "medians of {ROUNDS} rounds of {} ms", EACH.as_millis())?;
    writeln!(out, "{:<20} {:>3} callers: {stock_rate:>8.0} appends/s", "stock repository", 1)?;
    for ((callers, _), rounds) in LIMITS.iter().zip(&figures) {
        let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
        let medians = Figures { rate: of(|of| of.rate), p50: of(|of| of.p50), p99: of(|of| of.p99) };
        show("this log", *callers, &medians, stock_rate)?;
    }
    for beside in [Beside::Projector, Beside::WriterOfTheSameFile] {
        for callers in [1, 64] {
            measure_beside(dir.path(), callers, beside, stock_rate).await?;
        }
    }
    let mut code = ExitCode::SUCCESS;
    for ((callers, limit), rounds) in LIMITS.into_iter().zip(figures) {
        let ratios: Vec<f64> =
            rounds.iter().zip(&stock_rates).map(|(figures, stock)| figures.rate / stock).collect();
        let (least, most) = ratios
            .iter()
            .fold((f64::MAX, 0.0_f64), |(least, most), ratio| (least.min(*ratio), most.max(*ratio)));
        let ratio = median(ratios);
        let verdict = if ratio >= limit { "ok  " } else { "FAIL" };
        if ratio < limit {
            code = ExitCode::FAILURE;
        }
        writeln!(
            out,
            "  {verdict}  {callers} callers: {ratio:.2} times stock, limit {limit:.0} at least (rounds: {least:.2} to {most:.2})"
        )?;
    }
    Ok(code)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

fn show(what: &str, callers: usize, figures: &Figures, stock: f64) -> Result<()> {
    let Figures { rate, p50, p99 } = figures;
    writeln!(
        std::io::stdout(),
        "{what:<20} {callers:>3} callers: {rate:>8.0} appends/s, {:>4.1} times stock; p50 {p50:.2} ms, p99 {p99:.2} ms",
        rate / stock
    )?;
    Ok(())
}

/// Prints what appends do while something goes on beside them.
async fn measure_beside(dir: &Path, callers: usize, beside: Beside, stock: f64) -> Result<()> {
    let dir = dir.join(format!("{beside:?} {callers}"));
    let log = Log::open(&dir, SystemClock::shared()).await?;
    let figures = match beside {
        Beside::Projector => {
            let projector = Projector::start(log.clone()).await?;
            let figures = append_for(&log, callers, SHOWN).await?;
            projector.close().await;
            figures
        }
        Beside::WriterOfTheSameFile => {
            let second = tokio::spawn(write_beside(dir.join("curfew.db"), Instant::now()));
            let figures = append_for(&log, callers, SHOWN).await?;
            second.await??;
            figures
        }
    };
    log.close().await;
    let what = match beside {
        Beside::Projector => "with the projector",
        Beside::WriterOfTheSameFile => "with a second writer",
    };
    show(what, callers, &figures, stock)
}

/// The stock repository, one stream.
struct Stock {
    pool: SqlitePool,
    store: PersistedEventStore<SqliteEventRepository, Counter>,
    done: usize,
}

impl Stock {
    async fn open(dir: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(dir.join("stock.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::query(STOCK_TABLE).execute(&pool).await?;
        let store = PersistedEventStore::new_event_store(SqliteEventRepository::new(pool.clone()));
        Ok(Self { pool, store, done: 0 })
    }

    /// Appends per second, one event at a time.
    async fn append_for(&mut self, time: Duration) -> Result<f64> {
        let metadata = metadata().to_map();
        let (begun, before) = (Instant::now(), self.done);
        while begun.elapsed() < time {
            let context = EventStoreAggregateContext {
                aggregate_id: "one".to_owned(),
                aggregate: Counter,
                current_sequence: self.done,
                current_snapshot: None,
            };
            self.store
                .commit(counted(), context, metadata.clone())
                .await
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            self.done += 1;
        }
        Ok(per_second(self.done - before, begun.elapsed()))
    }
}

struct Figures {
    /// Appends per second over all callers.
    rate: f64,
    /// How long one append took, in milliseconds.
    p50: f64,
    p99: f64,
}

async fn append_for(log: &Log, callers: usize, time: Duration) -> Result<Figures> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(call(log.clone(), begun, time))).collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    let rate = per_second(took.len(), begun.elapsed());
    took.sort_unstable();
    let at =
        |share: usize| took.get(took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1000.0);
    Ok(Figures { rate, p50: at(50), p99: at(99) })
}

/// One caller: facts of one account, one after the other.
async fn call(log: Log, begun: Instant, time: Duration) -> Result<Vec<Duration>> {
    let (account, metadata) = (Uuid::now_v7(), metadata());
    let mut took = Vec::new();
    while begun.elapsed() < time {
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
    while begun.elapsed() < SHOWN {
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
