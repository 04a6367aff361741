use super::*;
use crate::testing::*;
use crate::{Actor, LabRules, RuleBroken};

use BookingCommand as C;
use BookingError as No;
use BookingEvent as E;

fn rules() -> Box<LabRules> {
    Box::new(LabRules { max_minutes: 120, ..LabRules::demo() })
}

/// The holder's booking 1, from minute 60 to 120.
fn request_window(window: Window) -> C {
    C::Request {
        booking_id: booking(1),
        room_id: room(),
        holder: holder(),
        choice: RobotChoice::Id(robot()),
        robot_type: "rover".into(),
        candidates: vec![robot()],
        window,
        rules: rules(),
        now: at(0),
    }
}

fn requested() -> Given<Booking> {
    nothing().and(request_window(window(60, 120)))
}

fn confirm(number: u128) -> C {
    C::Confirm { robot_id: id(number), account_id: holder(), now: at(1) }
}

fn confirmed() -> Given<Booking> {
    requested().and(confirm(16))
}

fn running() -> Given<Booking> {
    confirmed().and(C::StartSession { now: at(60) })
}

fn cancel(by: Actor, reason_hash: Option<String>) -> C {
    C::Cancel { by, cause: Cause::Cancelled, reason_hash, now: at(90) }
}

fn end(cause: Cause, room_closed: bool, minute: i64) -> C {
    C::EndSession { cause, due_at: at(120), room_closed, now: at(minute) }
}

fn extend_to(minute: i64) -> C {
    C::RequestExtension {
        ends_at: at(minute),
        by: by_holder(),
        reason_hash: None,
        overrides: false,
        rules: rules(),
        now: at(100),
    }
}

fn shorten_to(minute: i64) -> C {
    C::Shorten { ends_at: at(minute), by: by_admin(), reason_hash: reason(), now: at(80) }
}

fn longer() -> WindowChange {
    change(1, 1, window(60, 120), 150)
}

fn ended(cause: Cause, has_started: bool, minute: i64) -> E {
    E::SessionEnded {
        cause,
        holder: holder(),
        robot_id: robot(),
        room_id: room(),
        has_started,
        due_at: at(120),
        ended_at: at(minute),
    }
}

#[test]
fn a_request_outside_the_rules_makes_no_booking() {
    let broken = RuleBroken::TooLong { max_minutes: 120 };
    nothing::<Booking>().when(request_window(window(60, 181))).then_refused(No::OutsideRules(broken));
}

#[test]
fn a_request_is_made_once() {
    requested().when(request_window(window(60, 120))).then_nothing();
}

#[test]
fn a_booking_is_confirmed_with_one_robot() {
    confirmed().when(confirm(16)).then_nothing().when(confirm(17)).then_refused(No::ConfirmedElsewhere);
}

#[test]
fn a_rejection_does_not_undo_a_confirmation() {
    let reject = C::Reject { reason: Reason::SlotTaken, account_id: holder(), now: at(1) };
    confirmed().when(reject.clone()).then_nothing();
    requested()
        .when(reject.clone())
        .then(&[E::Rejected { holder: holder(), reason: Reason::SlotTaken, at: at(1) }])
        .when(confirm(16))
        .then_refused(No::Over)
        .when(reject)
        .then_refused(No::Over);
}

#[test]
fn a_cancel_before_the_start_needs_no_room_to_close() {
    let cancelled = |robot_id, is_running| E::Cancelled {
        by: by_holder(),
        cause: Cause::Cancelled,
        reason_hash: None,
        holder: holder(),
        robot_id,
        room_id: room(),
        is_running,
        at: at(90),
    };
    let over = confirmed()
        .when(cancel(by_holder(), None))
        .then(&[cancelled(Some(robot()), false)])
        .when(cancel(by_holder(), None))
        .then_nothing();
    assert_eq!(over.state().phase(), Some(Phase::Cancelled));
    requested().when(cancel(by_holder(), None)).then(&[cancelled(None, false)]);
    running().when(cancel(by_holder(), None)).then(&[cancelled(Some(robot()), true)]);
}

#[test]
fn a_cancel_by_somebody_else_owes_a_reason() {
    confirmed()
        .when(cancel(by_admin(), None))
        .then_refused(No::ReasonRequired)
        .when(cancel(by_admin(), Some(String::new())))
        .then_refused(No::ReasonRequired)
        .and(cancel(by_admin(), Some(reason())));
}

