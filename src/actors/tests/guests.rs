//! Guests who are sent away: before the session, in it, and while nothing can be recorded.

use std::time::Duration;

use curfew_domain::{BookingEvent, Fact, Reason, RoomEvent};

use super::world::{World, account, stall};
use crate::actors::Recorded;
use crate::protocol::{RoomState, ServerMessage};

fn ended(message: &ServerMessage) -> Option<String> {
    match message {
        ServerMessage::SessionEnded(ended) => Some(ended.cause.clone()),
        _ => None,
    }
}

fn removed(fact: &Fact) -> Option<()> {
    matches!(fact, Fact::Booking(BookingEvent::GuestRemoved { .. })).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_out_before_that_can_be_recorded() {
    let world = World::impatient().await;
    let (robot, holder, guest) = (world.robot("one").await, world.viewer().await, world.viewer().await);
    let booked = world.book(&holder, robot, 0, 10).await.expect("free");
    world.lab.invite_guest(&holder, booked.id, account(&guest)).await.expect("invited");
    let (joined, mut side) = world.join(&guest, booked.id).await;
    assert_eq!(joined.expect("a guest").state, RoomState::Open);
    let lock = stall(&world, "curfew.db").await;
    let removed_now = world.lab.remove_guest(&holder, booked.id, account(&guest)).await;
    assert_eq!(removed_now, Ok(Recorded(false)));
    assert_eq!(side.next(ended).await, "cancelled");
    lock.release().await;
    world.until(removed).await;
    let left = |fact: &Fact| matches!(fact, Fact::Room(RoomEvent::ParticipantLeft { .. })).then_some(());
    world.until(left).await;
    let (refused, _) = world.join(&guest, booked.id).await;
    assert_eq!(refused.expect_err("no guest any more").reason, Reason::NotYourBooking);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_who_waits_and_is_sent_away_is_not_there_when_it_begins() {
    let world = World::new().await;
    let (robot, holder, guest) = (world.robot("one").await, world.viewer().await, world.viewer().await);
    let booked = world.book(&holder, robot, 5, 15).await.expect("free");
    world.lab.invite_guest(&holder, booked.id, account(&guest)).await.expect("invited");
    let (joined, mut side) = world.join(&guest, booked.id).await;
    assert_eq!(joined.expect("a guest").state, RoomState::Waiting);
    assert_eq!(world.lab.remove_guest(&guest, booked.id, account(&guest)).await, Ok(Recorded(true)));
    assert_eq!(side.next(ended).await, "cancelled");
    world.advance(Duration::from_mins(5));
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    let (joined, _holder) = world.join(&holder, booked.id).await;
    assert_eq!(joined.expect("the holder").state, RoomState::Open);
    let admitted = world.facts().await.into_iter().filter_map(|fact| match fact {
        Fact::Room(RoomEvent::ParticipantAdmitted { account_id, .. }) => Some(account_id),
        _ => None,
    });
    assert_eq!(admitted.collect::<Vec<_>>(), [account(&holder)]);
}
