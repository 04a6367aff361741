//! The wall clock steps while a session runs: its window keeps its true length.

use std::time::Duration;

use chrono::TimeDelta;
use curfew_domain::{BookingEvent, Cause, Fact, LabEvent, RobotId, RoomEvent};
use curfew_projections::Status;

use super::world::{World, account, eventually, minute};
use crate::actors::{Answer, Principal, Recorded, RoomHint};
use crate::protocol::{RoomState, ServerMessage};

fn ended(message: &ServerMessage) -> Option<(String, chrono::DateTime<chrono::Utc>)> {
    match message {
        ServerMessage::SessionEnded(ended) => Some((ended.cause.clone(), ended.ended_at)),
        _ => None,
    }
}

/// A session of ten minutes, of which one has passed when the clock steps.
async fn stepped_by(step: TimeDelta) {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    world.advance(Duration::from_secs(60));
    world.step_wall(minute(1) + step);
    let by = |fact: &Fact| match fact {
        Fact::Lab(LabEvent::ClockStepped { by_us, .. }) => Some(*by_us),
        _ => None,
    };
    assert_eq!(Some(world.until(by).await), step.num_microseconds());
    let (joined, _second) = world.join(&viewer, booked.id).await;
    let joined = joined.expect("the window is still open");
    assert_eq!(joined.state, RoomState::Open);
    assert_eq!(joined.ends_at - joined.server_time, TimeDelta::minutes(9), "what is left is told truly");
    let by_type = RoomHint(format!("robot_rover_{}", account(&viewer)));
    let connection = super::world::Connection::new();
    let found = world.lab.join(&viewer, &by_type, connection.id, connection.outbox.clone()).await;
    assert_eq!(found.expect("found by its robot's type").room_id, joined.room_id);
    assert_eq!(world.lab.extend(&viewer, booked.id, minute(12)).await, Ok(Recorded(true)));
    assert_eq!(world.lab.shorten(&world.admin, booked.id, minute(11), "a visit").await, Ok(Recorded(true)));
    world.advance(Duration::from_secs(10 * 60) - Duration::from_millis(1));
    assert!(!side.has_message(|message| ended(message).is_some()), "the window has its true length");
    world.advance(Duration::from_millis(1));
    assert_eq!(side.next(ended).await, ("window_closed".to_owned(), minute(11)));
    world.until_status(booked.id, Status::Ended).await;
    let closed = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::Closed { due_at, ended_at, .. }) => Some(*ended_at - *due_at),
        _ => None,
    };
    assert!(
        world.until(closed).await.abs() < TimeDelta::seconds(1),
        "the record is in the session's own time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_forward_in_an_open_session_changes_nothing_for_it() {
    stepped_by(TimeDelta::hours(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_back_in_an_open_session_changes_nothing_for_it() {
    stepped_by(TimeDelta::hours(-1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_ahead_follows_the_clock() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 60, 90).await.expect("free");
    world.step_wall(minute(60));
    world.until_status(booked.id, Status::Active).await;
    let facts = world.facts().await;
    let begun = facts.iter().find_map(|fact| match fact {
        Fact::Booking(BookingEvent::SessionStarted { started_at, .. }) => Some(*started_at),
        _ => None,
    });
    assert_eq!(begun, Some(minute(60)));
}

/// A session of ten minutes, one of which has passed when the clock steps and its robot or its holder is taken away.
async fn taken_away_after(
    step: TimeDelta,
    expected: Cause,
    take: impl AsyncFn(&World, RobotId, &Principal) -> Answer<Recorded>,
) {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    world.advance(Duration::from_secs(60));
    world.step_wall(minute(1) + step);
    assert_eq!(take(&world, robot, &viewer).await, Ok(Recorded(true)));
    assert_eq!(side.next(ended).await, (expected.name().to_owned(), minute(1)), "stepped by {step}");
    let closed = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::Closed { cause, due_at, ended_at, .. }) => Some((*cause, *due_at, *ended_at)),
        _ => None,
    };
    assert_eq!(world.until(closed).await, (expected, minute(1), minute(1)), "stepped by {step}");
    let is_free = async || world.lab.robot(robot).await.expect("known").slots().count() == 0;
    eventually("the slot is given back", is_free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_session_away_is_told_and_recorded_in_its_own_time() {
    for step in [TimeDelta::hours(1), TimeDelta::hours(-1)] {
        taken_away_after(step, Cause::AccountSuspended, async |world, _, viewer| {
            world.lab.suspend(&world.admin, account(viewer), "misuse").await
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_is_taken_out_of_service_takes_the_running_session_with_it_whatever_the_clock_says() {
    for step in [TimeDelta::hours(1), TimeDelta::hours(-1)] {
        taken_away_after(step, Cause::Maintenance, async |world, robot, _| {
            world.lab.start_maintenance(&world.admin, robot, None, None, "a wheel").await
        })
        .await;
        taken_away_after(step, Cause::RobotLost, async |world, robot, _| {
            world.lab.retire_robot(&world.admin, robot, "scrap").await
        })
        .await;
    }
}
