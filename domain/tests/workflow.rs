//! What a fact in one stream brings about in the others, told as stories.

mod world;

use chrono::{DateTime, TimeDelta, Utc};
use curfew_domain::workflow::{self, Refused, Routed};
use curfew_domain::{
    AccountCommand, AccountId, Actor, Basis, Booking, BookingCommand, BookingId, Cause, Phase, Reason,
    RobotChoice, RobotCommand, RobotId, Role, Room, RoomCommand, Window,
};
use world::{World, account, admin, robot};

fn window(world: &World, from: i64, to: i64) -> Window {
    let at = |minute| world.now + TimeDelta::minutes(minute);
    Window { starts_at: at(from), ends_at: at(to) }
}

fn request(world: &mut World, holder: AccountId, candidates: Vec<RobotId>, window: Window) -> BookingId {
    let booking_id = world.fresh_id();
    let request = BookingCommand::Request {
        booking_id,
        room_id: world.fresh_id(),
        holder,
        choice: RobotChoice::Type("rover".into()),
        robot_type: "rover".into(),
        candidates,
        window,
        rules: Box::new(world.rules.clone()),
        now: world.now,
    };
    world.carry(Routed::Booking(booking_id, request)).expect("is requested");
    world.settle();
    booking_id
}

fn book(world: &mut World, holder: AccountId, robot_id: RobotId, window: Window) -> BookingId {
    let booking_id = request(world, holder, vec![robot_id], window);
    assert_eq!(phase(world, booking_id), Phase::Confirmed);
    booking_id
}

/// A session of account 0 with robot 0, which is there, from now for an hour.
fn running(world: &mut World) -> BookingId {
    let booking_id = running_without_robot(world);
    let room_id = booking(world, booking_id).room_id;
    let came = RoomCommand::RecordRobotCame { now: world.now };
    world.carry(Routed::Room(room_id, came)).expect("is recorded");
    booking_id
}

fn running_without_robot(world: &mut World) -> BookingId {
    let window = window(world, 0, 60);
    let booking_id = book(world, account(0), robot(0), window);
    order(world, booking_id, BookingCommand::StartSession { now: world.now });
    booking_id
}

fn order(world: &mut World, booking_id: BookingId, command: BookingCommand) {
    world.carry(Routed::Booking(booking_id, command)).expect("is carried out");
    world.settle();
}

fn phase(world: &World, booking_id: BookingId) -> Phase {
    world.bookings[&booking_id].phase().expect("is requested")
}

fn booking(world: &World, booking_id: BookingId) -> &curfew_domain::booking::State {
    world.bookings.get(&booking_id).and_then(Booking::state).expect("is requested")
}

fn room(world: &World, booking_id: BookingId) -> &Room {
    &world.rooms[&booking(world, booking_id).room_id]
}

fn slot_of(world: &World, robot_id: RobotId, booking_id: BookingId) -> Option<Window> {
    world.robots[&robot_id].slot(booking_id).map(|slot| slot.window)
}

fn claim_of(world: &World, account_id: AccountId, booking_id: BookingId) -> Option<Window> {
    world.accounts[&account_id].claim(booking_id).map(|claim| claim.window)
}

fn extend(world: &World, ends_at: DateTime<Utc>, by: AccountId, overrides: bool) -> BookingCommand {
    BookingCommand::RequestExtension {
        ends_at,
        by: Actor::Account(by),
        reason_hash: overrides.then(|| "ab".repeat(32)),
        overrides,
        rules: Box::new(world.rules.clone()),
        now: world.now,
    }
}

#[test]
fn a_booking_by_type_tries_each_robot_before_it_is_rejected() {
    let mut world = World::new(0);
    let wanted = window(&world, 60, 120);
    let all = vec![robot(0), robot(1)];
    let first = request(&mut world, account(0), all.clone(), wanted);
    let second = request(&mut world, account(1), all.clone(), wanted);
    let third = request(&mut world, account(2), all, wanted);
    assert_eq!(booking(&world, first).robot_id, Some(robot(0)));
    assert_eq!(booking(&world, second).robot_id, Some(robot(1)));
    assert_eq!(booking(&world, third).rejected, Some(Reason::SlotTaken));
    assert_eq!(claim_of(&world, account(2), third), None, "a rejection gives the window back");
}

