use std::time::Duration;

use curfew_domain::{Cause, Fact, RoomEvent};
use curfew_projections::Status;

use super::world::{World, minute};
use crate::protocol::ServerMessage;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_together_all_end_and_are_all_recorded() {
    let world = World::new().await;
    let (mut sides, mut bookings) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let robot = world.robot(&format!("r{number}")).await;
        let (_, mut robot_side) = world.connect(robot).await;
        let viewer = world.viewer().await;
        let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
        let started =
            |message: &ServerMessage| matches!(message, ServerMessage::SessionStarted(_)).then_some(());
        robot_side.next(started).await;
        let (joined, viewer_side) = world.join(&viewer, booked.id).await;
        joined.expect("the holder");
        sides.extend([robot_side, viewer_side]);
        bookings.push(booked.id);
    }
    world.advance(Duration::from_secs(300));
    for side in &mut sides {
        let ended = side.next(|message| match message {
            ServerMessage::SessionEnded(ended) => Some((ended.cause.clone(), ended.ended_at)),
            _ => None,
        });
        assert_eq!(ended.await, (Cause::WindowClosed.name().to_owned(), minute(5)));
    }
    for booking in &bookings {
        world.until_status(*booking, Status::Ended).await;
    }
    let facts = world.facts().await;
    let closed = facts.iter().filter(|fact| matches!(fact, Fact::Room(RoomEvent::Closed { .. }))).count();
    assert_eq!(closed, bookings.len());
    assert!(world.projector.rebuild_matches().await.expect("rebuilt").matches());
}
