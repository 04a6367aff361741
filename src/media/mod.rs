//! Peer connections: every robot's and every viewer's media, through one port, and the gate that ends it on the instant.
//!
//! The core (`core.rs` and what it uses) is sans-IO: datagrams and time in, datagrams and events out, so that a whole
//! session with loss, reordering and a deadline runs in a test in virtual time. `driver.rs` gives it a socket, the clocks
//! and a thread. [`Media`] is the handle the rest of the server holds.
//!
//! Who may see what is never decided here: callers are trusted to have admitted the peer, and hand its deadline along. No
//! HTTP, no store, no actors.

mod advice;
mod alarm;
mod answer;
mod build;
mod cameras;
mod canonical;
mod codec;
mod config;
mod core;
mod cuts;
mod demux;
mod driver;
mod ends;
mod estimate;
mod extensions;
mod feedback;
mod forward;
mod freezes;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gap;
mod gate;
mod guard;
mod handle;
mod io;
mod keyframes;
mod keys;
mod outbox;
mod paths;
mod peer;
mod protect;
mod publisher;
mod repairs;
mod restart;
mod robots;
mod room;
mod rounds;
mod sdp;
mod seen;
mod sender_reports;
mod session;
mod socket;
mod stats;
mod stream;
mod stun;
mod tcp;
mod track;
mod types;
mod viewer;

#[cfg(test)]
mod tests;

pub use config::{MediaConfig, TcpLimits};
pub use handle::Media;
pub use stats::{MediaStats, PeerStats};
pub use types::{Answer, ClosedWhy, MediaError, MediaEvent, PeerKind, PeerReport, PeerSpec};
