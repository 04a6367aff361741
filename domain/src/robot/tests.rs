use super::*;
use crate::testing::*;
use crate::{Actor, Cause, Displaced, SlotRequest, TerminatedPeer, WindowChange};

use RobotCommand as C;
use RobotError as No;
use RobotEvent as E;

fn registered() -> crate::testing::Given<Robot> {
    nothing().and(register("rover-1"))
}

fn register(slug: &str) -> C {
    C::Register {
        robot_id: robot(),
        slug: slug.into(),
        name: "Rover 1".into(),
        robot_type: "rover".into(),
        cameras: vec!["front".into()],
        media: MediaMode::Relay,
    }
}

fn credential() -> CredentialId {
    id(64)
}

fn online() -> crate::testing::Given<Robot> {
    registered()
        .and(C::IssueCredential { credential_id: credential(), token_sha256: reason() })
        .and(C::Connect { connection_id: id(80), credential_id: credential(), now: at(0) })
}

fn reserve(number: u128, from: i64, to: i64) -> C {
    C::ReserveSlot { request: request(number, from, to), now: at(0) }
}

fn buffered(number: u128, from: i64, to: i64, buffer_s: u32) -> C {
    C::ReserveSlot { request: SlotRequest { buffer_s, ..request(number, from, to) }, now: at(0) }
}

fn displaced(number: u128, from: i64, to: i64) -> Vec<Displaced> {
    vec![Displaced { booking_id: booking(number), account_id: holder(), window: window(from, to) }]
}

fn overriding(change: WindowChange) -> WindowChange {
    WindowChange { overrides: true, by: by_admin(), reason_hash: Some(reason()), ..change }
}

#[test]
fn a_robot_is_registered_once() {
    registered()
        .when(register("rover-1"))
        .then_nothing()
        .when(register("other"))
        .then_refused(No::AlreadyRegistered);
}

#[test]
fn a_slug_is_a_word() {
    for slug in ["", "a b", "../x", &"x".repeat(65)] {
        nothing::<Robot>().when(register(slug)).then_refused(No::Invalid("slug"));
    }
}

#[test]
fn a_robot_has_so_many_cameras_and_credentials() {
    let cameras = |count: usize| (0..count).map(|number| format!("camera-{number}")).collect();
    let update =
        |count| C::Update { name: None, robot_type: None, cameras: Some(cameras(count)), media: None };
    let mut robot = registered().when(update(17)).then_refused(No::Invalid("cameras")).and(update(16));
    let issue = |number: u128| C::IssueCredential { credential_id: id(number), token_sha256: reason() };
    for number in 0..16 {
        robot = robot.and(issue(1_000 + number));
    }
    robot
        .when(issue(2_000))
        .then_refused(No::TooManyCredentials)
        .and(C::RevokeCredential { credential_id: id(1_000), by: by_admin(), now: at(1) })
        .and(issue(2_000));
}

#[test]
fn an_update_changes_only_what_it_names() {
    let update = C::Update { name: Some("Rosie".into()), robot_type: None, cameras: None, media: None };
    registered()
        .when(update.clone())
        .then(&[E::Updated {
            name: "Rosie".into(),
            robot_type: "rover".into(),
            cameras: vec!["front".into()],
            media: MediaMode::Relay,
        }])
        .when(update)
        .then_nothing();
}

#[test]
fn a_slot_is_reserved_once_for_a_booking() {
    let slot = request(1, 60, 120);
    registered()
        .when(reserve(1, 60, 120))
        .then(&[E::SlotReserved { robot_id: robot(), request: slot, at: at(0) }])
        .when(reserve(1, 60, 120))
        .then_nothing();
}

#[test]
fn slots_may_touch_but_not_overlap() {
    registered()
        .and(reserve(1, 60, 120))
        .when(reserve(2, 119, 150))
        .then_refused(No::SlotTaken)
        .when(reserve(2, 30, 61))
        .then_refused(No::SlotTaken)
        .and(reserve(2, 120, 150))
        .and(reserve(3, 30, 60));
}

