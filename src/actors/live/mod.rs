//! What of a room has to be reachable without waiting for its actor: who is told, and the switch that ends it.
//! What is decided or recorded never lives here: that is the room's actor's.
//!
//! An actor may be waiting for the disk just when a session ends. Ending therefore never goes through a mailbox: it takes
//! this lock, tells everybody, and only then lets the actor record what was done. Nothing is held across an await here.

mod window;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, BookingId, Cause, ConnectionId, PeerId, RobotId, RoomId, Window};

use super::lab::Outbox;
use crate::clock::BootInstant;
use crate::media::PeerReport;
use crate::protocol::{ServerMessage, SessionEnded, User, UserType};

/// Where a room is and when; fixed but for the window's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) booking: Option<BookingId>,
    pub(crate) robot: RobotId,
    /// The holder of the booking, or the admin who watches.
    pub(crate) holder: AccountId,
    pub(crate) window: Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Somebody waits for the window to begin.
    Waiting,
    Open {
        deadline: BootInstant,
    },
    Ended,
}

/// A signaling connection in a room.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) who: Sitter,
    pub(crate) outbox: Outbox,
    /// False while it waits for the window to begin.
    pub(crate) admitted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sitter {
    Account(AccountId),
    Robot(RobotId),
}

impl Sitter {
    pub(crate) fn user(self) -> User {
        match self {
            Self::Account(id) => User { user_id: id.to_string(), user_type: UserType::Viewer, watch: false },
            Self::Robot(id) => User { user_id: id.to_string(), user_type: UserType::Robot, watch: false },
        }
    }
}

#[derive(Debug)]
pub(crate) struct LiveRoom {
    pub(crate) id: RoomId,
    inner: Mutex<Inner>,
    /// Held while the room's end is carried to those who keep it.
    settling: Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    phase: Phase,
    /// The end on the boot clock, from the opening on.
    deadline: Option<BootInstant>,
    /// An end that was brought forward and is being recorded: none later counts until then.
    brought_forward: Option<DateTime<Utc>>,
    /// An end that an admin asked for, with their words for the people in the room: the record keeps only a hash of those.
    explained: Option<(DateTime<Utc>, String)>,
    seats: HashMap<ConnectionId, Seat>,
    /// In the order in which they came.
    peers: Vec<(PeerId, AccountId)>,
    /// Of peers that ended at the deadline, to be recorded with the room's end.
    reports: Vec<PeerReport>,
    is_recorded: bool,
    /// Why it was cut, once it was.
    cut_by: Option<Cause>,
    /// When the robot was here first since the room opened.
    robot_came: Option<BootInstant>,
}

impl LiveRoom {
    pub(crate) fn new(id: RoomId, place: Place) -> Self {
        let inner = Inner {
            place,
            phase: Phase::Waiting,
            deadline: None,
            brought_forward: None,
            explained: None,
            seats: HashMap::new(),
            peers: Vec::new(),
            reports: Vec::new(),
            is_recorded: false,
            cut_by: None,
            robot_came: None,
        };
        Self { id, inner: Mutex::new(inner), settling: Mutex::new(()) }
    }

    pub(crate) fn place(&self) -> Place {
        self.inner().place
    }

    pub(crate) fn phase(&self) -> Phase {
        self.inner().phase
    }

    pub(crate) fn deadline(&self) -> Option<BootInstant> {
        match self.phase() {
            Phase::Open { deadline } => Some(deadline),
            Phase::Waiting | Phase::Ended => None,
        }
    }

    /// Why the room was cut; `None` as long as it was not.
    pub(crate) fn cut_by(&self) -> Option<Cause> {
        self.inner().cut_by
    }

    /// Opens the room. False when it has ended already.
    pub(crate) fn open(&self, deadline: BootInstant, ends_at: DateTime<Utc>) -> bool {
        let mut inner = self.inner();
        if inner.phase == Phase::Ended {
            return false;
        }
        inner.phase = Phase::Open { deadline };
        inner.deadline = Some(deadline);
        inner.place.window.ends_at = ends_at;
        true
    }

    /// The robot is here. True when it has not been since the room opened.
    pub(crate) fn robot_comes(&self, now: BootInstant) -> bool {
        let mut inner = self.inner();
        let is_first = matches!(inner.phase, Phase::Open { .. }) && inner.robot_came.is_none();
        if is_first {
            inner.robot_came = Some(now);
        }
        is_first
    }

    /// When the robot was here first since the room opened.
    pub(crate) fn robot_came(&self) -> Option<BootInstant> {
        self.inner().robot_came
    }

    /// Gives a connection its seat. False when the room has ended.
    pub(crate) fn sit(&self, connection: ConnectionId, seat: Seat) -> bool {
        let mut inner = self.inner();
        if inner.phase == Phase::Ended {
            return false;
        }
        inner.seats.insert(connection, seat);
        true
    }

    /// As [`Self::sit`], but a connection that has a seat keeps it, and the answer is false.
    pub(crate) fn sit_once(&self, connection: ConnectionId, seat: Seat) -> bool {
        let mut inner = self.inner();
        if inner.phase == Phase::Ended || inner.seats.contains_key(&connection) {
            return false;
        }
        inner.seats.insert(connection, seat);
        true
    }

    pub(crate) fn stand_up(&self, connection: ConnectionId) -> Option<Seat> {
        self.inner().seats.remove(&connection)
    }

    pub(crate) fn seats_connection(&self, connection: ConnectionId) -> bool {
        self.inner().seats.contains_key(&connection)
    }

