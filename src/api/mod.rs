//! REST: routes, who may call them, shapes on the wire, and the listener they are served by.
//!
//! No rule about bookings, rooms or robots lives here: handlers authenticate, read a shape, ask [`Lab`](crate::actors::Lab)
//! or the read models, and write a shape. `error.rs` is the one place where a refusal becomes a status.

pub mod listener;
pub mod token;
