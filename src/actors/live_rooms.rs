//! Which rooms are live, which connection sits where, and which robots are connected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use curfew_domain::{AccountId, ConnectionId, CredentialId, RobotId, RoomId};

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
    online: HashMap<RobotId, (ConnectionId, CredentialId)>,
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

    /// The room in which a connection sits, which it leaves.
    pub(crate) fn unseat(&self, connection: ConnectionId) -> Option<Arc<LiveRoom>> {
        let mut index = self.index();
        let room = index.connections.remove(&connection)?;
        index.rooms.get(&room).cloned()
    }

    /// The robots that are connected.
    pub(crate) fn robots(&self) -> Vec<(RobotId, ConnectionId)> {
        self.index().online.iter().map(|(robot, (connection, _))| (*robot, *connection)).collect()
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
        self.index().online.get(&robot).map(|(_, credential)| *credential)
    }

    /// Tells the people in a robot's rooms that it came or went.
    pub(crate) fn robot_online(&self, robot: RobotId, connection: Option<(ConnectionId, CredentialId)>) {
        let was = match connection {
            Some(connection) => self.index().online.insert(robot, connection),
            None => self.index().online.remove(&robot),
        };
        if was.is_some() == connection.is_some() {
            return;
        }
        let user = UserRef { user_id: robot.to_string() };
        let message = match connection {
            Some(_) => ServerMessage::RobotAvailable(user),
            None => ServerMessage::RobotUnavailable(user),
        };
        for room in self.of_robot(robot) {
            room.tell(&message, None);
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
