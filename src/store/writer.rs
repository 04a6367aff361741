//! The one writer: every change of the log's database goes through this task, in one order.
//!
//! What waits while the disk is busy shares the next transaction. First all its appends are tried as one; where one of them
//! conflicts, each is tried alone (a statement, or a savepoint where it takes several), so a conflict fails nobody else.
//! Callers are answered only after the commit.

use std::collections::HashSet;
use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use super::StoreError;
use super::error::concerns_only_its_statement;
use super::meters::Meters;
use super::statement::{Entry, Kind, Placed, Statement, insert_events};
use crate::clock::SharedClock;

/// Callers that may wait before the next one waits to be let in.
const QUEUE: usize = 1024;
/// Callers that share one transaction at most: bounds how long the first of them waits.
const MOST_AT_ONCE: usize = 256;

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Where the last event of an append came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) position: u64,
    /// Microseconds since the epoch.
    pub(super) recorded_us: i64,
}

/// The way to the writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    head: watch::Receiver<u64>,
    last: watch::Receiver<Receipt>,
    fault: watch::Receiver<Option<StoreError>>,
    meters: Meters,
}

impl Writer {
    /// Reads where the log stands and starts the task on the current runtime. It ends when the last handle is dropped or
    /// [`Writer::close`] was asked for, and drops `keep` after its connection.
    pub(super) async fn start<K: Send + 'static>(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        clock: SharedClock,
        keep: K,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let mut session = Session { options, connection: Some(connection), kinds: HashSet::new() };
        let found = session.refresh().await?;
        let (last, watched_last) = watch::channel(found);
        let (head, watched_head) = watch::channel(found.position);
        let (fault, watched_fault) = watch::channel(None);
        let meters = Meters::default();
        let batch = meters.batch.clone();
        let mut task = Task { queue, session, clock, last, head, fault, batch, stale: false };
        tokio::spawn(async move {
            let closers = task.run().await;
            drop(task);
            drop(keep);
            for closer in closers {
                // A closer that no longer waits needs no answer.
                let _ = closer.send(Ok(()));
            }
        });
        Ok(Self { jobs, head: watched_head, last: watched_last, fault: watched_fault, meters })
    }

    /// Appends all of them or none; durable when `Ok`. `entries` is not empty.
    pub(super) async fn append(&self, entries: Vec<Entry>) -> Result<Receipt, StoreError> {
        let asked = Instant::now();
        let receipt = self.ask(|answer| Job::Append { entries, answer }).await?;
        self.meters.append_seconds.observe(asked.elapsed().as_secs_f64());
        Ok(receipt)
    }

    /// Runs one statement, durable when `Ok`; the rows are what its `RETURNING` gave.
    pub(super) async fn write(&self, statement: Statement) -> Result<Vec<SqliteRow>, StoreError> {
        self.ask(|answer| Job::Write { statement, answer }).await
    }

    /// Carries out what waits, then ends the task. Idempotent.
    pub(super) async fn close(&self) {
        // An error means that it is closed already.
        let _ = self.ask(|answer| Job::Close { answer }).await;
    }

    /// The position of the last event; 0 for an empty log.
    pub(super) fn head(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    /// The last event of the log.
    pub(super) fn last(&self) -> Receipt {
        *self.last.borrow()
    }

    pub(super) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Why the last transaction failed; none if it did not.
    pub(super) fn fault(&self) -> Option<StoreError> {
        self.fault.borrow().clone()
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| StoreError::closed())?;
        answered.await.map_err(|_| StoreError::closed())?
    }
}

enum Job {
    Append { entries: Vec<Entry>, answer: Answer<Receipt> },
    Write { statement: Statement, answer: Answer<Vec<SqliteRow>> },
    Close { answer: Answer<()> },
}

/// A caller's answer, held back until the commit.
enum Settled {
    Append(Answer<Receipt>, Result<Receipt, StoreError>),
    Write(Answer<Vec<SqliteRow>>, Result<Vec<SqliteRow>, StoreError>),
}

