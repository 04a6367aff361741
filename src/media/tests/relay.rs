//! Media gets through, whatever the network does.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::config::MediaConfig;
use super::super::gate::Class;
use super::super::types::{ClosedWhy, MediaEvent};
use super::client::{h264, vp8};
use super::world::{HOUR, Weather, World, peer};

const FRAME: Duration = Duration::from_millis(10);

fn all(frames: std::ops::Range<u32>) -> BTreeSet<u32> {
    frames.collect()
}

#[test]
fn frames_reach_every_viewer() {
    let mut world = World::with_robot(1);
    let end = world.in_future(HOUR);
    world.add_viewer(2, 7, end, 1);
    world.add_viewer(3, 7, end, 1);
    world.connect(&[1, 2, 3]);
    world.film(1, 100, FRAME);
    world.pass(Duration::from_millis(100));
    for viewer in [2, 3] {
        assert_eq!(world.client(viewer).frames, all(0..100));
        assert_eq!(world.client(viewer).streams.len(), 1, "one SSRC, one payload type");
    }
    let first =
        |n| world.events.iter().any(|e| matches!(e, MediaEvent::FirstMedia { peer: p, .. } if *p == peer(n)));
    assert!(first(1) && first(2) && first(3));
}

#[test]
fn every_profile_of_srtp_is_served_and_repaired() {
    let mut world = World::new(1);
    let end = world.in_future(HOUR);
    world.add_robot(1, end, &[h264()]);
    world.add_viewer(2, 7, end, 1);
    world.add_old_viewer(3, 7, end);
    world.connect(&[1, 2, 3]);
    world.weather.loss = 0.05;
    world.film(1, 200, FRAME);
    world.weather.loss = 0.0;
    world.film(1, 20, FRAME);
    world.pass(Duration::from_secs(1));
    for viewer in [2, 3] {
        let missing: Vec<u32> = all(0..220).difference(&world.client(viewer).frames).copied().collect();
        assert!(missing.len() <= 1, "viewer {viewer}: missing {missing:?}");
    }
    assert!(world.core.stats().repairs > 0);
}

#[test]
fn what_comes_in_the_pause_after_a_round_leaves_at_its_end_by_itself() {
    let mut world = World::new(1);
    let end = world.in_future(HOUR);
    world.add_robot(1, end, &[h264()]);
    // So many that the pause is longer than the time between two steps of this world.
    (2..8).for_each(|n| world.add_viewer(n, 7, end, 1));
    world.connect(&[1, 2, 3, 4, 5, 6, 7]);
    world.film(1, 2, Duration::from_micros(100));
    world.pass_until("the second came", |world| world.core.stats().camera_packets == 2);
    let soon = world.mono() + Duration::from_millis(1);
    let first = world.core.stats().media_out;
    assert!(world.core.poll_timeout().mono.is_some_and(|at| at < soon), "nothing else may come for long");
    world.pass(Duration::from_millis(1));
    assert_eq!(world.core.stats().media_out, first + 6);
}

#[test]
fn what_comes_while_others_are_sent_to_does_not_wait_for_the_next_round() {
    let mut world = World::new(1);
    let end = world.in_future(HOUR);
    world.add_robot(1, end, &[h264()]);
    // Two more than have a turn together.
    let viewers: Vec<u128> = (2..20).collect();
    viewers.iter().for_each(|n| world.add_viewer(*n, 7, end, 1));
    world.connect(&(1..20).collect::<Vec<_>>());
    // With the first packet reports become due, which take media along.
    world.film(1, 1, FRAME);
    world.pass(FRAME * 10);
    world.wire.log.clear();
    world.film(1, 2, Duration::from_micros(20));
    world.pass_until("the second came", |world| world.core.stats().camera_packets == 3);
    let had = |world: &World| {
        let media = world.wire.log.iter().filter(|(_, _, class)| *class == Class::Media);
        let to: Vec<_> = media.map(|(_, to, _)| *to).collect();
        let count = |n: &u128| to.iter().filter(|to| **to == World::address(*n)).count();
        viewers.iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(had(&world), [vec![1; 16], vec![2; 2]].concat());
    world.pass(Duration::from_millis(1));
    assert_eq!(had(&world), [2; 18]);
}

#[test]
fn a_viewer_that_had_no_network_goes_on_with_a_key_frame() {
    let mut world = World::watched(1);
    world.film(1, 100, FRAME);
    world.pass(Duration::from_secs(10));
    let asked = world.core.stats().keyframe_requests;
    world.weather.blackout = true;
    world.pass(Duration::from_secs(5));
    world.weather.blackout = false;
    assert_eq!(world.core.stats().keyframe_requests, asked, "it was connected, and then not there");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.core.stats().keyframe_requests, asked + 1, "once, without being asked");
}

