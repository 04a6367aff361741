use curfew_domain::{Actor, Cause, Fact, MediaMode, RobotEvent as E};

use super::*;

pub(crate) fn samples() -> Vec<Fact> {
    let by = admin();
    let reason_hash = hash();
    let events = vec![
        E::Registered {
            robot_id: robot(),
            slug: "rover-1".into(),
            name: "Rover 1".into(),
            robot_type: "rover".into(),
            cameras: vec!["front".into(), "arm".into()],
            media: MediaMode::Relay,
        },
        E::Updated {
            name: "Rover".into(),
            robot_type: "rover".into(),
            cameras: vec!["front".into()],
            media: MediaMode::Direct,
        },
        E::CredentialIssued { credential_id: id(64), token_sha256: hash() },
        E::CredentialRevoked { credential_id: id(64), by: Actor::Account(by), revoked_at: at(3) },
        E::CameOnline { connection_id: id(80), credential_id: id(64), at: at(1) },
        E::WentOffline { connection_id: id(80), cause: Cause::Replaced, at: at(2) },
        E::PublishingStarted { peer_id: id(96), started_at: at(60) },
        E::PublishingEnded {
            peer_id: id(96),
            cause: Cause::WindowClosed,
            due_at: at(120),
            lateness_us: 0,
            recorded_late_us: 1_850,
            packets: Some(216_000),
            bytes: Some(237_600_000),
            stopped_between: None,
        },
        E::SlotReserved { robot_id: robot(), request: request(), at: at(0) },
        E::SlotReleased { booking_id: booking(), window: window(60, 120), at: at(10) },
        E::SlotMoved { change: extension(), displaced: displaced(), is_restored: false, at: at(100) },
        E::MaintenanceStarted {
            from: at(130),
            until: Some(at(190)),
            by,
            reason_hash: reason_hash.clone(),
            displaced: displaced(),
        },
        E::MaintenanceEnded { by, at: at(180) },
        E::EmergencyStopEngaged { by: Actor::Robot(robot()), reason_hash: reason_hash.clone(), at: at(70) },
        E::EmergencyStopAcknowledged { at: at(71) },
        E::EmergencyStopCleared { by, reason_hash: reason_hash.clone(), at: at(72) },
        E::Retired { by, reason_hash: Some(reason_hash), displaced: displaced(), at: at(500) },
        E::Retired { by, reason_hash: None, displaced: vec![], at: at(500) },
    ];
    events.into_iter().map(Fact::Robot).collect()
}
