//! Strangers who mean no good, while 20 sessions run beside them.
//!
//! Each attempt gets its clear error or is dropped, the server's memory stays bounded, and the sessions lose no frame. The
//! sessions are those of `curfew load`: real robots' agents, real peer connections, sequence numbers counted at the
//! receivers. `CURFEW_FLOOD` says how many messages the flood has (20,000).
//!
//! Strangers come from other addresses of the loopback network than the sessions do. What no server can fend off by itself,
//! as much traffic as the line takes, is not tried here.

mod crowd;
mod media;
mod messages;
mod tokens;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::outside::client::Client;
use crate::outside::lab::{Lab, PASSWORD, Robot, book, text};
use crate::outside::server::{Process, tail};

const SESSIONS: u64 = 20;
/// How long the sessions watch; the attempts below take less, but for a flood that takes longer by a second for each so many
/// messages.
const SECONDS: u32 = 30;
const FLOODED_A_SECOND: u32 = 2_500;
const LONG: Duration = Duration::from_secs(120);
/// What a thousand idle connections, a flood and everything else may cost at once.
const MOST_GROWTH_KIB: u64 = 128 * 1024;

/// What the attempts have to work with: an account of its own, a session of its own, and a robot's credential.
struct Stranger {
    /// `http://HOST:PORT`.
    url: String,
    http: SocketAddr,
    media: SocketAddr,
    person: Client,
    account: String,
    booking: String,
    robot: Robot,
    /// Somebody else's booking, running.
    theirs: Value,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_lose_nothing_beside_hostile_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let lab = Lab::start(&data, folder.path(), &[("CURFEW_LOG", "warn,curfew::app=info")]).await;
    let media = media_address(folder.path());
    let seconds = SECONDS + crowd::flood_size() / FLOODED_A_SECOND;
    let mut load = start_sessions(&lab, folder.path(), seconds);
    let robot = lab.robot("strangers").await;
    let (person, account) = lab.person("mallory").await;
    let now = Utc::now().trunc_subsecs(3);
    let booked = book(&person, &robot.id, now - TimeDelta::seconds(1), now + TimeDelta::minutes(30)).await;
    assert_eq!(booked.status, StatusCode::CREATED, "{}", booked.body);
    let theirs = all_run(&lab, &mut load).await;
    let http = lab.server.url.trim_start_matches("http://").parse().expect("an address");
    let booking = text(&booked.body, "id");
    let url = lab.server.url.clone();
    let stranger = Stranger { url, http, media, person, account, booking, robot, theirs };

    let process = lab.server.process();
    let (before, descriptors) = (process.memory_kib(), process.descriptors());
    let (stop, stopped) = watch::channel(false);
    let most = tokio::spawn(most_memory(process, stopped));
    tokens::all(&stranger, &data).await;
    messages::all(&stranger).await;
    media::all(&stranger).await;
    crowd::all(&stranger).await;
    assert!(load.try_wait().expect("known").is_none(), "the sessions ended before the attempts did");
    stop.send_replace(true);
    let most = most.await.expect("measured");
    assert!(most < before + MOST_GROWTH_KIB, "memory went from {before} to {most} KiB");

    let report = report(load, seconds).await;
    let count = |member: &str| report[member].as_u64().unwrap_or_default();
    assert_eq!(count("packets_lost"), 0, "{report:#}");
    assert_eq!((count("viewers_with_media"), count("viewers_told")), (SESSIONS, SESSIONS), "{report:#}");
    assert!(count("packets") > SESSIONS * u64::from(seconds) * 10, "{report:#}");
    let left = process.descriptors();
    assert!(left < descriptors, "descriptors stay open: {descriptors} with the sessions, {left} without");
    eprintln!(
        "memory {before} KiB with the sessions, {most} KiB at most; a flood of {} messages; {} packets, none lost",
        crowd::flood_size(),
        count("packets")
    );
    lab.stop(folder.path()).await;
}

/// Where the server says in its log that it takes media.
fn media_address(logs: &Path) -> SocketAddr {
    let log = tail(logs);
    let told = log.split("media_addr=").nth(1).and_then(|rest| rest.split_whitespace().next());
    told.and_then(|told| told.parse().ok()).unwrap_or_else(|| panic!("no address in {log}"))
}

fn start_sessions(lab: &Lab, folder: &Path, seconds: u32) -> Child {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("written");
    Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(["load", "--server", &lab.server.url, "--email", "root@lab.example", "--password-file"])
        .arg(password)
        .args(["--rooms", &SESSIONS.to_string(), "--viewers", "1", "--pps", "25", "--json"])
        .args(["--seconds", &seconds.to_string()])
        .env("CURFEW_LOG", "info")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts")
}

/// Waits until the load run says that its viewers watch; one of its bookings.
async fn all_run(lab: &Lab, load: &mut Child) -> Value {
    let mut said = BufReader::new(load.stderr.take().expect("stderr is piped")).lines();
    let running = async {
        while let Some(line) = said.next_line().await.expect("stderr is text") {
            if line.contains("viewers watch") {
                return;
            }
        }
        panic!("the sessions ended before they ran");
    };
    timeout(LONG, running).await.expect("the sessions run");
    // What it says from here on goes where the test's own words go, and never waits for somebody to read it.
    tokio::spawn(async move {
        while let Ok(Some(line)) = said.next_line().await {
            eprintln!("{line}");
        }
    });
    let bookings = lab.admin.get("/bookings?limit=1000").await.expect("the server answers").body;
    let items = bookings["items"].as_array().cloned().unwrap_or_default();
    let theirs = items.into_iter().find(|one| one["status"] == "active" && one["robot_type"] == "load");
    theirs.expect("a session of somebody else")
}

async fn most_memory(process: Process, mut stopped: watch::Receiver<bool>) -> u64 {
    let mut most = 0;
    while !*stopped.borrow_and_update() {
        most = most.max(process.memory_kib());
        let _ = timeout(Duration::from_millis(50), stopped.changed()).await;
    }
    most
}

async fn report(load: Child, seconds: u32) -> Value {
    let at_most = LONG + Duration::from_secs(seconds.into());
    let output =
        timeout(at_most, load.wait_with_output()).await.expect("the sessions end").expect("they ran");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {output:?}"))
}

/// A request that has to be refused like this.
async fn refused(client: &Client, method: &str, path: &str, body: Value, expected: (u16, &str)) {
    let method = method.parse().expect("a method");
    let body = Some(body).filter(|body| !body.is_null());
    let reply = client.send(method, path, body).await.expect("the server answers");
    assert_eq!((reply.status.as_u16(), reply.code()), expected, "{path}: {}", reply.body);
    assert!(
        reply.body["detail"].as_str().is_some_and(|words| (10..600).contains(&words.len())),
        "{}",
        reply.body
    );
}

fn sdp_offer(sdp: &str) -> Value {
    json!({ "to": "x", "offer": { "type": "offer", "sdp": sdp } })
}
