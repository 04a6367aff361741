//! Accounts, by account id: what is not personal data.

use chrono::{DateTime, Utc};
use curfew_domain::{AccountEvent, AccountId, Fact, Recorded, Role};
use serde::{Deserialize, Serialize};

use crate::Projection;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    pub account_id: AccountId,
    pub role: Role,
    pub suspended: bool,
    pub registered_at: DateTime<Utc>,
}

/// Who has which role.
pub struct Accounts;

impl Projection for Accounts {
    const NAME: &'static str = "accounts";
    type Row = AccountRow;

    fn keys(recorded: &Recorded) -> Vec<String> {
        match &recorded.fact {
            Fact::Account(
                AccountEvent::Registered { .. }
                | AccountEvent::RoleChanged { .. }
                | AccountEvent::Suspended { .. }
                | AccountEvent::Reinstated { .. },
            ) => vec![recorded.aggregate_id.clone()],
            _ => vec![],
        }
    }

    fn fold(_key: &str, row: Option<AccountRow>, recorded: &Recorded) -> Option<AccountRow> {
        let Fact::Account(event) = &recorded.fact else { return row };
        match (row, event) {
            (None, AccountEvent::Registered { account_id, role }) => Some(AccountRow {
                account_id: *account_id,
                role: *role,
                suspended: false,
                registered_at: recorded.recorded_at,
            }),
            (Some(row), AccountEvent::RoleChanged { to, .. }) => Some(AccountRow { role: *to, ..row }),
            (Some(row), AccountEvent::Suspended { .. }) => Some(AccountRow { suspended: true, ..row }),
            (Some(row), AccountEvent::Reinstated { .. }) => Some(AccountRow { suspended: false, ..row }),
            (row, _) => row,
        }
    }
}
