use super::*;
use crate::testing::*;
use crate::{Cause, Reason, TerminatedPeer};

use RoomCommand as C;
use RoomError as No;
use RoomEvent as E;

fn open(kind: RoomKind, viewer_limit: u16) -> C {
    C::Open {
        room_id: room(),
        kind,
        robot_id: robot(),
        booking_id: (kind == RoomKind::Booking).then(|| booking(1)),
        holder: if kind == RoomKind::Booking { holder() } else { admin() },
        deadline: at(120),
        change_no: 0,
        viewer_limit,
        reason_hash: (kind == RoomKind::Watch).then(reason),
        due_at: at(60),
        now: at(60),
    }
}

/// With its robot.
fn opened() -> Given<Room> {
    nothing().and(open(RoomKind::Booking, 4)).and(C::RecordRobotCame { now: at(60) })
}

fn admit(number: u128, basis: Basis, minute: i64) -> C {
    C::Admit { account_id: id(number), basis, now: at(minute) }
}

fn open_peer(number: u128, account: u128) -> C {
    C::OpenPeer { peer_id: peer(number), account_id: id(account), now: at(61) }
}

/// The holder inside, with two peers.
fn watched() -> Given<Room> {
    opened().and(admit(1, Basis::Holder, 61)).and(open_peer(1, 1)).and(open_peer(2, 1))
}

fn close(cause: Cause, terminated: Vec<TerminatedPeer>, unreported: Unreported) -> C {
    C::Close {
        booking_id: Some(booking(1)),
        cause,
        by: Actor::System,
        reason_hash: None,
        terminated,
        unreported,
        due_at: at(120),
        now: at(121),
    }
}

fn closed(cause: Cause) -> E {
    E::Closed {
        booking_id: Some(booking(1)),
        cause,
        by: Actor::System,
        reason_hash: None,
        due_at: at(120),
        ended_at: at(121),
        robot_missed: false,
    }
}

fn terminated(number: u128, lateness_us: u64, packets: Option<u64>) -> E {
    E::PeerConnectionTerminated {
        peer_id: peer(number),
        who: by_holder(),
        cause: Cause::WindowClosed,
        due_at: at(120),
        lateness_us,
        recorded_late_us: 60_000_000,
        packets,
        bytes: packets.map(|packets| packets * 100),
        stopped_between: None,
        quality: None,
    }
}

fn late_report(number: u128) -> C {
    C::RecordPeerTerminated {
        report: report(number, 3),
        cause: Cause::WindowClosed,
        due_at: at(120),
        now: at(121),
    }
}

fn move_deadline(minute: i64, change_no: u32, now: i64) -> C {
    C::MoveDeadline {
        deadline: at(minute),
        change_no,
        by: by_admin(),
        reason_hash: Some(reason()),
        now: at(now),
    }
}

fn moved(from: i64, to: i64, change_no: u32, now: i64) -> E {
    E::DeadlineMoved {
        from: Some(at(from)),
        to: at(to),
        change_no,
        by: by_admin(),
        reason_hash: Some(reason()),
        at: at(now),
    }
}

const KNOWN: Unreported = Unreported::Record { lateness_us: 9, stopped_between: None };

#[test]
fn a_room_opens_once() {
    opened().when(open(RoomKind::Booking, 4)).then_nothing();
}

#[test]
fn a_session_that_closes_without_its_robot_says_so() {
    let came = |minute| C::RecordRobotCame { now: at(minute) };
    let missed = |kind| {
        nothing::<Room>().and(open(kind, 4)).when(close(Cause::WindowClosed, vec![], KNOWN)).then_that(
            |events| events.iter().any(|event| matches!(event, E::Closed { robot_missed: true, .. })),
            &(kind == RoomKind::Booking),
        )
    };
    missed(RoomKind::Watch);
    missed(RoomKind::Booking).when(came(121)).then_nothing();
    nothing::<Room>().when(came(59)).then_nothing();
    nothing::<Room>()
        .and(open(RoomKind::Booking, 4))
        .when(came(119))
        .then(&[E::RobotCame { at: at(119) }])
        .when(came(120))
        .then_nothing()
        .when(close(Cause::WindowClosed, vec![], KNOWN))
        .then(&[closed(Cause::WindowClosed)]);
}

#[test]
fn that_the_holder_came_is_remembered_when_they_left() {
    let leave = C::Leave {
        account_id: holder(),
        cause: Cause::ParticipantLeft,
        terminated: vec![],
        unreported: KNOWN,
        due_at: at(62),
        now: at(62),
    };
    let visited = opened().and(admit(10, Basis::Guest, 61));
    assert!(!visited.state().holder_came());
    assert!(visited.and(admit(1, Basis::Holder, 61)).and(leave).state().holder_came());
}

