//! The one copy of load, decide, append: what every actor does with its aggregate.

use cqrs_es::{Aggregate, event_sink::EventSink};
use curfew_domain::Metadata;

use crate::store::{Log, StoreError};

/// An aggregate held in memory at a known sequence, or not loaded yet.
///
/// A command is handled on a clone, because cqrs-es applies events while it handles; the clone takes the place of the state
/// only when its events are durable. So a failed append never leaves the actor ahead of the log.
pub(crate) struct Entity<A> {
    id: String,
    log: Log,
    held: Option<Held<A>>,
}

#[derive(Debug)]
struct Held<A> {
    aggregate: A,
    sequence: usize,
}

/// What became of a command.
#[derive(Clone, Debug)]
pub(crate) struct Decided<A: Aggregate> {
    /// Empty when the command had been carried out before.
    pub(crate) events: Vec<A::Event>,
    /// The position of the last event, where there is one.
    pub(crate) position: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Undecided<E> {
    #[error("{0}")]
    Refused(E),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<A> Entity<A>
where
    A: Aggregate<Services = ()> + Clone,
    A::Command: Clone,
{
    pub(crate) fn new(id: String, log: Log) -> Self {
        Self { id, log, held: None }
    }

    /// Forgets what is held, so that the next use replays the log.
    pub(crate) fn forget(&mut self) {
        self.held = None;
    }

    /// The state, if it is loaded.
    pub(crate) fn held(&self) -> Option<&A> {
        self.held.as_ref().map(|held| &held.aggregate)
    }

    /// The state as of now, loaded if need be.
    pub(crate) async fn state(&mut self) -> Result<&A, StoreError> {
        Ok(&self.load().await?.aggregate)
    }

    /// Handles the command and makes its events durable. A conflict with another writer is answered by one more try on
    /// fresh state.
    pub(crate) async fn decide(
        &mut self,
        command: A::Command,
        metadata: &Metadata,
    ) -> Result<Decided<A>, Undecided<A::Error>> {
        match self.attempt(command.clone(), metadata).await {
            Err(Undecided::Store(StoreError::Conflict)) => self.attempt(command, metadata).await,
            other => other,
        }
    }

    async fn attempt(
        &mut self,
        command: A::Command,
        metadata: &Metadata,
    ) -> Result<Decided<A>, Undecided<A::Error>> {
        let held = self.load().await?;
        let sequence = held.sequence;
        let mut next = held.aggregate.clone();
        let sink = EventSink::default();
        next.handle(command, &(), &sink).await.map_err(Undecided::Refused)?;
        let events = sink.collect().await;
        if events.is_empty() {
            return Ok(Decided { events, position: None });
        }
        match self.log.append::<A>(&self.id, sequence, events.clone(), metadata).await {
            Ok(appended) => {
                self.held = Some(Held { aggregate: next, sequence: appended.sequence });
                Ok(Decided { events, position: Some(appended.position) })
            }
            Err(error) => {
                // Whatever the reason, what is held may no longer be what the log says.
                self.forget();
                Err(error.into())
            }
        }
    }

    async fn load(&mut self) -> Result<&mut Held<A>, StoreError> {
        let held = match self.held.take() {
            Some(held) => held,
            None => {
                let loaded = self.log.load::<A>(&self.id).await?;
                Held { aggregate: loaded.aggregate, sequence: loaded.sequence }
            }
        };
        Ok(self.held.insert(held))
    }
}