#[test]
fn a_request_that_is_delivered_again_after_its_end_reserves_no_other_robot() {
    let mut world = World::new(0);
    let wanted = window(&world, 60, 120);
    let booking_id = request(&mut world, account(0), vec![robot(0), robot(1)], wanted);
    let cancel = BookingCommand::Cancel {
        by: Actor::Account(account(0)),
        cause: Cause::Cancelled,
        reason_hash: None,
        now: world.now,
    };
    order(&mut world, booking_id, cancel);
    for recorded in world.log.clone() {
        for routed in workflow::commands(&recorded, world.now) {
            if let Err(refused) = world.carry(routed.clone()) {
                let next = workflow::on_refused(&routed, &refused, world.now);
                assert!(
                    !next.iter().any(|one| matches!(one, Routed::Robot(_, RobotCommand::ReserveSlot { .. })))
                );
            }
        }
    }
    world.settle();
    assert_eq!(slot_of(&world, robot(1), booking_id), None);
    assert_eq!(claim_of(&world, account(0), booking_id), None);
}

#[test]
fn an_account_that_is_busy_then_is_rejected_before_any_robot_is_asked() {
    let mut world = World::new(0);
    let wanted = window(&world, 60, 120);
    book(&mut world, account(0), robot(0), wanted);
    let other = request(&mut world, account(0), vec![robot(1)], wanted);
    assert_eq!(booking(&world, other).rejected, Some(Reason::AccountBusy));
    assert_eq!(world.robots[&robot(1)].slots().count(), 0);
}

#[test]
fn a_cancelled_booking_frees_its_slot_and_its_window() {
    let mut world = World::new(0);
    let wanted = window(&world, 60, 120);
    let booking_id = book(&mut world, account(0), robot(0), wanted);
    let cancel = BookingCommand::Cancel {
        by: Actor::Account(account(0)),
        cause: Cause::Cancelled,
        reason_hash: None,
        now: world.now,
    };
    order(&mut world, booking_id, cancel);
    assert_eq!(phase(&world, booking_id), Phase::Cancelled);
    assert!(world.rooms.is_empty(), "no room has anything to do with it");
    book(&mut world, account(0), robot(0), wanted);
}

#[test]
fn a_started_session_has_its_room_open_until_its_end() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let ends_at = booking(&world, booking_id).window.ends_at;
    assert!(room(&world, booking_id).is_open());
    assert_eq!(room(&world, booking_id).deadline(), Some(ends_at));
    world.now = ends_at;
    world.end_what_is_due();
    world.settle();
    assert_eq!(phase(&world, booking_id), Phase::Ended);
    assert_eq!(booking(&world, booking_id).cause, Some(Cause::WindowClosed));
    assert_eq!(slot_of(&world, robot(0), booking_id), None);
    assert_eq!(claim_of(&world, account(0), booking_id), None);
}

#[test]
fn a_window_that_passes_without_its_robot_ends_with_the_robot_lost_and_an_end_before_it_keeps_its_cause() {
    let mut world = World::new(0);
    let booking_id = running_without_robot(&mut world);
    world.now = booking(&world, booking_id).window.ends_at;
    world.end_what_is_due();
    world.settle();
    assert_eq!(phase(&world, booking_id), Phase::Ended);
    assert_eq!(booking(&world, booking_id).cause, Some(Cause::RobotLost));
    assert_eq!(claim_of(&world, account(0), booking_id), None);
    let next = running_without_robot(&mut world);
    let room_id = booking(&world, next).room_id;
    let now = world.now;
    world.close_room(room_id, Cause::TerminatedByAdmin, now);
    world.settle();
    assert_eq!(booking(&world, next).cause, Some(Cause::TerminatedByAdmin));
}

