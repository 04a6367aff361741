use std::time::Duration;

use curfew_domain::{Actor, Booking, BookingEvent, Cause, Fact, LabEvent, Room, RoomEvent};
use curfew_projections::Status;

use super::sessions::viewer_offer;
use super::world::{World, account, eventually, keep_out, minute};
use crate::actors::OfferTarget;
use crate::protocol::RoomState;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_passed_is_closed_first_and_what_is_open_goes_on() {
    let world = World::new().await;
    let (one, two, three) = (world.robot("one").await, world.robot("two").await, world.robot("three").await);
    let (ann, bob, cid) = (world.viewer().await, world.viewer().await, world.viewer().await);
    let passes = world.book(&ann, one, 0, 5).await.expect("free");
    let stays = world.book(&bob, two, 0, 60).await.expect("free");
    let missed = world.book(&cid, three, 2, 4).await.expect("free");
    let ahead = world.book(&cid, three, 20, 30).await.expect("free");
    world.until_status(passes.id, Status::Active).await;
    world.until_status(stays.id, Status::Active).await;
    let opened = |world: &World, robot| {
        let world = world.log.clone();
        async move {
            let facts = world.read_after(0, 10_000).await.expect("read");
            facts.iter().any(
                |r| matches!(&r.fact, Fact::Room(RoomEvent::Opened { robot_id, .. }) if *robot_id == robot),
            )
        }
    };
    for (robot, slug, who) in [(one, "one", &ann), (two, "two", &bob)] {
        world
            .until(|fact| match fact {
                Fact::Room(RoomEvent::Opened { robot_id, .. }) if *robot_id == robot => Some(()),
                _ => None,
            })
            .await;
        assert!(opened(&world, robot).await);
        let target = OfferTarget { robot: Some(slug.into()), ..OfferTarget::default() };
        world.lab.offer(who, &target, None, viewer_offer("aaaa")).await.expect("the holder");
    }
    let world = world.crash(Duration::from_secs(600)).await;
    let facts = world.facts().await;
    let stopped = facts.iter().find_map(|fact| match fact {
        Fact::Lab(LabEvent::ServerStarted { stopped_between: Some(between), .. }) => Some(*between),
        _ => None,
    });
    assert!(stopped.is_some_and(|between| between.to == minute(10)), "the second start knows of the crash");
    let terminated: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Room(RoomEvent::PeerConnectionTerminated {
                cause,
                lateness_us,
                packets,
                stopped_between,
                ..
            }) => Some((*cause, *lateness_us, *packets, *stopped_between)),
            _ => None,
        })
        .collect();
    assert_eq!(terminated, [(Cause::ServerStopped, 0, None, stopped); 2], "nobody knows how much they got");
    let closed = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::Closed { cause, due_at, .. }) => Some((*cause, *due_at)),
        _ => None,
    };
    assert_eq!(facts.iter().filter_map(closed).collect::<Vec<_>>(), [(Cause::WindowClosed, minute(5))]);
    for (booking, status) in [
        (passes.id, Status::Ended),
        (missed.id, Status::Ended),
        (stays.id, Status::Active),
        (ahead.id, Status::Confirmed),
    ] {
        world.until_status(booking, status).await;
    }
    let (joined, _side) = world.join(&bob, stays.id).await;
    assert_eq!(joined.expect("goes on").state, RoomState::Open);
    world.advance(Duration::from_secs(600));
    world.until_status(ahead.id, Status::Active).await;
    world.advance(Duration::from_secs(40 * 60));
    world.until_status(stays.id, Status::Ended).await;
    assert!(world.projector.rebuild_matches().await.expect("rebuilt").matches());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_the_log_keeps_sessions_waiting() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 1, 5).await.expect("free");
    world.clock.step_wall(minute(-60));
    let world = world.crash(Duration::ZERO).await;
    assert!(world.lab.health().clock_behind);
    world.clock.step_wall(minute(2));
    world.until_status(booked.id, Status::Active).await;
    assert!(!world.lab.health().clock_behind);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_says_so_and_sessions_go_on() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    side.hand_over();
    world.lab.shutdown().await;
    while let Some(message) = side.inbox.recv().await {
        assert!(!matches!(message, crate::protocol::ServerMessage::SessionEnded(_)), "it goes on");
    }
    assert!(matches!(world.facts().await.last(), Some(Fact::Lab(LabEvent::ServerStopped { .. }))));
    let world = world.crash(Duration::from_secs(5)).await;
    let (joined, _side) = world.join(&viewer, booked.id).await;
    assert_eq!(joined.expect("goes on").state, RoomState::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_run_once_the_disk_takes_it_that_the_clock_has_caught_up() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 1, 5).await.expect("free");
    world.clock.step_wall(minute(-60));
    let world = world.crash(Duration::ZERO).await;
    let disk = keep_out(&world, "ServerStarted").await;
    world.clock.step_wall(minute(2));
    let meanwhile = world.book(&world.viewer().await, robot, 10, 15).await.expect("requested");
    assert!(!meanwhile.decided, "nothing runs yet");
    disk.release().await;
    world.until_status(booked.id, Status::Active).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_one_fact_however_often_what_follows_is_tried() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let _side = world.connect(robot).await;
    let booked = world.book(&viewer, robot, 1, 5).await.expect("free");
    world.clock.step_wall(minute(-60));
    let world = world.crash(Duration::ZERO).await;
    let disk = keep_out(&world, "WentOffline").await;
    world.clock.step_wall(minute(2));
    // The start, and after it the first try to record that the robot went with the process before.
    let started = |fact: &Fact| matches!(fact, Fact::Lab(LabEvent::ServerStarted { .. }));
    let starts = async || world.facts().await.iter().filter(|fact| started(fact)).count();
    eventually("the start is recorded", async || starts().await == 2).await;
    let meanwhile = world.book(&world.viewer().await, robot, 10, 15).await.expect("requested");
    assert!(!meanwhile.decided, "nothing runs yet");
    disk.release().await;
    world.until_status(booked.id, Status::Active).await;
    assert_eq!(starts().await, 2, "this start and the one before");
}

