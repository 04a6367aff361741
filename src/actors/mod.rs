//! The live side of robots, bookings, rooms and accounts: one actor for each, their deadlines, the workflows between them,
//! and the facade [`Lab`] by which everything is changed.
//!
//! Rules never live here (they are `curfew-domain`'s), nor does anything that knows HTTP, WebSockets or SQL. Media packets
//! never pass through here.

mod account;
mod booking;
mod config;
mod deadlines;
mod decisions;
mod dispatch;
mod ending;
mod entity;
mod folded;
mod keeper;
mod lab;
mod lab_access;
mod lab_bookings;
mod lab_changes;
mod lab_guests;
mod lab_offers;
mod lab_robots;
mod lab_rooms;
mod live;
mod live_rooms;
mod lookup;
mod meters;
mod peers;
mod recovery;
mod refusal;
mod registry;
mod robot;
mod robot_messages;
mod room;
mod shell;
mod start;
#[cfg(test)]
mod tests;
mod turns;
mod workflows;

pub use config::ActorsConfig;
pub use lab::{
    AccountState, Booked, ConnectionId, Joined, Lab, LabHealth, Negotiated, NewBooking, NewRobot,
    OfferTarget, Outbox, Principal, Recorded, RobotChange, RobotChoice, RobotRoom, RoomHint, Watch,
};
pub use meters::Meters;
pub use refusal::{Answer, Refused};
pub(crate) use shell::hex;
pub use start::LabParts;