#[test]
fn a_watch_owes_a_reason_and_takes_admins_only() {
    let watch = nothing::<Room>().and(open(RoomKind::Watch, 4));
    watch
        .when(admit(1, Basis::Guest, 61))
        .then_refused(No::WatchIsForAdmins)
        .and(admit(2, Basis::Admin, 61))
        .and(admit(3, Basis::Admin, 61));
    let C::Open { room_id, kind, robot_id, holder, deadline, change_no, viewer_limit, due_at, now, .. } =
        open(RoomKind::Watch, 4)
    else {
        unreachable!("open opens")
    };
    let silent = |booking_id, reason_hash| C::Open {
        room_id,
        kind,
        robot_id,
        booking_id,
        holder,
        deadline,
        change_no,
        viewer_limit,
        reason_hash,
        due_at,
        now,
    };
    nothing::<Room>().when(silent(None, None)).then_refused(No::ReasonRequired);
    nothing::<Room>().when(silent(Some(booking(1)), Some(reason()))).then_refused(No::KindMismatch);
}

#[test]
fn nobody_is_admitted_before_the_opening_at_the_deadline_or_after_the_close() {
    nothing::<Room>().when(admit(1, Basis::Holder, 61)).then_refused(No::NotOpen);
    opened()
        .when(admit(1, Basis::Holder, 120))
        .then_refused(No::PastDeadline)
        .and(admit(1, Basis::Holder, 119))
        .when(C::OpenPeer { peer_id: peer(1), account_id: holder(), now: at(120) })
        .then_refused(No::PastDeadline)
        .and(close(Cause::Cancelled, vec![], KNOWN))
        .when(admit(1, Basis::Holder, 70))
        .then_refused(No::Closed);
}

#[test]
fn an_admin_does_not_enter_the_sessions_own_room() {
    opened().when(admit(2, Basis::Admin, 61)).then_refused(No::AdminNeedsWatch);
    assert_eq!(crate::Refusal::reason(&No::AdminNeedsWatch), Reason::ReasonRequired);
}

#[test]
fn a_full_room_still_has_the_holders_place() {
    opened()
        .and(admit(10, Basis::Guest, 61))
        .and(admit(11, Basis::Guest, 61))
        .and(admit(12, Basis::Guest, 61))
        .when(admit(13, Basis::Guest, 61))
        .then_refused(No::Full)
        .and(admit(1, Basis::Holder, 62))
        .when(admit(1, Basis::Holder, 63))
        .then_nothing();
}

#[test]
fn a_room_takes_as_many_viewer_connections_as_its_limit() {
    let full = opened()
        .and(admit(1, Basis::Holder, 61))
        .and(admit(10, Basis::Guest, 61))
        .and(open_peer(1, 10))
        .and(open_peer(2, 10))
        .and(open_peer(3, 10))
        .when(open_peer(4, 10))
        .then_refused(No::Full)
        .and(open_peer(5, 1))
        .when(open_peer(6, 1))
        .then_refused(No::Full);
    full.and(late_report(3)).and(open_peer(6, 1));
}

#[test]
fn a_peer_belongs_to_a_participant_and_opens_once() {
    opened()
        .when(open_peer(1, 1))
        .then_refused(No::NotAParticipant)
        .and(admit(1, Basis::Holder, 61))
        .when(open_peer(1, 1))
        .then(&[E::PeerConnectionOpened { peer_id: peer(1), who: by_holder(), opened_at: at(61) }])
        .when(open_peer(1, 1))
        .then_nothing()
        .and(admit(10, Basis::Guest, 61))
        .when(open_peer(1, 10))
        .then_refused(No::UnknownPeer)
        .and(late_report(1))
        .when(open_peer(1, 1))
        .then_refused(No::PeerTerminated);
}

#[test]
fn closing_terminates_every_peer_with_its_report_or_the_default() {
    watched()
        .when(close(Cause::WindowClosed, vec![report(2, 5), report(7, 1)], KNOWN))
        .then(&[terminated(1, 9, None), terminated(2, 5, Some(10)), closed(Cause::WindowClosed)])
        .when(close(Cause::Cancelled, vec![report(1, 5)], KNOWN))
        .then_nothing()
        .when(late_report(1))
        .then_nothing();
}

#[test]
fn a_report_that_is_awaited_comes_after_the_close_once() {
    let closed = watched()
        .when(close(Cause::WindowClosed, vec![report(1, 0)], Unreported::Await))
        .then(&[terminated(1, 0, Some(10)), closed(Cause::WindowClosed)]);
    assert_eq!(closed.state().peers().count(), 1);
    closed.when(late_report(2)).then(&[terminated(2, 3, Some(10))]).when(late_report(2)).then_nothing();
}

