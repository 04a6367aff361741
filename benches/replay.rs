//! Reading the whole log back: this program's reader, and its reader with every projection folded in memory, beside a bare
//! `SELECT` of the same columns through the same driver.
//!
//! `cargo bench --bench replay`. Events are facts of many accounts. Rounds take turns, and medians are shown.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use curfew::clock::SystemClock;
use curfew::store::Log;
use curfew_domain::{Account, AccountEvent, Actor, Metadata, Recorded, Role};
use curfew_projections::{Accounts, Calendar, Fleet, Projection, Sessions, Timeline};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row, SqlitePool};
use uuid::Uuid;

const CALLERS: u64 = 64;
const EACH: u64 = 1_000;
const BATCH: usize = 500;
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let dir = tempfile::tempdir_in(std::env::current_dir()?).context("a folder on this disk")?;
    let log = Log::open(dir.path(), SystemClock::shared()).await?;
    let written: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(write(log.clone()))).collect();
    for task in written {
        task.await??;
    }
    let bare = open(dir.path()).await?;
    let mut took = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        took[0].push(timed(select(&bare)).await?);
        took[1].push(timed(read(&log, |_| ())).await?);
        let mut folded = Folded::default();
        took[2].push(timed(read(&log, |recorded| folded.take(recorded))).await?);
        ensure!(folded.accounts.len() as u64 == CALLERS, "every account has its row");
    }
    let rows = f64::from(u32::try_from(CALLERS * EACH)?);
    let [select, reader, folded] = took.map(median);
    let mut out = std::io::stdout();
    writeln!(out, "{rows} events, medians of {ROUNDS} rounds")?;
    for (what, took) in [("bare SELECT", select), ("the reader", reader), ("with every projection", folded)] {
        let (seconds, share) = (took.as_secs_f64(), took.as_secs_f64() / select.as_secs_f64());
        writeln!(
            out,
            "{what:<22} {:>9.0} events/s, {share:>4.2} times the bare SELECT's time",
            rows / seconds
        )?;
    }
    bare.close().await;
    log.close().await;
    Ok(())
}

async fn timed(work: impl Future<Output = Result<u64>>) -> Result<Duration> {
    let begun = Instant::now();
    let events = work.await?;
    ensure!(events == CALLERS * EACH, "{events} events were read");
    Ok(begun.elapsed())
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

/// Facts of one account, one after the other.
async fn write(log: Log) -> Result<()> {
    let (account, metadata) = (Uuid::now_v7(), Metadata::new(Actor::System, Uuid::from_u128(1)));
    for sequence in 0..EACH {
        let event = match sequence {
            0 => AccountEvent::Registered { account_id: account.into(), role: Role::Viewer },
            _ => AccountEvent::RoleChanged { from: Role::Viewer, to: Role::Viewer, by: Actor::System },
        };
        log.append::<Account>(&account.to_string(), usize::try_from(sequence)?, vec![event], &metadata)
            .await?;
    }
    Ok(())
}

async fn open(dir: &Path) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new().filename(dir.join("curfew.db")).read_only(true);
    Ok(SqlitePoolOptions::new().max_connections(1).connect_with(options).await?)
}

/// As many rows at a time as the reader takes, and every column of them.
async fn select(pool: &SqlitePool) -> Result<u64> {
    let (mut read, mut last, mut bytes) = (0, 0_i64, 0);
    loop {
        let rows = sqlx::query(
            "SELECT position, aggregate_type, aggregate_id, sequence, recorded_at, wall_at, event_type, \
             event_version, payload, metadata FROM events WHERE position > ? ORDER BY position LIMIT ?",
        )
        .bind(last)
        .bind(i64::try_from(BATCH)?)
        .fetch_all(pool)
        .await?;
        for row in &rows {
            last = row.try_get("position")?;
            bytes += row.try_get::<&str, _>("payload")?.len();
        }
        read += rows.len() as u64;
        if rows.len() < BATCH {
            ensure!(bytes > 0, "payloads are read");
            return Ok(read);
        }
    }
}

async fn read(log: &Log, mut each: impl FnMut(&Recorded)) -> Result<u64> {
    let (head, mut last) = (*log.head().borrow(), 0);
    while last < head {
        for recorded in log.read_after(last, BATCH).await? {
            last = recorded.position;
            each(&recorded);
        }
    }
    Ok(last)
}

type Rows<P> = HashMap<String, <P as Projection>::Row>;

/// Every read model, in memory.
#[derive(Default)]
struct Folded {
    accounts: Rows<Accounts>,
    calendar: Rows<Calendar>,
    fleet: Rows<Fleet>,
    sessions: Rows<Sessions>,
    timeline: Rows<Timeline>,
}

impl Folded {
    fn take(&mut self, recorded: &Recorded) {
        fold::<Accounts>(&mut self.accounts, recorded);
        fold::<Calendar>(&mut self.calendar, recorded);
        fold::<Fleet>(&mut self.fleet, recorded);
        fold::<Sessions>(&mut self.sessions, recorded);
        fold::<Timeline>(&mut self.timeline, recorded);
    }
}

fn fold<P: Projection>(rows: &mut Rows<P>, recorded: &Recorded) {
    for key in P::keys(recorded) {
        let row = rows.remove(&key);
        if let Some(row) = P::fold(&key, row, recorded) {
            rows.insert(key, row);
        }
    }
}
