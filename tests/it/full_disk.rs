//! The disk under the log runs full, and is freed again.
//!
//! A tmpfs of a few MiB is the disk. Mounting it takes root; who is not runs the test once more as root of a namespace of
//! its own. Where neither is to be had, the test fails and says so: a proof that was skipped is none.

use std::fs::{File, remove_file};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use curfew::protocol::ServerMessage;
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::outside::client::{Client, Reply};
use crate::outside::lab::{Lab, book, expect, text};
use crate::outside::server::{Server, logged, tail};
use crate::outside::signaling::Signaling;

const LONG: Duration = Duration::from_secs(30);
/// How late somebody who is connected may hear that the session is over, on a machine that does much else.
const TOLD_WITHIN: TimeDelta = TimeDelta::seconds(2);

/// A small disk of its own. Dropped, it is unmounted.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn mount(mib: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(folder.path())
            .output()
            .expect("mount can be run");
        assert!(done.status.success(), "this test mounts a tmpfs, which root may: {done:?}");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no byte free; what does so.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filling");
        let mut file = File::options().create(true).append(true).open(&path).expect("a file can be made");
        for size in [64 * 1024, 4096, 1] {
            let bytes = vec![0; size];
            loop {
                match file.write(&bytes) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("the disk cannot be filled: {error}"),
                }
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

/// Runs `test`, whose path among the tests is `name`, as root, of the machine or of a namespace of its own.
fn as_root(name: &str, test: impl Future<Output = ()>) {
    if rustix::process::geteuid().is_root() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(test);
    }
    let own = std::env::current_exe().expect("this program has a path");
    let done = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(own)
        .args(["--exact", name, "--nocapture"])
        .output()
        .expect("unshare can be run");
    let printed =
        [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(
        done.status.success() && printed.contains("1 passed"),
        "this test needs root, or a kernel that lets others have namespaces of their own: {printed}"
    );
}

/// When, and why.
async fn told_of_the_end(signaling: &mut Signaling) -> (DateTime<Utc>, String) {
    let told = async {
        loop {
            if let ServerMessage::SessionEnded(ended) = signaling.next().await.expect("connected") {
                return (Utc::now(), ended.cause);
            }
        }
    };
    timeout(LONG, told).await.expect("told of the end")
}

/// Somebody's session that runs until then.
async fn session(person: &Client, robot: &str, ends_at: DateTime<Utc>) -> (Value, Signaling) {
    let booked = book(person, robot, ends_at - TimeDelta::seconds(61), ends_at).await;
    assert_eq!(booked.status, StatusCode::CREATED, "{}", booked.body);
    let mut signaling = Signaling::connect(&person.url, &person.token).await.expect("connects");
    signaling.join(&text(&booked.body, "room_id")).await.expect("connected").expect("joined");
    (booked.body, signaling)
}

/// Books and cancels until that is refused: what the log has room for within its files still goes in.
async fn until_refused(person: &Client, robot: &str) -> Reply {
    let trying = async {
        loop {
            let from = Utc::now() + TimeDelta::hours(1);
            let reply = book(person, robot, from, from + TimeDelta::minutes(1)).await;
            if !reply.status.is_success() {
                return reply;
            }
            let _ = person.delete(&format!("/bookings/{}", text(&reply.body, "id"))).await;
        }
    };
    timeout(LONG, trying).await.expect("a full disk takes no booking")
}

/// Cancels, and asks again while the answer is that the read models do not have it yet.
async fn until_cancelled(person: &Client, id: &str) {
    let cancelling = async {
        while person.delete(&format!("/bookings/{id}")).await.expect("it answers").status != StatusCode::OK {}
    };
    timeout(LONG, cancelling).await.expect("the read models follow again");
}

async fn terminate(admin: &Client, id: &str) -> Reply {
    let body = json!({ "reason": "the test of the disk" });
    admin.post(&format!("/admin/bookings/{id}/terminate"), body).await.expect("it answers")
}

async fn booking(client: &Client, id: &str) -> Value {
    expect(client.get(&format!("/bookings/{id}")).await, StatusCode::OK)
}

#[test]
fn a_full_disk_refuses_what_gives_and_ends_what_runs_on_time() {
    as_root(
        "full_disk::a_full_disk_refuses_what_gives_and_ends_what_runs_on_time",
        filled_while_sessions_run(),
    );
}

async fn filled_while_sessions_run() {
    let (disk, logs) = (Disk::mount(8), tempfile::tempdir().expect("a folder"));
    let patience = [("CURFEW_SESSIONS__ANSWER_MS", "5000")];
    let lab = Lab::start(&disk.path().join("data"), logs.path(), &patience).await;
    let (robot, taken, spare) = (lab.robot("one").await, lab.robot("two").await, lab.robot("three").await);
    let (holder, other, third) =
        (lab.person("ada").await.0, lab.person("bob").await.0, lab.person("cy").await.0);
    let ends_at = Utc::now().trunc_subsecs(3) + TimeDelta::seconds(10);
    let (booked, mut signaling) = session(&holder, &robot.id, ends_at).await;
    let (longer, mut longer_signaling) = session(&other, &taken.id, ends_at + TimeDelta::seconds(50)).await;
    let (id, room, longer_id) = (text(&booked, "id"), text(&booked, "room_id"), text(&longer, "id"));

    let filling = disk.fill();
    let refused = until_refused(&third, &spare.id).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    let words = text(&refused.body, "detail");
    assert!(words.len() > 20 && !words.contains("sqlite"), "words for a person: {words}");
    let health = holder.get("/health").await.expect("it answers");
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE, "{}", health.body);
    assert!(text(&health.body, "detail").contains("log"), "{}", health.body);
    assert_eq!(booking(&holder, &id).await["status"], "active", "what runs goes on, and can be read");

    let (told_at, cause) = told_of_the_end(&mut signaling).await;
    assert_eq!(cause, "window_closed");
    assert!(told_at >= ends_at && told_at < ends_at + TOLD_WITHIN, "{told_at} is not {ends_at}");
    // The answer takes as long as the server waits for its disk, and says that it was in vain so far.
    let (asked, before) = (Instant::now(), lab.server.process().processor_time());
    let reply = terminate(&lab.admin, &longer_id).await;
    assert_eq!((reply.status, &reply.body["recorded"]), (StatusCode::ACCEPTED, &json!(false)));
    let (busy, waited) = (lab.server.process().processor_time() - before, asked.elapsed());
    assert!(busy < waited / 2, "it spins: {busy:?} of processor time while it waited {waited:?}");
    assert_eq!(told_of_the_end(&mut longer_signaling).await.1, "terminated_by_admin");

    remove_file(filling).expect("freed");
    for (room, cause) in [(&room, "window_closed"), (&text(&longer, "room_id"), "terminated_by_admin")] {
        logged(logs.path(), &["the end of a session is recorded", room, cause]).await;
    }
    let from = Utc::now() + TimeDelta::hours(2);
    let again = book(&third, &spare.id, from, from + TimeDelta::minutes(1)).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.body);
    until_cancelled(&third, &text(&again.body, "id")).await;
    let health = holder.get("/health").await.expect("it answers");
    assert_eq!(health.status, StatusCode::OK, "it is healthy again: {}", health.body);
    // Those who booked see it as well, after a start at the latest.
    lab.stop(logs.path()).await;
    let server = Server::start(&disk.path().join("data"), logs.path()).await;
    // Nobody brought the robot of the one that lasted as long as its window.
    for (person, id, cause) in [(&holder, &id, "robot_lost"), (&other, &longer_id, "terminated_by_admin")] {
        let over = booking(&Client::new(&server.url, &person.token), id).await;
        assert_eq!((&over["status"], &over["cause"]), (&json!("ended"), &json!(cause)), "{over}");
    }
    assert!(server.stop().await, "{}", tail(logs.path()));
}

#[test]
fn a_start_on_a_full_disk_says_what_is_missing() {
    as_root("full_disk::a_start_on_a_full_disk_says_what_is_missing", full_before_the_start());
}

async fn full_before_the_start() {
    let (disk, logs) = (Disk::mount(1), tempfile::tempdir().expect("a folder"));
    disk.fill();
    let started = tokio::process::Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(disk.path().join("data"))
        .env("CURFEW_MEDIA__LISTEN", "127.0.0.1:0")
        .current_dir(logs.path())
        .kill_on_drop(true)
        .output();
    let started = timeout(LONG, started).await.expect("it ends by itself").expect("runs");
    assert_eq!(started.status.code(), Some(1), "{started:?}");
    let words = String::from_utf8_lossy(&started.stderr);
    assert!(words.contains("full") || words.contains("No space left"), "{words}");
    assert!(!words.contains("panicked"), "{words}");
}
