use curfew_domain::{Fact, LabEvent as E, LabRules};

use super::*;

pub(crate) fn samples() -> Vec<Fact> {
    let rules = LabRules {
        zone: chrono_tz::Europe::Berlin,
        closures: vec![at(0).date_naive()],
        no_robot_grace_s: Some(120),
        ..LabRules::default()
    };
    let events = vec![
        E::ServerStarted { version: "0.1.0".into(), stopped_between: stopped_between(), started_at: at(130) },
        E::ServerStopped { stopped_at: at(600) },
        E::ClockStepped { from: at(10), to: at(70), by_us: 3_600_000_000 },
        E::RulesChanged { rules: Box::new(rules), by: Some(admin()), reason_hash: Some(hash()) },
        E::AuditRead { account_id: admin(), count: 4, since: at(9) },
    ];
    events.into_iter().map(Fact::Lab).collect()
}
