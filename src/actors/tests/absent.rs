//! Robots that are not there, and holders who do not come.

use std::time::Duration;

use curfew_domain::{BookingEvent, Cause, Fact, LabRules, RoomEvent};
use curfew_projections::Status;

use super::sessions::viewer_offer;
use super::world::{World, minute, stall};
use crate::actors::deadlines::{Due, Fired};
use crate::actors::{OfferTarget, Recorded, dispatch};
use crate::protocol::ServerMessage;

async fn world_with(change: impl FnOnce(&mut LabRules)) -> World {
    let world = World::new().await;
    let mut rules = LabRules::demo();
    change(&mut rules);
    world.lab.change_rules(&world.admin, rules, Some("a test")).await.expect("an admin may");
    world
}

fn unavailable(message: &ServerMessage) -> Option<()> {
    matches!(message, ServerMessage::RobotUnavailable(_)).then_some(())
}

fn ended(message: &ServerMessage) -> Option<String> {
    match message {
        ServerMessage::SessionEnded(ended) => Some(ended.cause.clone()),
        _ => None,
    }
}

fn cause_of_the_session(fact: &Fact) -> Option<Cause> {
    match fact {
        Fact::Booking(BookingEvent::SessionEnded { cause, .. }) => Some(*cause),
        _ => None,
    }
}

fn cause_of_the_room(fact: &Fact) -> Option<Cause> {
    match fact {
        Fact::Room(RoomEvent::Closed { cause, .. }) => Some(*cause),
        _ => None,
    }
}