impl Settled {
    /// Callers that went away meanwhile need no answer: what they asked for is done.
    fn tell(self) {
        match self {
            Self::Append(answer, result) => drop(answer.send(result)),
            Self::Write(answer, result) => drop(answer.send(result)),
        }
    }

    fn fail(self, error: StoreError) {
        match self {
            Self::Append(answer, _) => drop(answer.send(Err(error))),
            Self::Write(answer, _) => drop(answer.send(Err(error))),
        }
    }
}

struct Task {
    queue: mpsc::Receiver<Job>,
    session: Session,
    clock: SharedClock,
    last: watch::Sender<Receipt>,
    head: watch::Sender<u64>,
    fault: watch::Sender<Option<StoreError>>,
    batch: Histogram,
    /// After a failed transaction the database says where the log stands, not this task.
    stale: bool,
}

impl Task {
    async fn run(&mut self) -> Vec<Answer<()>> {
        let mut closers = Vec::new();
        let mut waiting = Vec::with_capacity(MOST_AT_ONCE);
        while self.queue.recv_many(&mut waiting, MOST_AT_ONCE).await > 0 {
            let mut jobs = Vec::with_capacity(waiting.len());
            for job in waiting.drain(..) {
                match job {
                    Job::Close { answer } => closers.push(answer),
                    job => jobs.push(job),
                }
            }
            if !closers.is_empty() {
                self.queue.close();
            }
            if !jobs.is_empty() {
                self.settle(jobs).await;
            }
        }
        self.session.close().await;
        closers
    }

    async fn settle(&mut self, jobs: Vec<Job>) {
        self.batch.observe(jobs.len() as f64);
        let mut settled = Vec::with_capacity(jobs.len());
        let mut jobs = jobs.into_iter();
        match self.transaction(&mut jobs, &mut settled).await {
            Ok(()) => {
                self.fault.send_if_modified(|fault| fault.take().is_some());
                settled.into_iter().for_each(Settled::tell);
            }
            Err(error) => {
                self.fault.send_replace(Some(error.clone()));
                tracing::warn!(%error, callers = settled.len() + jobs.len(), "the log could not be written");
                self.stale = true;
                self.session.rollback().await;
                settled.into_iter().for_each(|one| one.fail(error.clone()));
                for job in jobs {
                    match job {
                        Job::Append { answer, .. } => drop(answer.send(Err(error.clone()))),
                        Job::Write { answer, .. } => drop(answer.send(Err(error.clone()))),
                        Job::Close { answer } => drop(answer.send(Ok(()))),
                    }
                }
            }
        }
    }

    async fn transaction(
        &mut self,
        jobs: &mut std::vec::IntoIter<Job>,
        settled: &mut Vec<Settled>,
    ) -> Result<(), StoreError> {
        if self.stale {
            let found = self.session.refresh().await?;
            self.publish(found);
            self.stale = false;
        }
        self.session.run("BEGIN IMMEDIATE").await?;
        let mut last = *self.last.borrow();
        let wall_us = self.clock.wall().timestamp_micros();
        let mut new_kinds = Vec::new();
        let place = Placed::after(last, wall_us);
        let are_in = self.append_together(jobs.as_slice(), place, &mut new_kinds).await?;
        for job in jobs.by_ref() {
            match job {
                Job::Append { entries, answer } => {
                    let place = Placed::after(last, wall_us);
                    let appended = match are_in {
                        true => Ok(()),
                        false => self.session.append(&all(&entries), place, &mut new_kinds).await,
                    };
                    let (result, fatal) = own_or_fatal(appended.map(|()| place.last(entries.len())));
                    if let Ok(receipt) = &result {
                        last = *receipt;
                    }
                    settled.push(Settled::Append(answer, result));
                    fatal.map_or(Ok(()), Err)?;
                }
                Job::Write { statement, answer } => {
                    let (result, fatal) = own_or_fatal(self.session.write(&statement).await);
                    settled.push(Settled::Write(answer, result));
                    fatal.map_or(Ok(()), Err)?;
                }
                Job::Close { .. } => {}
            }
        }
        self.session.run("COMMIT").await?;
        self.session.kinds.extend(new_kinds);
        self.publish(last);
        Ok(())
    }

