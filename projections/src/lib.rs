//! Curfew's read models: pure folds over recorded facts.
//!
//! A projection keeps rows under keys. A fold sees one key's row and one fact and nothing else, so rows that were built
//! one fact at a time equal those of a rebuild. No I/O, no clock and no query ever live here.

mod accounts;
mod calendar;
mod fleet;
mod sessions;
mod timeline;

pub use accounts::{AccountRow, Accounts};
pub use calendar::{BookingRow, Calendar, Status};
pub use fleet::{CredentialRow, Fleet, RobotRow};
pub use sessions::{PeerRow, SessionRow, Sessions};
pub use timeline::{Timeline, TimelineRow};

use curfew_domain::Recorded;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A read model: rows under keys, each folded by itself.
pub trait Projection {
    /// Names its table and its checkpoint.
    const NAME: &'static str;
    type Row: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug;

    /// The keys whose rows this fact may change.
    fn keys(recorded: &Recorded) -> Vec<String>;

    /// The row after the fact; `None` when there is none.
    fn fold(key: &str, row: Option<Self::Row>, recorded: &Recorded) -> Option<Self::Row>;
}
