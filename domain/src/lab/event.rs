use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::LabRules;
use crate::fact::event_names;
use crate::{AccountId, StoppedBetween};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LabEvent {
    ServerStarted {
        version: String,
        stopped_between: Option<StoppedBetween>,
        started_at: DateTime<Utc>,
    },
    ServerStopped {
        stopped_at: DateTime<Utc>,
    },
    ClockStepped {
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        by_us: i64,
    },
    /// `by` is absent for the rules that the configuration set.
    RulesChanged {
        rules: Box<LabRules>,
        by: Option<AccountId>,
        reason_hash: Option<String>,
    },
    AuditRead {
        account_id: AccountId,
        count: u32,
        since: DateTime<Utc>,
    },
}

event_names!(LabEvent, ServerStarted, ServerStopped, ClockStepped, RulesChanged, AuditRead);
