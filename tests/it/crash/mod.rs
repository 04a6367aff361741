//! The server is killed with kill -9 at random instants while people book, join and end sessions.
//!
//! Nothing that was acknowledged may be lost or doubled, no session may outlive its window, windows that passed while the
//! server was down are closed before it serves, and the projections equal a rebuild. `CURFEW_CRASH_CYCLES` says how often
//! (50), `CURFEW_CRASH_SEED` repeats a run's decisions.

mod ledger;
mod person;
mod witness;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use http::{Method, StatusCode};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use self::ledger::Ledger;
use self::person::Person;
use self::witness::Witness;
use crate::outside::client::Client;
use crate::outside::server::{Server, tail};

/// People with a robot of their own, and people who share two robots of one type.
const OWN: usize = 5;
const SHARING: usize = 3;
const PASSWORD: &str = "correct horse battery staple";
/// The longest that ending one booking may take.
const ENDED_WITHIN: Duration = Duration::from_secs(15);
/// How soon clients notice that the server is gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let cycles = number("CURFEW_CRASH_CYCLES").unwrap_or(50);
    let seed = number("CURFEW_CRASH_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("CURFEW_CRASH_CYCLES={cycles} CURFEW_CRASH_SEED={seed}");
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut rng = StdRng::seed_from_u64(seed);
    let ledger = Arc::new(Ledger::default());
    let mut witness = Witness::default();

    let people = set_up(&data, folder.path()).await;
    let mut killed_at = Utc::now();
    for cycle in 0..cycles {
        if rng.random_bool(0.1) {
            let after = Duration::from_millis(rng.random_range(0..200));
            Server::kill_while_starting(&data, folder.path(), after).await;
        }
        let server = Server::start(&data, folder.path()).await;
        witness.outages.push((killed_at, server.ready_at));
        assert_passed_are_over(&server, &people[0], &ledger).await;
        let mut tasks = JoinSet::new();
        for person in &people {
            let (person, url, ledger) = (person.clone(), server.url.clone(), Arc::clone(&ledger));
            let rng = StdRng::seed_from_u64(rng.random());
            tasks.spawn(async move { person.live(url, &ledger, rng).await });
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..2500))).await;
        server.kill().await;
        killed_at = Utc::now();
        tokio::time::timeout(GONE_WITHIN, tasks.join_all())
            .await
            .expect("clients notice that the server is gone");
        report(witness.examine(&data, &ledger, false).await, cycle, seed, folder.path());
    }

    let server = Server::start(&data, folder.path()).await;
    witness.outages.push((killed_at, server.ready_at));
    end_all(&server, &people[0]).await;
    stop(server, folder.path()).await;
    // Whatever a workflow had not followed up yet is done before a server serves.
    let server = Server::start(&data, folder.path()).await;
    let admin = Client::new(&server.url, &people[0].admin_token);
    assert_eq!(live(&admin).await, Vec::<Value>::new(), "bookings that do not end");
    stop(server, folder.path()).await;
    report(witness.examine(&data, &ledger, true).await, cycles, seed, folder.path());
    let entries = ledger.entries();
    eprintln!(
        "{} bookings acknowledged, {} sessions resumed, {} events; refused: {:?}",
        entries.promises.len(),
        entries.resumed,
        witness.position(),
        entries.refusals
    );
    assert!(entries.promises.len() as u64 >= cycles, "too little was acknowledged to say anything");
}

fn report(violations: Vec<String>, cycle: u64, seed: u64, logs: &Path) {
    assert!(
        violations.is_empty(),
        "cycle {cycle}, seed {seed}:\n- {}\n\nthe server's log ends with\n{}",
        violations.join("\n- "),
        tail(logs)
    );
}

