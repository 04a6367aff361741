use chrono::NaiveTime;
use curfew_domain::{Day, Fact, LabEvent as E, LabRules, OpenHours};

use super::*;

pub(crate) fn samples() -> Vec<Fact> {
    let rules = LabRules {
        zone: chrono_tz::Europe::Berlin,
        closures: vec![at(0).date_naive()],
        no_robot_grace_s: Some(120),
        ..LabRules::default()
    };
    let closes_early =
        OpenHours { from: NaiveTime::MIN, to: NaiveTime::from_hms_opt(14, 0, 0).expect("a time") };
    let by_day = LabRules {
        weekday_hours: [(Day::Friday, Some(closes_early)), (Day::Sunday, None)].into(),
        ..rules.clone()
    };
    let events = vec![
        E::ServerStarted { version: "0.1.0".into(), stopped_between: stopped_between(), started_at: at(130) },
        E::ServerStopped { stopped_at: at(600) },
        E::ClockStepped { from: at(10), to: at(70), by_us: 3_600_000_000 },
        E::RulesChanged { rules: Box::new(rules), by: Some(admin()), reason_hash: Some(hash()) },
        E::RulesChanged { rules: Box::new(by_day), by: Some(admin()), reason_hash: Some(hash()) },
        E::AuditRead { account_id: admin(), count: 4, since: at(9) },
    ];
    events.into_iter().map(Fact::Lab).collect()
}
