//! What is left when peers end: their closing words, in time, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::gate::Class;
use super::super::types::{ClosedWhy, MediaEvent};
use super::client::h264;
use super::world::{HOUR, World, peer, room};

const MS: Duration = Duration::from_millis(1);

fn ends(world: &World) -> Vec<ClosedWhy> {
    world
        .events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Closed { why, .. } => Some(*why),
            _ => None,
        })
        .collect()
}

#[test]
fn many_ends_at_one_instant_are_told_at_once_and_closed_a_few_at_a_time() {
    let mut world = World::new(1);
    let (hour, end) = (world.in_future(HOUR), world.in_future(Duration::from_secs(3)));
    world.add_robot(1, hour, &[h264()]);
    world.add_viewer(2, 8, hour, 1);
    let ending: Vec<u128> = (3..13).collect();
    for viewer in &ending {
        world.add_viewer(*viewer, 7, end, 1);
    }
    world.connect(&[1, 2]);
    world.connect(&ending);
    world.pass_until("all channels are open", |world| {
        ending.iter().all(|viewer| world.clients[viewer].labels.iter().any(|label| label == "session"))
    });
    while world.boot().saturating_add(60 * MS) < end {
        world.film(1, 1, 10 * MS);
    }
    world.pass(40 * MS);
    let seen = world.client(2).frames.len();
    world.pass(end.saturating_since(world.boot()));
    assert_eq!(ends(&world), [ClosedWhy::Deadline; 10], "all are told in that turn");
    world.film(1, 10, 10 * MS);
    world.pass(20 * MS);
    assert_eq!(world.client(2).frames.len(), seen + 10, "the other room goes on");

    let to: Vec<_> = ending.iter().map(|viewer| world.address_of(*viewer)).collect();
    let after: Vec<_> =
        world.wire.log.iter().filter(|(at, to_one, _)| *at >= end && to.contains(to_one)).collect();
    assert!(after.iter().all(|(.., class)| *class == Class::Dtls), "{after:?}");
    let first_words = |within: Duration| {
        let by = end.saturating_add(within);
        after.iter().filter(|(at, ..)| *at <= by).map(|(_, to, _)| *to).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((first_words(MS), first_words(19 * MS)), (4, 4), "the announcements come first");
    assert_eq!(first_words(30 * MS), 10);
    for viewer in ending {
        assert_eq!(world.client(viewer).texts, [format!("{} is over", room(7))]);
        assert!(world.client(viewer).channel_closed);
    }
}

#[test]
fn nothing_is_left_of_peers_that_came_and_went() {
    let mut world = World::new(1);
    let hour = world.in_future(HOUR);
    for round in 0..4u128 {
        let (robot, viewers) = (10 * round + 1, [10 * round + 2, 10 * round + 3]);
        world.add_robot(robot, hour, &[h264()]);
        for viewer in viewers {
            world.add_viewer(viewer, 7, hour, 1);
        }
        world.connect(&[robot, viewers[0], viewers[1]]);
        world.film(robot, 5, 10 * MS);
        // Each way there is to end: by a call, by the deadline, by the far end's word, by a bug, by a successor.
        match round {
            0 => drop(world.core.close_room(room(7), None)),
            1 => world.core.set_room_deadline(room(7), world.in_future(50 * MS)),
            2 => {
                for viewer in viewers {
                    rtc::sansio::Protocol::close(&mut world.client(viewer).connection).expect("closed");
                }
            }
            _ => viewers.into_iter().for_each(|viewer| world.core.break_peer(peer(viewer))),
        }
        world.settle();
        world.pass(100 * MS);
        assert_eq!(world.core.stats().viewers, 0, "round {round}");
    }
    assert_eq!(world.core.stats().broken_peers, 2);
    assert!(ends(&world).contains(&ClosedWhy::Failed) && ends(&world).contains(&ClosedWhy::Replaced));
    assert!(world.core.close_robot(super::world::robot()).is_some());
    world.settle();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.core.entries(), 0);
    assert_eq!(world.core.take_spent().len(), 10, "those that broke are not called again");
}
