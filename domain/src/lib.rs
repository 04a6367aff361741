//! Curfew's rules: five aggregates, the facts they yield, and the workflows between them.
//!
//! Everything here is pure. Time and ids arrive in commands; no I/O, no clock, no randomness and no global state ever
//! live here, so any decision can be made again from what the log holds.

pub mod account;
pub mod booking;
mod decide;
mod fact;
mod ids;
pub mod lab;
mod metadata;
mod reason;
mod recent;
pub mod robot;
pub mod room;
mod terms;
#[cfg(test)]
mod testing;
mod window;
pub mod workflow;

pub use account::{Account, AccountCommand, AccountError, AccountEvent};
pub use booking::{Basis, Booking, BookingCommand, BookingError, BookingEvent, Phase, RobotChoice};
pub use decide::Decide;
pub use fact::{DecodeError, Fact, Recorded};
pub use ids::{AccountId, BookingId, ConnectionId, CredentialId, InvalidId, PeerId, RobotId, RoomId};
pub use lab::{Day, Lab, LabCommand, LabError, LabEvent, LabRules, OpenHours, RuleBroken, WeekdayHours};
pub use metadata::{Actor, Metadata, MetadataError};
pub use reason::{Cause, Reason, Refusal, Role};
pub use robot::{MediaMode, Robot, RobotCommand, RobotError, RobotEvent};
pub use room::{Room, RoomCommand, RoomError, RoomEvent, RoomKind, Unreported};
pub use terms::{Displaced, PeerQuality, SlotRequest, StoppedBetween, TerminatedPeer, WindowChange};
pub use window::{Window, WindowError};