#[test]
fn a_cancelled_session_admits_nobody_and_ends_with_its_room() {
    let cancelled = running().and(cancel(by_holder(), None));
    assert_eq!(cancelled.state().admission(holder(), Role::Viewer, at(90)), Err(Reason::WindowClosed));
    assert_eq!(cancelled.state().phase(), Some(Phase::Active));
    let over = cancelled
        .when(end(Cause::Cancelled, true, 91))
        .then(&[ended(Cause::Cancelled, true, 91)])
        .when(end(Cause::Cancelled, true, 92))
        .then_nothing();
    assert_eq!(over.state().phase(), Some(Phase::Ended));
}

#[test]
fn a_session_starts_in_its_window_only() {
    confirmed()
        .when(C::StartSession { now: at(59) })
        .then_refused(No::WindowNotOpen)
        .when(C::StartSession { now: at(120) })
        .then_refused(No::WindowClosed);
    requested().when(C::StartSession { now: at(60) }).then_refused(No::NotConfirmed);
    running().when(C::StartSession { now: at(61) }).then_nothing();
}

#[test]
fn a_session_started_late_says_when_it_was_due() {
    confirmed().when(C::StartSession { now: at(65) }).then(&[E::SessionStarted {
        booking_id: booking(1),
        room_id: room(),
        robot_id: robot(),
        holder: holder(),
        window: window(60, 120),
        change_no: 0,
        viewer_limit: 4,
        due_at: at(60),
        started_at: at(65),
    }]);
}

#[test]
fn a_window_does_not_close_before_its_end_unless_its_room_has() {
    running()
        .when(end(Cause::WindowClosed, false, 119))
        .then_refused(No::WindowStillOpen)
        .when(end(Cause::WindowClosed, false, 120))
        .then(&[ended(Cause::WindowClosed, true, 120)]);
    running().when(end(Cause::WindowClosed, true, 119)).then(&[ended(Cause::WindowClosed, true, 119)]);
    running().when(end(Cause::RobotLost, false, 70)).then(&[ended(Cause::RobotLost, true, 70)]);
}

#[test]
fn a_window_that_passed_without_a_session_ends_truly() {
    confirmed()
        .when(end(Cause::ServerStopped, false, 119))
        .then_refused(No::NotRunning)
        .when(end(Cause::ServerStopped, false, 130))
        .then(&[ended(Cause::ServerStopped, false, 130)]);
}

#[test]
fn only_the_holder_invites_and_nobody_twice() {
    let invite = |account_id, by| C::InviteGuest { account_id, by, now: at(70) };
    let guest: AccountId = id(5);
    running()
        .when(invite(guest, guest))
        .then_refused(No::NotYours)
        .when(invite(holder(), holder()))
        .then_refused(No::HolderIsNoGuest)
        .when(invite(guest, holder()))
        .then(&[E::GuestInvited { account_id: guest, by: holder() }])
        .when(invite(guest, holder()))
        .then_nothing();
    let mut full = confirmed();
    for number in 0..32 {
        full = full.and(invite(id(500 + number), holder()));
    }
    full.when(invite(guest, holder())).then_refused(No::TooManyGuests);
}

#[test]
fn admission_is_for_holder_and_guests_inside_the_window() {
    let guest: AccountId = id(5);
    let invited = confirmed().and(C::InviteGuest { account_id: guest, by: holder(), now: at(1) });
    let booking = invited.state();
    assert_eq!(booking.admission(holder(), Role::Viewer, at(59)), Err(Reason::WindowNotOpen));
    let running = invited.and(C::StartSession { now: at(60) });
    let check = |account, role, minute, expected| {
        assert_eq!(running.state().admission(account, role, at(minute)), expected);
    };
    check(holder(), Role::Viewer, 60, Ok(Basis::Holder));
    check(holder(), Role::Admin, 60, Ok(Basis::Holder));
    check(guest, Role::Viewer, 119, Ok(Basis::Guest));
    check(admin(), Role::Admin, 60, Ok(Basis::Admin));
    check(id(9), Role::Viewer, 60, Err(Reason::NotYourBooking));
    check(holder(), Role::Auditor, 60, Err(Reason::WrongRole));
    check(holder(), Role::Viewer, 120, Err(Reason::WindowClosed));
    assert_eq!(Booking::default().admission(holder(), Role::Viewer, at(0)), Err(Reason::NoActiveBooking));
    assert_eq!(requested().state().admission(holder(), Role::Viewer, at(60)), Err(Reason::NoActiveBooking));
}