    /// Whether all appends of `jobs` went in as one, as nearly always. If one of them conflicts, none is in.
    async fn append_together(
        &mut self,
        jobs: &[Job],
        place: Placed,
        new_kinds: &mut Vec<Kind>,
    ) -> Result<bool, sqlx::Error> {
        let (callers, entries) = all_entries(jobs);
        if callers < 2 {
            return Ok(false);
        }
        match self.session.append(&entries, place, new_kinds).await {
            Ok(()) => Ok(true),
            Err(error) if concerns_only_its_statement(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn publish(&self, last: Receipt) {
        if *self.last.borrow() != last {
            self.last.send_replace(last);
            self.head.send_replace(last.position);
        }
    }
}

fn all(entries: &[Entry]) -> Vec<&Entry> {
    entries.iter().collect()
}

/// How many of `jobs` append, and what.
fn all_entries(jobs: &[Job]) -> (usize, Vec<&Entry>) {
    let mut callers = 0;
    let mut all = Vec::new();
    for job in jobs {
        if let Job::Append { entries, .. } = job {
            callers += 1;
            all.extend(entries);
        }
    }
    (callers, all)
}

/// Splits a failure into one that is the statement's own and one that takes the transaction with it.
fn own_or_fatal<T>(result: Result<T, sqlx::Error>) -> (Result<T, StoreError>, Option<StoreError>) {
    match result {
        Ok(value) => (Ok(value), None),
        Err(error) if concerns_only_its_statement(&error) => (Err(error.into()), None),
        Err(error) => {
            let error = StoreError::from(error);
            (Err(error.clone()), Some(error))
        }
    }
}

/// The writer's own connection.
struct Session {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    /// The kinds of event that `event_kinds` has.
    kinds: HashSet<Kind>,
}

impl Session {
    async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Reads where the log stands; a connection that cannot say so is replaced at the next try.
    async fn refresh(&mut self) -> Result<Receipt, StoreError> {
        match self.read_head().await {
            Ok(head) => Ok(head),
            Err(error) => {
                self.connection = None;
                Err(error.into())
            }
        }
    }

    async fn read_head(&mut self) -> Result<Receipt, sqlx::Error> {
        let connection = self.connection().await?;
        let kinds = sqlx::query("SELECT aggregate_type, event_type, event_version FROM event_kinds")
            .fetch_all(&mut *connection)
            .await?;
        let last = sqlx::query("SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
        self.kinds = kinds.iter().map(Kind::read).collect::<Result<_, _>>()?;
        match last {
            None => Ok(Receipt { position: 0, recorded_us: 0 }),
            Some(row) => Ok(Receipt {
                position: row.try_get::<i64, _>("position")?.unsigned_abs(),
                recorded_us: row.try_get("recorded_at")?,
            }),
        }
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        let done = sqlx::query(sql).execute(self.connection().await?).await;
        if done.is_err() {
            // Whatever state it is in, a new one begins clean; SQLite rolls back what an old one leaves.
            self.connection = None;
        }
        done.map(drop)
    }

    async fn append(
        &mut self,
        entries: &[&Entry],
        place: Placed,
        new_kinds: &mut Vec<Kind>,
    ) -> Result<(), sqlx::Error> {
        for &entry in entries {
            if !self.kinds.contains(&entry.kind) && !new_kinds.contains(&entry.kind) {
                self.write(&entry.kind.statement()).await?;
                new_kinds.push(entry.kind.clone());
            }
        }
        insert_events(self.connection().await?, entries, place).await
    }

    async fn write(&mut self, statement: &Statement) -> Result<Vec<SqliteRow>, sqlx::Error> {
        statement.fetch(self.connection().await?).await
    }

    /// Most failures roll back by themselves, and then this one fails, which says nothing new.
    async fn rollback(&mut self) {
        if let Some(connection) = &mut self.connection {
            let _ = sqlx::query("ROLLBACK").execute(connection).await;
        }
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the log was not closed cleanly");
        }
    }
}
