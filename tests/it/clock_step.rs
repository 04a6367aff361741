//! The wall clock of a running server stepped by an hour, forward and back, while a session is open.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{SubsecRound, TimeDelta, Utc};
use curfew::clock::SystemClock;
use curfew::protocol::{RoomState, ServerMessage, millis};
use curfew::store::Log;
use curfew_domain::{Fact, LabEvent, RoomEvent};
use http::Method;
use serde_json::{Value, json};

use crate::outside::client::{Client, Reply};
use crate::outside::server::Server;
use crate::outside::signaling::Signaling;

const HOUR: TimeDelta = TimeDelta::hours(1);

/// Debian's `faketime`; where it is depends on the machine's kind.
fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder of libraries").flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists()).expect("libfaketime is not here: scripts/setup test")
}

/// The server's wall clock, this far from the machine's. Its other clocks are the machine's own.
struct Wall(PathBuf);

impl Wall {
    fn new(folder: &Path) -> Self {
        let wall = Self(folder.join("faketime"));
        wall.set(TimeDelta::zero());
        wall
    }

    fn set(&self, offset: TimeDelta) {
        // Renamed into place, so that nobody reads half of it.
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{:+}\n", offset.num_seconds())).expect("written");
        std::fs::rename(next, &self.0).expect("renamed");
    }

    async fn start_server(&self, data: &Path, logs: &Path) -> Server {
        let (library, file) = (libfaketime(), self.0.to_string_lossy().into_owned());
        let environment = [
            ("LD_PRELOAD", library.to_str().expect("a plain path")),
            ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_NO_CACHE", "1"),
        ];
        Server::start_with(data, logs, &environment).await
    }
}

async fn done(reply: Result<Reply, crate::outside::client::Gone>) -> Value {
    let reply = reply.expect("the server answers");
    assert!(reply.status.is_success(), "{reply:?}");
    reply.body
}

/// Somebody signed in, with a robot of their own type.
async fn person(admin: &Client, name: &str) -> Client {
    let (email, password) = (format!("{name}@lab.example"), "correct horse battery");
    let user = json!({"name": name, "email": email, "password": password, "role": "viewer"});
    done(admin.post("/admin/users", user).await).await;
    let robot = json!({"slug": name, "name": name, "type": name});
    done(admin.post("/admin/robots", robot).await).await;
    admin.with_token(&admin.sign_in(&email, password).await.expect("the server answers"))
}

async fn administrator(server: &mut Server) -> Client {
    let token = server.first_admin_token().await;
    let redeem =
        json!({"token": token, "name": "A", "email": "a@lab.example", "password": "correct horse battery"});
    let signed_in = done(Client::new(&server.url, "").post("/auth/redeem", redeem).await).await;
    let admin = Client::new(&server.url, signed_in["access_token"].as_str().expect("a token"));
    let mut rules = done(admin.get("/admin/rules").await).await;
    rules["open_hours"] = Value::Null;
    rules["min_minutes"] = json!(1);
    done(admin.send(Method::PUT, "/admin/rules", Some(rules)).await).await;
    admin
}

/// Books the person's robot, and joins.
async fn join(
    who: &Client,
    robot: &str,
    window: (chrono::DateTime<Utc>, chrono::DateTime<Utc>),
) -> Signaling {
    let (starts_at, ends_at) = (millis::to_string(&window.0), millis::to_string(&window.1));
    let body = json!({"robot_id": robot, "starts_at": starts_at, "ends_at": ends_at});
    let made = done(who.post("/bookings", body).await).await;
    let mut signaling = Signaling::connect(&who.url, &who.token).await.expect("connects");
    let room = made["room_id"].as_str().expect("a room");
    let joined = signaling.join(room).await.expect("answered").expect("the holder");
    let is_open = joined.state == RoomState::Open;
    assert_eq!(is_open, window.0 <= Utc::now(), "{joined:?}");
    signaling
}

#[tokio::test]
async fn an_open_session_keeps_its_length_and_those_ahead_follow_the_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let wall = Wall::new(folder.path());
    let mut server = wall.start_server(&data, folder.path()).await;
    let admin = administrator(&mut server).await;
    let (now_person, later_person) = (person(&admin, "now").await, person(&admin, "later").await);
    let later = Utc::now().trunc_subsecs(3) + HOUR - TimeDelta::minutes(5);
    let mut ahead = join(&later_person, "later", (later, later + HOUR)).await;
    let ends_at = Utc::now().trunc_subsecs(3) + TimeDelta::seconds(15);
    let ends = Instant::now() + (ends_at - Utc::now()).to_std().expect("ahead");
    let mut open = join(&now_person, "now", (ends_at - TimeDelta::minutes(2), ends_at)).await;

    wall.set(HOUR);
    let begun = async {
        loop {
            if let ServerMessage::SessionStarted(started) = ahead.next().await.expect("connected") {
                return started;
            }
        }
    };
    let begun = tokio::time::timeout(Duration::from_secs(10), begun).await;
    assert_eq!(begun.expect("a window ahead follows the clock").starts_at, later);
    wall.set(-HOUR);
    let cause = loop {
        if let ServerMessage::SessionEnded(ended) = open.next().await.expect("connected") {
            assert_eq!(ended.ended_at, ends_at);
            break ended.cause;
        }
    };
    let off =
        Instant::now().saturating_duration_since(ends).max(ends.saturating_duration_since(Instant::now()));
    assert_eq!(cause, "window_closed");
    // On however slow a machine, seconds are not an hour.
    assert!(off < Duration::from_secs(5), "the session ended {off:?} away from its end");
    assert!(Instant::now() + Duration::from_millis(100) >= ends, "the session was cut early");

    let signed_in = done(now_person.get("/auth/me").await).await;
    assert_eq!(signed_in["name"], "now", "a sign-in from an hour ahead is a sign-in still");
    wall.set(TimeDelta::zero());
    // People hear of an end before it is recorded.
    let recorded =
        async { while done(now_person.get("/my-bookings").await).await["items"][0]["status"] != "ended" {} };
    tokio::time::timeout(Duration::from_secs(10), recorded).await.expect("the end is recorded");
    server.kill().await;
    let log = Log::open(&data, SystemClock::shared()).await.expect("the log opens");
    let facts: Vec<Fact> =
        log.read_after(0, 10_000).await.expect("read").into_iter().map(|recorded| recorded.fact).collect();
    log.close().await;
    let steps: Vec<i64> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Lab(LabEvent::ClockStepped { by_us, .. }) => Some((*by_us as f64 / 3.6e9).round() as i64),
            _ => None,
        })
        .collect();
    assert_eq!(steps.get(..2), Some([1, -2].as_slice()), "in hours");
    let lateness: Vec<TimeDelta> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Room(RoomEvent::Closed { due_at, ended_at, .. }) => Some(*ended_at - *due_at),
            _ => None,
        })
        .collect();
    assert_eq!(lateness.len(), 1, "the other session runs");
    assert!(lateness.iter().all(|late| late.abs() < TimeDelta::seconds(5)), "{lateness:?}");
}