#[test]
fn the_buffer_is_kept_on_both_sides_of_a_slot() {
    registered()
        .and(reserve(1, 60, 120))
        .when(buffered(2, 124, 150, 300))
        .then_refused(No::SlotTaken)
        .when(buffered(2, 30, 56, 300))
        .then_refused(No::SlotTaken)
        .and(buffered(2, 125, 150, 300))
        .and(buffered(3, 30, 55, 300));
}

#[test]
fn a_window_that_is_over_cannot_be_reserved() {
    registered().when(reserve(1, -60, 0)).then_refused(No::WindowOver);
    registered().when(reserve(1, 60, 60)).then_refused(No::EmptyWindow);
}

#[test]
fn a_window_that_has_begun_does_not_reach_back_over_a_forgotten_slot() {
    let reserve_at =
        |number, from, to, now| C::ReserveSlot { request: request(number, from, to), now: at(now) };
    let robot = registered()
        .and(reserve_at(1, 0, 60, 0))
        .and(reserve_at(2, 60, 90, 61))
        .when(reserve_at(3, 59, 120, 61))
        .then_refused(No::SlotTaken)
        .and(reserve_at(3, 90, 120, 61));
    assert_eq!(robot.state().slots().count(), 2, "what has ended is forgotten");
}

#[test]
fn a_released_slot_is_free_again_but_not_for_the_same_booking() {
    registered()
        .and(reserve(1, 60, 120))
        .when(C::ReleaseSlot { booking_id: booking(1), now: at(1) })
        .then(&[E::SlotReleased { booking_id: booking(1), window: window(60, 120), at: at(1) }])
        .when(C::ReleaseSlot { booking_id: booking(1), now: at(1) })
        .then_nothing()
        .when(reserve(1, 60, 120))
        .then_refused(No::SlotReleased)
        .and(reserve(2, 60, 120));
}

#[test]
fn an_extension_stops_where_the_next_slot_begins() {
    let longer = change(1, 1, window(60, 120), 150);
    registered()
        .and(reserve(1, 60, 120))
        .and(reserve(2, 140, 200))
        .when(C::MoveSlot { change: longer.clone(), now: at(100) })
        .then_refused(No::SlotTaken)
        .when(C::MoveSlot { change: WindowChange { to: window(60, 140), ..longer.clone() }, now: at(100) })
        .then(&[E::SlotMoved {
            change: WindowChange { to: window(60, 140), ..longer },
            displaced: vec![],
            is_restored: false,
            at: at(100),
        }]);
}

#[test]
fn an_admin_may_override_the_next_slot_in_one_command() {
    let longer = overriding(change(1, 1, window(60, 120), 150));
    let robot = registered()
        .and(reserve(1, 60, 120))
        .and(reserve(2, 140, 200))
        .when(C::MoveSlot { change: longer.clone(), now: at(100) })
        .then(&[E::SlotMoved {
            change: longer.clone(),
            displaced: displaced(2, 140, 200),
            is_restored: false,
            at: at(100),
        }])
        .when(C::MoveSlot { change: longer, now: at(100) })
        .then_nothing();
    assert!(robot.state().slot(booking(2)).is_none());
    assert_eq!(robot.state().slot(booking(1)).map(|slot| slot.window), Some(window(60, 150)));
}

#[test]
fn an_override_without_a_reason_is_refused() {
    let longer = WindowChange { reason_hash: None, ..overriding(change(1, 1, window(60, 120), 150)) };
    registered()
        .and(reserve(1, 60, 120))
        .and(reserve(2, 140, 200))
        .when(C::MoveSlot { change: longer, now: at(100) })
        .then_refused(No::ReasonRequired);
}