#[test]
fn what_the_network_loses_and_reorders_is_repaired() {
    for seed in 1..=5 {
        let mut world = World::watched(seed);
        world.weather = Weather {
            loss: 0.05,
            delay: Duration::from_millis(15),
            jitter: Duration::from_millis(25),
            ..Weather::default()
        };
        world.film(1, 500, FRAME);
        // A last stretch without loss, so that the end of the stream is seen and asked for.
        world.weather.loss = 0.0;
        world.film(1, 50, FRAME);
        world.pass(Duration::from_secs(2));
        let seen = &world.clients[&2].frames;
        let missing: Vec<u32> = all(0..550).difference(seen).copied().collect();
        assert!(missing.len() <= 2, "seed {seed}: missing {missing:?}");
        assert!(world.core.stats().repairs > 0);
    }
}

#[test]
fn a_viewer_that_comes_first_is_answered_and_sees_the_robot_when_it_comes() {
    let mut world = World::new(1);
    let end = world.in_future(HOUR);
    world.add_viewer(2, 7, end, 1);
    world.connect(&[2]);
    world.pass(Duration::from_secs(5));
    world.add_robot(1, end, &[vp8()]);
    world.connect(&[1]);
    world.film(1, 20, FRAME);
    world.pass(Duration::from_millis(100));
    assert_eq!(world.client(2).frames, all(0..20));
}

#[test]
fn a_robot_that_is_replaced_goes_on_in_the_same_stream() {
    let mut world = World::watched(1);
    world.film(1, 30, FRAME);
    let end = world.in_future(HOUR);
    world.add_robot(3, end, &[h264()]);
    assert!(world.events.iter().any(|event| matches!(
        event,
        MediaEvent::Closed { report, why: ClosedWhy::Replaced } if report.peer == peer(1)
    )));
    world.connect(&[3]);
    let sent = world.client(1).frames_sent();
    world.client(3).count_from(sent);
    world.film(3, 30, FRAME);
    world.pass(Duration::from_millis(200));
    let viewer = world.client(2);
    assert!(viewer.frames.is_superset(&all(30..60)), "the new connection's frames are there");
    assert_eq!(viewer.streams.len(), 1);
    let gaps = viewer.sequence.windows(2).filter(|pair| pair[1] != pair[0].wrapping_add(1)).count();
    assert_eq!(gaps, 0, "the viewer cannot tell: {:?}", viewer.sequence);
}

#[test]
fn a_viewer_the_socket_has_no_room_for_loses_its_own_packets_only() {
    let mut world = World::with(1, MediaConfig { queue_packets: 20, ..MediaConfig::default() });
    let end = world.in_future(HOUR);
    world.add_robot(1, end, &[h264()]);
    world.add_viewer(2, 7, end, 1);
    world.add_viewer(3, 7, end, 1);
    world.connect(&[1, 2, 3]);
    let slow = world.address_of(2);
    world.wire.blocked.insert(slow);
    world.film(1, 200, FRAME);
    world.wire.blocked.clear();
    world.client(1).obeys = true;
    world.film(1, 100, FRAME);
    world.pass(Duration::from_millis(100));
    assert_eq!(world.client(3).frames, all(0..300));
    let got = &world.clients[&2].frames;
    assert!(got.is_superset(&all(260..300)), "it goes on with the key frame that it asked for: {got:?}");
    assert!(got.len() < 200);
    assert!(world.core.stats().dropped_queue > 100);
}

