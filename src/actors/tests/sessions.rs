use std::time::Duration;

use curfew_domain::{Basis, BookingEvent, Cause, Fact, Reason, RobotEvent, Role, RoomEvent};
use curfew_projections::Status;

use super::world::{World, account, minute};
use crate::actors::{OfferTarget, Principal, Recorded, RoomHint};
use crate::protocol::{RoomState, ServerMessage};

fn ended(message: &ServerMessage) -> Option<(String, chrono::DateTime<chrono::Utc>)> {
    match message {
        ServerMessage::SessionEnded(ended) => Some((ended.cause.clone(), ended.ended_at)),
        _ => None,
    }
}

fn started(message: &ServerMessage) -> Option<()> {
    matches!(message, ServerMessage::SessionStarted(_)).then_some(())
}

fn publish(message: &ServerMessage) -> Option<u64> {
    match message {
        ServerMessage::Publish(publish) => Some(publish.in_ms),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_starts_and_ends_on_time() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (_, mut robot_side) = world.connect(robot).await;
    let booked = world.book(&viewer, robot, 10, 20).await.expect("free");
    let (joined, mut viewer_side) = world.join(&viewer, booked.id).await;
    let joined = joined.expect("the holder");
    assert_eq!((joined.state, joined.basis, joined.robot_online), (RoomState::Waiting, Basis::Holder, true));
    world.advance(Duration::from_secs(9 * 60 + 50));
    assert_eq!(robot_side.next(publish).await, 610_000, "ten seconds ahead, since somebody waits");
    assert!(!viewer_side.has_message(|message| started(message).is_some()));
    world.advance(Duration::from_secs(10));
    viewer_side.next(started).await;
    robot_side.next(started).await;
    world.until_status(booked.id, Status::Active).await;
    assert_eq!(world.lab.health().rooms, 1);
    world.advance(Duration::from_secs(9 * 60));
    let warning = |message: &ServerMessage| match message {
        ServerMessage::SessionWarning(warning) => Some(warning.seconds_left),
        _ => None,
    };
    assert_eq!(viewer_side.next(warning).await, 300);
    assert_eq!(viewer_side.next(warning).await, 60);
    world.advance(Duration::from_secs(60) - Duration::from_nanos(1));
    assert_eq!(viewer_side.next(warning).await, 10);
    assert!(!viewer_side.has_message(|message| ended(message).is_some()), "a nanosecond early is early");
    world.advance(Duration::from_nanos(1));
    for side in [&mut viewer_side, &mut robot_side] {
        assert_eq!(side.next(ended).await, ("window_closed".to_owned(), minute(20)));
    }
    world.until_status(booked.id, Status::Ended).await;
    world.until(|fact| matches!(fact, Fact::Robot(RobotEvent::SlotReleased { .. })).then_some(())).await;
    let (refused, _) = world.join(&viewer, booked.id).await;
    assert_eq!(refused.expect_err("over").reason, Reason::WindowClosed);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_waited_are_told_of_each_other_as_the_session_begins_and_not_before() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (guest, gone) = (world.viewer().await, world.viewer().await);
    let (_, mut robot_side) = world.connect(robot).await;
    let booked = world.book(&viewer, robot, 10, 20).await.expect("free");
    for invited in [&guest, &gone] {
        world.lab.invite_guest(&viewer, booked.id, account(invited)).await.expect("the holder may");
    }
    let (_, mut viewer_side) = world.join(&viewer, booked.id).await;
    let (_, guest_side) = world.join(&guest, booked.id).await;
    let (_, gone_side) = world.join(&gone, booked.id).await;
    world.lab.leave(gone_side.id).await;
    world.advance(Duration::from_mins(10));
    let next = |message: &ServerMessage| match message {
        ServerMessage::SessionStarted(_) => Some("started".to_owned()),
        ServerMessage::UserJoined(user) => Some(user.user_id.clone()),
        ServerMessage::UserLeft(user) => Some(format!("{} left", user.user_id)),
        _ => None,
    };
    let (holder, guest) = (account(&viewer).to_string(), account(&guest).to_string());
    assert_eq!(viewer_side.next(next).await, "started");
    assert_eq!(viewer_side.next(next).await, guest);
    let mut heard = [robot_side.next(next).await, robot_side.next(next).await, robot_side.next(next).await];
    heard.sort();
    let mut expected = ["started".to_owned(), holder, guest.clone()];
    expected.sort();
    assert_eq!(heard, expected);
    world.lab.leave(guest_side.id).await;
    for side in [&mut viewer_side, &mut robot_side] {
        assert_eq!(side.next(next).await, format!("{guest} left"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_has_begun_is_booked_and_opens_at_once() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    world.advance(Duration::from_secs(60));
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, _viewer_side) = world.join(&viewer, booked.id).await;
    assert_eq!(joined.expect("the holder").state, RoomState::Open);
    let (_, mut robot_side) = world.connect(robot).await;
    assert_eq!(robot_side.next(publish).await, 240_000, "a robot that comes late is asked at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_come_in_and_strangers_do_not() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (guest, stranger) = (world.viewer().await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    world.lab.invite_guest(&viewer, booked.id, account(&guest)).await.expect("the holder may");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, mut viewer_side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    let (joined, guest_side) = world.join(&guest, booked.id).await;
    assert_eq!(joined.expect("a guest").basis, Basis::Guest);
    let come = |message: &ServerMessage| match message {
        ServerMessage::UserJoined(user) => Some(user.user_id.clone()),
        _ => None,
    };
    assert_eq!(viewer_side.next(come).await, account(&guest).to_string());
    for _ in 0..3 {
        let (refused, _) = world.join(&stranger, booked.id).await;
        assert_eq!(refused.expect_err("a stranger").reason, Reason::NotYourBooking);
    }
    let count = world
        .until(|fact| match fact {
            Fact::Room(RoomEvent::ParticipantRefused { count, .. }) => Some(*count),
            _ => None,
        })
        .await;
    assert_eq!(count, 1, "the first is recorded at once, the others folded");
    world.lab.leave(guest_side.id).await;
    let left = |message: &ServerMessage| matches!(message, ServerMessage::UserLeft(_)).then_some(());
    viewer_side.next(left).await;
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::ParticipantLeft { .. })).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_terminates_a_running_session() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (_, mut robot_side) = world.connect(robot).await;
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    robot_side.next(publish).await;
    let (joined, mut viewer_side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    assert_eq!(world.lab.terminate(&world.admin, booked.id, "smoke").await, Ok(Recorded(true)));
    assert_eq!(viewer_side.next(ended).await.0, "terminated_by_admin");
    robot_side.next(|message| matches!(message, ServerMessage::Unpublish(_)).then_some(())).await;
    world.until_status(booked.id, Status::Ended).await;
    let causes = |fact: &Fact| match fact {
        Fact::Booking(BookingEvent::SessionEnded { cause, .. }) => Some(*cause),
        _ => None,
    };
    assert_eq!(world.until(causes).await, Cause::TerminatedByAdmin);
    let closed =
        world.facts().await.into_iter().filter(|fact| matches!(fact, Fact::Room(RoomEvent::Closed { .. })));
    assert_eq!(closed.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_is_cut_at_once() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    let ahead = world.book(&viewer, robot, 10, 15).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, mut viewer_side) = world.join(&viewer, booked.id).await;
    joined.expect("the holder");
    world.lab.suspend(&world.admin, account(&viewer), "misuse").await.expect("an admin may");
    assert_eq!(viewer_side.next(ended).await.0, "account_suspended");
    world.until_status(booked.id, Status::Ended).await;
    world.until_status(ahead.id, Status::Cancelled).await;
    let refused = world.book(&viewer, robot, 20, 25).await.expect_err("suspended");
    assert_eq!(refused.reason, Reason::Suspended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_of_a_robot_replaces_the_first() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    let (_, mut first) = world.connect(robot).await;
    let (principal, mut second) = world.connect(robot).await;
    let code = |message: &ServerMessage| match message {
        ServerMessage::Error(error) => Some(error.code.clone()),
        _ => None,
    };
    assert_eq!(first.next(code).await, "conflict");
    assert_eq!(first.inbox.recv().await, None, "the lab let go of it");
    world.lab.robot_disconnected(robot, first.id).await;
    assert_eq!(
        world.lab.health().connections,
        1,
        "a late goodbye of the old connection does not end the new one"
    );
    let crate::actors::Principal::Robot { credential, .. } = principal else { panic!("a robot") };
    world.lab.revoke_credential(&world.admin, robot, credential).await.expect("an admin may");
    assert_eq!(second.next(code).await, "bad_token");
    assert_eq!(world.lab.health().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_offer_gets_the_same_answer() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let target = OfferTarget { robot: Some("one".into()), ..OfferTarget::default() };
    let offer = |who, ufrag: &str| world.lab.offer(who, &target, None, viewer_offer(ufrag));
    assert_eq!(offer(&viewer, "aaaa").await.expect_err("nothing booked").reason, Reason::NoActiveBooking);
    let booked = world.book(&viewer, robot, 1, 5).await.expect("free");
    assert_eq!(offer(&viewer, "aaaa").await.expect_err("too early").reason, Reason::WindowNotOpen);
    world.advance(Duration::from_secs(60));
    world.until_status(booked.id, Status::Active).await;
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let first = offer(&viewer, "aaaa").await.expect("the holder");
    assert_eq!(offer(&viewer, "aaaa").await.expect("again"), first);
    let second = offer(&viewer, "bbbb").await.expect("another");
    assert_ne!(second.peer, first.peer);
    let stranger = world.viewer().await;
    assert_eq!(offer(&stranger, "cccc").await.expect_err("a stranger").reason, Reason::NoActiveBooking);
    assert_eq!(world.lab.candidates(&stranger, first.peer).expect_err("not theirs").reason, Reason::NotFound);
    assert_eq!(world.lab.candidates(&viewer, first.peer).expect("theirs"), first.candidates);
    world.advance(Duration::from_secs(4 * 60));
    world.until_status(booked.id, Status::Ended).await;
    for peer in [first.peer, second.peer] {
        let lateness = world.until(|fact| match fact {
            Fact::Room(RoomEvent::PeerConnectionTerminated {
                peer_id,
                cause: Cause::WindowClosed,
                lateness_us,
                ..
            }) if *peer_id == peer => Some(*lateness_us),
            _ => None,
        });
        assert_eq!(lateness.await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_the_same_room_again_leaves_nothing() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    let (joined, side) = world.join(&viewer, booked.id).await;
    let room = joined.expect("the holder").room_id;
    let target = OfferTarget { room: Some(room), connection: Some(side.id), ..OfferTarget::default() };
    let peer = world.lab.offer(&viewer, &target, None, viewer_offer("aaaa")).await.expect("admitted").peer;
    let by =
        async |hint: String| world.lab.join(&viewer, &RoomHint(hint), side.id, side.outbox.clone()).await;
    assert_eq!(by(room.to_string()).await.expect("by its other name").room_id, room);
    assert!(world.lab.candidates(&viewer, peer).is_ok(), "its peer goes on");
    by("nowhere".to_owned()).await.expect_err("no such room");
    assert!(world.lab.candidates(&viewer, peer).is_ok(), "a refusal takes nothing away");
    world.lab.leave(side.id).await;
    assert_eq!(world.lab.candidates(&viewer, peer).expect_err("left").reason, Reason::NotFound);
}

/// An offer as a browser makes it, for one camera.
pub(super) fn viewer_offer(ufrag: &str) -> String {
    let fingerprint = ["AB"; 32].join(":");
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=video 9 UDP/TLS/RTP/SAVPF 102",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        &format!("a=ice-ufrag:{ufrag}"),
        "a=ice-pwd:0123456789012345678901",
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=setup:actpass",
        "a=mid:0",
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtpmap:102 H264/90000",
        "a=rtcp-fb:102 nack",
        "a=rtcp-fb:102 nack pli",
        "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        "",
    ]
    .join("\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_gives_no_reason_is_refused_and_that_is_in_the_log() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 0, 5).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (refused, _) = world.join(&world.admin, booked.id).await;
    assert_eq!(refused.expect_err("not their session").reason, Reason::ReasonRequired);
    let id = world.lab.register_account(None, Role::Admin).await.expect("another admin");
    let other = Principal::Account { id, role: Role::Admin };
    let target = OfferTarget { robot: Some("one".into()), ..OfferTarget::default() };
    let offered = world.lab.offer(&other, &target, None, viewer_offer("aaaa")).await;
    assert_eq!(offered.expect_err("no reason").reason, Reason::ReasonRequired);
    for admin in [account(&world.admin), id] {
        let refusal = |fact: &Fact| match fact {
            Fact::Room(RoomEvent::ParticipantRefused { account_id, reason, .. }) => {
                (*account_id == admin).then_some(*reason)
            }
            _ => None,
        };
        assert_eq!(world.until(refusal).await, Reason::ReasonRequired);
    }
}