#[test]
fn a_shortened_slot_is_never_refused_and_a_late_delivery_does_not_lengthen_it() {
    let longer = change(1, 1, window(60, 120), 150);
    let shorter = change(1, 2, window(60, 150), 90);
    let robot = registered()
        .and(reserve(1, 60, 120))
        .and(C::MoveSlot { change: longer.clone(), now: at(70) })
        .and(C::MoveSlot { change: shorter, now: at(71) })
        .when(C::MoveSlot { change: longer.clone(), now: at(72) })
        .then_nothing()
        .when(C::RestoreSlot { change: longer, now: at(73) })
        .then_nothing();
    assert_eq!(robot.state().slot(booking(1)).map(|slot| slot.window), Some(window(60, 90)));
}

#[test]
fn a_change_that_was_refused_elsewhere_is_taken_back() {
    let longer = change(1, 1, window(60, 120), 150);
    let robot = registered()
        .and(reserve(1, 60, 120))
        .and(C::MoveSlot { change: longer.clone(), now: at(70) })
        .and(C::RestoreSlot { change: longer.clone(), now: at(71) })
        .when(C::MoveSlot { change: longer, now: at(72) })
        .then_nothing();
    assert_eq!(robot.state().slot(booking(1)).map(|slot| slot.window), Some(window(60, 120)));
}

#[test]
fn maintenance_displaces_the_slots_it_overlaps_and_keeps_others_out() {
    let start = C::StartMaintenance {
        from: at(100),
        until: Some(at(160)),
        by: admin(),
        reason_hash: reason(),
        now: at(0),
    };
    registered()
        .and(reserve(1, 40, 100))
        .and(reserve(2, 100, 130))
        .when(start)
        .then(&[E::MaintenanceStarted {
            from: at(100),
            until: Some(at(160)),
            by: admin(),
            reason_hash: reason(),
            displaced: displaced(2, 100, 130),
        }])
        .when(reserve(3, 150, 200))
        .then_refused(No::UnderMaintenance)
        .and(reserve(4, 160, 200))
        .and(C::EndMaintenance { by: admin(), now: at(1) })
        .and(reserve(5, 130, 160));
}

#[test]
fn a_second_maintenance_moves_the_one_it_touches_and_forgets_none_that_is_apart() {
    let start = |from: i64, until: Option<i64>, now| C::StartMaintenance {
        from: at(from),
        until: until.map(at),
        by: admin(),
        reason_hash: reason(),
        now: at(now),
    };
    let robot = registered()
        .and(start(100, Some(160), 0))
        .when(start(200, Some(260), 0))
        .then_refused(No::OtherMaintenance)
        .when(start(20, Some(40), 0))
        .then_refused(No::OtherMaintenance)
        .and(start(160, Some(200), 0))
        .and(start(400, None, 201));
    assert_eq!(robot.state().maintenance().map(|known| (known.from, known.until)), Some((at(400), None)));
}

#[test]
fn a_retired_robot_takes_no_slots_and_no_connections() {
    online()
        .and(reserve(1, 60, 120))
        .when(C::Retire { by: admin(), reason_hash: None, now: at(1) })
        .then_refused(No::ReasonRequired)
        .when(C::Retire { by: admin(), reason_hash: Some(reason()), now: at(1) })
        .then(&[
            E::WentOffline { connection_id: id(80), cause: Cause::CredentialRevoked, at: at(1) },
            E::Retired {
                by: admin(),
                reason_hash: Some(reason()),
                displaced: displaced(1, 60, 120),
                at: at(1),
            },
        ])
        .when(reserve(2, 60, 120))
        .then_refused(No::Retired)
        .when(C::Connect { connection_id: id(81), credential_id: credential(), now: at(2) })
        .then_refused(No::Retired);
    // Where nobody's booking is overridden, nobody is owed a reason.
    registered()
        .and(reserve(1, 0, 10))
        .when(C::Retire { by: admin(), reason_hash: None, now: at(10) })
        .then(&[E::Retired { by: admin(), reason_hash: None, displaced: vec![], at: at(10) }]);
}

