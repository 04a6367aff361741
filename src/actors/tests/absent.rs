//! Robots that are not there, and holders who do not come.

use std::time::Duration;

use curfew_domain::{BookingEvent, Cause, Fact, LabRules, RoomEvent};
use curfew_projections::Status;

use super::world::{World, minute};
use crate::actors::Recorded;
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
    let cause = |fact: &Fact| match fact {
        Fact::Booking(BookingEvent::SessionEnded { cause, .. }) => Some(*cause),
        _ => None,
    };
    assert_eq!(world.until(cause).await, Cause::RobotLost);
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
    world.advance(Duration::from_secs(600));
    world.until_status(booked.id, Status::Ended).await;
}
