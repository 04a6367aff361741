//! The live side of robots, bookings, rooms and accounts: one actor for each, their deadlines, the workflows between them,
//! and the facade [`Lab`] by which everything is changed.
//!
//! Rules never live here (they are `curfew-domain`'s), nor does anything that knows HTTP, WebSockets or SQL. Media packets
//! never pass through here.

mod lab;
mod methods;
mod refusal;

pub use lab::{
    AccountState, Booked, ConnectionId, Joined, Lab, LabHealth, Negotiated, NewBooking, NewRobot,
    OfferTarget, Outbox, Principal, Recorded, RobotChange, RobotChoice, RoomHint, Watch,
};
pub use refusal::{Answer, Refused};