/// A session with a viewer whose room's end got into the log before the process died, and its peer's did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_report_died_with_the_process_ended_with_its_room() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let target = OfferTarget { robot: Some("one".into()), ..OfferTarget::default() };
    world.lab.offer(&viewer, &target, None, viewer_offer("aaaa")).await.expect("the holder");
    let room = world.lab.booking(booked.id).await.expect("known").room_id;
    let closed = RoomEvent::Closed {
        booking_id: Some(booked.id),
        cause: Cause::TerminatedByAdmin,
        by: Actor::System,
        reason_hash: None,
        due_at: minute(3),
        ended_at: minute(3),
        robot_missed: true,
    };
    world.advance(Duration::from_secs(180));
    let world = world.crash_after::<Room>(room, vec![closed], Duration::from_secs(60)).await;
    let peer = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::PeerConnectionTerminated { cause, due_at, packets, .. }) => {
            Some((*cause, *due_at, *packets))
        }
        _ => None,
    };
    assert_eq!(world.until(peer).await, (Cause::TerminatedByAdmin, minute(3), None));
}

/// A session that an admin terminated in its third minute, by a process that died before the room's end was in the log.
async fn terminated_then_crashed(down: Duration) -> World {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let target = OfferTarget { robot: Some("one".into()), ..OfferTarget::default() };
    world.lab.offer(&viewer, &target, None, viewer_offer("aaaa")).await.expect("the holder");
    let state = world.lab.booking(booked.id).await.expect("known");
    world.advance(Duration::from_secs(180));
    let cancelled = BookingEvent::Cancelled {
        by: Actor::Account(account(&world.admin)),
        cause: Cause::TerminatedByAdmin,
        reason_hash: Some("ab".repeat(32)),
        holder: account(&viewer),
        robot_id: Some(robot),
        room_id: state.room_id,
        is_running: true,
        at: minute(3),
    };
    world.crash_after::<Booking>(booked.id, vec![cancelled], down).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_cut_before_a_crash_was_due_to_end_when_it_was_cut() {
    // Back before and after the window's own end.
    for down in [60, 3600] {
        let world = terminated_then_crashed(Duration::from_secs(down)).await;
        let closed = |fact: &Fact| match fact {
            Fact::Room(RoomEvent::Closed { cause, by, reason_hash, due_at, .. }) => {
                Some((*cause, *by, reason_hash.clone(), *due_at))
            }
            _ => None,
        };
        let by = Actor::Account(account(&world.admin));
        let expected = (Cause::TerminatedByAdmin, by, Some("ab".repeat(32)), minute(3));
        assert_eq!(world.until(closed).await, expected, "back after {down} s");
        let peer = |fact: &Fact| match fact {
            Fact::Room(RoomEvent::PeerConnectionTerminated { due_at, .. }) => Some(*due_at),
            _ => None,
        };
        assert_eq!(world.until(peer).await, minute(3));
        let ended = |fact: &Fact| match fact {
            Fact::Booking(BookingEvent::SessionEnded { cause, due_at, .. }) => Some((*cause, *due_at)),
            _ => None,
        };
        assert_eq!(world.until(ended).await, (Cause::TerminatedByAdmin, minute(3)));
        assert!(world.projector.rebuild_matches().await.expect("rebuilt").matches());
    }
}
