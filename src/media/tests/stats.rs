//! What is known of how a viewer is served.

use std::time::Duration;

use super::super::stats::PeerStats;
use super::super::types::MediaEvent;
use super::world::{Weather, World, peer};

const FRAME: Duration = Duration::from_millis(20);

#[test]
fn bitrate_and_round_trip_are_those_of_the_path() {
    let mut world = World::watched(1);
    world.weather = Weather { delay: Duration::from_millis(40), ..world.weather };
    world.film(1, 400, FRAME);
    let stats = world.core.peer_stats(world.now(), peer(2)).expect("a viewer");
    // 600 bytes, fifty times a second.
    assert!((235_000..=245_000).contains(&stats.bitrate_bps), "{stats:?}");
    assert!((235_000..=245_000).contains(&stats.mean_bitrate_bps), "{stats:?}");
    let trip = stats.round_trip.expect("a viewer's report refers to the server's");
    assert!((79..=82).contains(&trip.as_millis()), "{trip:?}");
    assert_eq!((stats.lost, stats.retransmitted, stats.freezes), (0, 0, 0));
    assert!(stats.packets >= 400 && stats.bytes > 400 * 600);
    assert!(world.core.peer_stats(world.now(), peer(1)).is_none(), "the robot is no viewer");
    assert!(world.core.peer_stats(world.now(), peer(9)).is_none());
}

#[test]
fn losses_repairs_key_frames_and_freezes_are_counted_and_reported_at_the_end() {
    let mut world = World::watched(1);
    world.film(1, 50, FRAME);
    world.weather = Weather { loss: 0.1, ..world.weather };
    world.film(1, 400, FRAME);
    world.weather = Weather { loss: 0.0, ..world.weather };
    let now = world.mono();
    world.client(2).ask_keyframe(now);
    world.settle();
    world.pass(Duration::from_secs(1));
    world.film(1, 100, FRAME);
    let stats = world.core.peer_stats(world.now(), peer(2)).expect("a viewer");
    assert!((20..=120).contains(&stats.lost), "{stats:?}");
    assert!(stats.retransmitted >= 20, "{stats:?}");
    assert_eq!(stats.keyframe_requests, 1);
    assert_eq!(stats.freezes, 1, "{stats:?}");
    assert!((850..=1_150).contains(&stats.frozen.as_millis()), "{stats:?}");
    let report = world.core.close(peer(2), None).expect("it was there");
    let last = report.stats.expect("a viewer's");
    assert_eq!(PeerStats { bitrate_bps: stats.bitrate_bps, ..last }, stats);
    assert_eq!(world.core.close(peer(1), None).and_then(|robot| robot.stats), None);
    assert!(!world.events.iter().any(|event| matches!(event, MediaEvent::Closed { .. })));
}
