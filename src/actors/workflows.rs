//! The runner of the workflows: reads the log by position, asks `curfew_domain::workflow` what follows from a fact, and
//! sends it to the actors. At least once: its checkpoint is stored after the commands, and a command that was carried
//! out before yields nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew_domain::workflow::{self, Refused, Routed};
use curfew_domain::{
    AccountEvent, Actor, BookingEvent, BookingId, Fact, Metadata, Phase, Recorded, RobotCommand, RobotEvent,
    RoomCommand,
};
use futures_util::stream::{self, StreamExt};

use super::account::AccountSide;
use super::booking::BookingSide;
use super::ending;
use super::live::End;
use super::robot::RobotSide;
use super::room::RoomSide;
use super::shell::Shell;
use crate::store::StoreError;

const CHECKPOINT: &str = "workflows";

/// Facts read at a time.
const BATCH: usize = 256;

/// Streams whose facts are answered at the same time; within a stream they are answered in order.
const AT_ONCE: usize = 64;

/// Commands that may follow from refusals of one command, so that no cycle of compensations runs for ever.
const MOST_COMPENSATIONS: usize = 64;

/// How long the runner, once idle, lets a fact go without a stored checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct Runner {
    shell: Arc<Shell>,
    done: u64,
    stored: u64,
}

impl Runner {
    pub(crate) async fn new(shell: Arc<Shell>) -> Result<Self, StoreError> {
        let done = shell.log.checkpoint(CHECKPOINT).await?;
        shell.answered.store(done, Ordering::Release);
        Ok(Self { shell, done, stored: done })
    }

    /// Answers everything once more.
    #[cfg(test)]
    pub(crate) fn from_the_start(shell: Arc<Shell>) -> Self {
        Self { shell, done: 0, stored: 0 }
    }

    /// Follows the log until the server stops.
    pub(crate) async fn run(mut self) {
        let mut head = self.shell.log.head();
        loop {
            head.borrow_and_update();
            while self.step().await {}
            tokio::select! {
                changed = head.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(CHECKPOINT_EVERY), if self.stored < self.done => self.store().await,
                () = self.shell.stopped() => break,
            }
        }
        self.store().await;
    }

    /// Answers the facts that are there now; for tests and for recovery.
    pub(crate) async fn catch_up(&mut self) {
        while self.step().await {}
        self.store().await;
    }

    /// Answers one batch of facts. False when there was none, or it could not be read now.
    async fn step(&mut self) -> bool {
        let batch = match self.shell.log.read_after(self.done, BATCH).await {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(%error, "the workflows cannot read the log");
                tokio::time::sleep(Duration::from_millis(200)).await;
                return !self.shell.is_stopping();
            }
        };
        let Some(last) = batch.last().map(|recorded| recorded.position) else { return false };
        let mut streams: HashMap<String, Vec<Recorded>> = HashMap::new();
        for recorded in batch {
            streams.entry(recorded.aggregate_id.clone()).or_default().push(recorded);
        }
        let shell = &self.shell;
        stream::iter(streams.into_values())
            .for_each_concurrent(AT_ONCE, |facts| async move {
                for fact in facts {
                    answer(shell, &fact).await;
                }
            })
            .await;
        if self.shell.is_stopping() {
            // Some commands may have been given up; they are sent again after the restart.
            return false;
        }
        self.done = last;
        self.shell.answered.store(last, Ordering::Release);
        true
    }

    async fn store(&mut self) {
        match self.shell.log.set_checkpoint(CHECKPOINT, self.done).await {
            Ok(()) => self.stored = self.done,
            Err(error) => tracing::warn!(%error, "the workflows' checkpoint was not stored"),
        }
    }
}

async fn answer(shell: &Arc<Shell>, fact: &Recorded) {
    let metadata = Metadata {
        actor: Actor::System,
        correlation_id: fact.metadata.correlation_id,
        causation_id: Some(fact.position.to_string()),
    };
    let mut pending: std::collections::VecDeque<Routed> = workflow::commands(fact, now(shell, fact)).into();
    let mut compensations = 0;
    while let Some(routed) = pending.pop_front() {
        let Some(refused) = route(shell, routed.clone(), metadata.clone()).await else { continue };
        compensations += 1;
        if compensations > MOST_COMPENSATIONS {
            tracing::error!(position = fact.position, "a workflow was given up: too many refusals");
            return;
        }
        for next in workflow::on_refused(&routed, &refused, now(shell, fact)).into_iter().rev() {
            pending.push_front(next);
        }
    }
}

/// The present instant; for a change of an open session, by that session's own time.
fn now(shell: &Shell, fact: &Recorded) -> DateTime<Utc> {
    match &fact.fact {
        Fact::Booking(
            BookingEvent::ExtensionRequested { change, .. }
            | BookingEvent::SessionExtended { change, .. }
            | BookingEvent::SessionShortened { change, .. }
            | BookingEvent::ExtensionRefused { change, .. },
        )
        | Fact::Account(AccountEvent::WindowMoved { change, .. })
        | Fact::Robot(RobotEvent::SlotMoved { change, .. }) => shell.now_in(change.room_id),
        _ => shell.clock.wall(),
    }
}

/// Sends a command until it is answered. What takes away from a live room acts before it is recorded.
async fn route(shell: &Arc<Shell>, routed: Routed, metadata: Metadata) -> Option<Refused> {
    match routed {
        // Delivered again, a claim whose booking was decided meanwhile is to reserve no other robot, not even for a moment.
        Routed::Robot(_, RobotCommand::ReserveSlot { request, .. })
            if is_decided(shell, request.booking_id).await =>
        {
            None
        }
        Routed::Robot(id, command) => answered(shell.insist::<RobotSide>(id, command, metadata).await),
        Routed::Booking(id, command) => answered(shell.insist::<BookingSide>(id, command, metadata).await),
        Routed::Account(id, command) => answered(shell.insist::<AccountSide>(id, command, metadata).await),
        Routed::Room(id, RoomCommand::Close { cause, by, reason_hash, due_at, .. })
            if shell.rooms.get(id).is_some() =>
        {
            // A room that was cut already is being recorded by whoever cut it.
            ending::end(shell, id, End { cause, at: due_at, reason: None }, by, reason_hash).await;
            None
        }
        Routed::Room(id, RoomCommand::Leave { account_id, cause, due_at, .. }) => {
            ending::end_for(shell, id, account_id, End { cause, at: due_at, reason: None }).await;
            None
        }
        Routed::Room(id, command) => answered(shell.insist::<RoomSide>(id, command, metadata).await),
    }
}

async fn is_decided(shell: &Arc<Shell>, id: BookingId) -> bool {
    let booking = shell.state::<BookingSide>(id).await;
    booking.is_ok_and(|booking| booking.phase().is_some_and(|phase| phase != Phase::Requested))
}

fn answered<T, E: Into<Refused>>(outcome: Option<Result<T, E>>) -> Option<Refused> {
    outcome?.err().map(Into::into)
}
