//! What comes between the end of something and the record of that end does not stay.

use std::time::Duration;

use curfew_domain::{AccountId, Cause, Fact, Reason, RobotEvent, RobotId, Role, RoomEvent, RoomId, Window};
use curfew_projections::Status;
use uuid::Uuid;

use super::sessions::viewer_offer;
use super::standing::{OFTEN, ROBOT_OFFER};
use super::world::{Connection, World, account, minute};
use crate::actors::live::{LiveRoom, Place};
use crate::actors::robot_messages::RoomsChanged;
use crate::actors::room::RoomSide;
use crate::actors::{OfferTarget, Principal, RoomHint};
use crate::clock::BootInstant;
use crate::protocol::{RoomState, ServerMessage};

fn opened(fact: &Fact, room: RoomId) -> Option<()> {
    match fact {
        Fact::Room(RoomEvent::Opened { room_id, .. }) => (*room_id == room).then_some(()),
        _ => None,
    }
}

fn publish(message: &ServerMessage) -> Option<()> {
    matches!(message, ServerMessage::Publish(_)).then_some(())
}

/// A robot that publishes in an open session, and whose line is lost then.
async fn publishing_without_a_line(world: &World, robot: RobotId) -> Principal {
    let (principal, mut side) = world.connect(robot).await;
    side.next(publish).await;
    world.lab.robot_offer(robot, side.id, ROBOT_OFFER.to_owned()).await.expect("it was asked to");
    world.lab.robot_disconnected(robot, side.id).await;
    assert_eq!(world.lab.shell.media.stats().await.publishers, 1, "media goes on without the line");
    principal
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_whose_line_is_lost_sends_no_longer_than_its_session_lasts() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    publishing_without_a_line(&world, robot).await;
    world.lab.terminate(&world.admin, booked.id, "smoke").await.expect("an admin may");
    world.lab.shell.robot(robot).ask(RoomsChanged { ended: None }).await.expect("the actors live");
    assert_eq!(world.lab.shell.media.stats().await.publishers, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_whose_line_is_lost_sends_no_longer_without_its_credential() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    world.book(&viewer, robot, 0, 5).await.expect("free");
    let lost = publishing_without_a_line(&world, robot).await;
    let Principal::Robot { credential, .. } = lost else { panic!("a robot") };
    let (_, _another) = world.connect(robot).await;
    world.lab.revoke_credential(&world.admin, robot, credential).await.expect("an admin may");
    assert_eq!(world.lab.shell.media.stats().await.publishers, 0, "whatever it is connected with now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_that_was_asked_ahead_is_told_when_nothing_comes_of_it() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (_, mut robot_side) = world.connect(robot).await;
    let booked = world.book(&viewer, robot, 10, 20).await.expect("free");
    let (joined, _waiting) = world.join(&viewer, booked.id).await;
    assert_eq!(joined.expect("the holder").state, RoomState::Waiting);
    world.advance(Duration::from_secs(595));
    robot_side.next(publish).await;
    world.lab.robot_offer(robot, robot_side.id, ROBOT_OFFER.to_owned()).await.expect("it was asked to");
    world.lab.cancel_booking(&viewer, booked.id).await.expect("theirs");
    robot_side.next(|message| matches!(message, ServerMessage::Unpublish(_)).then_some(())).await;
    // It is told before its connection is closed: whatever its actor is asked next comes after both.
    world.lab.shell.robot(robot).ask(RoomsChanged { ended: None }).await.expect("the actors live");
    assert_eq!(world.lab.shell.media.stats().await.publishers, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_robot_is_watched_no_longer() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    let watch = world.lab.watch(&world.admin, robot, "a look").await.expect("an admin may");
    let target = OfferTarget { room: Some(watch.room_id), ..OfferTarget::default() };
    world.lab.offer(&world.admin, &target, None, viewer_offer("aaaa")).await.expect("the admin who watches");
    world.lab.retire_robot(&world.admin, robot, "scrap").await.expect("an admin may");
    assert_eq!(world.lab.shell.media.stats().await.viewers, 0);
    let closed = |fact: &Fact| match fact {
        Fact::Room(RoomEvent::Closed { booking_id: None, cause, .. }) => Some(*cause),
        _ => None,
    };
    assert_eq!(world.until(closed).await, Cause::RobotLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_admin_any_more_has_no_watch_that_was_being_opened() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    for _ in 0..OFTEN {
        let id = world.lab.register_account(None, Role::Admin).await.expect("another admin");
        let other = Principal::Account { id, role: Role::Admin };
        let (_, changed) = tokio::join!(
            world.lab.watch(&other, robot, "a look"),
            world.lab.change_role(&world.admin, id, Role::Viewer),
        );
        changed.expect("an admin may");
        let theirs = world.lab.shell.rooms.of_robot(robot).into_iter().any(|room| {
            let place = room.place();
            place.holder == id && room.deadline().is_some()
        });
        assert!(!theirs, "a watch of somebody who is no admin");
    }
}

/// An open session with a guest who joins while they are sent away.
async fn joining_and_sent_away(world: &World, holder: &Principal, booking: curfew_domain::BookingId) {
    let guest = world.viewer().await;
    world.lab.invite_guest(holder, booking, account(&guest)).await.expect("the holder may");
    let connection = Connection::new();
    let hint = RoomHint(booking.to_string());
    let (_, removed) = tokio::join!(
        world.lab.join(&guest, &hint, connection.id, connection.outbox.clone()),
        world.lab.remove_guest(holder, booking, account(&guest)),
    );
    removed.expect("the holder may");
    assert_eq!(world.lab.shell.rooms.connections_of(account(&guest)), 0, "a removed guest sits on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_who_is_joining_while_they_are_sent_away_is_out() {
    let world = World::new().await;
    let (robot, holder) = (world.robot("one").await, world.viewer().await);
    let running = world.book(&holder, robot, 0, 5).await.expect("free");
    let ahead = world.book(&holder, robot, 10, 15).await.expect("free");
    for _ in 0..OFTEN {
        joining_and_sent_away(&world, &holder, running.id).await;
        joining_and_sent_away(&world, &holder, ahead.id).await;
    }
    let room = world.lab.booking(running.id).await.expect("there").room_id;
    let state = world.lab.shell.state::<RoomSide>(room).await.expect("the log is read");
    assert_eq!(state.participants().count(), 0, "the record has them in the room");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_booking_that_was_cancelled_while_they_came() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    for from in (10..).step_by(10).take(OFTEN) {
        // Of a window and a person of its own: those of before are given back only after the answer.
        let holder = world.viewer().await;
        let booked = world.book(&holder, robot, from, from + 5).await.expect("free");
        let ((_, _side), cancelled) =
            tokio::join!(world.join(&holder, booked.id), world.lab.cancel_booking(&holder, booked.id));
        cancelled.expect("theirs");
        world.until_status(booked.id, Status::Cancelled).await;
        assert!(world.lab.shell.rooms.all().is_empty(), "somebody waits for ever");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_because_the_session_ended_while_they_came_is_recorded_so() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    for from in (10..).step_by(10).take(OFTEN) {
        let viewer = world.viewer().await;
        let booked = world.book(&viewer, robot, from, from + 5).await.expect("free");
        world.step_wall(minute(from));
        world.until_status(booked.id, Status::Active).await;
        let room = world.lab.booking(booked.id).await.expect("there").room_id;
        world.until(|fact| opened(fact, room)).await;
        let ending = async {
            // Later in each round: it ends before they are let in, meanwhile, and after.
            for _ in 10..from {
                tokio::task::yield_now().await;
            }
            world.advance(Duration::from_mins(5));
        };
        let ((joined, _side), ()) = tokio::join!(world.join(&viewer, booked.id), ending);
        if let Err(refused) = joined {
            assert_eq!(refused.reason, Reason::WindowClosed);
            let theirs = |fact: &Fact| match fact {
                Fact::Room(RoomEvent::ParticipantRefused { account_id, reason, .. }) => {
                    (*account_id == account(&viewer)).then_some(*reason)
                }
                _ => None,
            };
            assert_eq!(world.until(theirs).await, Reason::WindowClosed);
        }
        world.until_status(booked.id, Status::Ended).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_as_the_window_begins_is_not_recorded_as_there() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    for from in (10..).step_by(10).take(OFTEN) {
        let viewer = world.viewer().await;
        let booked = world.book(&viewer, robot, from, from + 5).await.expect("free");
        let (joined, mut side) = world.join(&viewer, booked.id).await;
        let room = joined.expect("the holder").room_id;
        world.step_wall(minute(from));
        world.until(|fact| opened(fact, room)).await;
        world.lab.leave(side.id).await;
        side.hand_over();
        // The last copy of its outbox is gone when nobody is letting it in any more.
        while side.inbox.recv().await.is_some() {}
        let state = world.lab.shell.state::<RoomSide>(room).await.expect("the log is read");
        assert_eq!(state.participants().count(), 0, "the record has somebody who left");
        world.lab.cancel_booking(&viewer, booked.id).await.expect("theirs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_is_engaged_while_another_is_cleared_is_told() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    for _ in 0..4 * OFTEN {
        world.lab.engage_stop(&world.admin, robot, "smoke").await.expect("an admin may");
        let (cleared, engaged) = tokio::join!(
            world.lab.clear_stop(&world.admin, robot, "put out"),
            world.lab.engage_stop(&world.admin, robot, "flames"),
        );
        cleared.expect("an admin may");
        engaged.expect("an admin may");
        let recorded = world.lab.robot(robot).await.expect("there").emergency_stop().is_some();
        let told = world.lab.shell.rooms.stop(robot).is_some();
        assert_eq!(told, recorded, "what people are told of the stop");
    }
}

#[test]
fn an_admins_words_go_with_their_own_end_and_once() {
    let room = ahead();
    room.explain(minute(20), "an exam");
    assert_eq!(room.explanation(minute(15)), None, "somebody else's end");
    assert_eq!(room.explanation(minute(20)).as_deref(), Some("an exam"));
    assert_eq!(room.explanation(minute(20)), None, "said already");
}

/// A room of ten hours that is not open yet.
fn ahead() -> LiveRoom {
    let place = Place {
        booking: None,
        robot: RobotId::from(Uuid::nil()),
        holder: AccountId::from(Uuid::nil()),
        window: Window { starts_at: minute(0), ends_at: minute(600) },
    };
    LiveRoom::new(RoomId::from(Uuid::nil()), place)
}

#[test]
fn ends_that_are_moved_at_once_leave_everybody_with_the_same_end() {
    let room = ahead();
    assert!(room.open(BootInstant::FAR_FUTURE.saturating_sub(Duration::from_hours(24)), minute(600)));
    let kept = std::sync::Mutex::new(None);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (room, kept) = (&room, &kept);
            scope.spawn(move || {
                for step in 1..100 {
                    room.move_end(minute(600 - 4 * step - thread));
                    room.settle(|deadline| *kept.lock().expect("whole") = Some(deadline));
                }
            });
        }
    });
    assert_eq!(*kept.lock().expect("whole"), room.deadline());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_because_the_server_does_is_recorded_so() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    let (_, robot_side) = world.connect(robot).await;
    let (joined, side) = world.join(&viewer, booked.id).await;
    assert_eq!(joined.expect("the holder").state, RoomState::Open);
    world.lab.begin_shutdown();
    // The transports end their connections before the lab comes to it.
    world.lab.leave(side.id).await;
    world.lab.robot_disconnected(robot, robot_side.id).await;
    world.lab.shutdown().await;
    let causes: Vec<Cause> = world.facts().await.iter().filter_map(gone).collect();
    assert_eq!(causes, [Cause::ServerStopped; 2]);
}

fn gone(fact: &Fact) -> Option<Cause> {
    match fact {
        Fact::Room(RoomEvent::ParticipantLeft { cause, .. }) => Some(*cause),
        Fact::Robot(RobotEvent::WentOffline { cause, .. }) => Some(*cause),
        _ => None,
    }
}
