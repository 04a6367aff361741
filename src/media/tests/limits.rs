//! What viewers can receive reaches the robot: the slowest that holds the booking decides.

use std::time::Duration;

use super::client::h264;
use super::world::{HOUR, Weather, World, peer};

const FRAME: Duration = Duration::from_millis(10);

/// A robot and viewers: 2 and 3 hold the booking, 4 does not.
fn watched() -> World {
    let mut world = World::with_robot(1);
    let hour = world.in_future(HOUR);
    world.add_holder(2, 7, hour, 1);
    world.add_holder(3, 7, hour, 1);
    world.add_viewer(4, 7, hour, 1);
    world.connect(&[1, 2, 3, 4]);
    // 480 kbit/s: what a viewer says counts only while it is about what it is sent.
    world.film(1, 300, FRAME);
    for viewer in [2, 3, 4] {
        says(&mut world, viewer, 5_000_000.0);
    }
    world
}

fn says(world: &mut World, viewer: u128, bps: f32) {
    let now = world.mono();
    world.client(viewer).say_it_receives(now, bps);
    world.settle();
    world.film(1, 5, FRAME);
}

/// What the robot was last told, to a thousandth: REMB has an 18-bit mantissa.
fn told(world: &World) -> Option<u64> {
    world.clients[&1].advised.last().map(|(_, bps)| bps.div_ceil(1_000) * 1_000)
}

#[test]
fn the_slowest_viewer_that_holds_the_booking_decides() {
    let mut world = watched();
    assert_eq!(told(&world), None, "nobody is limited");
    says(&mut world, 4, 200_000.0);
    assert_eq!(told(&world), None, "others may fall behind");
    says(&mut world, 2, 400_000.0);
    assert_eq!(told(&world), Some(400_000));
    says(&mut world, 3, 300_000.0);
    assert_eq!(told(&world), Some(300_000), "a fall is told at once");
    says(&mut world, 2, 350_000.0);
    assert_eq!(told(&world), Some(300_000));
    world.core.close(peer(3), None);
    world.settle();
    world.pass(Duration::from_secs(1));
    assert_eq!(told(&world), Some(350_000), "it left");
    world.core.close(peer(2), None);
    world.settle();
    world.pass(Duration::from_secs(1));
    assert!(told(&world) > Some(100_000_000), "nobody limits the robot any more");
}

#[test]
fn rises_wait_half_a_second_and_a_robot_that_comes_back_is_told_at_once() {
    let mut world = watched();
    for step in 1..=40u16 {
        says(&mut world, 2, 300_000.0 + f32::from(step) * 4_000.0);
    }
    let advised = world.clients[&1].advised.clone();
    assert!((4..=6).contains(&advised.len()), "{advised:?}");
    assert!(
        advised.windows(2).all(|pair| pair[1].0 - pair[0].0 >= Duration::from_millis(490)),
        "{advised:?}"
    );
    let hour = world.in_future(HOUR);
    world.add_robot(5, hour, &[h264()]);
    world.connect(&[5]);
    world.pass(Duration::from_millis(100));
    let first = world.clients[&5].advised.first().map(|(_, bps)| bps / 10_000);
    assert_eq!(first, Some(46), "the limit outlives the robot's connection");
}

#[test]
fn losses_lower_what_the_robot_may_send_and_their_end_raises_it() {
    let mut world = watched();
    world.film(1, 300, FRAME);
    assert_eq!(told(&world), None, "no loss, no limit");
    world.weather = Weather { loss: 0.3, ..world.weather };
    world.film(1, 400, FRAME);
    let lowest = told(&world).expect("a limit");
    assert!(lowest < 450_000, "480 kbit/s were sent, and a third is lost: {lowest}");
    world.weather = Weather { loss: 0.0, ..world.weather };
    world.film(1, 3_000, FRAME);
    assert!(told(&world) > Some(100_000_000), "{:?}", told(&world));
}

#[test]
fn a_limit_counts_for_the_cameras_that_its_viewer_watches_and_the_robot_is_told_the_sum() {
    let mut world = World::new(1);
    let hour = world.in_future(HOUR);
    world.add_robot(1, hour, &[h264(), h264()]);
    world.add_holder(2, 7, hour, 2);
    world.add_holder(3, 7, hour, 1);
    world.connect(&[1, 2, 3]);
    // 480 kbit/s of each.
    let mut says = |viewer, bps| {
        for _ in 0..200 {
            let now = world.mono();
            world.client(1).send_frame(now, 0);
            world.client(1).send_frame(now, 1);
            world.settle();
            world.pass(FRAME);
        }
        says(&mut world, viewer, bps);
        world.pass(Duration::from_millis(600));
        told(&world)
    };
    assert_eq!((says(2, 5_000_000.0), says(3, 5_000_000.0)), (None, None));
    assert_eq!(says(2, 800_000.0), Some(800_000), "it watches both");
    assert_eq!(says(3, 300_000.0), Some(600_000), "it takes 300 kbit/s of each camera");
    assert_eq!(says(3, 450_000.0), Some(800_000), "the other is the slower one again");
}
