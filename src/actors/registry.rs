//! Starts an actor when somebody asks for it and lets idle ones go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::prelude::*;

use super::account::{AccountSide, LabSide};
use super::booking::BookingSide;
use super::keeper::{Keeper, Kind};
use super::refusal::Refused;
use super::robot::RobotSide;
use super::room::RoomSide;
use super::shell::Shell;
use crate::clock::BootInstant;

/// Live actors of one kind that are kept for having been used lately. Who asks for ever new ids, known or not, starts an actor for each.
const MOST_IDLE: usize = 1_000;

/// All live actors.
pub(crate) struct Registry {
    pub(crate) robots: Shelf<RobotSide>,
    pub(crate) bookings: Shelf<BookingSide>,
    pub(crate) rooms: Shelf<RoomSide>,
    pub(crate) accounts: Shelf<AccountSide>,
    pub(crate) labs: Shelf<LabSide>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            robots: Shelf::new(),
            bookings: Shelf::new(),
            rooms: Shelf::new(),
            accounts: Shelf::new(),
            labs: Shelf::new(),
        }
    }

    pub(crate) fn passivate(&self, shell: &Shell) {
        self.robots.passivate(shell);
        self.bookings.passivate(shell);
        self.rooms.passivate(shell);
        self.accounts.passivate(shell);
        self.labs.passivate(shell);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.robots.len() + self.bookings.len() + self.rooms.len() + self.accounts.len() + self.labs.len()
    }
}

/// The live actors of one kind.
pub(crate) struct Shelf<K: Kind> {
    live: Mutex<HashMap<K::Id, Entry<K>>>,
    /// From how many on those that nobody needs are let go at once.
    look_at: AtomicUsize,
}

struct Entry<K: Kind> {
    address: Addr<Keeper<K>>,
    /// Shared with every handle given out: as long as one is held, a message may be on its way.
    held: Arc<()>,
    used: BootInstant,
}

impl<K: Kind> Shelf<K> {
    pub(crate) fn new() -> Self {
        Self { live: Mutex::new(HashMap::new()), look_at: AtomicUsize::new(MOST_IDLE) }
    }

    /// The actor of `id`, started if it is not running.
    pub(crate) fn get(&self, id: K::Id, shell: &Arc<Shell>) -> Handle<K> {
        let mut live = self.live();
        if live.len() >= self.look_at.load(Ordering::Relaxed) && !live.contains_key(&id) {
            live.retain(|id, entry| Arc::strong_count(&entry.held) > 1 || K::is_needed(*id, shell));
            // Where most are needed, looking through them at each new one would cost more than it frees.
            self.look_at.store(MOST_IDLE.max(2 * live.len()), Ordering::Relaxed);
        }
        let entry = live.entry(id).or_insert_with(|| Entry::start(id, shell));
        if !entry.address.connected() {
            // It panicked, and whatever it held is lost: the log has what counts.
            *entry = Entry::start(id, shell);
        }
        entry.used = shell.clock.boot();
        Handle { address: entry.address.clone(), _held: Arc::clone(&entry.held) }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.live().len()
    }

    /// Lets go of actors that nobody needs, talks to, or has used for a while. An actor without an address ends itself.
    fn passivate(&self, shell: &Shell) {
        let now = shell.clock.boot();
        self.live().retain(|id, entry| {
            Arc::strong_count(&entry.held) > 1
                || now.saturating_since(entry.used) < shell.config.idle
                || K::is_needed(*id, shell)
        });
    }

    fn live(&self) -> MutexGuard<'_, HashMap<K::Id, Entry<K>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kind> Entry<K> {
    fn start(id: K::Id, shell: &Arc<Shell>) -> Self {
        let its_shell = Arc::clone(shell);
        let address = Supervisor::start_in_arbiter(&shell.arbiter, move |_| Keeper::new(id, its_shell));
        Self { address, held: Arc::new(()), used: shell.clock.boot() }
    }
}

/// A live actor that stays live while this is held.
pub(crate) struct Handle<K: Kind> {
    address: Addr<Keeper<K>>,
    _held: Arc<()>,
}

impl<K: Kind> Handle<K> {
    /// Sends and awaits the answer; waits while the mailbox is full. The one failure is an actor system that is gone.
    pub(crate) async fn ask<M>(&self, message: M) -> Result<M::Result, Refused>
    where
        M: Message<Result: Send> + Send + 'static,
        Keeper<K>: Actor<Context = Context<Keeper<K>>> + Handler<M>,
    {
        self.address.send(message).await.map_err(|_| Refused::unavailable("The server is shutting down."))
    }
}
