//! Facts that the disk does not take just then come to stand in the log all the same, and in their order.

use std::time::Duration;

use curfew_domain::{BookingEvent, Cause, Fact, LabEvent, Reason, RobotEvent, RoomEvent};
use curfew_projections::Status;

use super::sessions::viewer_offer;
use super::standing::ROBOT_OFFER;
use super::world::{Connection, World, eventually, keep_out};
use crate::actors::booking::BookingSide;
use crate::actors::deadlines::{Due, Fired};
use crate::actors::{OfferTarget, Principal, Recorded, dispatch};
use crate::protocol::ServerMessage;

#[tokio::test(flavor = "multi_thread")]
async fn that_a_robot_went_offline_is_recorded_once_the_disk_takes_it() {
    let world = World::impatient().await;
    let robot = world.robot("one").await;
    let (_, connection) = world.connect(robot).await;
    let disk = keep_out(&world, "WentOffline").await;
    world.lab.robot_disconnected(robot, connection.id).await;
    assert!(world.lab.robot(robot).await.expect("known").is_online(), "so far as the record goes");
    disk.release().await;
    let gone = |fact: &Fact| match fact {
        Fact::Robot(RobotEvent::WentOffline { cause, .. }) => Some(*cause),
        _ => None,
    };
    assert_eq!(world.until(gone).await, Cause::RobotLost);
    assert!(!world.lab.robot(robot).await.expect("known").is_online());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_terminated_a_session_is_in_the_log_before_its_end() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let disk = keep_out(&world, "Cancelled").await;
    assert_eq!(world.lab.terminate(&world.admin, booked.id, "smoke").await, Ok(Recorded(false)));
    disk.release().await;
    world.advance(Duration::from_secs(1));
    world.until_status(booked.id, Status::Ended).await;
    world.until(|fact| matches!(fact, Fact::Booking(BookingEvent::SessionEnded { .. })).then_some(())).await;
    let ends = world.facts().await.into_iter().filter_map(|fact| match fact {
        Fact::Booking(BookingEvent::Cancelled { .. }) => Some("cancelled"),
        Fact::Room(RoomEvent::Closed { .. }) => Some("closed"),
        Fact::Booking(BookingEvent::SessionEnded { .. }) => Some("ended"),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), ["cancelled", "closed", "ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_once_for_all_that_the_disk_does_not_take_and_is_recorded_itself() {
    let world = World::impatient().await;
    let mut sides = Vec::new();
    for slug in ["one", "two", "three", "four"] {
        let robot = world.robot(slug).await;
        sides.push(world.connect(robot).await);
    }
    let _disk = keep_out(&world, "WentOffline").await;
    // Once for each of them would be longer than this.
    let patience = world.lab.shell.config.patience;
    tokio::time::timeout(3 * patience, world.lab.shutdown()).await.expect("it stops");
    let last = world.facts().await.pop();
    assert!(matches!(last, Some(Fact::Lab(LabEvent::ServerStopped { .. }))), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_opens_nothing_though_the_disk_does_not_take_that() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (principal, mut line) = world.connect(robot).await;
    let Principal::Robot { credential, .. } = principal else { panic!("a robot") };
    world.book(&viewer, robot, 0, 10).await.expect("free");
    line.next(|message| matches!(message, ServerMessage::Publish(_)).then_some(())).await;
    world.lab.robot_offer(robot, line.id, ROBOT_OFFER.to_owned()).await.expect("it was asked to");
    let disk = keep_out(&world, "CredentialRevoked").await;
    assert_eq!(world.lab.revoke_credential(&world.admin, robot, credential).await, Ok(Recorded(false)));
    let bad_token = |message: &ServerMessage| match message {
        ServerMessage::Error(error) => Some(error.code.clone()),
        _ => None,
    };
    assert_eq!(line.next(bad_token).await, "bad_token");
    assert!(line.inbox.recv().await.is_none(), "its line ends");
    assert_eq!(world.lab.shell.media.stats().await.publishers, 0);
    assert!(world.lab.robot_offer(robot, line.id, ROBOT_OFFER.to_owned()).await.is_err());
    let again = world.lab.authenticate_robot(robot, credential, &"ab".repeat(32)).await;
    assert_eq!(again.expect_err("revoked").reason, Reason::BadToken);
    let again = Connection::new();
    let connected = world.lab.robot_connected(&principal, again.id, again.outbox.clone()).await;
    assert_eq!(connected.expect_err("revoked").reason, Reason::BadToken);
    disk.release().await;
    world.until(|fact| matches!(fact, Fact::Robot(RobotEvent::CredentialRevoked { .. })).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_passes_while_nothing_can_be_recorded_had_no_session() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 10, 11).await.expect("free");
    let disk = keep_out(&world, "SessionStarted").await;
    world.clock.advance(Duration::from_mins(10));
    let mut starting = std::pin::pin!(dispatch::start(world.lab.shell.clone(), booked.id));
    tokio::select! {
        biased;
        () = &mut starting => panic!("that it starts cannot be recorded"),
        // Answered after the first try, which fails.
        state = world.lab.shell.state::<BookingSide>(booked.id) => drop(state),
    }
    world.clock.advance(Duration::from_mins(2));
    disk.release().await;
    starting.await;
    world.advance(Duration::ZERO);
    world.until_status(booked.id, Status::Ended).await;
    let row = world.projector.reads().booking(booked.id).await.expect("read").expect("there");
    assert_eq!(row.cause, Some(Cause::WindowClosed));
    let begun = |fact: &Fact| {
        matches!(
            fact,
            Fact::Booking(BookingEvent::SessionStarted { .. }) | Fact::Room(RoomEvent::Opened { .. })
        )
    };
    assert!(!world.facts().await.iter().any(begun), "nothing ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_stops_publishing_for_a_session_that_was_cut_though_the_disk_does_not_take_it() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (_, mut robot_side) = world.connect(robot).await;
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    let (joined, _side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    robot_side.next(|message| matches!(message, ServerMessage::Publish(_)).then_some(())).await;
    let disk = keep_out(&world, "Cancelled").await;
    assert_eq!(world.lab.terminate(&world.admin, booked.id, "smoke").await, Ok(Recorded(false)));
    robot_side.next(|message| matches!(message, ServerMessage::Unpublish(_)).then_some(())).await;
    disk.release().await;
    world.until_status(booked.id, Status::Ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_into_a_session_that_was_cut_and_whose_end_is_not_recorded() {
    let world = World::impatient().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let room = world.lab.booking(booked.id).await.expect("known").room_id;
    let disk = keep_out(&world, "Cancelled").await;
    assert_eq!(world.lab.terminate(&world.admin, booked.id, "smoke").await, Ok(Recorded(false)));
    let target = OfferTarget { room: Some(room), ..OfferTarget::default() };
    let offered = world.lab.offer(&viewer, &target, None, viewer_offer("aaaa")).await;
    assert_eq!(offered.expect_err("it is over").reason, Reason::WindowClosed);
    disk.release().await;
    let refused = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::ParticipantRefused { reason, .. }) => Some(*reason),
        _ => None,
    };
    assert_eq!(world.until(refused).await, Reason::WindowClosed);
    world.until_status(booked.id, Status::Ended).await;
    let admitted = |fact: &Fact| matches!(fact, Fact::Room(RoomEvent::ParticipantAdmitted { .. }));
    assert!(!world.facts().await.iter().any(admitted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_ends_with_what_its_room_says_however_late_that_comes() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 10).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let room = world.lab.booking(booked.id).await.expect("known").room_id;
    let disk = keep_out(&world, "SessionEnded").await;
    world.advance(Duration::from_mins(10));
    eventually("the room's end is recorded", async || world.lab.shell.rooms.get(room).is_none()).await;
    dispatch::fire(&world.lab.shell, vec![Fired::Due(Due::BookingEnds(booked.id))]);
    disk.release().await;
    let cause = |fact: &Fact| match fact {
        Fact::Booking(BookingEvent::SessionEnded { cause, .. }) => Some(*cause),
        _ => None,
    };
    assert_eq!(world.until(cause).await, Cause::RobotLost);
}
