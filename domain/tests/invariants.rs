//! Whatever the order of commands and of deliveries: no robot has two overlapping slots, no account two overlapping
//! windows, no room admits anyone outside a live booking or watch (`world/oracle.rs`), and nothing is left behind.

mod world;

use cqrs_es::Aggregate;
use curfew_domain::booking::State;
use curfew_domain::{Account, Booking, Fact, Phase, Robot, Room};
use proptest::prelude::*;
use world::World;
use world::ops::ops;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_commands_breaks_the_rules(ops in ops(160), has_buffer in any::<bool>()) {
        let mut world = World::new(if has_buffer { 300 } else { 0 });
        for op in &ops {
            world.perform(op);
        }
        world.settle();
        assert_all_agree(&world);
        world.wind_down();
        assert_nothing_is_left(&world);
        assert_the_log_tells_the_state(&world);
    }
}

/// When the workflow rests, each booking that goes on has exactly its window on its robot and in its holder's account.
fn assert_all_agree(world: &World) {
    let goes_on = |state: &&State| matches!(state.phase, Phase::Confirmed | Phase::Active);
    for state in world.bookings.values().filter_map(Booking::state).filter(goes_on) {
        if state.window.has_ended(world.now) {
            continue;
        }
        let robot_id = state.robot_id.expect("a confirmed booking has a robot");
        let slot = world.robots[&robot_id].slot(state.booking_id).map(|slot| slot.window);
        let claim = world.accounts[&state.holder].claim(state.booking_id).map(|claim| claim.window);
        assert_eq!((slot, claim), (Some(state.window), Some(state.window)), "slot or window of {state:?}");
        assert!(state.pending.is_none() && state.ending.is_none(), "a change is never decided: {state:?}");
        let room = world.rooms.get(&state.room_id).filter(|room| room.is_open());
        // A deadline that has come is not moved on, so that the session ends with its room.
        if let Some(deadline) = room.and_then(Room::deadline).filter(|deadline| *deadline > world.now) {
            assert_eq!(deadline, state.window.ends_at, "deadline of {state:?}");
        }
    }
}

/// When all is over, nobody holds anything.
fn assert_nothing_is_left(world: &World) {
    for booking in world.bookings.values() {
        assert!(
            booking.phase().is_none_or(|phase| phase.is_over()),
            "a booking goes on for ever: {booking:?}"
        );
    }
    for robot in world.robots.values() {
        assert_eq!(robot.slots().count(), 0, "a slot is held for nobody");
    }
    for account in world.accounts.values() {
        assert_eq!(account.claims().count(), 0, "a window is claimed for nothing");
    }
    for room in world.rooms.values() {
        assert!(!room.is_open(), "a room stays open");
        assert_eq!(room.peers().count(), 0, "a peer was never terminated");
    }
    assert_eq!(world.oracle.open_peers(), 0, "each peer is terminated exactly once");
}

/// Each stream, replayed from its stored form, gives the state that was lived through.
fn assert_the_log_tells_the_state(world: &World) {
    for (id, robot) in &world.robots {
        assert_eq!(&replay::<Robot>(world, &id.to_string(), robot_event), robot);
    }
    for (id, booking) in &world.bookings {
        assert_eq!(&replay::<Booking>(world, &id.to_string(), booking_event), booking);
    }
    for (id, room) in &world.rooms {
        assert_eq!(&replay::<Room>(world, &id.to_string(), room_event), room);
    }
    for (id, account) in &world.accounts {
        assert_eq!(&replay::<Account>(world, &id.to_string(), account_event), account);
    }
}

fn replay<A: Aggregate>(world: &World, id: &str, event: fn(Fact) -> Option<A::Event>) -> A {
    let mut aggregate = A::default();
    for recorded in world.log.iter().filter(|one| one.aggregate_type == A::TYPE && one.aggregate_id == id) {
        let stored =
            serde_json::to_value(event(recorded.fact.clone()).expect("of its kind")).expect("serialises");
        let fact = Fact::decode(A::TYPE, &recorded.fact.event_type(), "1", stored).expect("decodes");
        assert_eq!(fact, recorded.fact);
        aggregate.apply(event(fact).expect("of its kind"));
    }
    let kept = serde_json::to_value(&aggregate).expect("a state serialises");
    serde_json::from_value(kept).expect("a state is read back")
}

fn robot_event(fact: Fact) -> Option<<Robot as Aggregate>::Event> {
    if let Fact::Robot(event) = fact { Some(event) } else { None }
}

fn booking_event(fact: Fact) -> Option<<Booking as Aggregate>::Event> {
    if let Fact::Booking(event) = fact { Some(event) } else { None }
}

fn room_event(fact: Fact) -> Option<<Room as Aggregate>::Event> {
    if let Fact::Room(event) = fact { Some(event) } else { None }
}

fn account_event(fact: Fact) -> Option<<Account as Aggregate>::Event> {
    if let Fact::Account(event) = fact { Some(event) } else { None }
}
