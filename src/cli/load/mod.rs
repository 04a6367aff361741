//! `curfew load`: as an admin makes robots, accounts and bookings whose windows end together, publishes, watches, and says
//! how it went.
//!
//! Everything here goes through the public interfaces, as strangers would: nothing of the server's inside.

mod publishers;
mod report;
mod setup;
mod viewer;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, SubsecRound, Utc};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::time::Instant;

use self::publishers::Publishers;
use self::report::{Report, Termination};
use self::setup::{Session, Stage};
use self::viewer::{Outcome, Viewer};
use super::WrongUse;
use super::http::HttpClient;

/// Booking, and joining one after the other, take far less; what is left over adds to the watching.
const SETUP_PER_ROOM: Duration = Duration::from_millis(60);
const JOIN_PER_VIEWER: Duration = Duration::from_millis(75);
const SETUP_FLOOR: Duration = Duration::from_secs(5);
const PUBLISHING_WITHIN: Duration = Duration::from_secs(20);
/// How long after the deadline somebody who was not told is given up.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// Between two terminations, so that each is measured by itself.
const BETWEEN_TERMINATIONS: Duration = Duration::from_millis(50);
/// What a termination and the wait after it take, generously: no window may end before its session is terminated.
const TERMINATION_AT_MOST: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
#[command(
    about = "Load generator: books sessions that end together, publishes, watches, prints percentiles",
    after_help = "Example:\n  curfew load --server http://127.0.0.1:8080 --email admin@lab.example --password-file admin.password \\\n    --rooms 100 --viewers 2 --seconds 30 --relax-rules --json"
)]
pub struct LoadArgs {
    /// The server's address
    #[arg(long, value_name = "URL")]
    pub server: String,

    /// An admin's e-mail
    #[arg(long)]
    pub email: String,

    /// File with that admin's password
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,

    /// Sessions at the same time, each with a robot of its own
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rooms: u16,

    /// Viewers of each session: the holder, and guests
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub viewers: u16,

    /// How long the viewers watch, at least
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,

    /// Packets a second of 1,100 bytes that each robot sends
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub pps: u32,

    /// Viewers that join at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub joins_at_once: u16,

    /// Terminate each session as the admin, instead of waiting for its end
    #[arg(long)]
    pub terminate: bool,

    /// Allow windows of any hour and length on the server while this runs; the former rules are put back at the end
    #[arg(long)]
    pub relax_rules: bool,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

pub async fn run(args: LoadArgs) -> anyhow::Result<ExitCode> {
    let password = std::fs::read_to_string(&args.password_file).map_err(|error| {
        WrongUse(format!("cannot read the password file {}: {error}", args.password_file.display()))
    })?;
    let admin = setup::sign_in(&HttpClient::new(&args.server)?, &args.email, password.trim()).await?;
    let former_rules = if args.relax_rules { Some(setup::relax_rules(&admin).await?) } else { None };
    let outcome = tokio::select! {
        outcome = measure(&args, &admin) => outcome,
        // The rules are put back all the same.
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted; robots of this run may still be registered")),
    };
    if let Some(rules) = former_rules {
        setup::put_rules(&admin, &rules).await.context("the former rules could not be put back")?;
    }
    let report = outcome?;
    let text = if args.json { report.to_json()? } else { report.to_text() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(args: &LoadArgs, admin: &HttpClient) -> anyhow::Result<Report> {
    let stage = setup::prepare(admin, args).await?;
    let publishers = Publishers::start(&args.server, &stage.robots, args.pps);
    let result = watch(args, admin, &stage, &publishers).await;
    publishers.stop().await;
    setup::retire(admin, &stage).await;
    result
}

async fn watch(
    args: &LoadArgs,
    admin: &HttpClient,
    stage: &Stage,
    publishers: &Publishers,
) -> anyhow::Result<Report> {
    let deadline = (Utc::now() + ahead(args)).trunc_subsecs(0);
    let sessions = setup::book(admin, stage, deadline).await?;
    tracing::info!(sessions = sessions.len(), %deadline, "booked");
    let publishing = publishers.wait(PUBLISHING_WITHIN).await;
    tracing::info!(publishing, "robots publish");
    let joined = join(args, &sessions).await;
    tracing::info!(viewers = joined.iter().filter(|viewer| viewer.is_ok()).count(), "viewers watch");
    let terminations = if args.terminate {
        terminate(admin, &sessions, Duration::from_secs(args.seconds.into())).await?
    } else {
        Vec::new()
    };
    let give_up = Instant::now() + until(deadline) + TOLD_WITHIN;
    let outcomes = stream::iter(joined)
        .map(|viewer| async move {
            match viewer {
                Ok(viewer) => viewer.end(give_up).await,
                Err(failure) => Outcome::failed(format!("{failure:#}")),
            }
        })
        .buffered(usize::MAX)
        .collect()
        .await;
    Ok(Report::new(args, deadline, publishing, outcomes, &terminations))
}

/// How far ahead the common end is.
fn ahead(args: &LoadArgs) -> Duration {
    let rooms = u32::from(args.rooms);
    let viewers = rooms * u32::from(args.viewers);
    let terminations = if args.terminate { TERMINATION_AT_MOST * rooms } else { Duration::ZERO };
    SETUP_FLOOR
        + SETUP_PER_ROOM * rooms
        + JOIN_PER_VIEWER * viewers
        + Duration::from_secs(args.seconds.into())
        + terminations
}

/// In the order of the sessions, viewer after viewer within each.
async fn join(args: &LoadArgs, sessions: &[Session]) -> Vec<anyhow::Result<Viewer>> {
    let viewers = sessions.iter().enumerate().flat_map(|(room, session)| {
        session.viewers.iter().map(move |viewer| (room, session.booking.as_str(), viewer))
    });
    stream::iter(viewers)
        .map(|(room, booking, person)| Viewer::join(&args.server, room, booking, person))
        .buffered(args.joins_at_once.into())
        .collect()
        .await
}

async fn terminate(
    admin: &HttpClient,
    sessions: &[Session],
    after: Duration,
) -> anyhow::Result<Vec<Termination>> {
    tokio::time::sleep(after).await;
    let mut terminations = Vec::new();
    for (room, session) in sessions.iter().enumerate() {
        let path = format!("/admin/bookings/{}/terminate", session.booking);
        let asked = Instant::now();
        let reply = admin.post(&path, &json!({ "reason": "load run" })).await?;
        let answered = Instant::now();
        reply.success().with_context(|| format!("session {} was not terminated", session.booking))?;
        terminations.push(Termination { room, asked, answered });
        tokio::time::sleep(BETWEEN_TERMINATIONS).await;
    }
    Ok(terminations)
}

fn until(at: DateTime<Utc>) -> Duration {
    (at - Utc::now()).to_std().unwrap_or_default()
}
