//! The disk under the log runs full, and is freed again.
//!
//! A tmpfs of a few MiB is the disk; mounting it takes root. Where that is not to be had, the test fails and says so: a
//! proof that was skipped is none.

use std::fs::{File, remove_file};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use curfew::protocol::ServerMessage;
use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::outside::client::Client;
use crate::outside::lab::{Lab, book, expect, text};
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
        assert!(done.status.success(), "this test mounts a tmpfs, which takes root: {done:?}");
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

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, looking).await.unwrap_or_else(|_| panic!("not within {LONG:?}: {what}"))
}

async fn told_of_the_end(signaling: &mut Signaling) -> DateTime<Utc> {
    let told = async {
        loop {
            if let ServerMessage::SessionEnded(ended) = signaling.next().await.expect("connected") {
                assert_eq!(ended.cause, "window_closed");
                return Utc::now();
            }
        }
    };
    timeout(LONG, told).await.expect("told of the end")
}

async fn booking(client: &Client, id: &str) -> Value {
    expect(client.get(&format!("/bookings/{id}")).await, StatusCode::OK)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_gives_and_ends_what_runs_on_time() {
    let (disk, logs) = (Disk::mount(8), tempfile::tempdir().expect("a folder"));
    let lab = Lab::start(&disk.path().join("data"), logs.path(), &[]).await;
    let (robot, spare) = (lab.robot("one").await, lab.robot("two").await);
    let ((holder, _), (other, _)) = (lab.person("ada").await, lab.person("bob").await);
    let now = Utc::now().trunc_subsecs(3);
    let ends_at = now + TimeDelta::seconds(6);
    let booked = book(&holder, &robot.id, ends_at - TimeDelta::seconds(61), ends_at).await;
    assert_eq!(booked.status, StatusCode::CREATED, "{}", booked.body);
    let (id, room) = (text(&booked.body, "id"), text(&booked.body, "room_id"));
    let mut signaling = Signaling::connect(&holder.url, &holder.token).await.expect("connects");
    signaling.join(&room).await.expect("connected").expect("joined");

    let filling = disk.fill();
    // What the log has room for within its files still goes in; then nothing does.
    let refused = until("a booking is refused", async || {
        let from = Utc::now() + TimeDelta::hours(1);
        let reply = book(&other, &spare.id, from, from + TimeDelta::minutes(1)).await;
        if reply.status.is_success() {
            let path = format!("/bookings/{}", text(&reply.body, "id"));
            let _ = other.delete(&path).await;
            return None;
        }
        Some(reply)
    })
    .await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    let words = text(&refused.body, "detail");
    assert!(words.len() > 20 && !words.contains("sqlite"), "words for a person: {words}");
    let health = holder.get("/health").await.expect("it answers");
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE, "{}", health.body);
    assert!(text(&health.body, "detail").contains("log"), "{}", health.body);
    assert_eq!(booking(&holder, &id).await["status"], "active", "what runs goes on, and can be read");

    let told_at = told_of_the_end(&mut signaling).await;
    assert!(told_at >= ends_at && told_at < ends_at + TOLD_WITHIN, "{told_at} is not {ends_at}");
    let before = lab.server.process().processor_time();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let busy = lab.server.process().processor_time() - before;
    assert!(busy < Duration::from_millis(500), "it spins: {busy:?} in a second");

    remove_file(filling).expect("freed");
    let over = until("the end is in the log", async || {
        Some(booking(&holder, &id).await).filter(|booking| booking["status"] == "ended")
    })
    .await;
    assert_eq!(over["cause"], "window_closed");
    until("it is healthy again", async || {
        holder.get("/health").await.ok().filter(|health| health.status == StatusCode::OK)
    })
    .await;
    let from = Utc::now() + TimeDelta::hours(2);
    let again = book(&other, &spare.id, from, from + TimeDelta::minutes(1)).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.body);
    lab.stop(logs.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_says_what_is_missing() {
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
