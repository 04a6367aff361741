//! The facade: the only way in which `api` and `signaling` change anything. Here are its types; what it does stands in the
//! `lab_*` files beside this one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use curfew_domain::{
    AccountId, Basis, BookingId, CredentialId, MediaMode, PeerId, RobotId, Role, RoomId, Window,
};
use tokio::sync::mpsc;

pub use curfew_domain::{ConnectionId, RobotChoice};

use super::shell::Shell;
use crate::protocol::{IceCandidateInit, RoomState, ServerMessage};

/// Who asks, as the transport has authenticated it. A message's own claims never become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    Account {
        id: AccountId,
        role: Role,
    },
    Robot {
        id: RobotId,
        credential: CredentialId,
    },
    /// Whoever owns the data folder, at the command line, and the server itself: may do what an admin may, and is no person.
    System,
}

/// Where messages for a signaling connection go; bounded. A connection whose outbox is full is dropped by its owner.
pub type Outbox = mpsc::Sender<ServerMessage>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBooking {
    /// One robot, or any robot of a type.
    pub robot: RobotChoice,
    pub window: Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    pub id: BookingId,
    /// False when nothing was decided in time: the booking stands as requested.
    pub decided: bool,
}

/// Whether a change is durable already. One that takes away is carried out before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded(pub bool);

/// A room id, a booking id, or `robot_{type}_{userId}`. A hint: it names a place, never who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomHint(pub String);

#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    pub room_id: RoomId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub server_time: DateTime<Utc>,
    /// `Basis::name` is the role on the wire.
    pub basis: Basis,
    pub state: RoomState,
    pub robot: RobotId,
    /// When true, the transport tells `robot-available` after `joined-room`; later changes come through the outbox.
    pub robot_online: bool,
    /// The admins who watch this robot now, unless watches are silent.
    pub watched_by: Vec<AccountId>,
    /// The robot's emergency stop, if it is engaged: told after `joined-room` too.
    pub stopped: Option<ServerMessage>,
}

/// Where a robot's session is, or will be next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RobotRoom {
    pub room_id: RoomId,
    pub ends_at: DateTime<Utc>,
    pub server_time: DateTime<Utc>,
    pub state: RoomState,
}

/// What a viewer's offer is for: the room it joined, or the robot it names by id or slug.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferTarget {
    pub robot: Option<String>,
    pub room: Option<RoomId>,
    /// The signaling connection that the offer came by: when it leaves the room, the peer is closed with it.
    pub connection: Option<ConnectionId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Negotiated {
    pub peer: PeerId,
    pub robot: RobotId,
    /// The answer.
    pub sdp: String,
    pub candidates: Vec<IceCandidateInit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    pub room_id: RoomId,
    pub ends_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRobot {
    pub slug: String,
    pub name: String,
    pub robot_type: String,
    pub cameras: Vec<String>,
    pub media: MediaMode,
}

/// What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RobotChange {
    pub name: Option<String>,
    pub robot_type: Option<String>,
    pub cameras: Option<Vec<String>>,
    pub media: Option<MediaMode>,
}

/// An account as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountState {
    pub id: AccountId,
    pub role: Role,
    pub suspended: bool,
    /// Grows whenever the tokens given out before lose their worth.
    pub sign_outs: u32,
}

/// Parts of the server's health that the actors know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabHealth {
    /// The wall clock is behind the log: no session runs until it has caught up.
    pub clock_behind: bool,
    pub rooms: usize,
    pub connections: usize,
    /// The position up to which workflows have answered the log.
    pub answered: u64,
}

/// The facade. Cheap to clone; usable from every thread.
#[derive(Clone)]
pub struct Lab {
    pub(super) shell: Arc<Shell>,
}
