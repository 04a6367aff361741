use chrono::{DateTime, Utc};

use super::LabRules;
use crate::{AccountId, StoppedBetween};

#[derive(Clone, Debug, PartialEq)]
pub enum LabCommand {
    /// `stopped_between` is there when the server before this one did not stop in order.
    RecordServerStarted {
        version: String,
        stopped_between: Option<StoppedBetween>,
        now: DateTime<Utc>,
    },
    RecordServerStopped {
        now: DateTime<Utc>,
    },
    /// The wall clock should have read `from` and reads `to`.
    RecordClockStepped {
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    },
    ChangeRules {
        rules: Box<LabRules>,
        by: AccountId,
        reason_hash: Option<String>,
    },
    /// The rules that the configuration (or `curfew demo`) sets before there is any admin.
    SetInitialRules {
        rules: Box<LabRules>,
    },
    /// Reads of the log by one account, folded: `count` of them since `since`.
    RecordAuditRead {
        account_id: AccountId,
        count: u32,
        since: DateTime<Utc>,
    },
}
