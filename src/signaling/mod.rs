//! The signaling protocol (`docs/PROTOCOL.md`) on its transports.
//!
//! `connection` speaks the protocol for one authenticated connection and knows no transport; `websocket` carries it on
//! warp's WebSocket; `limits` bounds what one connection may send, `roster` how many there are of one person. Nothing here decides who may do what: that is asked
//! of [`crate::actors::Lab`], with the identity that the token gave, never with one that a message names.

mod connection;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod limits;
mod roster;
mod websocket;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::actors::{Lab, Principal, Refused};
use crate::clock::SharedClock;

pub use roster::{Roster, SignOut};
pub use websocket::routes;

/// Turns a bearer token into who it stands for, or says why it does not.
pub trait Authenticate: Send + Sync {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send + 'a>>;
}

/// Bounds on one connection; the defaults are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Messages a second that a connection may keep up.
    pub messages_per_second: u32,
    /// Messages at once before that rate counts.
    pub message_burst: u32,
    /// How long a connection may stay without `register`.
    pub register_within: Duration,
    /// How long a connection may be silent before it is closed; the server pings three times in it.
    pub silent_for: Duration,
    /// Registered connections of one account or robot at a time.
    pub connections_per_account: usize,
    /// How long one frame may wait for a slow reader before the connection is ended.
    pub send_within: Duration,
    /// Messages that wait for a slow reader before the connection is ended.
    pub outbox_messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            messages_per_second: 100,
            message_burst: 200,
            register_within: Duration::from_secs(10),
            silent_for: Duration::from_secs(30),
            connections_per_account: 16,
            send_within: Duration::from_secs(10),
            outbox_messages: 256,
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
pub struct Signaling {
    pub lab: Lab,
    pub authenticate: Arc<dyn Authenticate>,
    pub clock: SharedClock,
    pub limits: Limits,
    pub roster: Roster,
    /// Turns true when the server stops: every connection is closed then, with the code that says so.
    pub stopping: watch::Receiver<bool>,
}