async fn opened(world: &World) {
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_stays_away_loses_the_session_and_the_window_is_the_holders_again() {
    let world = world_with(|rules| rules.no_robot_grace_s = Some(120)).await;
    let (one, two, viewer) = (world.robot("one").await, world.robot("two").await, world.viewer().await);
    let booked = world.book(&viewer, one, 10, 20).await.expect("free");
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder waits");
    world.advance(Duration::from_secs(600));
    side.next(unavailable).await;
    world.until_status(booked.id, Status::Active).await;
    assert_eq!(world.lab.extend(&viewer, booked.id, minute(25)).await, Ok(Recorded(true)));
    world.advance(Duration::from_secs(119));
    assert!(!side.has_message(|message| ended(message).is_some()), "the grace is not over");
    world.advance(Duration::from_secs(1));
    assert_eq!(side.next(ended).await, "robot_lost");
    world.until_status(booked.id, Status::Ended).await;
    assert_eq!(world.until(cause_of_the_session).await, Cause::RobotLost);
    let released = |fact: &Fact| {
        matches!(fact, Fact::Account(curfew_domain::AccountEvent::WindowReleased { .. })).then_some(())
    };
    world.until(released).await;
    world.book(&viewer, two, 12, 25).await.expect("the window no longer counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_comes_in_time_is_not_lost_even_if_it_goes_again() {
    let world = world_with(|rules| rules.no_robot_grace_s = Some(120)).await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    world.advance(Duration::from_secs(119));
    let (_, connection) = world.connect(robot).await;
    world.lab.robot_disconnected(robot, connection.id).await;
    side.next(unavailable).await;
    world.advance(Duration::from_secs(60));
    let (joined, _again) = world.join(&viewer, booked.id).await;
    joined.expect("the session goes on until its end");
    world.advance(Duration::from_secs(600));
    world.until_status(booked.id, Status::Ended).await;
    let row = world.projector.reads().booking(booked.id).await.expect("read").expect("there");
    assert_eq!(row.cause, Some(Cause::WindowClosed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_who_never_comes_loses_the_session_where_the_rules_say_so() {
    let world = world_with(|rules| rules.no_show_after_s = Some(60)).await;
    let (robot, viewer, other) = (world.robot("one").await, world.viewer().await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    world.advance(Duration::from_secs(60));
    world.until_status(booked.id, Status::NoShow).await;
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Closed { .. })).then_some(())).await;
    let released = |fact: &Fact| {
        matches!(fact, Fact::Robot(curfew_domain::RobotEvent::SlotReleased { .. })).then_some(())
    };
    world.until(released).await;
    world.book(&other, robot, 1, 10).await.expect("the slot is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_who_came_and_left_is_no_no_show() {
    let world = world_with(|rules| rules.no_show_after_s = Some(60)).await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    let (joined, side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    world.lab.leave(side.id).await;
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::ParticipantLeft { .. })).then_some(())).await;
    world.advance(Duration::from_secs(61));
    dispatch::no_show(world.lab.shell.clone(), booked.id).await;
    let (joined, mut again) = world.join(&viewer, booked.id).await;
    joined.expect("the session goes on");
    world.advance(Duration::from_secs(600));
    assert_eq!(again.next(ended).await, "window_closed");
    world.until_status(booked.id, Status::Ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_passes_without_its_robot_ends_with_its_window_for_those_in_it_and_as_lost_in_the_log()
{
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    let target = OfferTarget { robot: Some("one".into()), ..OfferTarget::default() };
    world.lab.offer(&viewer, &target, None, viewer_offer("aaaa")).await.expect("answered all the same");
    world.advance(Duration::from_secs(600));
    assert_eq!(side.next(ended).await, "window_closed", "that is why it ends now");
    let peer = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::PeerConnectionTerminated { cause, .. }) => Some(*cause),
        _ => None,
    };
    assert_eq!(world.until(peer).await, Cause::WindowClosed);
    assert_eq!(world.until(cause_of_the_room).await, Cause::WindowClosed);
    assert_eq!(world.until(cause_of_the_session).await, Cause::RobotLost);
    world.until_status(booked.id, Status::Ended).await;
    let row = world.projector.reads().booking(booked.id).await.expect("read").expect("there");
    assert_eq!(row.cause, Some(Cause::RobotLost));
}

/// Whether the robot came at all before the process dies in the middle of the window, how long that is down, and what became of it.
async fn ends_after_a_restart(came: bool, down: Duration) -> Cause {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    if came {
        let (_, connection) = world.connect(robot).await;
        world.lab.robot_disconnected(robot, connection.id).await;
        world.until(|fact| matches!(fact, Fact::Room(RoomEvent::RobotCame { .. })).then_some(())).await;
    }
    world.advance(Duration::from_secs(60));
    let world = world.crash(down).await;
    world.advance(Duration::from_secs(600));
    world.until(cause_of_the_session).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_neither_that_the_robot_came_nor_that_it_did_not() {
    for down in [Duration::from_secs(1), Duration::from_secs(3600)] {
        assert_eq!(ends_after_a_restart(true, down).await, Cause::WindowClosed, "down for {down:?}");
        assert_eq!(ends_after_a_restart(false, down).await, Cause::RobotLost, "down for {down:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_came_before_a_restart_is_not_lost_after_it() {
    let world = world_with(|rules| rules.no_robot_grace_s = Some(120)).await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    let (_, _connection) = world.connect(robot).await;
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::RobotCame { .. })).then_some(())).await;
    let world = world.crash(Duration::from_secs(1)).await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the session goes on");
    world.advance(Duration::from_secs(300));
    // What was due before is carried out before.
    let warned = |message: &ServerMessage| match message {
        ServerMessage::SessionWarning(warning) => Some(warning.seconds_left.to_string()),
        message => ended(message),
    };
    assert_eq!(side.next(warned).await, "300");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_that_reaches_beyond_the_window_counts_when_the_window_is_extended() {
    let world = world_with(|rules| rules.no_robot_grace_s = Some(15 * 60)).await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    assert_eq!(world.lab.extend(&viewer, booked.id, minute(30)).await, Ok(Recorded(true)));
    world.advance(Duration::from_secs(15 * 60));
    assert_eq!(world.until(cause_of_the_room).await, Cause::RobotLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_came_and_went_as_its_grace_ran_out_is_not_lost() {
    let world = world_with(|rules| rules.no_robot_grace_s = Some(120)).await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    let (_, connection) = world.connect(robot).await;
    world.lab.robot_disconnected(robot, connection.id).await;
    // It was taken from the deadlines just before the robot came.
    dispatch::fire(&world.lab.shell, vec![Fired::Due(Due::RobotLost(booked.id))]);
    world.advance(Duration::from_secs(600));
    assert_eq!(side.next(ended).await, "window_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_who_came_is_no_no_show_while_the_read_models_stand_still() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    opened(&world).await;
    let lock = stall(&world, "projections.db").await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    dispatch::no_show(world.lab.shell.clone(), booked.id).await;
    world.lab.leave(side.id).await;
    dispatch::no_show(world.lab.shell.clone(), booked.id).await;
    assert!(!side.has_message(|message| ended(message).is_some()));
    let (joined, mut again) = world.join(&viewer, booked.id).await;
    joined.expect("the session goes on");
    world.advance(Duration::from_secs(600));
    assert_eq!(again.next(ended).await, "window_closed");
    lock.release().await;
    assert_eq!(world.until(cause_of_the_room).await, Cause::WindowClosed);
    let is_no_show = |fact: &Fact| matches!(fact, Fact::Booking(BookingEvent::NoShow { .. }));
    assert!(!world.facts().await.iter().any(is_no_show));
}
