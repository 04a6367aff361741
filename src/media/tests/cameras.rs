//! Several cameras of one robot: which of a viewer's sections shows which.

use std::collections::BTreeSet;
use std::time::Duration;

use super::client::h264;
use super::world::{HOUR, World};

const FRAME: Duration = Duration::from_millis(10);

/// A robot with these cameras, as its connection `n`.
fn robot_with(world: &mut World, n: u128, names: &[&str]) {
    let hour = world.in_future(HOUR);
    let cameras: Vec<_> = names.iter().map(|name| (*name, h264())).collect();
    world.add_robot_with(n, hour, &cameras);
    world.connect(&[n]);
}

/// Sends one frame of each of the robot's cameras; their numbers, in the robot's order.
fn film(world: &mut World, n: u128, cameras: u32) -> Vec<u32> {
    let mut numbers = Vec::new();
    for camera in 0..cameras {
        let now = world.mono();
        numbers.push(world.client(n).frames_sent());
        world.client(n).send_frame(now, camera);
    }
    world.settle();
    world.pass(FRAME * 10);
    numbers
}

/// What a viewer's section has shown.
fn shown(world: &World, viewer: u128, section: usize) -> BTreeSet<u32> {
    let viewer = &world.clients[&viewer];
    viewer.by_stream.get(&viewer.sections[section]).cloned().unwrap_or_default()
}

#[test]
fn a_viewer_gets_as_many_cameras_as_it_has_sections_in_the_robots_order() {
    let mut world = World::new(1);
    let hour = world.in_future(HOUR);
    world.add_viewer(2, 7, hour, 3);
    world.connect(&[2]);
    robot_with(&mut world, 1, &["front", "rear"]);
    world.add_viewer(3, 7, hour, 1);
    world.connect(&[3]);
    let sent = film(&mut world, 1, 2);
    assert_eq!(shown(&world, 2, 0), [sent[0]].into());
    assert_eq!(shown(&world, 2, 1), [sent[1]].into());
    assert_eq!(shown(&world, 2, 2), [].into(), "there is no third camera");
    assert_eq!(shown(&world, 3, 0), [sent[0]].into());
    assert_eq!(world.clients[&3].by_stream.len(), 1);
}

#[test]
fn a_robot_that_comes_back_with_other_cameras_changes_nobodys_section_to_another_camera() {
    let mut world = World::new(1);
    let hour = world.in_future(HOUR);
    robot_with(&mut world, 1, &["front", "rear"]);
    world.add_viewer(2, 7, hour, 2);
    world.connect(&[2]);
    let first = film(&mut world, 1, 2);
    robot_with(&mut world, 3, &["rear", "arm", "front"]);
    world.client(3).count_from(first[1] + 1);
    world.add_viewer(4, 7, hour, 2);
    world.connect(&[4]);
    let [rear, arm, front] = film(&mut world, 3, 3)[..] else { panic!("three cameras") };
    assert_eq!(shown(&world, 2, 0), [first[0], front].into());
    assert_eq!(shown(&world, 2, 1), [first[1], rear].into());
    assert_eq!(shown(&world, 4, 0), [rear].into(), "who comes now gets the robot's present order");
    assert_eq!(shown(&world, 4, 1), [arm].into());
    robot_with(&mut world, 5, &["front"]);
    world.client(5).count_from(front + 1);
    let only = film(&mut world, 5, 1)[0];
    assert_eq!(shown(&world, 2, 0), [first[0], front, only].into());
    assert_eq!(shown(&world, 2, 1), [first[1], rear].into(), "the camera that is gone is not replaced");
    assert_eq!(shown(&world, 4, 0), [rear].into());
}

#[test]
fn key_frames_are_asked_of_the_camera_that_needs_one() {
    let mut world = World::new(1);
    let hour = world.in_future(HOUR);
    robot_with(&mut world, 1, &["front", "rear"]);
    world.pass(Duration::from_secs(1));
    world.client(1).cameras_asked.clear();
    world.add_viewer(2, 7, hour, 1);
    world.connect(&[2]);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.client(1).cameras_asked, [0], "one for the camera that the viewer is to see");
    world.add_viewer(3, 7, hour, 2);
    world.connect(&[3]);
    film(&mut world, 1, 2);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.client(1).cameras_asked, [0, 0, 1]);
    let (now, rear) = (world.mono(), world.clients[&3].sections[1]);
    world.client(3).ask_keyframe_of(now, rear);
    world.settle();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.client(1).cameras_asked, [0, 0, 1, 1]);
}