#[test]
fn a_second_connection_replaces_the_first_whose_goodbye_comes_late() {
    online()
        .when(C::Connect { connection_id: id(81), credential_id: credential(), now: at(1) })
        .then(&[
            E::WentOffline { connection_id: id(80), cause: Cause::Replaced, at: at(1) },
            E::CameOnline { connection_id: id(81), credential_id: credential(), at: at(1) },
        ])
        .when(C::Disconnect { connection_id: id(80), cause: Cause::RobotLost, now: at(2) })
        .then_nothing()
        .when(C::Disconnect { connection_id: id(81), cause: Cause::RobotLost, now: at(3) })
        .then(&[E::WentOffline { connection_id: id(81), cause: Cause::RobotLost, at: at(3) }]);
}

#[test]
fn a_revoked_credential_takes_its_robot_offline_and_opens_nothing_more() {
    let robot = online()
        .when(C::RevokeCredential { credential_id: credential(), by: by_admin(), now: at(1) })
        .then(&[
            E::CredentialRevoked { credential_id: credential(), by: by_admin(), revoked_at: at(1) },
            E::WentOffline { connection_id: id(80), cause: Cause::CredentialRevoked, at: at(1) },
        ])
        .when(C::Connect { connection_id: id(81), credential_id: credential(), now: at(2) })
        .then_refused(No::UnknownCredential)
        .when(C::RevokeCredential { credential_id: credential(), by: by_admin(), now: at(3) })
        .then_nothing()
        .when(C::RevokeCredential { credential_id: id(82), by: by_admin(), now: at(3) })
        .then_refused(No::NoSuchCredential);
    assert!(!robot.state().accepts(credential(), &reason()));
}

#[test]
fn publishing_ends_once_with_what_was_reported() {
    let end = |report: TerminatedPeer| C::EndPublishing {
        report,
        cause: Cause::WindowClosed,
        due_at: at(120),
        now: at(121),
    };
    online()
        .and(C::StartPublishing { peer_id: peer(1), now: at(60) })
        .when(end(report(2, 0)))
        .then_nothing()
        .when(end(report(1, 7)))
        .then(&[E::PublishingEnded {
            peer_id: peer(1),
            cause: Cause::WindowClosed,
            due_at: at(120),
            lateness_us: 7,
            recorded_late_us: 60_000_000,
            packets: Some(10),
            bytes: Some(1_000),
            stopped_between: None,
        }])
        .when(end(report(1, 7)))
        .then_nothing();
}

#[test]
fn what_a_robot_sends_is_recorded_also_while_its_line_is_down() {
    registered()
        .when(C::StartPublishing { peer_id: peer(1), now: at(0) })
        .then(&[E::PublishingStarted { peer_id: peer(1), started_at: at(0) }]);
}

#[test]
fn an_emergency_stop_is_engaged_acknowledged_and_cleared_with_a_reason() {
    let engage = |reason_hash| C::EngageEmergencyStop { by: Actor::System, reason_hash, now: at(1) };
    let answer = |engaged| C::AcknowledgeEmergencyStop { engaged_at: Some(at(engaged)), now: at(2) };
    registered()
        .when(C::AcknowledgeEmergencyStop { engaged_at: None, now: at(0) })
        .then_refused(No::NotStopped)
        .when(engage(String::new()))
        .then_refused(No::ReasonRequired)
        .when(answer(1))
        .then_nothing()
        .and(engage(reason()))
        .when(engage(reason()))
        .then_nothing()
        .when(answer(0))
        .then_nothing()
        .when(answer(1))
        .then(&[E::EmergencyStopAcknowledged { at: at(2) }])
        .and(C::AcknowledgeEmergencyStop { engaged_at: None, now: at(2) })
        .when(C::AcknowledgeEmergencyStop { engaged_at: None, now: at(3) })
        .then_nothing()
        .when(C::ClearEmergencyStop { by: admin(), reason_hash: String::new(), now: at(4) })
        .then_refused(No::ReasonRequired)
        .when(C::ClearEmergencyStop { by: admin(), reason_hash: reason(), now: at(4) })
        .then(&[E::EmergencyStopCleared { by: admin(), reason_hash: reason(), at: at(4) }]);
}
