//! Who is registered, on how many connections, and how a person is signed out of all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use curfew_domain::{AccountId, RobotId};
use tokio::sync::oneshot;

use crate::actors::{ConnectionId, Principal};

/// Why a person's connections end before they do it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOut {
    PasswordChanged,
    Suspended,
}

type Present = HashMap<Who, HashMap<ConnectionId, oneshot::Sender<SignOut>>>;

/// The registered connections of everybody. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    present: Arc<Mutex<Present>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Account(AccountId),
    Robot(RobotId),
    System,
}

/// A registered connection; dropped, it is no longer.
#[derive(Debug)]
pub(super) struct Presence {
    roster: Roster,
    who: Who,
    id: ConnectionId,
    pub(super) signed_out: oneshot::Receiver<SignOut>,
}

impl Roster {
    /// None when there are `most` connections of the same account or robot already.
    pub(super) fn enter(&self, who: &Principal, id: ConnectionId, most: usize) -> Option<Presence> {
        let who = match *who {
            Principal::Account { id, .. } => Who::Account(id),
            Principal::Robot { id, .. } => Who::Robot(id),
            Principal::System => Who::System,
        };
        let mut present = self.present();
        let theirs = present.entry(who).or_default();
        if theirs.len() >= most {
            return None;
        }
        let (sign_out, signed_out) = oneshot::channel();
        theirs.insert(id, sign_out);
        drop(present);
        Some(Presence { roster: self.clone(), who, id, signed_out })
    }

    /// Ends all connections of an account; each is told why.
    pub fn sign_out(&self, account: AccountId, why: SignOut) {
        for (_, connection) in self.present().remove(&Who::Account(account)).unwrap_or_default() {
            // One that is gone by itself needs no word.
            let _ = connection.send(why);
        }
    }

    /// Registered connections of everybody.
    pub fn count(&self) -> usize {
        self.present().values().map(HashMap::len).sum()
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = self.roster.present();
        if let Some(theirs) = present.get_mut(&self.who) {
            theirs.remove(&self.id);
            if theirs.is_empty() {
                present.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use curfew_domain::Role;
    use uuid::Uuid;

    use super::*;

    fn account(number: u128) -> Principal {
        Principal::Account { id: Uuid::from_u128(number).into(), role: Role::Viewer }
    }

    fn id(number: u128) -> ConnectionId {
        ConnectionId::new(Uuid::from_u128(number))
    }

    #[test]
    fn each_has_so_many_connections_and_no_more() {
        let roster = Roster::default();
        let first = roster.enter(&account(1), id(1), 1).expect("the first");
        assert!(roster.enter(&account(1), id(2), 1).is_none());
        assert!(roster.enter(&account(2), id(3), 1).is_some());
        drop(first);
        assert!(roster.enter(&account(1), id(4), 1).is_some());
        assert_eq!(roster.count(), 0, "none of them was kept");
    }

    #[test]
    fn signing_out_reaches_every_connection_of_that_person() {
        let roster = Roster::default();
        let enter = |number, connection| roster.enter(&account(number), id(connection), 9).expect("in");
        let (mut one, mut two, mut other) = (enter(1, 1), enter(1, 2), enter(2, 3));
        roster.sign_out(Uuid::from_u128(1).into(), SignOut::PasswordChanged);
        assert_eq!(one.signed_out.try_recv(), Ok(SignOut::PasswordChanged));
        assert_eq!(two.signed_out.try_recv(), Ok(SignOut::PasswordChanged));
        assert!(other.signed_out.try_recv().is_err());
        let again = roster.enter(&account(1), id(4), 1).expect("in again");
        drop((one, two));
        assert_eq!(roster.count(), 2, "who was signed out takes nobody along");
        drop(again);
    }
}
