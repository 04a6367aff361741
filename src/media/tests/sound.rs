//! Sound beside the pictures.

use std::time::Duration;

use super::client::{Client, h264};
use super::world::{HOUR, Weather, World, publisher_kind, viewer_kind};

const FRAME: Duration = Duration::from_millis(20);

/// A robot with a microphone, viewer 2 with sound and viewer 3 without.
fn heard() -> World {
    let mut world = World::new(1);
    let (now, hour) = (world.mono(), world.in_future(HOUR));
    let mut robot = Client::robot(now, World::address(1), &[("front", h264())]);
    robot.add_microphone();
    world.negotiate_as(1, robot, publisher_kind(), hour, |offer| offer);
    let mut viewer = Client::viewer(now, World::address(2), 1);
    viewer.ask_for_sound();
    world.negotiate_as(2, viewer, viewer_kind(7), hour, |offer| offer);
    world.add_viewer(3, 7, hour, 1);
    world.connect(&[1, 2, 3]);
    world
}

/// A frame and a packet of sound, captured at the same instant.
fn capture(world: &mut World) {
    let now = world.mono();
    world.client(1).send_frame(now, 0);
    world.client(1).send_sound(now);
    world.settle();
    world.pass(FRAME);
}

#[test]
fn sound_reaches_those_who_asked_for_it() {
    let mut world = heard();
    for _ in 0..20 {
        capture(&mut world);
    }
    world.pass(FRAME * 10);
    let with = &world.clients[&2];
    let sound = with.sound.expect("sound was answered");
    assert_eq!(with.frames.len(), 20);
    assert_eq!(with.packets.get(&sound), Some(&20));
    let without = &world.clients[&3];
    assert_eq!((without.sound, without.frames.len(), without.streams.len()), (None, 20, 1));
}

#[test]
fn a_viewer_with_sound_is_answered_before_the_robot_comes_and_with_a_robot_that_has_none() {
    let mut world = World::new(1);
    let (now, hour) = (world.mono(), world.in_future(HOUR));
    let mut viewer = Client::viewer(now, World::address(2), 1);
    viewer.ask_for_sound();
    world.negotiate_as(2, viewer, viewer_kind(7), hour, |offer| offer);
    world.add_robot(1, hour, &[h264()]);
    world.connect(&[1, 2]);
    world.film(1, 10, FRAME);
    world.pass(FRAME * 10);
    assert_eq!(world.clients[&2].frames.len(), 10);
    assert!(world.clients[&1].cameras_asked.iter().all(|camera| *camera == 0), "sound has no key frames");
}

/// When the last packet of a stream was captured, by the sender's clock: NTP format.
fn captured_at(viewer: &Client, ssrc: u32, clock_rate: i64) -> i128 {
    let report = &viewer.reports[&ssrc];
    let ticks = i64::from(viewer.timestamps[&ssrc].wrapping_sub(report.rtp_time) as i32);
    i128::from(report.ntp_time) + (i128::from(ticks) << 32) / i128::from(clock_rate)
}

#[test]
fn sound_and_pictures_of_one_instant_have_one_time() {
    let mut world = heard();
    world.weather = Weather { jitter: Duration::from_millis(150), ..world.weather };
    for _ in 0..200 {
        capture(&mut world);
    }
    world.pass(Duration::from_secs(3));
    world.weather = Weather { jitter: Duration::ZERO, ..world.weather };
    capture(&mut world);
    world.pass(Duration::from_secs(2));
    let viewer = &world.clients[&2];
    let sound = captured_at(viewer, viewer.sound.expect("sound"), 48_000);
    let pictures = captured_at(viewer, viewer.sections[0], 90_000);
    let apart_us = ((sound - pictures).abs() * 1_000_000) >> 32;
    assert!(apart_us < 2_000, "they are {apart_us} us apart, with packets up to 150 ms late");
}