#[test]
fn key_frames_are_asked_at_once_and_for_one_viewer_ever_more_seldom() {
    let mut world = World::with_robot(1);
    let end = world.in_future(HOUR);
    world.connect(&[1]);
    world.film(1, 1, FRAME);
    world.pass(Duration::from_secs(1));
    let before = world.client(1).keyframes_asked.len();
    world.add_viewer(2, 7, end, 1);
    world.connect(&[2]);
    world.pass(Duration::from_millis(30));
    assert_eq!(world.client(1).keyframes_asked.len(), before + 1, "one for the viewer that came");
    world.film(1, 10, FRAME);
    for _ in 0..100 {
        let now = world.mono();
        world.client(2).ask_keyframe(now);
        world.settle();
        world.pass(FRAME * 2);
    }
    world.pass(Duration::from_secs(1));
    let asked = &world.clients[&1].keyframes_asked;
    // For the viewer that came, and at 0, 0.5 and 1.5 s, of which the first waits for the camera's own interval.
    assert!((before + 3..=before + 5).contains(&asked.len()), "{asked:?}");
    assert!(asked.windows(2).skip(before).all(|pair| pair[1] - pair[0] >= Duration::from_millis(499)));
}

#[test]
fn a_camera_is_asked_for_key_frames_twice_a_second_at_most_however_many_need_one() {
    let mut world = World::with_robot(1);
    let end = world.in_future(HOUR);
    let viewers: Vec<u128> = (2..10).collect();
    viewers.iter().for_each(|viewer| world.add_viewer(*viewer, 7, end, 1));
    world.connect(&[1]);
    world.connect(&viewers);
    world.film(1, 10, FRAME);
    world.client(1).keyframes_asked.clear();
    for _ in 0..20 {
        for viewer in &viewers {
            let now = world.mono();
            world.client(*viewer).ask_keyframe(now);
            world.settle();
            world.pass(FRAME * 2);
        }
    }
    let asked = &world.clients[&1].keyframes_asked;
    assert!((4..=7).contains(&asked.len()), "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(499)));
}

#[test]
fn each_camera_has_its_own_stream() {
    let mut world = World::new(1);
    let end = world.in_future(HOUR);
    world.add_robot(1, end, &[h264(), h264()]);
    world.add_viewer(2, 7, end, 2);
    world.add_viewer(3, 7, end, 1);
    world.connect(&[1, 2, 3]);
    for _ in 0..10 {
        for camera in [0, 1] {
            let now = world.mono();
            world.client(1).send_frame(now, camera);
        }
        world.settle();
        world.pass(FRAME);
    }
    world.pass(Duration::from_millis(100));
    assert_eq!(world.client(2).streams.len(), 2);
    assert_eq!(world.client(2).frames, all(0..20));
    assert_eq!(world.client(3).streams.len(), 1);
    assert_eq!(world.client(3).frames.len(), 10);
}

#[test]
fn a_viewer_whose_nat_rebinds_goes_on_at_its_new_address() {
    let mut world = World::watched(1);
    world.film(1, 20, FRAME);
    let outside = world.rebind(2, 4_000);
    world.pass(Duration::from_secs(15));
    let moved = world.wire.log.len();
    world.film(1, 20, FRAME);
    world.pass(Duration::from_secs(60));
    let media: Vec<_> =
        world.wire.log[moved..].iter().filter(|(_, _, class)| *class == Class::Media).collect();
    assert!(media.iter().filter(|(_, to, _)| *to == outside).count() >= 20);
    assert!(world.client(2).frames.is_superset(&all(20..40)));
    assert!(!world.events.iter().any(|event| matches!(event, MediaEvent::Closed { .. })), "consent goes on");
}

#[test]
fn a_packet_that_comes_after_its_repair_is_not_relayed_again() {
    let mut world = World::watched(1);
    // Later than the server waits before it asks for a packet again, and the robot's answer has an SRTP stream of its own.
    world.weather = Weather { delay: FRAME, jitter: Duration::from_millis(400), ..world.weather };
    world.film(1, 300, FRAME);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.client(2).frames, all(0..300));
    assert_eq!(world.core.stats().camera_packets, 300);
}
