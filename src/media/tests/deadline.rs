//! A session ends on the instant.

use std::time::Duration;

use super::super::config::MediaConfig;
use super::super::gate::Class;
use super::super::types::{ClosedWhy, MediaEvent, PeerReport};
use super::client::h264;
use super::world::{HOUR, Weather, World, peer, room};
use crate::clock::BootInstant;

const FRAME: Duration = Duration::from_millis(10);
const MS: Duration = Duration::from_millis(1);

/// A robot with an hour, and a viewer, both connected.
fn session(seed: u64, viewer_has: Duration) -> (World, BootInstant) {
    let mut world = World::with_robot(seed);
    let end = world.in_future(viewer_has);
    world.add_viewer(2, 7, end, 1);
    world.connect(&[1, 2]);
    (world, end)
}

fn closed(world: &World, n: u128) -> Option<(PeerReport, ClosedWhy)> {
    world.events.iter().find_map(|event| match event {
        MediaEvent::Closed { report, why } if report.peer == peer(n) => Some((report.clone(), *why)),
        _ => None,
    })
}

fn sent_to(world: &World, n: u128, from: BootInstant) -> Vec<(BootInstant, Class)> {
    let address = world.address_of(n);
    world
        .wire
        .log
        .iter()
        .filter(|(at, to, _)| *at >= from && *to == address)
        .map(|(at, _, class)| (*at, *class))
        .collect()
}

#[test]
fn no_media_leaves_from_the_guard_on_though_losses_keep_being_reported() {
    for seed in 1..=3 {
        let (mut world, end) = session(seed, Duration::from_secs(4));
        world.weather = Weather { loss: 0.2, delay: 8 * MS, jitter: 10 * MS, ..Weather::default() };
        world.film(1, 420, FRAME);
        world.pass(Duration::from_secs(1));
        let late: Vec<_> = sent_to(&world, 2, end.saturating_sub(2 * MS))
            .into_iter()
            .filter(|(_, class)| *class != Class::Dtls)
            .collect();
        assert_eq!(late, [], "seed {seed}");
        let last_second = sent_to(&world, 2, end.saturating_sub(Duration::from_secs(1)));
        assert!(last_second.iter().filter(|(_, class)| *class == Class::Media).count() > 90);
        assert!(world.core.stats().repairs > 0, "losses were reported");
        let (report, why) = closed(&world, 2).expect("it ended");
        assert_eq!((why, report.lateness, report.deadline), (ClosedWhy::Deadline, Duration::ZERO, end));
        assert!(report.last_media_sent.is_some_and(|at| at < end) && report.packets > 300);
        assert!(world.core.stats().dropped_unknown > 0, "what the viewer still sends in is nobody's");
    }
}

#[test]
fn the_session_channel_says_that_it_is_over_and_closes() {
    let (mut world, end) = session(1, Duration::from_secs(2));
    world.pass_until("the session channel is open", |world| {
        world.client(2).labels.iter().any(|label| label == "session")
    });
    world.core.session_message(world.now(), room(7), &"10 s left".into());
    world.settle();
    world.pass_until("it ended", |world| world.boot() >= end);
    world.pass(15 * MS);
    let over = format!("{} is over", room(7));
    assert_eq!(world.client(2).texts, ["10 s left".to_owned(), over]);
    assert!(world.client(2).channel_closed);
}

#[test]
fn one_loss_does_not_hide_the_end() {
    let (mut world, end) = session(1, Duration::from_secs(2));
    world.pass_until("the session channel is open", |world| !world.client(2).labels.is_empty());
    world.pass(end.saturating_since(world.boot()).saturating_sub(MS));
    world.weather.blackout = true;
    world.pass(10 * MS);
    world.weather.blackout = false;
    world.pass(50 * MS);
    assert_eq!(world.client(2).texts, [format!("{} is over", room(7))]);
    assert!(world.client(2).channel_closed);
}

#[test]
fn a_text_waits_for_its_channel() {
    let mut world = World::new(1);
    let end = world.in_future(HOUR);
    world.add_viewer(2, 7, end, 1);
    world.core.session_message(world.now(), room(7), &"early".into());
    world.pass_until("the text came", |world| world.client(2).texts == ["early"]);
}

