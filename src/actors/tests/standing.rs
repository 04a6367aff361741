//! Whoever loses what let them in is out, however busy they are with coming back.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use curfew_domain::{BookingId, Fact, Reason, RobotId, Role, RoomEvent};

use super::sessions::viewer_offer;
use super::world::{World, account};
use crate::actors::{OfferTarget, Principal};
use crate::protocol::ServerMessage;

pub(super) const ROBOT_OFFER: &str = include_str!("../../../fuzz/corpus/offers/robot.sdp");

/// An open session of somebody else's, its robot's slug for a name.
async fn session(world: &World) -> (RobotId, Principal, BookingId) {
    let (robot, holder) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&holder, robot, 0, 5).await.expect("free");
    world.until(|fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. })).then_some(())).await;
    (robot, holder, booked.id)
}

/// Offers again and again until told to stop, whatever the answer is.
async fn insistent(world: &World, who: &Principal, stop: &AtomicBool) {
    let target = OfferTarget { robot: Some("one".into()), ..OfferTarget::default() };
    for number in 0_u32.. {
        let offered = world.lab.offer(who, &target, None, viewer_offer(&format!("u{number:05}"))).await;
        if stop.load(Ordering::Acquire) && offered.is_err() {
            return;
        }
    }
}

fn is_in_a_room(world: &World, who: &Principal) -> bool {
    world.lab.shell.rooms.all().iter().any(|room| room.has(account(who)))
}

/// Takes something from somebody who is in and goes on negotiating.
async fn taken_while_negotiating(world: &World, who: &Principal, taking: impl Future<Output = ()>) {
    let stop = AtomicBool::new(false);
    let taken = async {
        let is_in = |fact: &Fact| match fact {
            Fact::Room(RoomEvent::PeerConnectionOpened { who: whose, .. }) => {
                (whose.account() == Some(account(who))).then_some(())
            }
            _ => None,
        };
        world.until(is_in).await;
        taking.await;
        stop.store(true, Ordering::Release);
    };
    tokio::join!(insistent(world, who, &stop), taken);
}

/// So that chance does not let a test pass that should not.
pub(super) const OFTEN: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_guest_who_is_negotiating_is_out() {
    let world = World::new().await;
    let (_, holder, booking) = session(&world).await;
    for _ in 0..OFTEN {
        let guest = world.viewer().await;
        world.lab.invite_guest(&holder, booking, account(&guest)).await.expect("the holder may");
        let suspended = async {
            world.lab.suspend(&world.admin, account(&guest), "misuse").await.expect("an admin may");
        };
        taken_while_negotiating(&world, &guest, suspended).await;
        assert!(!is_in_a_room(&world, &guest), "a suspended account watches on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_guest_who_is_negotiating_is_out() {
    let world = World::new().await;
    let (_, holder, booking) = session(&world).await;
    for _ in 0..OFTEN {
        let guest = world.viewer().await;
        world.lab.invite_guest(&holder, booking, account(&guest)).await.expect("the holder may");
        let removed = async {
            world.lab.remove_guest(&holder, booking, account(&guest)).await.expect("the holder may");
            let left = |fact: &Fact| match fact {
                Fact::Room(RoomEvent::ParticipantLeft { account_id, .. }) => {
                    (*account_id == account(&guest)).then_some(())
                }
                _ => None,
            };
            world.until(left).await;
        };
        taken_while_negotiating(&world, &guest, removed).await;
        assert!(!is_in_a_room(&world, &guest), "a removed guest watches on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_admin_any_more_watches_no_longer() {
    let world = World::new().await;
    let (robot, ..) = session(&world).await;
    let id = world.lab.register_account(None, Role::Admin).await.expect("another admin");
    let other = Principal::Account { id, role: Role::Admin };
    let watch = world.lab.watch(&other, robot, "a look").await.expect("an admin may");
    let target = OfferTarget { room: Some(watch.room_id), ..OfferTarget::default() };
    world.lab.offer(&other, &target, None, viewer_offer("aaaa")).await.expect("the admin who watches");
    world.lab.change_role(&world.admin, id, Role::Viewer).await.expect("an admin may");
    assert!(!is_in_a_room(&world, &other), "the watch goes on");
    let closed =
        |fact: &Fact| matches!(fact, Fact::Room(RoomEvent::Closed { booking_id: None, .. })).then_some(());
    world.until(closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_watches_no_session() {
    let world = World::new().await;
    let (_, holder, _) = session(&world).await;
    let target = OfferTarget { robot: Some("one".into()), ..OfferTarget::default() };
    world.lab.offer(&holder, &target, None, viewer_offer("aaaa")).await.expect("the holder");
    world.lab.change_role(&world.admin, account(&holder), Role::Auditor).await.expect("an admin may");
    assert!(!is_in_a_room(&world, &holder), "the session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_their_own_rights_away() {
    let world = World::new().await;
    let own = account(&world.admin);
    let suspended = world.lab.suspend(&world.admin, own, "a slip").await;
    assert_eq!(suspended.expect_err("oneself").reason, Reason::Conflict);
    let demoted = world.lab.change_role(&world.admin, own, Role::Viewer).await;
    assert_eq!(demoted.expect_err("oneself").reason, Reason::Conflict);
    world.lab.change_role(&world.admin, own, Role::Admin).await.expect("nothing is taken");
    world.lab.change_role(&Principal::System, own, Role::Viewer).await.expect("by whoever owns the data");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_without_its_credential_publishes_no_longer() {
    let world = World::new().await;
    let (robot, ..) = session(&world).await;
    for _ in 0..OFTEN {
        let (principal, mut side) = world.connect(robot).await;
        let Principal::Robot { credential, .. } = principal else { panic!("a robot") };
        side.next(|message| matches!(message, ServerMessage::Publish(_)).then_some(())).await;
        let offer = || world.lab.robot_offer(robot, side.id, ROBOT_OFFER.to_owned());
        offer().await.expect("it was asked to");
        let offering = async { while offer().await.is_ok() {} };
        let revoked = async {
            world.lab.revoke_credential(&world.admin, robot, credential).await.expect("an admin may");
        };
        tokio::join!(offering, revoked);
        assert_eq!(world.lab.shell.media.stats().await.publishers, 0);
    }
}
