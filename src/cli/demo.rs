//! `curfew demo`: a lab on one machine, with simulated robots and a session that is booked already.

use std::future::Future;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use curfew_domain::{LabRules, RobotId, Role, Window};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::data_folder::DataFolder;
use super::{WrongUse, output};
use crate::actors::{NewBooking, Principal, RobotChoice};
use crate::agent::{self, AgentConfig, Source, SourceKind};
use crate::app::{App, RunningApp, socket_of, told_to_stop};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::protocol::millis;

/// The demo's own record in its data folder, readable by its owner alone: what a later start needs to go on.
const RECORD: &str = "demo.json";
const ROBOTS: [(&str, &str, &str); 2] =
    [("turtle-1", "Turtle 1", "turtlebot"), ("arm-1", "Arm 1", "robot_arm")];
const PEOPLE: [(Role, &str, &str); 3] = [
    (Role::Admin, "Ada Admin", "admin@demo.example"),
    (Role::Viewer, "Vera Viewer", "viewer@demo.example"),
    (Role::Auditor, "Otto Auditor", "auditor@demo.example"),
];

#[derive(Debug, clap::Args)]
#[command(
    about = "Start everything on this machine, with two simulated robots and a booked session",
    after_help = "Example:\n  curfew demo --minutes 2\n  curfew demo --listen 0.0.0.0:8080 --data ./demo-data"
)]
pub(super) struct DemoArgs {
    /// The length of the booked session
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1440))]
    minutes: u16,

    /// The address of HTTP and WebSocket; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR", value_parser = super::address)]
    listen: std::net::SocketAddr,

    /// Keep the database here and go on with it at a later start; without it, it is gone at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Write the address, the sign-ins and the booking to this file, for programs
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A person of the demo and how they sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SignIn {
    role: Role,
    id: String,
    email: String,
    password: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DemoRobot {
    id: RobotId,
    #[serde(rename = "type")]
    robot_type: String,
    name: String,
    token: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    accounts: Vec<SignIn>,
    robots: Vec<DemoRobot>,
}

pub(super) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::shared();
    if let Some(file) = &args.json {
        require_folder_of(file)?;
    }
    // From the first moment on: a folder that nobody will go on with is not left behind.
    let told = told_to_stop()?;
    let (folder, _temporary) = match &args.data {
        Some(folder) => (folder.clone(), None),
        None => {
            let temporary = TemporaryFolder::new()?;
            (temporary.0.clone(), Some(temporary))
        }
    };
    let config = Config { listen: args.listen, data: folder.clone(), ..Config::default() };
    let app = App::start(with_media_port(config), Arc::clone(&clock)).await?;
    let (stop, stopping) = watch::channel(false);
    let outcome = show(&args, &folder, &app, &clock, &stopping).await;
    let outcome = match outcome {
        Ok(agents) => {
            told.await;
            stop.send_replace(true);
            for agent in agents {
                let _ = agent.await;
            }
            Ok(())
        }
        Err(error) => Err(error),
    };
    app.shutdown().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Several demos may run on one machine, so a free HTTP port means a free media port, and a loopback one is kept to it.
fn with_media_port(mut config: Config) -> Config {
    let port = if config.listen.port() == 0 || config.listen.ip().is_loopback() { 0 } else { 8189 };
    config.media.listen = (config.listen.ip(), port).into();
    config
}

async fn show(
    args: &DemoArgs,
    folder: &Path,
    app: &RunningApp,
    clock: &SharedClock,
    stopping: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    app.core.lab.set_initial_rules(LabRules::demo()).await?;
    let record = match read_record(folder)? {
        Some(record) => record,
        None => furnish(folder).await?,
    };
    let agents = start_robots(&record, app, clock, stopping)?;
    let booking = book(&record, app, clock, args.minutes).await?;
    if let Some(file) = &args.json {
        write_json(file, &record, app, &booking)?;
    }
    greet(&record, app, &booking)?;
    Ok(agents)
}

/// Makes the demo's people and robots, by the routes that an admin's command line uses.
async fn furnish(folder: &Path) -> anyhow::Result<Record> {
    let lab = DataFolder::Served(socket_of(folder));
    let mut record = Record { accounts: Vec::new(), robots: Vec::new() };
    for (role, name, email) in PEOPLE {
        let password = random_password();
        let user = json!({ "name": name, "email": email, "password": password, "role": serde_json::to_value(role)? });
        let user = lab.post("/admin/users", &user).await.context(
            "cannot make the demo's people (a folder of `curfew serve`, or of a demo whose first start was cut off, will not do: \
             give another --data)",
        )?;
        let id = text(&user, "id")?;
        record.accounts.push(SignIn { role, id, email: email.to_owned(), password });
    }
    for (slug, name, robot_type) in ROBOTS {
        let robot = json!({ "slug": slug, "name": name, "type": robot_type, "cameras": ["main"] });
        let robot = lab.post("/admin/robots", &robot).await.context("cannot make the demo's robots")?;
        let id: RobotId = text(&robot, "id")?.parse()?;
        let credential = lab.post(&format!("/admin/robots/{id}/credentials"), &json!({})).await?;
        let token = text(&credential, "token")?;
        record.robots.push(DemoRobot { id, robot_type: robot_type.to_owned(), name: name.to_owned(), token });
    }
    write_private(&folder.join(RECORD), &serde_json::to_vec_pretty(&record)?)?;
    Ok(record)
}

fn start_robots(
    record: &Record,
    app: &RunningApp,
    clock: &SharedClock,
    stopping: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut agents = Vec::new();
    for robot in &record.robots {
        let server = format!("http://{}", reachable(app));
        let sources = vec![Source { camera: "main".to_owned(), kind: SourceKind::Test }];
        let config = AgentConfig::new(server, robot.token.clone(), sources, robot.name.clone());
        let (clock, mut stopping) = (Arc::clone(clock), stopping.clone());
        let stopped = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        agents.push(tokio::spawn(run_robot(config, clock, stopped)));
    }
    Ok(agents)
}

async fn run_robot(config: AgentConfig, clock: SharedClock, stopped: impl Future<Output = ()> + Send) {
    if let Err(error) = agent::run(config, clock, stopped).await {
        tracing::error!(%error, "a simulated robot could not start");
    }
}

/// Books the viewer's session from now. A later start on the same folder ends what is left of the session before.
async fn book(record: &Record, app: &RunningApp, clock: &SharedClock, minutes: u16) -> anyhow::Result<Value> {
    let viewer = record.accounts.iter().find(|account| account.role == Role::Viewer);
    let Some(viewer) = viewer else {
        bail!("the demo's record in the data folder is not complete");
    };
    let account = viewer.id.parse()?;
    let principal = Principal::Account { id: account, role: Role::Viewer };
    for row in app.core.reads.bookings_live(None, None, 1000).await? {
        if row.account_id == account {
            app.core.lab.cancel_booking(&principal, row.booking_id).await?;
        }
    }
    let starts_at = clock.wall().trunc_subsecs(3);
    let window = Window { starts_at, ends_at: starts_at + TimeDelta::minutes(i64::from(minutes)) };
    let mut refused = None;
    // On a folder that was used before somebody else may have booked the first.
    for robot in &record.robots {
        let new = NewBooking { robot: RobotChoice::Id(robot.id), window };
        match app.core.lab.book(&principal, new).await {
            Ok(booked) => {
                let booking = app.core.lab.booking(booked.id).await?;
                return Ok(json!({
                    "id": booked.id, "room_id": booking.room_id, "robot_id": robot.id,
                    "starts_at": wire(booking.window.starts_at), "ends_at": wire(booking.window.ends_at),
                }));
            }
            Err(error) => refused = Some(error),
        }
    }
    let refused = refused.map_or_else(|| anyhow!("the demo's record names no robot"), anyhow::Error::from);
    Err(refused.context("cannot book the viewer's session (another --data begins anew)"))
}

fn write_json(file: &Path, record: &Record, app: &RunningApp, booking: &Value) -> anyhow::Result<()> {
    let robots: Vec<Value> =
        record.robots.iter().map(|robot| json!({ "id": robot.id, "type": robot.robot_type })).collect();
    let json = json!({
        "url": format!("http://{}", reachable(app)), "accounts": record.accounts, "robots": robots, "booking": booking,
    });
    // A reader that waits for the file should find all of it.
    let partial = file.with_extension("partial");
    write_private(&partial, &serde_json::to_vec_pretty(&json)?)?;
    std::fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))
}