#[test]
fn a_deadline_moves_later_and_earlier() {
    let (mut world, end) = session(1, Duration::from_secs(2));
    let later = end.saturating_add(Duration::from_secs(2));
    world.core.set_room_deadline(room(7), later);
    world.film(1, 250, FRAME);
    assert!(world.boot() > end && closed(&world, 2).is_none(), "it goes on past the first deadline");
    let seen = world.client(2).frames.len();
    world.film(1, 20, FRAME);
    assert!(world.client(2).frames.len() > seen + 15);
    let soon = world.in_future(100 * MS);
    world.core.set_room_deadline(room(7), soon);
    world.film(1, 30, FRAME);
    let (report, why) = closed(&world, 2).expect("it ended");
    assert_eq!((report.deadline, report.lateness, why), (soon, Duration::ZERO, ClosedWhy::Deadline));
}

#[test]
fn a_deadline_that_is_past_ends_at_once() {
    let (mut world, _) = session(1, HOUR);
    world.core.set_room_deadline(room(7), BootInstant::from_nanos(1));
    world.pass(MS);
    assert!(closed(&world, 2).is_some());
}

#[test]
fn a_robots_own_deadline_ends_it_and_spares_its_viewers() {
    let (mut world, _) = session(1, HOUR);
    let soon = world.in_future(500 * MS);
    world.core.set_robot_deadline(super::world::robot(), soon);
    world.film(1, 100, FRAME);
    let (report, why) = closed(&world, 1).expect("it ended");
    assert_eq!((why, report.lateness), (ClosedWhy::Deadline, Duration::ZERO));
    assert!(closed(&world, 2).is_none());
    let seen = world.client(2).frames.len();
    assert!((40..=55).contains(&seen), "{seen} frames came in time");
    assert!(sent_to(&world, 1, soon.saturating_sub(2 * MS)).iter().all(|(_, class)| *class == Class::Dtls));
}

#[test]
fn a_closed_room_yields_one_report_each_and_nothing_follows() {
    let mut world = World::with(1, MediaConfig::default());
    let end = world.in_future(HOUR);
    world.add_robot(1, end, &[h264()]);
    for viewer in [2, 3] {
        world.add_viewer(viewer, 7, end, 1);
    }
    world.add_viewer(4, 8, end, 1);
    world.connect(&[1, 2, 3, 4]);
    world.film(1, 20, FRAME);
    let before = world.wire.log.len();
    let reports = world.core.close_room(room(7), Some("stopped by an admin"));
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|report| report.packets >= 20 && report.lateness.is_zero()));
    world.film(1, 50, FRAME);
    for viewer in [2, 3] {
        let address = world.address_of(viewer);
        let after: Vec<_> = world.wire.log[before..]
            .iter()
            .filter(|(_, to, class)| *to == address && *class != Class::Dtls)
            .collect();
        assert!(after.is_empty(), "{after:?}");
        assert!(closed(&world, viewer).is_none(), "the report was given to the caller");
        assert_eq!(world.client(viewer).texts, ["stopped by an admin"]);
    }
    world.pass(50 * MS);
    assert_eq!(world.client(4).frames.len(), 70, "the other room goes on");
    assert!(world.core.close_room(room(7), None).is_empty());
}

#[test]
fn a_viewer_that_closes_is_noticed_at_once() {
    let (mut world, _) = session(1, HOUR);
    world.film(1, 10, FRAME);
    rtc::sansio::Protocol::close(&mut world.client(2).connection).expect("closed");
    world.settle();
    world.pass(50 * MS);
    assert!(matches!(closed(&world, 2), Some((_, ClosedWhy::Remote))));
}

#[test]
fn a_viewer_that_falls_silent_is_given_up_when_consent_ends() {
    let (mut world, _) = session(1, HOUR);
    world.film(1, 10, FRAME);
    world.clients.remove(&2);
    let gone = world.boot();
    world.pass(Duration::from_secs(40));
    assert!(matches!(closed(&world, 2), Some((_, ClosedWhy::Timeout))));
    let address = std::net::SocketAddr::from(([10, 0, 0, 1], 10_002));
    let last = world.wire.log.iter().filter(|(_, to, _)| *to == address).map(|(at, ..)| *at).max();
    let silent_for = last.expect("it was sent to").saturating_since(gone);
    assert!(silent_for <= Duration::from_secs(36), "{silent_for:?}");
}

#[test]
fn a_peer_that_never_connects_is_given_up() {
    let mut world = World::new(1);
    let end = world.in_future(HOUR);
    world.add_viewer(2, 7, end, 1);
    world.clients.remove(&2);
    world.pass(Duration::from_secs(31));
    assert!(matches!(closed(&world, 2), Some((_, ClosedWhy::Timeout))));
}