#[test]
fn a_session_that_is_cancelled_ends_with_its_room_at_once() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let room_id = booking(&world, booking_id).room_id;
    let admit = RoomCommand::Admit { account_id: account(0), basis: Basis::Holder, now: world.now };
    world.carry(Routed::Room(room_id, admit)).expect("is admitted");
    let peer_id = world.fresh_id();
    let open = RoomCommand::OpenPeer { peer_id, account_id: account(0), now: world.now };
    world.carry(Routed::Room(room_id, open)).expect("is opened");
    let cancel = BookingCommand::Cancel {
        by: Actor::Account(account(0)),
        cause: Cause::Cancelled,
        reason_hash: None,
        now: world.now,
    };
    order(&mut world, booking_id, cancel);
    assert!(room(&world, booking_id).is_closed());
    assert_eq!(room(&world, booking_id).peers().count(), 0);
    assert_eq!(
        (phase(&world, booking_id), booking(&world, booking_id).cause),
        (Phase::Ended, Some(Cause::Cancelled))
    );
}

#[test]
fn an_extension_moves_window_slot_booking_and_deadline() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let longer = window(&world, 0, 90);
    let extend = extend(&world, longer.ends_at, account(0), false);
    order(&mut world, booking_id, extend);
    assert_eq!(booking(&world, booking_id).window, longer);
    assert_eq!(slot_of(&world, robot(0), booking_id), Some(longer));
    assert_eq!(claim_of(&world, account(0), booking_id), Some(longer));
    assert_eq!(room(&world, booking_id).deadline(), Some(longer.ends_at));
}

#[test]
fn a_refused_extension_leaves_everything_as_it_was() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let before = booking(&world, booking_id).window;
    let next = window(&world, 75, 120);
    book(&mut world, account(1), robot(0), next);
    let extend = extend(&world, before.ends_at + TimeDelta::minutes(30), account(0), false);
    order(&mut world, booking_id, extend);
    assert_eq!(booking(&world, booking_id).window, before);
    assert!(booking(&world, booking_id).pending.is_none());
    assert_eq!(slot_of(&world, robot(0), booking_id), Some(before));
    assert_eq!(claim_of(&world, account(0), booking_id), Some(before));
    assert_eq!(room(&world, booking_id).deadline(), Some(before.ends_at));
}

#[test]
fn an_admins_override_cancels_the_booking_in_its_way() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let (next, longer) = (window(&world, 75, 120), window(&world, 0, 90));
    let displaced = book(&mut world, account(1), robot(0), next);
    let extend = extend(&world, longer.ends_at, admin(), true);
    order(&mut world, booking_id, extend);
    assert_eq!(booking(&world, booking_id).window, longer);
    assert_eq!(phase(&world, displaced), Phase::Cancelled);
    assert_eq!(claim_of(&world, account(1), displaced), None);
}

#[test]
fn a_shortened_session_gives_back_what_it_no_longer_needs() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let shorter = window(&world, 0, 30);
    let shorten = BookingCommand::Shorten {
        ends_at: shorter.ends_at,
        by: Actor::Account(admin()),
        reason_hash: "ab".repeat(32),
        now: world.now,
    };
    order(&mut world, booking_id, shorten);
    assert_eq!(room(&world, booking_id).deadline(), Some(shorter.ends_at));
    let rest = window(&world, 30, 60);
    book(&mut world, account(0), robot(0), rest);
}

#[test]
fn a_suspension_cancels_coming_bookings_and_ends_the_running_session() {
    let mut world = World::new(0);
    let now_running = running(&mut world);
    let later = window(&world, 90, 120);
    let coming = book(&mut world, account(0), robot(1), later);
    let suspend =
        AccountCommand::Suspend { by: Actor::Account(admin()), reason_hash: "ab".repeat(32), now: world.now };
    world.carry(Routed::Account(account(0), suspend)).expect("is suspended");
    world.settle();
    assert_eq!(phase(&world, coming), Phase::Cancelled);
    assert_eq!(phase(&world, now_running), Phase::Ended);
    assert_eq!(booking(&world, now_running).cause, Some(Cause::AccountSuspended));
}