#[test]
fn a_room_that_was_closed_before_it_opened_never_opens() {
    nothing::<Room>()
        .when(close(Cause::Cancelled, vec![], KNOWN))
        .then(&[closed(Cause::Cancelled)])
        .when(open(RoomKind::Booking, 4))
        .then_refused(No::Closed);
}

#[test]
fn leaving_ends_the_leavers_peers_and_control_only() {
    let leave = C::Leave {
        account_id: holder(),
        cause: Cause::WindowClosed,
        terminated: vec![report(1, 0)],
        unreported: KNOWN,
        due_at: at(120),
        now: at(121),
    };
    let left = watched()
        .and(admit(10, Basis::Guest, 61))
        .and(open_peer(3, 10))
        .and(C::GrantControl { to: holder(), by: by_holder(), now: at(62) })
        .when(leave.clone())
        .then(&[
            terminated(1, 0, Some(10)),
            terminated(2, 9, None),
            E::ControlReleased { account_id: holder(), at: at(121) },
            E::ParticipantLeft { account_id: holder(), cause: Cause::WindowClosed, at: at(121) },
        ])
        .when(leave)
        .then_nothing();
    assert_eq!(left.state().peers().map(|(peer_id, _)| peer_id).collect::<Vec<_>>(), [peer(3)]);
}

#[test]
fn control_is_held_by_one_and_passed_on_by_those_who_may() {
    let grant = |to: u128, by| C::GrantControl { to: id(to), by, now: at(62) };
    let guest = Actor::Account(id(10));
    let by_guest = opened()
        .and(admit(1, Basis::Holder, 61))
        .and(admit(10, Basis::Guest, 61))
        .when(grant(11, by_holder()))
        .then_refused(No::NotAParticipant)
        .when(grant(10, guest))
        .then(&[E::ControlGranted { to: id(10), by: guest, at: at(62) }])
        .when(grant(10, guest))
        .then_nothing();
    by_guest
        .when(grant(1, by_holder()))
        .then(&[
            E::ControlReleased { account_id: id(10), at: at(62) },
            E::ControlGranted { to: holder(), by: by_holder(), at: at(62) },
        ])
        .when(grant(10, guest))
        .then_refused(No::ControlHeld)
        .and(C::ReleaseControl { account_id: holder(), now: at(63) })
        .when(C::ReleaseControl { account_id: holder(), now: at(63) })
        .then_nothing();
}

#[test]
fn a_deadline_moves_once_for_each_change_and_in_their_order() {
    opened()
        .when(move_deadline(150, 1, 100))
        .then(&[moved(120, 150, 1, 100)])
        .when(move_deadline(150, 1, 100))
        .then_nothing()
        .when(move_deadline(110, 2, 101))
        .then(&[moved(150, 110, 2, 101)])
        .when(move_deadline(150, 1, 102))
        .then_nothing();
}

#[test]
fn a_deadline_that_has_come_is_not_moved_on() {
    opened()
        .when(move_deadline(150, 1, 120))
        .then_refused(No::PastDeadline)
        .and(close(Cause::WindowClosed, vec![], KNOWN))
        .when(move_deadline(150, 1, 121))
        .then_refused(No::Closed)
        .when(move_deadline(100, 1, 121))
        .then_nothing();
}

#[test]
fn a_deadline_moved_before_the_room_opened_is_the_one_it_opens_with() {
    let opened = nothing::<Room>().and(move_deadline(100, 1, 59)).and(open(RoomKind::Booking, 4));
    assert_eq!(opened.state().deadline(), Some(at(100)));
}

#[test]
fn a_negotiation_is_recorded_once_for_each_offer() {
    let negotiated = |number, offer: &str| C::RecordNegotiated {
        from: by_holder(),
        to: Actor::Robot(robot()),
        peer_id: peer(number),
        offer_sha256: offer.into(),
        answer_sha256: "a".into(),
        candidates: 2,
    };
    watched()
        .and(negotiated(1, "x"))
        .when(negotiated(1, "x"))
        .then_nothing()
        .when(negotiated(1, "y"))
        .then_that(<[E]>::len, &1)
        .when(negotiated(9, "x"))
        .then_refused(No::UnknownPeer);
}

#[test]
fn refusals_are_folded_into_a_count() {
    let refused =
        |count| C::RecordRefused { account_id: id(9), reason: Reason::RoomFull, count, since: at(61) };
    opened().when(refused(0)).then_nothing().when(refused(3)).then(&[E::ParticipantRefused {
        account_id: id(9),
        reason: Reason::RoomFull,
        count: 3,
        since: at(61),
    }]);
}
