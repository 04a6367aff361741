//! The account's actor and the lab's: nothing beside their aggregates but a copy of the rules in force.

use std::fmt;
use std::sync::Arc;

use curfew_domain::lab::LabEvent;
use curfew_domain::{Account, AccountId, Lab};

use super::entity::Decided;
use super::keeper::Kind;
use super::registry::{Registry, Shelf};
use super::shell::Shell;

pub(crate) struct AccountSide;

impl Kind for AccountSide {
    type Aggregate = Account;
    type Id = AccountId;

    fn new(_: AccountId, _: &Arc<Shell>) -> Self {
        Self
    }

    fn shelf(registry: &Registry) -> &Shelf<Self> {
        &registry.accounts
    }
}

/// The lab's one stream has a fixed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TheLab;

impl fmt::Display for TheLab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Lab::ID, f)
    }
}

pub(crate) struct LabSide;

impl Kind for LabSide {
    type Aggregate = Lab;
    type Id = TheLab;

    fn new(_: TheLab, _: &Arc<Shell>) -> Self {
        Self
    }

    fn shelf(registry: &Registry) -> &Shelf<Self> {
        &registry.labs
    }

    fn published(&mut self, state: &Lab, decided: &Decided<Lab>, shell: &Arc<Shell>) {
        if decided.events.iter().any(|event| matches!(event, LabEvent::RulesChanged { .. })) {
            shell.set_rules(state.rules().clone());
        }
    }
}
