//! The event log and what is kept beside it: the one writer, the cqrs-es repository over it, the reader by position, the
//! projector and its tables, workflows' checkpoints, the heartbeat, and the erasable tables.
//!
//! Rules of the domain never live here, nor does anything that knows actors, transports or media: the store keeps facts, in
//! one order, durably, and folds them into rows.

mod erasable;
mod error;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod idempotency;
mod log;
mod meters;
mod people;
mod projector;
mod reader;
mod reads;
mod repository;
mod schema;
mod statement;
#[cfg(test)]
mod tests;
mod upcasters;
mod writer;

pub use erasable::{OneTimeLink, OneTimeLinks, Reasons, Secrets};
pub use error::StoreError;
pub use idempotency::{Claim, Idempotency, KeyName};
pub use log::{Appended, Loaded, Log};
pub use meters::Meters;
pub use people::{NewPerson, People, PeopleError, Person};
pub use projector::{Progress, Projector, Rebuilt};
pub use reads::Reads;
