//! A viewer whose network changes goes on in the same connection.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::gate::Class;
use super::super::types::{MediaError, MediaEvent};
use super::world::{HOUR, World, peer};

const FRAME: Duration = Duration::from_millis(10);

/// A robot and a viewer that has seen twenty frames.
fn watched() -> World {
    let mut world = World::watched(1);
    world.film(1, 20, FRAME);
    world
}

fn frames(from: u32, to: u32) -> BTreeSet<u32> {
    (from..to).collect()
}

#[test]
fn a_viewer_on_another_network_restarts_ice_and_goes_on_in_the_same_connection() {
    let mut world = watched();
    let mobile = world.rebind(2, 4_000);
    world.restart(2).expect("answered");
    world.pass(Duration::from_secs(1));
    let moved = world.wire.log.len();
    world.film(1, 50, FRAME);
    world.pass(Duration::from_secs(1));
    let media = world.wire.log[moved..].iter().filter(|(_, _, class)| *class == Class::Media);
    assert!(media.clone().filter(|(_, to, _)| *to == mobile).count() >= 50);
    let viewer = &world.clients[&2];
    assert!(viewer.frames.is_superset(&frames(20, 70)), "{:?}", viewer.frames);
    assert_eq!(viewer.streams.len(), 1, "the same stream");
    assert!(!world.events.iter().any(|event| matches!(event, MediaEvent::Closed { .. })));
    assert_eq!(world.core.stats().peers_total, 2, "no new peer");
    world.pass(Duration::from_secs(60));
    assert!(!world.events.iter().any(|event| matches!(event, MediaEvent::Closed { .. })), "consent goes on");
}

#[test]
fn the_old_path_serves_until_the_new_one_is_proven() {
    let mut world = watched();
    let old = world.address_of(2);
    world.rebind(2, 4_000);
    world.restart(2).expect("answered");
    let before = world.wire.log.len();
    // Proving a path takes three times the ten milliseconds of one way.
    world.film(1, 2, FRAME);
    let meanwhile = &world.wire.log[before..];
    let to_old = meanwhile.iter().filter(|(_, to, class)| *to == old && *class == Class::Media);
    assert!(to_old.count() >= 1, "{meanwhile:?}");
    world.pass(Duration::from_secs(1));
    world.film(1, 10, FRAME);
    world.pass(Duration::from_millis(200));
    assert!(world.client(2).frames.is_superset(&frames(22, 32)));
}

#[test]
fn restarts_can_follow_each_other_and_the_last_two_count() {
    let mut world = watched();
    for round in 1..=5u32 {
        world.rebind(2, 4_000 + round as u16);
        world.restart(2).expect("answered");
        world.pass(Duration::from_secs(1));
        world.film(1, 10, FRAME);
        world.pass(Duration::from_millis(200));
        let from = 10 + round * 10;
        assert!(world.client(2).frames.is_superset(&frames(from, from + 10)), "round {round}");
    }
}

#[test]
fn a_peer_that_is_not_connected_or_offers_other_sections_is_not_restarted() {
    let mut world = watched();
    let hour = world.in_future(HOUR);
    world.add_viewer(3, 7, hour, 2);
    let unconnected = world.restart(3);
    assert_eq!(unconnected, Err(MediaError::NoSuchPeer));
    let former = world.answers[&3].clone();
    let other = world.restart_with(2, &former);
    assert!(matches!(other, Err(MediaError::Invalid(text)) if text.contains("sections")));
    world.core.close(peer(2), None);
    assert_eq!(world.restart(2), Err(MediaError::NoSuchPeer));
}
