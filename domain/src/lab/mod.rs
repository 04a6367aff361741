//! The place itself: its rules, and what happened to the server as a whole.
//!
//! One stream, whose id is the nil UUID. Nothing about single robots, accounts or sessions ever lives here.

mod command;
mod error;
mod event;
mod hours;
mod rules;
#[cfg(test)]
mod tests;

pub use command::LabCommand;
pub use error::LabError;
pub use event::LabEvent;
pub use hours::{Day, OpenHours, WeekdayHours};
pub use rules::{LabRules, RuleBroken};

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::decide::write_decision;
use crate::{AccountId, Decide};

/// The state of the place: the rules in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lab {
    rules: LabRules,
    started_at: Option<DateTime<Utc>>,
}

impl Lab {
    /// The id of the one stream.
    pub const ID: Uuid = Uuid::nil();

    pub const fn rules(&self) -> &LabRules {
        &self.rules
    }

    /// When the server that runs now started; `None` after it stopped.
    pub const fn started_at(&self) -> Option<DateTime<Utc>> {
        self.started_at
    }

    fn change_rules(&self, rules: LabRules, by: AccountId, reason_hash: Option<String>) -> Decision {
        rules.validate()?;
        if rules == self.rules {
            return Ok(vec![]);
        }
        Ok(vec![LabEvent::RulesChanged { rules: Box::new(rules), by: Some(by), reason_hash }])
    }
}

type Decision = Result<Vec<LabEvent>, LabError>;

impl Decide for Lab {
    fn decide(&self, command: LabCommand) -> Decision {
        match command {
            LabCommand::RecordServerStarted { version, stopped_between, now } => {
                Ok(vec![LabEvent::ServerStarted { version, stopped_between, started_at: now }])
            }
            LabCommand::RecordServerStopped { now } => {
                Ok(self.started_at.map(|_| LabEvent::ServerStopped { stopped_at: now }).into_iter().collect())
            }
            LabCommand::RecordClockStepped { from, to } => {
                let step = to - from;
                let by_us = step.num_microseconds().unwrap_or(i64::MAX);
                Ok((by_us != 0).then_some(LabEvent::ClockStepped { from, to, by_us }).into_iter().collect())
            }
            LabCommand::ChangeRules { rules, by, reason_hash } => self.change_rules(*rules, by, reason_hash),
            LabCommand::SetInitialRules { rules } => {
                rules.validate()?;
                if *rules == self.rules {
                    return Ok(vec![]);
                }
                Ok(vec![LabEvent::RulesChanged { rules, by: None, reason_hash: None }])
            }
            LabCommand::RecordAuditRead { account_id, count, since } => {
                let fact = LabEvent::AuditRead { account_id, count, since };
                Ok((count > 0).then_some(fact).into_iter().collect())
            }
        }
    }
}

impl Aggregate for Lab {
    const TYPE: &'static str = "lab";
    type Command = LabCommand;
    type Event = LabEvent;
    type Error = LabError;
    type Services = ();

    async fn handle(&mut self, command: LabCommand, (): &(), sink: &EventSink<Self>) -> Result<(), LabError> {
        write_decision(self, command, sink).await
    }

    fn apply(&mut self, event: LabEvent) {
        match event {
            LabEvent::ServerStarted { started_at, .. } => self.started_at = Some(started_at),
            LabEvent::ServerStopped { .. } => self.started_at = None,
            LabEvent::RulesChanged { rules, .. } => self.rules = *rules,
            LabEvent::ClockStepped { .. } | LabEvent::AuditRead { .. } => {}
        }
    }
}
