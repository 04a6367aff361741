//! What there may be one of, asked for by several at one instant.

use std::time::Duration;

use curfew_domain::{Fact, Reason, RobotEvent, RobotId, Role, RoomEvent};
use futures_util::future::join_all;

use super::standing::OFTEN;
use super::world::{World, account, rover};
use crate::actors::{Answer, Principal};

async fn register(world: &World, slug: &str) -> Answer<RobotId> {
    // As a request does: on a task of its own.
    let (lab, admin, new) = (world.lab.clone(), world.admin, rover(slug));
    tokio::spawn(async move { lab.register_robot(&admin, new).await }).await.expect("no panic")
}

fn registrations(facts: &[Fact]) -> usize {
    facts.iter().filter(|fact| matches!(fact, Fact::Robot(RobotEvent::Registered { .. }))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_robots_with_one_slug_there_is_one() {
    let world = World::new().await;
    let outcomes = join_all((0..8).map(|_| register(&world, "rover-1"))).await;
    assert_eq!(registrations(&world.facts().await), 1);
    let refusals = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(refusals.clone().all(|refused| refused.reason == Reason::Conflict), "{outcomes:?}");
    assert_eq!(refusals.count(), 7);
    register(&world, "rover-2").await.expect("another slug");
    // The process dies and the read models are lost: the log alone says whose the slug is.
    let world = world.crash_without_read_models(Duration::from_secs(1)).await;
    let again = register(&world, "rover-1").await;
    assert_eq!(again.expect_err("taken").reason, Reason::Conflict);
    assert_eq!(registrations(&world.facts().await), 2);
}

/// Admins who take each other's rights at one instant, all by the same means.
async fn taking_each_others_rights(suspending: bool) {
    let world = World::new().await;
    for _ in 0..OFTEN {
        let mut admins = Vec::new();
        for _ in 0..3 {
            let id = world.lab.register_account(None, Role::Admin).await.expect("an admin");
            admins.push(Principal::Account { id, role: Role::Admin });
        }
        // Each takes the next one's, the last the first one's.
        let takes = (0..3).map(|number| {
            let (lab, by, whose) = (world.lab.clone(), admins[number], account(&admins[(number + 1) % 3]));
            tokio::spawn(async move {
                if suspending {
                    lab.suspend(&by, whose, "misuse").await.map(drop)
                } else {
                    lab.change_role(&by, whose, Role::Viewer).await
                }
            })
        });
        for taken in join_all(takes).await {
            if let Err(refused) = taken.expect("no panic") {
                let codes = [Reason::Conflict, Reason::WrongRole, Reason::Suspended];
                assert!(codes.contains(&refused.reason), "{refused:?}");
            }
        }
        let mut left = 0;
        for admin in &admins {
            let state = world.lab.account(account(admin)).await.expect("registered");
            left += usize::from(state.role == Role::Admin && !state.suspended);
        }
        assert!((1..3).contains(&left), "{left} of 3 are left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_admins_who_demote_each_other_one_is_left() {
    taking_each_others_rights(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_admins_who_suspend_each_other_one_is_left() {
    taking_each_others_rights(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_looks_at_a_robot_by_one_admin_there_is_one_watch() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    let watches = (0..8).map(|_| {
        let (lab, admin) = (world.lab.clone(), world.admin);
        tokio::spawn(async move { lab.watch(&admin, robot, "a look").await })
    });
    let mut rooms = Vec::new();
    for watch in join_all(watches).await {
        rooms.push(watch.expect("no panic").expect("an admin may").room_id);
    }
    rooms.dedup();
    assert_eq!(rooms.len(), 1, "everybody got the same one");
    let opened = |fact: &&Fact| matches!(fact, Fact::Room(RoomEvent::Opened { .. }));
    assert_eq!(world.facts().await.iter().filter(opened).count(), 1);
}
