use super::*;
use crate::testing::*;
use crate::{Displaced, Reason, WindowChange};

use AccountCommand as C;
use AccountError as No;
use AccountEvent as E;

fn registered() -> Given<Account> {
    nothing().and(C::Register { account_id: holder(), role: Role::Viewer })
}

fn claim(number: u128, from: i64, to: i64) -> C {
    C::ClaimWindow { request: request(number, from, to), now: at(0) }
}

#[test]
fn an_account_is_registered_once() {
    registered()
        .when(C::Register { account_id: holder(), role: Role::Viewer })
        .then_nothing()
        .when(C::Register { account_id: admin(), role: Role::Admin })
        .then_refused(No::AlreadyRegistered);
}

#[test]
fn nobody_claims_for_an_unknown_account() {
    nothing::<Account>().when(claim(1, 60, 120)).then_refused(No::NotRegistered);
}

#[test]
fn windows_of_one_account_may_touch_but_not_overlap() {
    registered()
        .when(claim(1, 60, 120))
        .then(&[E::WindowClaimed { request: request(1, 60, 120), at: at(0) }])
        .when(claim(1, 60, 120))
        .then_nothing()
        .when(claim(2, 90, 150))
        .then_refused(No::Busy)
        .and(claim(2, 120, 150));
}

#[test]
fn a_released_window_is_free_again_but_not_for_the_same_booking() {
    registered()
        .and(claim(1, 60, 120))
        .when(C::ReleaseWindow { booking_id: booking(1), now: at(1) })
        .then(&[E::WindowReleased { booking_id: booking(1), window: window(60, 120), at: at(1) }])
        .when(C::ReleaseWindow { booking_id: booking(1), now: at(1) })
        .then_nothing()
        .when(claim(1, 60, 120))
        .then_refused(No::WindowReleased)
        .and(claim(2, 60, 120));
}

#[test]
fn a_window_that_is_over_cannot_be_claimed() {
    registered().when(claim(1, -60, 0)).then_refused(No::WindowOver);
    registered().when(claim(1, 10, 10)).then_refused(No::EmptyWindow);
}

#[test]
fn a_window_that_has_begun_does_not_reach_back_over_a_forgotten_one() {
    let claim_at =
        |number, from, to, now| C::ClaimWindow { request: request(number, from, to), now: at(now) };
    let account = registered()
        .and(claim_at(1, 0, 60, 0))
        .and(claim_at(2, 60, 90, 61))
        .when(claim_at(3, 59, 120, 61))
        .then_refused(No::Busy);
    assert_eq!(account.state().claims().count(), 1, "what has ended is forgotten");
}

#[test]
fn an_extension_stops_where_the_holders_next_window_begins() {
    let longer = change(1, 1, window(60, 120), 150);
    registered()
        .and(claim(1, 60, 120))
        .and(claim(2, 140, 200))
        .when(C::MoveWindow { change: longer.clone(), now: at(100) })
        .then_refused(No::Busy)
        .and(C::MoveWindow { change: WindowChange { to: window(60, 140), ..longer }, now: at(100) });
}

#[test]
fn a_change_that_the_robot_refused_is_taken_back_once() {
    let longer = change(1, 1, window(60, 120), 150);
    let account = registered()
        .and(claim(1, 60, 120))
        .when(C::RestoreWindow { change: longer.clone(), now: at(99) })
        .then_nothing()
        .and(C::MoveWindow { change: longer.clone(), now: at(100) })
        .when(C::RestoreWindow { change: longer.clone(), now: at(101) })
        .then(&[E::WindowMoved { change: longer.clone(), is_restored: true, at: at(101) }])
        .when(C::RestoreWindow { change: longer.clone(), now: at(101) })
        .then_nothing()
        .when(C::MoveWindow { change: longer, now: at(102) })
        .then_nothing();
    assert_eq!(account.state().claim(booking(1)).map(|claim| claim.window), Some(window(60, 120)));
}

#[test]
fn a_suspension_names_the_bookings_that_fall_with_it() {
    let suspend = |reason_hash| C::Suspend { by: by_admin(), reason_hash, now: at(100) };
    let coming = Displaced { booking_id: booking(2), account_id: holder(), window: window(120, 180) };
    let account = registered()
        .and(claim(1, 0, 60))
        .and(claim(2, 120, 180))
        .when(suspend(String::new()))
        .then_refused(No::ReasonRequired)
        .when(suspend(reason()))
        .then(&[E::Suspended { by: by_admin(), reason_hash: reason(), cancelled: vec![coming], at: at(100) }])
        .when(suspend(reason()))
        .then_nothing()
        .when(claim(3, 200, 260))
        .then_refused(No::Suspended)
        .and(C::Reinstate { by: by_admin(), now: at(101) })
        .and(claim(3, 200, 260));
    assert!(!account.state().is_suspended());
}

#[test]
fn a_role_changes_only_to_another() {
    registered()
        .when(C::ChangeRole { role: Role::Viewer, by: by_admin() })
        .then_nothing()
        .when(C::ChangeRole { role: Role::Auditor, by: by_admin() })
        .then(&[E::RoleChanged { from: Role::Viewer, to: Role::Auditor, by: by_admin() }]);
}

#[test]
fn refused_sign_ins_are_folded_into_a_count() {
    let refused = |count| C::RecordSignInRefused { reason: Reason::BadToken, count, since: at(0) };
    registered().when(refused(0)).then_nothing().when(refused(9)).then(&[E::SignInRefused {
        reason: Reason::BadToken,
        count: 9,
        since: at(0),
    }]);
}

#[test]
fn an_account_has_a_bounded_number_of_bookings_ahead() {
    let mut account = registered();
    for number in 0..256 {
        let from = 60 + i64::try_from(number).expect("small");
        account = account.and(claim(number, from, from + 1));
    }
    account.when(claim(999, 1_000, 1_001)).then_refused(No::TooManyWindows);
}

#[test]
fn a_new_password_and_a_suspension_sign_out_and_nothing_else_does() {
    let account = registered()
        .and(C::RecordSignIn { now: at(1) })
        .and(C::ChangeRole { role: Role::Admin, by: by_admin() })
        .and(C::RecordPasswordChanged { by: by_admin(), now: at(2) });
    assert_eq!(account.state().sign_outs(), 1);
    let account = account
        .and(C::Suspend { by: by_admin(), reason_hash: reason(), now: at(3) })
        .and(C::Reinstate { by: by_admin(), now: at(4) });
    assert_eq!(account.state().sign_outs(), 2);
}
