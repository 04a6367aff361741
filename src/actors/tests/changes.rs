//! Ends that move, and robots that are taken out of use.

use std::time::Duration;

use curfew_domain::{BookingEvent, Cause, Fact, Reason, RobotEvent, RoomEvent};
use curfew_projections::Status;

use super::world::{Connection, World, minute, stall};
use crate::actors::Recorded;
use crate::protocol::{RoomState, ServerMessage};

fn changed(message: &ServerMessage) -> Option<(chrono::DateTime<chrono::Utc>, String)> {
    match message {
        ServerMessage::SessionChanged(changed) => Some((changed.ends_at, changed.reason.clone())),
        _ => None,
    }
}

fn ended(message: &ServerMessage) -> Option<String> {
    match message {
        ServerMessage::SessionEnded(ended) => Some(ended.cause.clone()),
        _ => None,
    }
}

fn stopped(message: &ServerMessage) -> Option<(bool, String)> {
    match message {
        ServerMessage::EmergencyStop(stop) => Some((stop.engaged, stop.reason.clone())),
        _ => None,
    }
}

async fn running(
    world: &World,
) -> (curfew_domain::RobotId, crate::actors::Principal, curfew_domain::BookingId, Connection) {
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, side) = world.join(&viewer, booked.id).await;
    assert_eq!(joined.expect("the holder").state, RoomState::Open);
    (robot, viewer, booked.id, side)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_extends_as_far_as_the_slot_allows() {
    let world = World::new().await;
    let (robot, viewer, id, mut side) = running(&world).await;
    let next = world.book(&world.viewer().await, robot, 20, 30).await.expect("free");
    let refused = world.lab.extend(&viewer, id, minute(21)).await.expect_err("in the way");
    assert_eq!(refused.reason, Reason::SlotTaken);
    assert!(refused.detail.contains("08:20 (UTC) at the latest"), "{refused}");
    let other = world.lab.extend(&world.viewer().await, id, minute(15)).await.expect_err("not theirs");
    assert_eq!(other.reason, Reason::NotYourBooking);
    let owed = world.lab.extend(&world.admin, id, minute(15)).await.expect_err("a reason is owed");
    assert_eq!(owed.reason, Reason::ReasonRequired);
    let earlier = world.lab.extend(&viewer, id, minute(9)).await.expect_err("that is no extension");
    assert_eq!(earlier.reason, Reason::Invalid);
    assert_eq!(world.lab.extend(&viewer, id, minute(20)).await, Ok(Recorded(true)));
    assert_eq!(side.next(changed).await.0, minute(20));
    assert_eq!(world.lab.extend(&viewer, id, minute(20)).await, Ok(Recorded(true)), "asked again");
    let row = world.projector.reads().booking(id).await.expect("read").expect("there");
    assert_eq!(row.window.ends_at, minute(20));
    world.advance(Duration::from_secs(19 * 60 + 59));
    assert!(!side.has_message(|message| ended(message).is_some()), "the old end is none any more");
    world.advance(Duration::from_secs(1));
    assert_eq!(side.next(ended).await, "window_closed");
    world.until_status(next.id, Status::Active).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_ahead_of_the_session_is_the_holders_too_and_stops_at_their_own_next_one() {
    let world = World::new().await;
    let (one, two) = (world.robot("one").await, world.robot("two").await);
    let viewer = world.viewer().await;
    let first = world.book(&viewer, one, 10, 20).await.expect("free");
    world.book(&viewer, two, 30, 40).await.expect("free");
    let refused = world.lab.extend(&viewer, first.id, minute(31)).await.expect_err("busy");
    assert_eq!(refused.reason, Reason::AccountBusy);
    assert!(refused.detail.contains("08:30 (UTC) at the latest"), "{refused}");
    assert_eq!(world.lab.extend(&viewer, first.id, minute(30)).await, Ok(Recorded(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_of_the_new_end_and_who_comes_then_too() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 10, 20).await.expect("free");
    let (joined, mut side) = world.join(&viewer, booked.id).await;
    assert_eq!(joined.expect("the holder").ends_at, minute(20));
    assert_eq!(world.lab.extend(&viewer, booked.id, minute(25)).await, Ok(Recorded(true)));
    assert_eq!(side.next(changed).await.0, minute(25));
    let (joined, _second) = world.join(&viewer, booked.id).await;
    assert_eq!(joined.expect("the holder").ends_at, minute(25));
    let shortened = world.lab.shorten(&world.admin, booked.id, minute(15), "a visit").await;
    assert_eq!(shortened, Ok(Recorded(true)));
    assert_eq!(side.next(changed).await, (minute(15), "a visit".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_words_about_an_extension_that_was_refused_are_not_told_of_another() {
    let world = World::new().await;
    let (robot, viewer, id, mut side) = running(&world).await;
    let workshop = world.lab.start_maintenance(&world.admin, robot, Some(minute(12)), None, "a wheel").await;
    assert_eq!(workshop, Ok(Recorded(true)));
    world.lab.extend_anyway(&world.admin, id, minute(15), "an exam").await.expect_err("in the workshop");
    world.lab.end_maintenance(&world.admin, robot).await.expect("over");
    assert_eq!(world.lab.extend(&viewer, id, minute(15)).await, Ok(Recorded(true)));
    let (ends_at, reason) = side.next(changed).await;
    assert_eq!(ends_at, minute(15));
    assert_ne!(reason, "an exam");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_extension_cancels_what_is_in_its_way() {
    let world = World::new().await;
    let (robot, _, id, mut side) = running(&world).await;
    let holder = world.viewer().await;
    let next = world.book(&holder, robot, 10, 20).await.expect("free");
    let (waiting, mut next_side) = world.join(&holder, next.id).await;
    assert_eq!(waiting.expect("the holder").state, RoomState::Waiting);
    let owed = world.lab.extend_anyway(&world.admin, id, minute(15), " ").await.expect_err("no reason");
    assert_eq!(owed.reason, Reason::ReasonRequired);
    assert_eq!(world.lab.extend_anyway(&world.admin, id, minute(15), "an exam").await, Ok(Recorded(true)));
    assert_eq!(side.next(changed).await, (minute(15), "an exam".to_owned()), "in the admin's words");
    world.until_status(next.id, Status::Cancelled).await;
    assert_eq!(next_side.next(ended).await, "cancelled", "its holder is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_away_acts_while_nothing_can_be_recorded() {
    let world = World::impatient().await;
    let (robot, viewer, id, mut side) = running(&world).await;
    let (_, mut robot_side) = world.connect(robot).await;
    let lock = stall(&world, "curfew.db").await;
    let lab = &world.lab;
    let (shortened, stop) = tokio::join!(
        lab.shorten(&world.admin, id, minute(5), "a visit"),
        lab.engage_stop(&world.admin, robot, "smoke"),
    );
    assert_eq!((shortened, stop), (Ok(Recorded(false)), Ok(Recorded(false))));
    // Asked at once, they are told in either order.
    let told = |message: &ServerMessage| {
        let told = (changed(message), stopped(message));
        (told.0.is_some() || told.1.is_some()).then_some(told)
    };
    let (first, second) = (side.next(told).await, side.next(told).await);
    assert_eq!(first.0.or(second.0), Some((minute(5), "a visit".to_owned())));
    assert_eq!(first.1.or(second.1), Some((true, "smoke".to_owned())));
    assert_eq!(robot_side.next(stopped).await, (true, "smoke".to_owned()));
    assert_eq!(lab.start_maintenance(&world.admin, robot, None, None, "burnt").await, Ok(Recorded(false)));
    assert_eq!(side.next(ended).await, "maintenance");
    lock.release().await;
    world
        .until(|fact| matches!(fact, Fact::Robot(RobotEvent::MaintenanceStarted { .. })).then_some(()))
        .await;
    world
        .until(|fact| matches!(fact, Fact::Robot(RobotEvent::EmergencyStopEngaged { .. })).then_some(()))
        .await;
    world.until_status(id, Status::Ended).await;
    let (refused, _) = world.join(&viewer, id).await;
    assert_eq!(refused.expect_err("over").reason, Reason::WindowClosed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_came_by_itself_is_confirmed_once_it_shows() {
    let world = World::impatient().await;
    let (_, viewer, id, _side) = running(&world).await;
    let lock = stall(&world, "projections.db").await;
    world.advance(Duration::from_mins(10));
    world.until(|fact| matches!(fact, Fact::Booking(BookingEvent::SessionEnded { .. })).then_some(())).await;
    assert_eq!(world.lab.cancel_booking(&viewer, id).await, Ok(Recorded(false)), "it still shows as running");
    lock.release().await;
    assert_eq!(world.lab.cancel_booking(&viewer, id).await, Ok(Recorded(true)));
    let row = world.projector.reads().booking(id).await.expect("read").expect("there");
    assert_eq!(row.status, Status::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_session_ends_at_its_new_end() {
    let world = World::new().await;
    let (robot, _, id, mut side) = running(&world).await;
    let refused = world.lab.shorten(&world.admin, id, minute(11), "x").await.expect_err("longer");
    assert_eq!(refused.reason, Reason::Invalid);
    let refused = world.lab.shorten(&world.admin, id, minute(0), "x").await.expect_err("past");
    assert_eq!(refused.reason, Reason::Invalid);
    assert!(!side.has_message(|message| changed(message).is_some()), "what is refused is not begun");
    assert_eq!(world.lab.shorten(&world.admin, id, minute(5), "a visit").await, Ok(Recorded(true)));
    assert_eq!(side.next(changed).await, (minute(5), "a visit".to_owned()));
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::DeadlineMoved { .. })).then_some(())).await;
    assert!(!side.has_message(|message| changed(message).is_some()), "told once");
    world.until(|fact| matches!(fact, Fact::Robot(RobotEvent::SlotMoved { .. })).then_some(())).await;
    world.book(&world.viewer().await, robot, 5, 9).await.expect("free from there on");
    world.advance(Duration::from_secs(300));
    assert_eq!(side.next(ended).await, "window_closed");
    world.until_status(id, Status::Ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_cancels_what_it_overlaps_and_ends_when_it_is_said_to() {
    let world = World::new().await;
    let (robot, _, id, mut side) = running(&world).await;
    let (near, far) = (
        world.book(&world.viewer().await, robot, 20, 30).await.expect("free"),
        world.book(&world.viewer().await, robot, 60, 70).await.expect("free"),
    );
    let until = Some(minute(50));
    let started = world.lab.start_maintenance(&world.admin, robot, None, until, "a wheel").await;
    assert_eq!(started, Ok(Recorded(true)));
    assert_eq!(side.next(ended).await, "maintenance");
    world.until_status(id, Status::Ended).await;
    world.until_status(near.id, Status::Cancelled).await;
    let row = world.projector.reads().booking(far.id).await.expect("read").expect("there");
    assert_eq!(row.status, Status::Confirmed);
    let causes = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::Closed { cause, .. }) => Some(*cause),
        _ => None,
    };
    assert_eq!(world.until(causes).await, Cause::Maintenance);
    let refused = world.book(&world.viewer().await, robot, 40, 45).await.expect_err("in the workshop");
    assert_eq!(refused.reason, Reason::UnderMaintenance);
    world.lab.end_maintenance(&world.admin, robot).await.expect("over");
    world.book(&world.viewer().await, robot, 40, 45).await.expect("free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_stop_is_told_to_all_who_come_until_it_is_cleared() {
    let world = World::new().await;
    let (robot, viewer, id, mut side) = running(&world).await;
    assert_eq!(world.lab.engage_stop(&world.admin, robot, "smoke").await, Ok(Recorded(true)));
    assert_eq!(side.next(stopped).await, (true, "smoke".to_owned()));
    let (_, mut robot_side) = world.connect(robot).await;
    assert_eq!(robot_side.next(stopped).await, (true, "smoke".to_owned()), "a robot that comes back");
    let (joined, _second) = world.join(&viewer, id).await;
    assert_eq!(joined.expect("media goes on").stopped.as_ref().and_then(stopped), because("smoke"));
    world.lab.acknowledge_stop(robot).await.expect("it stands still");
    let world = world.crash(Duration::from_secs(1)).await;
    let (joined, mut side) = world.join(&viewer, id).await;
    assert_eq!(
        joined.expect("the window is open").stopped.as_ref().and_then(stopped),
        because("smoke"),
        "after a restart"
    );
    world.lab.clear_stop(&world.admin, robot, "put out").await.expect("cleared");
    assert_eq!(side.next(stopped).await, (false, String::new()));
    let (joined, _second) = world.join(&viewer, id).await;
    assert_eq!(joined.expect("the window is open").stopped, None);
}

fn because(reason: &str) -> Option<(bool, String)> {
    Some((true, reason.to_owned()))
}

fn stop_id(message: &ServerMessage) -> Option<String> {
    match message {
        ServerMessage::EmergencyStop(stop) => stop.stop_id.clone(),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robots_answer_that_crosses_the_clearing_of_its_stop_engages_nothing_and_answers_no_other() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    let (_, mut side) = world.connect(robot).await;
    world.lab.engage_stop(&world.admin, robot, "smoke").await.expect("engaged");
    let first = side.next(stop_id).await;
    world.lab.clear_stop(&world.admin, robot, "put out").await.expect("cleared");
    world.lab.answer_stop(robot, &first);
    assert!(world.lab.robot(robot).await.expect("known").emergency_stop().is_none(), "it stays cleared");
    world.lab.engage_stop(&world.admin, robot, "again").await.expect("engaged");
    let second = side.next(stop_id).await;
    world.lab.answer_stop(robot, &first);
    world.lab.answer_stop(robot, "never told");
    let answered = async || {
        let state = world.lab.robot(robot).await.expect("known");
        state.emergency_stop().expect("engaged").acknowledged_at.is_some()
    };
    assert!(!answered().await, "that was the answer to another");
    world.lab.answer_stop(robot, &second);
    world
        .until(|fact| matches!(fact, Fact::Robot(RobotEvent::EmergencyStopAcknowledged { .. })).then_some(()))
        .await;
    let is_acknowledged =
        |fact: &&Fact| matches!(fact, Fact::Robot(RobotEvent::EmergencyStopAcknowledged { .. }));
    assert_eq!(world.facts().await.iter().filter(is_acknowledged).count(), 1);
    assert!(answered().await);
}