    pub(crate) fn seats(&self) -> Vec<(ConnectionId, Seat)> {
        self.inner().seats.iter().map(|(id, seat)| (*id, seat.clone())).collect()
    }

    /// Those who waited, each given once.
    pub(crate) fn take_unadmitted(&self) -> Vec<(ConnectionId, Seat)> {
        let mut inner = self.inner();
        let waiting = inner.seats.iter_mut().filter(|(_, seat)| !seat.admitted);
        waiting
            .map(|(connection, seat)| {
                seat.admitted = true;
                (*connection, seat.clone())
            })
            .collect()
    }

    /// Whether this account has a seat or a peer here.
    pub(crate) fn has(&self, account: AccountId) -> bool {
        let inner = self.inner();
        inner.seats.values().any(|seat| seat.who == Sitter::Account(account))
            || inner.peers.iter().any(|(_, owner)| *owner == account)
    }

    /// Whether a person, not only the robot, is here.
    pub(crate) fn has_company(&self) -> bool {
        self.inner().seats.values().any(|seat| matches!(seat.who, Sitter::Account(_)))
    }

    /// Counts a peer in. False when the room has ended, and the peer has to be closed.
    pub(crate) fn add_peer(&self, peer: PeerId, account: AccountId) -> bool {
        let mut inner = self.inner();
        if inner.phase == Phase::Ended {
            return false;
        }
        inner.peers.push((peer, account));
        true
    }

    pub(crate) fn remove_peer(&self, peer: PeerId) {
        self.inner().peers.retain(|(known, _)| *known != peer);
    }

    /// Keeps the report of a peer that its deadline ended, for the record of the room's end. False when that is written
    /// already.
    pub(crate) fn report(&self, report: &PeerReport) -> bool {
        let mut inner = self.inner();
        inner.peers.retain(|(known, _)| *known != report.peer);
        if !inner.is_recorded {
            inner.reports.push(report.clone());
        }
        !inner.is_recorded
    }

    /// Takes the reports for the record; those that come later are on their own.
    pub(crate) fn take_reports(&self) -> Vec<PeerReport> {
        let mut inner = self.inner();
        inner.is_recorded = true;
        std::mem::take(&mut inner.reports)
    }

    /// An account's peers, oldest first.
    pub(crate) fn peers_of(&self, account: AccountId) -> Vec<PeerId> {
        self.inner().peers.iter().filter(|(_, owner)| *owner == account).map(|(peer, _)| *peer).collect()
    }

    /// Tells everybody but `except`.
    pub(crate) fn tell(&self, message: &ServerMessage, except: Option<ConnectionId>) {
        for (connection, seat) in &self.inner().seats {
            if Some(*connection) != except {
                send(&seat.outbox, message.clone());
            }
        }
    }

    /// Ends the room: from here on it takes nobody in, and everybody is told at once. `None` when it had ended before;
    /// else the message, for the peers' `session` channels too.
    pub(crate) fn cut(&self, end: &End) -> Option<ServerMessage> {
        self.cut_if(end, |_| true)
    }

    /// As [`Self::cut`], unless the robot has been here: one that comes at the same instant came before this or after.
    pub(crate) fn cut_without_robot(&self, end: &End) -> Option<ServerMessage> {
        self.cut_if(end, |inner| inner.robot_came.is_none())
    }

    fn cut_if(&self, end: &End, is_meant: impl FnOnce(&Inner) -> bool) -> Option<ServerMessage> {
        let seats = {
            let mut inner = self.inner();
            if inner.phase == Phase::Ended || !is_meant(&inner) {
                return None;
            }
            inner.phase = Phase::Ended;
            inner.cut_by = Some(end.cause);
            std::mem::take(&mut inner.seats)
        };
        let message = self.ended(end);
        for seat in seats.values() {
            send(&seat.outbox, message.clone());
        }
        Some(message)
    }

    /// Ends the session for one account alone; answers with its peers, for the caller to close.
    pub(crate) fn cut_account(
        &self,
        account: AccountId,
        end: &End,
    ) -> (ServerMessage, Vec<ConnectionId>, Vec<PeerId>) {
        let message = self.ended(end);
        let mut inner = self.inner();
        let gone: Vec<ConnectionId> = inner
            .seats
            .iter()
            .filter(|(_, seat)| seat.who == Sitter::Account(account))
            .map(|(connection, _)| *connection)
            .collect();
        for seat in gone.iter().filter_map(|connection| inner.seats.remove(connection)) {
            send(&seat.outbox, message.clone());
        }
        let peers =
            inner.peers.iter().filter(|(_, owner)| *owner == account).map(|(peer, _)| *peer).collect();
        (message, gone, peers)
    }

    /// Leaves without a word: the session goes on after a restart.
    pub(crate) fn abandon(&self) {
        let mut inner = self.inner();
        inner.phase = Phase::Ended;
        inner.seats.clear();
    }

    fn ended(&self, end: &End) -> ServerMessage {
        ServerMessage::SessionEnded(SessionEnded {
            room_id: self.id.to_string(),
            cause: end.cause.name().to_owned(),
            reason: end.reason.clone(),
            ended_at: end.at,
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why and when a session ends; `reason` is an admin's words, for the people in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) cause: Cause,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: Option<String>,
}

/// A full outbox means that its owner does not read; the owner sees it full as well and drops the connection.
pub(crate) fn send(outbox: &Outbox, message: ServerMessage) {
    if outbox.try_send(message).is_err() {
        tracing::debug!("a connection does not take its messages");
    }
}