/// The first admin by the printed link, rules that allow short windows, robots, and people who are signed in.
async fn set_up(data: &Path, logs: &Path) -> Vec<Person> {
    let mut server = Server::start(data, logs).await;
    let token = server.first_admin_token().await;
    let nobody = Client::new(&server.url, "");
    let redeem = json!({ "token": token, "name": "Root", "email": "root@lab.example", "password": PASSWORD });
    let admin_token =
        expect(nobody.post("/auth/redeem", redeem).await, StatusCode::OK)["access_token"].clone();
    let admin_token = admin_token.as_str().expect("a token").to_owned();
    let admin = Client::new(&server.url, &admin_token);

    let mut rules = expect(admin.get("/admin/rules").await, StatusCode::OK);
    rules["open_hours"] = Value::Null;
    rules["min_minutes"] = 1.into();
    rules["max_minutes"] = 60.into();
    expect(admin.send(Method::PUT, "/admin/rules", Some(rules)).await, StatusCode::OK);

    let mut robots = Vec::new();
    for index in 0..OWN + 2 {
        let kind = if index < OWN { "own" } else { "shared" };
        let body =
            json!({ "slug": format!("robot-{index}"), "name": format!("Robot {index}"), "type": kind });
        let robot = expect(admin.post("/admin/robots", body).await, StatusCode::CREATED);
        robots.push(robot["id"].clone());
    }
    let mut people = Vec::new();
    for index in 0..OWN + SHARING {
        let email = format!("person-{index}@lab.example");
        let body = json!({ "name": format!("Person {index}"), "email": email, "password": PASSWORD, "role": "viewer" });
        let user = expect(admin.post("/admin/users", body).await, StatusCode::CREATED);
        people.push(Person {
            account: user["id"].as_str().and_then(|id| id.parse().ok()).expect("an account's id"),
            token: nobody.sign_in(&email, PASSWORD).await.expect("the server answers"),
            admin_token: admin_token.clone(),
            robot: match robots.get(index) {
                Some(id) if index < OWN => json!({ "robot_id": id }),
                _ => json!({ "robot_type": "shared" }),
            },
        });
    }
    stop(server, logs).await;
    people
}

async fn stop(server: Server, logs: &Path) {
    assert!(server.stop().await, "a server that is told to stop ends well:\n{}", tail(logs));
}

fn expect(
    reply: Result<crate::outside::client::Reply, crate::outside::client::Gone>,
    status: StatusCode,
) -> Value {
    let reply = reply.expect("the server answers");
    assert_eq!(reply.status, status, "{}", reply.body);
    reply.body
}

/// Windows that passed before the process began are closed before anybody is let in.
async fn assert_passed_are_over(server: &Server, person: &Person, ledger: &Ledger) {
    let admin = Client::new(&server.url, &person.admin_token);
    let limit = server.started_at - TimeDelta::seconds(10);
    // Those that passed long ago were looked at after an earlier crash.
    for promise in ledger.passed(server.started_at).iter().filter(|one| one.window.ends_at > limit) {
        let booking = expect(admin.get(&format!("/bookings/{}", promise.booking)).await, StatusCode::OK);
        let status = booking["status"].as_str().unwrap_or_default();
        if matches!(status, "requested" | "confirmed" | "active") {
            ledger.violation(format!(
                "{promise:?} passed while the server was down, and is {status} when it serves"
            ));
        }
    }
}

/// Terminates what is ahead or running, as an admin who asks again until it is recorded.
async fn end_all(server: &Server, person: &Person) {
    let admin = Client::new(&server.url, &person.admin_token);
    for booking in live(&admin).await {
        let path = format!("/admin/bookings/{}/terminate", booking["id"].as_str().expect("an id"));
        let recorded = async {
            loop {
                let body = json!({ "reason": "the test is over" });
                let reply = admin.post(&path, body).await.expect("the server answers");
                match (reply.status, reply.code()) {
                    // It ended by itself in that moment.
                    (StatusCode::OK, _) | (StatusCode::CONFLICT, "conflict") => return,
                    // Answered after as long as the server waits for its disk.
                    (StatusCode::ACCEPTED, _) => {}
                    _ => panic!("{reply:?}"),
                }
            }
        };
        let ended = tokio::time::timeout(ENDED_WITHIN, recorded).await;
        ended.unwrap_or_else(|_| panic!("not recorded within {ENDED_WITHIN:?}: the end of {booking}"));
    }
}

/// All bookings that are not over, those too that nobody was told of.
async fn live(admin: &Client) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = expect(admin.get(&format!("/bookings?limit=1000{after}")).await, StatusCode::OK);
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let is_live =
            |one: &Value| matches!(one["status"].as_str(), Some("requested" | "confirmed" | "active"));
        found.extend(items.into_iter().filter(is_live));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}
