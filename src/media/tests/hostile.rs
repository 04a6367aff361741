//! What a peer, or whoever forges its address, sends to make the server keep it.

use std::time::Duration;

use super::super::MediaError;
use super::super::config::MediaConfig;
use super::super::types::{ClosedWhy, MediaEvent};
use super::client::{Client, h264};
use super::world::{HOUR, World, peer, publisher_kind};

const FRAME: Duration = Duration::from_millis(10);

/// A record of a handshake that is not encrypted, with one-byte fragments of a message from `offset` down, each of which hangs on the
/// one before it.
fn fragments(message: u8, offset: u16, count: u16) -> Vec<u8> {
    let fragment = |offset: u16| {
        let [high, low] = offset.to_be_bytes();
        // Many of them in one record: none has its byte, and the message is said to be empty.
        let (length, byte) = if count == 1 { (0x3f, &[7][..]) } else { (0, &[][..]) };
        [&[11, 0, length, 0, 0, message, 0, high, low, 0, 0, 1], byte].concat()
    };
    let body: Vec<u8> = (0..count).flat_map(|n| fragment(offset - n)).collect();
    let ([later, number], [high, low]) =
        ((u16::MAX - offset).to_be_bytes(), (body.len() as u16).to_be_bytes());
    [&[22, 0xfe, 0xfd, 0, 0, 1, 0, 0, message, later, number, high, low][..], &body].concat()
}

#[test]
fn fragments_of_handshakes_without_end_are_dropped_and_the_session_goes_on() {
    let mut world = World::watched(1);
    world.film(1, 10, FRAME);
    // The last fragment is the first of its message: from there on the others would be put together, one within another.
    for message in 2..8 {
        for offset in (0..60_000).rev().step_by(150) {
            world.inject(2, &fragments(message, offset, 150));
        }
        for offset in (0..500).rev() {
            world.inject(2, &fragments(message, offset, 1));
        }
    }
    assert!(world.core.stats().dropped_excess > 5_000);
    world.film(1, 20, FRAME);
    world.pass(FRAME * 10);
    assert_eq!(world.client(2).frames, (0..30).collect());
}

#[test]
fn forged_media_is_no_more_to_the_server_than_a_few_numbers() {
    let mut world = World::watched(1);
    world.film(1, 10, FRAME);
    for ssrc in 0..3_000u32 {
        for robot_or_viewer in [1, 2] {
            for second in [96, 201] {
                let mut forged = vec![0x80, second, 0, 9];
                forged.extend(ssrc.to_be_bytes().into_iter().chain(ssrc.to_be_bytes()).chain([7; 40]));
                world.inject(robot_or_viewer, &forged);
            }
        }
    }
    assert!(world.core.stats().dropped_excess > 8_000);
    let asked = world.client(1).keyframes_asked.len();
    world.pass(Duration::from_secs(1));
    let now = world.mono();
    world.client(2).ask_keyframe(now);
    world.film(1, 20, FRAME);
    world.pass(FRAME * 10);
    assert_eq!(world.client(2).frames, (0..30).collect());
    assert_eq!(world.client(1).keyframes_asked.len(), asked + 1, "who spoke before is heard still");
}

#[test]
fn a_viewer_that_opens_channels_without_end_is_closed() {
    let mut world = World::watched(1);
    world.pass_until("the session channel is open", |world| !world.client(2).labels.is_empty());
    for n in 0..40 {
        world.client(2).connection.create_data_channel(&format!("{n}"), None).expect("a channel");
    }
    world.settle();
    world.pass(Duration::from_secs(1));
    let ended = world.events.iter().find_map(|event| match event {
        MediaEvent::Closed { report, why } => Some((report.peer, *why)),
        _ => None,
    });
    assert_eq!(ended, Some((peer(2), ClosedWhy::Failed)));
}

#[test]
fn where_no_place_is_left_a_robot_that_comes_back_takes_its_own() {
    let mut world = World::with(1, MediaConfig { max_peers: 2, ..MediaConfig::default() });
    let hour = world.in_future(HOUR);
    world.add_robot(1, hour, &[h264()]);
    world.add_viewer(2, 7, hour, 1);
    let now = world.mono();
    let viewer = Client::viewer(now, World::address(3), 1);
    assert_eq!(
        world.try_negotiate(3, viewer, super::world::viewer_kind(7)),
        Err(MediaError::TooManyPeers { limit: 2 })
    );
    let robot = Client::robot(now, World::address(4), &[("camera0", h264())]);
    assert_eq!(world.try_negotiate(4, robot, publisher_kind()), Ok(()));
    assert_eq!(world.core.stats().publishers + world.core.stats().viewers, 2);
}