#[test]
fn maintenance_and_retirement_cancel_what_they_overlap() {
    let mut world = World::new(0);
    let now_running = running(&mut world);
    let later = window(&world, 90, 120);
    let coming = book(&mut world, account(1), robot(0), later);
    let other = book(&mut world, account(2), robot(1), later);
    let (by, reason_hash, now) = (admin(), "ab".repeat(32), world.now);
    let maintain = RobotCommand::StartMaintenance {
        from: now,
        until: Some(now + TimeDelta::minutes(30)),
        by,
        reason_hash: reason_hash.clone(),
        now,
    };
    world.carry(Routed::Robot(robot(0), maintain)).expect("starts");
    world.settle();
    assert_eq!(booking(&world, now_running).cause, Some(Cause::Maintenance));
    assert!(room(&world, now_running).is_closed());
    assert_eq!(phase(&world, coming), Phase::Confirmed);
    world
        .carry(Routed::Robot(robot(0), RobotCommand::Retire { by, reason_hash: Some(reason_hash), now }))
        .expect("is retired");
    world.settle();
    assert_eq!(phase(&world, coming), Phase::Cancelled);
    assert_eq!(phase(&world, other), Phase::Confirmed);
}

#[test]
fn a_removed_guest_is_taken_out_of_the_room() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let (guest, holder, now) = (account(1), account(0), world.now);
    order(&mut world, booking_id, BookingCommand::InviteGuest { account_id: guest, by: holder, now });
    let basis = world.bookings[&booking_id].admission(guest, Role::Viewer, now).expect("a guest");
    let room_id = booking(&world, booking_id).room_id;
    world
        .carry(Routed::Room(room_id, RoomCommand::Admit { account_id: guest, basis, now }))
        .expect("is admitted");
    order(&mut world, booking_id, BookingCommand::RemoveGuest { account_id: guest, by: holder, now });
    assert_eq!(room(&world, booking_id).participant(guest), None);
}

#[test]
fn a_session_whose_robot_is_lost_no_longer_counts_against_the_account() {
    let mut world = World::new(0);
    let booking_id = running(&mut world);
    let (now, rest) = (world.now, window(&world, 0, 60));
    let lost = BookingCommand::EndSession { cause: Cause::RobotLost, due_at: now, room_closed: false, now };
    order(&mut world, booking_id, lost);
    assert!(room(&world, booking_id).is_closed());
    book(&mut world, account(0), robot(1), rest);
}

#[test]
fn a_command_to_nobody_is_refused_as_such() {
    let mut world = World::new(0);
    let stranger: BookingId = world.fresh_id();
    let start = BookingCommand::StartSession { now: world.now };
    let refused = world.carry(Routed::Booking(stranger, start)).expect_err("nobody is there");
    assert_eq!(refused, Refused::Booking(curfew_domain::BookingError::NotRequested));
    assert_eq!(curfew_domain::Refusal::reason(&refused), Reason::NotFound);
}

#[test]
fn a_session_that_starts_with_an_extension_on_its_way_gets_the_new_deadline() {
    let mut world = World::new(0);
    let (wanted, longer) = (window(&world, 0, 60), window(&world, 0, 90));
    let booking_id = book(&mut world, account(0), robot(0), wanted);
    let extend = extend(&world, longer.ends_at, account(0), false);
    world.carry(Routed::Booking(booking_id, extend)).expect("is asked for");
    let now = world.now;
    order(&mut world, booking_id, BookingCommand::StartSession { now });
    assert_eq!(room(&world, booking_id).deadline(), Some(longer.ends_at));
}
