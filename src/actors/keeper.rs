//! The actor around an entity. There is one per live aggregate, whatever its kind; what a kind adds stands in its own file.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::sync::Arc;

use actix::prelude::*;
use cqrs_es::Aggregate;
use curfew_domain::Metadata;

use super::entity::{Decided, Entity, Undecided};
use super::registry::{Registry, Shelf};
use super::shell::Shell;
use crate::store::StoreError;

/// Messages one actor may have waiting; a sender beyond them waits itself.
const MAILBOX: usize = 256;

/// What differs between the actors: their aggregate, and what they do when facts of it are durable.
pub(crate) trait Kind: Sized + Unpin + 'static {
    type Aggregate: Aggregate<Services = (), Command: Clone + Send, Event: Send, Error: Send>
        + Clone
        + Debug
        + Unpin
        + 'static;
    type Id: Copy + Debug + Display + Eq + Hash + Send + Sync + Unpin + 'static;

    fn new(id: Self::Id, shell: &Arc<Shell>) -> Self;

    /// Where the live ones of this kind are.
    fn shelf(registry: &Registry) -> &Shelf<Self>;

    /// Facts were made durable and `state` includes them. Not awaited: what has to wait is spawned.
    fn published(
        &mut self,
        _state: &Self::Aggregate,
        _decided: &Decided<Self::Aggregate>,
        _shell: &Arc<Shell>,
    ) {
    }

    /// Whether the actor is needed although nobody asks it anything: somebody is connected, or its room is open.
    fn is_needed(_id: Self::Id, _shell: &Shell) -> bool {
        false
    }

    /// The actor restarted: what was held beside the aggregate is not to be trusted.
    fn restarted(&mut self, _shell: &Arc<Shell>) {}
}

pub(crate) struct Keeper<K: Kind> {
    pub(crate) id: K::Id,
    pub(crate) shell: Arc<Shell>,
    pub(crate) kind: K,
    pub(crate) entity: Entity<K::Aggregate>,
}

impl<K: Kind> Keeper<K> {
    pub(crate) fn new(id: K::Id, shell: Arc<Shell>) -> Self {
        Self { id, kind: K::new(id, &shell), entity: Entity::new(id.to_string(), shell.log.clone()), shell }
    }

    /// Decides a command and publishes its facts. To be awaited exclusively, that is within an `AtomicResponse` or
    /// `ctx.wait`: the entity is away until the future is done.
    pub(crate) fn decide(
        &mut self,
        command: <K::Aggregate as Aggregate>::Command,
        metadata: Metadata,
    ) -> ResponseActFuture<Self, Outcome<K::Aggregate>> {
        let mut entity = self.take();
        let deciding = async move {
            let outcome = entity.decide(command, &metadata).await;
            (entity, outcome)
        };
        Box::pin(deciding.into_actor(self).map(|(entity, outcome), keeper, _| {
            keeper.entity = entity;
            if let (Ok(decided), Some(state)) = (&outcome, keeper.entity.held())
                && !decided.events.is_empty()
            {
                keeper.kind.published(state, decided, &keeper.shell);
            }
            outcome
        }))
    }

    /// A copy of the state, loaded if need be. Exclusive as [`Self::decide`] is.
    pub(crate) fn state(&mut self) -> ResponseActFuture<Self, Result<K::Aggregate, StoreError>> {
        let mut entity = self.take();
        let loading = async move {
            let state = entity.state().await.cloned();
            (entity, state)
        };
        Box::pin(loading.into_actor(self).map(|(entity, state), keeper, _| {
            keeper.entity = entity;
            state
        }))
    }

    /// Leaves an unloaded entity behind, so that a future dropped halfway costs a replay and nothing else.
    fn take(&mut self) -> Entity<K::Aggregate> {
        let unloaded = Entity::new(self.id.to_string(), self.shell.log.clone());
        std::mem::replace(&mut self.entity, unloaded)
    }
}

impl<K: Kind> Actor for Keeper<K> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl<K: Kind> Supervised for Keeper<K> {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.entity.forget();
        self.kind.restarted(&self.shell);
    }
}

pub(crate) type Outcome<A> = Result<Decided<A>, Undecided<<A as Aggregate>::Error>>;

/// A command for an aggregate.
pub(crate) struct Command<A: Aggregate> {
    pub(crate) command: A::Command,
    pub(crate) metadata: Metadata,
}

impl<A: Aggregate<Event: 'static, Error: 'static> + 'static> Message for Command<A> {
    type Result = Outcome<A>;
}

impl<K: Kind> Handler<Command<K::Aggregate>> for Keeper<K> {
    type Result = AtomicResponse<Self, Outcome<K::Aggregate>>;

    fn handle(&mut self, message: Command<K::Aggregate>, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(self.decide(message.command, message.metadata))
    }
}

/// Asks for a copy of an aggregate's state.
pub(crate) struct StateOf<A>(std::marker::PhantomData<fn() -> A>);

impl<A> StateOf<A> {
    pub(crate) fn ask() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<A: 'static> Message for StateOf<A> {
    type Result = Result<A, StoreError>;
}

impl<K: Kind> Handler<StateOf<K::Aggregate>> for Keeper<K> {
    type Result = AtomicResponse<Self, Result<K::Aggregate, StoreError>>;

    fn handle(&mut self, _: StateOf<K::Aggregate>, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(self.state())
    }
}
