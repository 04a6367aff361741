//! Who waits for a booking to be decided, for its room to open, for its end to be moved, or for it to be over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use curfew_domain::BookingId;
use tokio::sync::oneshot;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    Decision,
    Opening,
    /// An extension was refused or carried out, in a running session's room too.
    Change,
    End,
}

type Waiting = HashMap<(BookingId, Awaited), Vec<oneshot::Sender<()>>>;

#[derive(Debug, Default)]
pub(crate) struct Decisions {
    waiting: Mutex<Waiting>,
}

impl Decisions {
    /// Resolves once the fact is durable. Whoever gives up waiting says so with [`Decisions::forget`].
    pub(crate) fn wait_for(&self, id: BookingId, what: Awaited) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.waiting().entry((id, what)).or_default().push(sender);
        receiver
    }

    pub(crate) fn came(&self, id: BookingId, what: Awaited) {
        for sender in self.waiting().remove(&(id, what)).unwrap_or_default() {
            // Whoever waited may have gone.
            let _ = sender.send(());
        }
    }

    /// Drops those of whom nobody waits any more.
    pub(crate) fn forget(&self, id: BookingId, what: Awaited) {
        let mut waiting = self.waiting();
        if let Some(senders) = waiting.get_mut(&(id, what)) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&(id, what));
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
