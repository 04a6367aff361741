//! Folds the log into tables that can be asked, in a database file of their own.
//!
//! Rows and the checkpoint change in one transaction, so a crash between leaves nothing half done. The file holds nothing
//! that the log does not: one that is missing, damaged, of another log or of another program is made anew. Rules and
//! queries never live here; the folds are `curfew-projections`'.

mod database;
mod rebuild;
mod table;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

pub use rebuild::Rebuilt;
pub(super) use table::parse;

use super::{Log, Reads, StoreError};
use database::Database;

/// Events folded in one transaction.
const BATCH: usize = 500;
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);

/// The task that keeps the tables up with the log. Cloning gives another handle.
#[derive(Clone)]
pub struct Projector {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    readers: SqlitePool,
    progress: watch::Receiver<Progress>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// How far the tables are, and what keeps them from going further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub position: u64,
    pub fault: Option<StoreError>,
}

impl Projector {
    /// Opens the tables, brings them to the log's present head, and keeps them up with it from then on. The task runs on the
    /// current runtime until [`Projector::close`] or the log's end.
    pub async fn start(log: Log) -> Result<Self, StoreError> {
        let (mut database, readers) = Database::open(&log).await?;
        if let Err(error) = catch_up(&mut database, &log).await {
            tracing::warn!(%error, "making the projections anew, since these cannot go on");
            database.make_anew(&log).await?;
            catch_up(&mut database, &log).await?;
        }
        let (progress, watched) = watch::channel(Progress { position: database.position(), fault: None });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(database, log.clone(), progress, stopped));
        let shared = Shared { log, readers, progress: watched, stop, task: Mutex::new(Some(task)) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns once the tables hold everything up to `position`; how long to wait is the caller's to say.
    ///
    /// # Errors
    /// `Unavailable` when the projector ended first.
    pub async fn caught_up(&self, position: u64) -> Result<(), StoreError> {
        let mut progress = self.shared.progress.clone();
        match progress.wait_for(|now| now.position >= position).await {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Unavailable("the projector has stopped".to_owned())),
        }
    }

    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.clone()
    }

    /// What the tables say.
    pub fn reads(&self) -> Reads {
        Reads::new(self.shared.readers.clone())
    }

    /// Folds the whole log from its beginning in memory and compares the result with the tables.
    pub async fn rebuild_matches(&self) -> Result<Rebuilt, StoreError> {
        rebuild::compare(&self.shared.log, &self.shared.readers).await
    }

    /// Catches up with what the log has now, then stops. Idempotent; to be called before the log is closed.
    pub async fn close(&self) {
        self.shared.stop.send_replace(true);
        if let Some(task) = self.shared.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the projector ended badly");
        }
        self.shared.readers.close().await;
    }
}

async fn catch_up(database: &mut Database, log: &Log) -> Result<(), StoreError> {
    let head = *log.head().borrow();
    while database.position() < head {
        database.advance(log).await?;
    }
    Ok(())
}

async fn run(
    mut database: Database,
    log: Log,
    progress: watch::Sender<Progress>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut head = log.head();
    let mut retry = FIRST_RETRY;
    loop {
        let known = *head.borrow_and_update();
        if database.position() < known {
            match database.advance(&log).await {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    progress.send_replace(Progress { position: database.position(), fault: None });
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, position = database.position(), "the tables do not follow the log");
                    progress.send_modify(|now| now.fault = Some(error));
                }
            }
            if *stopped.borrow() {
                break;
            }
            if let Ok(Err(_)) = tokio::time::timeout(retry, stopped.changed()).await {
                break;
            }
            retry = (retry * 2).min(LONGEST_RETRY);
            continue;
        }
        if *stopped.borrow() {
            break;
        }
        tokio::select! {
            changed = head.changed() => if changed.is_err() { break },
            changed = stopped.changed() => if changed.is_err() { break },
        }
    }
    database.close().await;
}
