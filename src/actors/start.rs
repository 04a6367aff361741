//! Starts the actors' thread and the tasks around it, and stops them in order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use curfew_domain::room::Unreported;
use curfew_domain::{Actor, Cause, LabCommand, LabRules, RoomCommand, RoomId};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot, watch};

use super::account::{LabSide, TheLab};
use super::config::ActorsConfig;
use super::deadlines::Deadlines;
use super::decisions::Decisions;
use super::dispatch;
use super::folded::{self, Folded};
use super::lab::{Lab, LabHealth};
use super::live_rooms::LiveRooms;
use super::meters::Meters;
use super::peers::Peers;
use super::registry::Registry;
use super::robot::{disconnected, publishing_ended};
use super::room::RoomSide;
use super::shell::Shell;
use super::turns::Turns;
use super::workflows::Runner;
use crate::clock::SharedClock;
use crate::media::{Media, MediaEvent};
use crate::store::{Log, Projector, StoreError};

/// What the lab is made of.
pub struct LabParts {
    pub log: Log,
    pub projector: Projector,
    pub media: Media,
    pub media_events: mpsc::Receiver<MediaEvent>,
    pub clock: SharedClock,
    pub config: ActorsConfig,
}

impl Lab {
    /// Starts the actors' thread. Nothing happens by itself before [`Lab::recover`]. To be called within a tokio runtime,
    /// whose tasks the lab's are.
    pub async fn start(parts: LabParts) -> Result<Self, StoreError> {
        let salt = parts.log.secrets().get_or_create("reason-salt", 32).await?;
        let system = start_system().await?;
        let shell = Arc::new(Shell {
            reads: parts.projector.reads(),
            reasons: parts.log.reasons(),
            turns: Turns::new(*parts.log.head().borrow()),
            log: parts.log,
            projector: parts.projector,
            salt,
            media: parts.media,
            deadlines: Deadlines::new(Arc::clone(&parts.clock)),
            clock: parts.clock,
            config: parts.config,
            arbiter: system.arbiter().clone(),
            system,
            runtime: tokio::runtime::Handle::current(),
            registry: Registry::new(),
            rooms: LiveRooms::default(),
            peers: Peers::default(),
            folded: Folded::default(),
            decisions: Decisions::default(),
            rules: Mutex::new(LabRules::default()),
            clock_behind: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            meters: Meters::default(),
            stop: watch::channel(false).0,
        });
        shell.spawn(dispatch::media(Arc::clone(&shell), parts.media_events));
        Ok(Self { shell })
    }

    /// From here on connections end because the server does. To be called before any of them is told to.
    pub fn begin_shutdown(&self) {
        self.shell.closing.store(true, Ordering::Release);
    }

    /// Lets everybody go, records it, and stops. Nobody is told that a session ended: it goes on after the next start. To be
    /// called when the transports take nothing any more, and before the projector and the log are closed.
    pub async fn shutdown(&self) {
        self.begin_shutdown();
        let shell = &self.shell;
        let live = shell.rooms.all();
        for room in &live {
            room.abandon();
        }
        for room in &live {
            leave_room(shell, room.id).await;
        }
        let gone = shell.rooms.robots().into_iter().map(|(robot, connection)| async move {
            publishing_ended(robot, Cause::ServerStopped, shell).await;
            disconnected(robot, connection, Cause::ServerStopped, shell).await;
        });
        // All of them at once: a disk that takes nothing keeps the stop waiting for one patience, not for one each.
        if tokio::time::timeout(shell.config.patience, join_all(gone)).await.is_err() {
            tracing::warn!("what some robots sent, or that they went, was not recorded");
        }
        folded::flush(Arc::clone(shell), true).await;
        let stopped = LabCommand::RecordServerStopped { now: shell.clock.wall() };
        if let Err(refused) = shell.carry::<LabSide>(TheLab, stopped, Shell::metadata(Actor::System)).await {
            tracing::error!(%refused, "the stop was not recorded");
        }
        shell.stop.send_replace(true);
        shell.system.stop();
    }

    pub fn health(&self) -> LabHealth {
        LabHealth {
            clock_behind: self.shell.clock_is_doubted(),
            rooms: self.shell.rooms.open(),
            connections: self.shell.rooms.connections(),
            answered: self.shell.answered.load(Ordering::Acquire),
        }
    }

    /// What is measured of its sessions.
    pub fn meters(&self) -> &Meters {
        &self.shell.meters
    }
}

impl Shell {
    /// From here on deadlines fire and facts are followed.
    pub(super) fn start_loops(self: &Arc<Self>) {
        // The deadlines' task is alone with the actors on their thread, away from the transports' work.
        self.arbiter.spawn(dispatch::deadlines(Arc::clone(self)));
        self.spawn(dispatch::heartbeat(Arc::clone(self)));
        let shell = Arc::clone(self);
        self.spawn(async move {
            loop {
                match Runner::new(Arc::clone(&shell)).await {
                    Ok(runner) => return runner.run().await,
                    Err(error) => tracing::error!(%error, "the workflows cannot start"),
                }
                if shell.pause(Duration::from_secs(1)).await {
                    return;
                }
            }
        });
    }
}

/// Closes what is open in a room and records it; the room itself stays open.
async fn leave_room(shell: &Arc<Shell>, id: RoomId) {
    let reports = shell.media.close_room(id, None).await;
    let terminated: Vec<_> = reports.iter().map(|report| shell.terminated(report)).collect();
    let Ok(room) = shell.state::<RoomSide>(id).await else { return };
    let now = shell.now_in(id);
    for (account_id, _) in room.participants() {
        let command = RoomCommand::Leave {
            account_id,
            cause: Cause::ServerStopped,
            terminated: terminated.clone(),
            unreported: Unreported::Record { lateness_us: 0, stopped_between: None },
            due_at: now,
            now,
        };
        if let Err(refused) = shell.carry::<RoomSide>(id, command, Shell::metadata(Actor::System)).await {
            tracing::warn!(room = %id, %refused, "an end was not recorded");
        }
    }
}

async fn start_system() -> Result<actix::System, StoreError> {
    let (sender, started) = oneshot::channel();
    let failed = |what: String| StoreError::Unavailable(format!("the actors' thread: {what}"));
    std::thread::Builder::new()
        .name("actors".into())
        .spawn(move || {
            let runner = actix::System::new();
            if sender.send(actix::System::current()).is_ok()
                && let Err(error) = runner.run()
            {
                tracing::error!(%error, "the actors' thread ended badly");
            }
        })
        .map_err(|error| failed(error.to_string()))?;
    started.await.map_err(|_| failed("it ended at once".to_owned()))
}
