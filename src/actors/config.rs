//! What an operator may set about the actors.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct ActorsConfig {
    /// How long an actor that nobody needs stays in memory.
    pub idle: Duration,
    /// Signaling connections of one account at a time.
    pub connections_per_account: usize,
    /// How long a caller waits for a decision, or for a change to be recorded and shown.
    pub patience: Duration,
    /// Viewer peer connections of one account in one room at a time.
    pub peers_per_account: usize,
    /// An admin confirms that the wall clock is right although it is behind the log.
    pub confirm_clock: bool,
    /// The version that `ServerStarted` records.
    pub version: String,
}

impl Default for ActorsConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(120),
            connections_per_account: 8,
            patience: Duration::from_secs(2),
            peers_per_account: 2,
            confirm_clock: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
