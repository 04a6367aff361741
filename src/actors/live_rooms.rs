//! Which rooms are live, which connection sits where, and which robots are connected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use curfew_domain::{AccountId, BookingId, ConnectionId, CredentialId, RobotId, RoomId};

use super::lab::Outbox;
use super::live::{LiveRoom, Phase, Place, Seat, Sitter};
use crate::protocol::{ServerMessage, UserRef};

/// All rooms that are open or waited for, and which connection sits where.
#[derive(Debug, Default)]
pub(crate) struct LiveRooms {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    rooms: HashMap<RoomId, Arc<LiveRoom>>,
    connections: HashMap<ConnectionId, RoomId>,
    online: HashMap<RobotId, Online>,
    /// The robots whose emergency stop is engaged.
    stopped: HashMap<RobotId, ToldStop>,
}

/// An emergency stop as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldStop {
    /// What a robot's answer to it repeats.
    pub(crate) id: String,
    /// In words.
    pub(crate) reason: String,
}

impl ToldStop {
    pub(crate) fn because(reason: String) -> Self {
        Self { id: format!("{:016x}", rand::random::<u64>()), reason }
    }
}

/// A robot's signaling connection.
#[derive(Clone, Debug)]
pub(crate) struct Online {
    pub(crate) connection: ConnectionId,
    pub(crate) credential: CredentialId,
    pub(crate) outbox: Outbox,
}

impl LiveRooms {
    pub(crate) fn get(&self, id: RoomId) -> Option<Arc<LiveRoom>> {
        self.index().rooms.get(&id).cloned()
    }

    pub(crate) fn get_or_insert(&self, id: RoomId, place: Place) -> Arc<LiveRoom> {
        Arc::clone(self.index().rooms.entry(id).or_insert_with(|| Arc::new(LiveRoom::new(id, place))))
    }

    pub(crate) fn remove(&self, id: RoomId) {
        let mut index = self.index();
        index.rooms.remove(&id);
        index.connections.retain(|_, room| *room != id);
    }

    pub(crate) fn all(&self) -> Vec<Arc<LiveRoom>> {
        self.index().rooms.values().cloned().collect()
    }

    /// The room of a session.
    pub(crate) fn of_booking(&self, booking: BookingId) -> Option<Arc<LiveRoom>> {
        self.index().rooms.values().find(|room| room.place().booking == Some(booking)).cloned()
    }

    pub(crate) fn of_robot(&self, robot: RobotId) -> Vec<Arc<LiveRoom>> {
        self.all().into_iter().filter(|room| room.place().robot == robot).collect()
    }

    pub(crate) fn open(&self) -> usize {
        self.all().iter().filter(|room| matches!(room.phase(), Phase::Open { .. })).count()
    }

    /// Gives a connection its seat. False when the room has ended, or is not the live one of its name any more.
    pub(crate) fn seat(&self, live: &Arc<LiveRoom>, connection: ConnectionId, seat: Seat) -> bool {
        let mut index = self.index();
        let is_live = index.rooms.get(&live.id).is_some_and(|known| Arc::ptr_eq(known, live));
        if !is_live || !live.sit(connection, seat) {
            return false;
        }
        index.connections.insert(connection, live.id);
        true
    }

    /// Forgets a room that nobody waits for any more.
    pub(crate) fn remove_if_idle(&self, id: RoomId) {
        let mut index = self.index();
        let is_idle = |room: &Arc<LiveRoom>| room.phase() == Phase::Waiting && !room.has_company();
        if index.rooms.get(&id).is_some_and(is_idle) {
            index.rooms.remove(&id);
        }
    }

    pub(crate) fn forget(&self, connections: &[ConnectionId]) {
        self.index().connections.retain(|connection, _| !connections.contains(connection));
    }

    /// The room in which a connection sits.
    pub(crate) fn room_of(&self, connection: ConnectionId) -> Option<RoomId> {
        self.index().connections.get(&connection).copied()
    }

    /// The room in which a connection sits, which it leaves.
    pub(crate) fn unseat(&self, connection: ConnectionId) -> Option<Arc<LiveRoom>> {
        let mut index = self.index();
        let room = index.connections.remove(&connection)?;
        index.rooms.get(&room).cloned()
    }

    /// The robots that are connected.
    pub(crate) fn robots(&self) -> Vec<(RobotId, ConnectionId)> {
        self.index().online.iter().map(|(robot, online)| (*robot, online.connection)).collect()
    }

    /// Connections of one account that sit in rooms.
    pub(crate) fn connections_of(&self, account: AccountId) -> usize {
        let seats = self.all().into_iter().flat_map(|room| room.seats());
        seats.filter(|(_, seat)| seat.who == Sitter::Account(account)).count()
    }

    pub(crate) fn connections(&self) -> usize {
        let index = self.index();
        index.connections.len() + index.online.len()
    }

    pub(crate) fn is_online(&self, robot: RobotId) -> bool {
        self.index().online.contains_key(&robot)
    }

    /// The credential with which a robot is connected.
    pub(crate) fn credential(&self, robot: RobotId) -> Option<CredentialId> {
        self.index().online.get(&robot).map(|online| online.credential)
    }

    /// Keeps whether a robot is connected. False when that was known.
    pub(crate) fn set_online(&self, robot: RobotId, online: Option<Online>) -> bool {
        let is_online = online.is_some();
        let was = match online {
            Some(online) => self.index().online.insert(robot, online),
            None => self.index().online.remove(&robot),
        };
        was.is_some() != is_online
    }

    /// Tells the people in a robot's rooms that it came or went.
    pub(crate) fn tell_presence(&self, robot: RobotId, is_online: bool) {
        let user = UserRef { user_id: robot.to_string() };
        let message = if is_online {
            ServerMessage::RobotAvailable(user)
        } else {
            ServerMessage::RobotUnavailable(user)
        };
        for room in self.of_robot(robot) {
            room.tell(&message, None);
        }
    }

    /// Keeps whether a robot's emergency stop is engaged. False when that was known.
    pub(crate) fn set_stop(&self, robot: RobotId, stop: Option<ToldStop>) -> bool {
        let mut index = self.index();
        match stop {
            Some(_) if index.stopped.contains_key(&robot) => false,
            Some(stop) => index.stopped.insert(robot, stop).is_none(),
            None => index.stopped.remove(&robot).is_some(),
        }
    }

    /// A robot's emergency stop, if it is engaged.
    pub(crate) fn stop(&self, robot: RobotId) -> Option<ToldStop> {
        self.index().stopped.get(&robot).cloned()
    }

    pub(crate) fn online(&self, robot: RobotId) -> Option<Online> {
        self.index().online.get(&robot).cloned()
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