fn greet(record: &Record, app: &RunningApp, booking: &Value) -> anyhow::Result<()> {
    output::greeting(format!("\n  Curfew is at  http://{}\n", reachable(app)))?;
    for account in &record.accounts {
        output::greeting(format!("  {:<8} {:<22} {}", account.role.name(), account.email, account.password))?;
    }
    let ends_at = booking["ends_at"].as_str().unwrap_or_default();
    let robot = record.robots.iter().find(|robot| booking["robot_id"] == json!(robot.id));
    let robot = robot.map_or("a robot", |robot| &robot.name);
    output::greeting(format!(
        "\n  The viewer's session with {robot} is open until {ends_at}: sign in as the viewer, go to\n  \
         My bookings, press Watch. Ctrl-C ends the demo.\n"
    ))?;
    Ok(())
}

/// The address for clients on this machine: a server that listens everywhere is reached on loopback.
fn reachable(app: &RunningApp) -> std::net::SocketAddr {
    let mut address = app.http_addr;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn read_record(folder: &Path) -> anyhow::Result<Option<Record>> {
    let path = folder.join(RECORD);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(
            serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Before anything is started for it.
fn require_folder_of(file: &Path) -> Result<(), WrongUse> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.is_none_or(Path::is_dir) {
        true => Ok(()),
        false => Err(WrongUse(format!("cannot write {}: its folder is not there", file.display()))),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn text(body: &Value, member: &str) -> anyhow::Result<String> {
    body[member].as_str().map(str::to_owned).with_context(|| format!("the server's reply has no `{member}`"))
}

fn wire(at: DateTime<Utc>) -> String {
    millis::to_string(&at)
}

/// 16 characters of 96 random bits.
fn random_password() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())
}

/// A folder that goes when the demo ends, however it ends, but for a kill.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> anyhow::Result<Self> {
        let name = format!("curfew-demo-{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 9]>()));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the demo's folder could not be removed");
        }
    }
}