#[test]
fn an_extension_is_asked_for_and_then_carried_out_once() {
    let over = running()
        .when(extend_to(150))
        .then(&[E::ExtensionRequested { change: longer(), at: at(100) }])
        .when(extend_to(150))
        .then_nothing()
        .when(extend_to(160))
        .then_refused(No::ChangePending)
        .when(C::Extend { change: longer(), now: at(101) })
        .then(&[E::SessionExtended { change: longer(), is_running: true, at: at(101) }])
        .when(C::Extend { change: longer(), now: at(102) })
        .then_nothing();
    assert_eq!(over.state().window(), Some(window(60, 150)));
}

#[test]
fn an_extension_keeps_to_the_rules_unless_an_admin_overrides_with_a_reason() {
    let broken = No::OutsideRules(RuleBroken::TooLong { max_minutes: 120 });
    let by_override = |ends_at, reason_hash| C::RequestExtension {
        ends_at,
        by: by_admin(),
        reason_hash,
        overrides: true,
        rules: rules(),
        now: at(100),
    };
    let longest = No::OutsideRules(RuleBroken::TooLong { max_minutes: 7 * 24 * 60 });
    running()
        .when(extend_to(181))
        .then_refused(broken)
        .when(extend_to(110))
        .then_refused(No::NotLonger)
        .when(by_override(at(181), None))
        .then_refused(No::ReasonRequired)
        .when(by_override(DateTime::<Utc>::MAX_UTC, Some(reason())))
        .then_refused(longest)
        .and(by_override(at(181), Some(reason())));
}

#[test]
fn a_refused_extension_stays_refused() {
    let refuse = C::RefuseExtension { change: longer(), reason: Reason::SlotTaken, now: at(101) };
    let same = running()
        .and(extend_to(150))
        .when(refuse.clone())
        .then(&[E::ExtensionRefused { change: longer(), reason: Reason::SlotTaken, at: at(101) }])
        .when(C::Extend { change: longer(), now: at(102) })
        .then_refused(No::ChangeWithdrawn)
        .when(refuse)
        .then_refused(No::ChangeWithdrawn);
    assert_eq!(same.state().window(), Some(window(60, 120)));
}

#[test]
fn an_extension_does_not_move_an_end_that_has_come() {
    running()
        .and(extend_to(150))
        .when(C::Extend { change: longer(), now: at(120) })
        .then_refused(No::WindowClosed);
}

#[test]
fn shortening_withdraws_an_extension_on_its_way() {
    let shorter =
        WindowChange { by: by_admin(), reason_hash: Some(reason()), ..change(1, 2, window(60, 120), 100) };
    let pending = C::RequestExtension {
        ends_at: at(150),
        by: by_holder(),
        reason_hash: None,
        overrides: false,
        rules: rules(),
        now: at(70),
    };
    running().and(pending).when(shorten_to(100)).then(&[
        E::ExtensionRefused { change: longer(), reason: Reason::Conflict, at: at(80) },
        E::SessionShortened { change: shorter, is_running: true, at: at(80) },
    ]);
}

#[test]
fn a_session_is_shortened_to_an_end_that_is_still_ahead() {
    running()
        .when(shorten_to(80))
        .then_refused(No::NotShorter)
        .when(shorten_to(121))
        .then_refused(No::NotShorter)
        .when(shorten_to(120))
        .then_nothing();
    confirmed().when(shorten_to(60)).then_refused(No::NotShorter);
}

#[test]
fn a_holder_who_never_joined_is_a_no_show_of_a_running_session_only() {
    let show = |now| C::RecordNoShow { now };
    confirmed().when(show(at(59))).then_refused(No::NotRunning);
    running()
        .when(show(at(75)))
        .then(&[E::NoShow { holder: holder(), robot_id: robot(), room_id: room(), at: at(75) }])
        .when(show(at(76)))
        .then_nothing();
}

#[test]
fn nothing_is_known_of_a_booking_that_was_never_requested() {
    nothing::<Booking>()
        .when(confirm(16))
        .then_refused(No::NotRequested)
        .when(cancel(by_holder(), None))
        .then_refused(No::NotRequested);
}
