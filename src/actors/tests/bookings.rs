use curfew_domain::{CredentialId, Fact, Reason, RobotChoice, RobotEvent, Window};
use curfew_projections::Status;
use uuid::Uuid;

use super::world::{World, account, eventually, minute};
use crate::actors::workflows::Runner;
use crate::actors::{NewBooking, Recorded};

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_decided_and_shows() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 10, 20).await.expect("free");
    assert!(booked.decided);
    let row = world.projector.reads().booking(booked.id).await.expect("read").expect("there");
    assert_eq!(
        (row.status, row.robot_id, row.account_id),
        (Status::Confirmed, Some(robot), account(&viewer))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_overlaps_loses() {
    let world = World::new().await;
    let (one, two) = (world.robot("one").await, world.robot("two").await);
    let (first, second) = (world.viewer().await, world.viewer().await);
    world.book(&first, one, 10, 20).await.expect("free");
    let taken = world.book(&second, one, 19, 30).await.expect_err("the robot is taken");
    assert_eq!(taken.reason, Reason::SlotTaken);
    let busy = world.book(&first, two, 5, 11).await.expect_err("the account is busy");
    assert_eq!(busy.reason, Reason::AccountBusy);
    world.book(&second, one, 20, 30).await.expect("windows that touch do not overlap");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_robot_of_a_type_is_tried() {
    let world = World::new().await;
    let (one, two) = (world.robot("one").await, world.robot("two").await);
    let window = Window { starts_at: minute(1), ends_at: minute(5) };
    let new = NewBooking { robot: RobotChoice::Type("rover".into()), window };
    let mut robots = Vec::new();
    for _ in 0..2 {
        let booked = world.lab.book(&world.viewer().await, new.clone()).await.expect("one is free");
        robots
            .extend(world.projector.reads().booking(booked.id).await.expect("read").expect("there").robot_id);
    }
    robots.sort();
    assert_eq!(robots, [one, two]);
    let full = world.lab.book(&world.viewer().await, new).await.expect_err("both are taken");
    assert_eq!(full.reason, Reason::SlotTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_booking_frees_its_slot() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 10, 20).await.expect("free");
    let other = world.viewer().await;
    let refused = world.lab.cancel_booking(&other, booked.id).await.expect_err("not theirs");
    assert_eq!(refused.reason, Reason::NotYourBooking);
    let refused = world.lab.cancel_booking(&world.admin, booked.id).await.expect_err("terminate is for that");
    assert_eq!(refused.reason, Reason::ReasonRequired);
    world.lab.cancel_booking(&viewer, booked.id).await.expect("theirs");
    world.until_status(booked.id, Status::Cancelled).await;
    world.until(|fact| matches!(fact, Fact::Robot(RobotEvent::SlotReleased { .. })).then_some(())).await;
    world.book(&other, robot, 10, 20).await.expect("free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_terminates_a_booking_ahead_with_a_reason() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let booked = world.book(&viewer, robot, 10, 20).await.expect("free");
    let refused = world.lab.terminate(&world.admin, booked.id, " ").await.expect_err("no reason");
    assert_eq!(refused.reason, Reason::ReasonRequired);
    let refused = world.lab.terminate(&viewer, booked.id, "mine").await.expect_err("no admin");
    assert_eq!(refused.reason, Reason::WrongRole);
    assert_eq!(world.lab.terminate(&world.admin, booked.id, "storm").await, Ok(Recorded(true)));
    world.until_status(booked.id, Status::Cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_all_workflows_changes_nothing() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    world.book(&viewer, robot, 10, 20).await.expect("free");
    world.book(&viewer, robot, 15, 25).await.expect_err("overlaps");
    let cancelled = world.book(&viewer, robot, 30, 40).await.expect("free");
    world.lab.cancel_booking(&viewer, cancelled.id).await.expect("theirs");
    world.until(|fact| matches!(fact, Fact::Robot(RobotEvent::SlotReleased { .. })).then_some(())).await;
    let mut runner = Runner::new(world.lab.shell.clone()).await.expect("a runner");
    runner.catch_up().await;
    let before = world.facts().await;
    Runner::from_the_start(world.lab.shell.clone()).catch_up().await;
    assert_eq!(world.facts().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_delivered_again_reserves_no_other_robot() {
    let world = World::new().await;
    world.robot("one").await;
    world.robot("two").await;
    let new = NewBooking {
        robot: RobotChoice::Type("rover".into()),
        window: Window { starts_at: minute(10), ends_at: minute(20) },
    };
    let booked = world.lab.book(&world.viewer().await, new).await.expect("free");
    let robot = world.lab.booking(booked.id).await.expect("there").robot_id.expect("confirmed");
    world.lab.retire_robot(&world.admin, robot, "scrap").await.expect("retired");
    world.until_status(booked.id, Status::Cancelled).await;
    let mut runner = Runner::new(world.lab.shell.clone()).await.expect("a runner");
    runner.catch_up().await;
    let before = world.facts().await;
    Runner::from_the_start(world.lab.shell.clone()).catch_up().await;
    assert_eq!(world.facts().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_ever_new_ids_keeps_no_actors() {
    let world = World::new().await;
    let shell = &world.lab.shell;
    let robot = world.robot("one").await;
    let (_, _robot_side) = world.connect(robot).await;
    for number in 0..2_500 {
        let id = Uuid::from_u128(number);
        let (unknown, nobody) = (world.lab.booking(id.into()).await, CredentialId::from(id));
        assert_eq!(unknown.map(drop).expect_err("there is none").reason, Reason::NotFound);
        let forged = world.lab.authenticate_robot(id.into(), nobody, "forged").await;
        assert_eq!(forged.expect_err("there is none").reason, Reason::BadToken);
    }
    assert!(shell.registry.len() < 2_100, "{} actors", shell.registry.len());
    assert!(shell.rooms.is_online(robot));
    assert!(world.lab.robot(robot).await.expect("known").is_online(), "what is needed stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_actors_are_let_go_and_come_back_with_what_the_log_says() {
    let world = World::new().await;
    let (robot, viewer) = (world.robot("one").await, world.viewer().await);
    let (_, _robot_side) = world.connect(robot).await;
    world.book(&viewer, robot, 60, 70).await.expect("free");
    let shell = &world.lab.shell;
    // What is under way holds its actors; the head does not move any more once all is answered.
    let answered = async || world.lab.health().answered >= *world.log.head().borrow();
    eventually("all is answered", answered).await;
    world.clock.advance(shell.config.idle);
    shell.registry.passivate(shell);
    assert_eq!(shell.registry.len(), 1, "the robot is connected");
    let taken = world.book(&world.viewer().await, robot, 60, 70).await.expect_err("the robot remembers");
    assert_eq!(taken.reason, Reason::SlotTaken);
    let busy = world.book(&viewer, robot, 65, 66).await.expect_err("so does the account");
    assert_eq!(busy.reason, Reason::AccountBusy);
}
