//! `curfew robot status`: how the agent on this machine is, by the file that it writes every second.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::agent::{CameraState, CameraStatus, Status, StopStatus};
use crate::cli::output;

const FILE: &str = "curfew-robot.json";
/// Larger than any status.
const STATUS_MAX: u64 = 256 * 1024;
/// An agent that wrote nothing for so long is not running, or hangs.
const SILENT_S: i64 = 10;

#[derive(Debug, clap::Args)]
#[command(
    about = "Show how the robot's agent on this machine is: exit code 0 when all is well, 1 when not",
    after_help = "Example:\n  curfew robot status --json"
)]
pub(super) struct StatusArgs {
    /// The file that the agent writes
    #[arg(long, value_name = "FILE", default_value_os_t = default_file())]
    status_file: PathBuf,

    /// JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What stands in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    pid: u32,
    version: String,
    written_at: DateTime<Utc>,
    is_healthy: bool,
    #[serde(flatten)]
    status: Status,
}

/// In the folder that systemd made for the service, that of the user's session, or that of the machine.
pub(super) fn default_file() -> PathBuf {
    let folder = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().find_map(std::env::var_os);
    folder.map_or_else(|| PathBuf::from("/run"), PathBuf::from).join(FILE)
}

/// Writes it so that a reader finds the whole of it.
pub(super) fn write(file: &Path, status: &Status) -> anyhow::Result<()> {
    let written = Written {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        written_at: Utc::now(),
        is_healthy: status.is_healthy(),
        status: status.clone(),
    };
    let json = serde_json::to_vec(&written)?;
    let partial = file.with_extension("partial");
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644).open(&partial)?.write_all(&json)?;
        std::fs::rename(&partial, file)
    };
    write().with_context(|| format!("cannot write the status file {}", file.display()))
}

pub(super) fn remove(file: &Path) {
    // One that cannot be removed is too old to be believed in a moment.
    let _ = std::fs::remove_file(file);
}

pub(super) fn show(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let written = read(&args.status_file)?;
    let now = Utc::now();
    let is_silent = (now - written.written_at).abs() > TimeDelta::seconds(SILENT_S);
    if is_silent && is_gone(written.pid) {
        bail!("the agent (process {}) ended without a goodbye at {}", written.pid, clock(written.written_at));
    }
    let is_healthy = written.is_healthy && !is_silent;
    if args.json {
        output::line(serde_json::to_string_pretty(&Written { is_healthy, ..written })?)?;
    } else {
        if is_silent {
            output::line(format!(
                "The agent has said nothing since {}: it hangs.",
                clock(written.written_at)
            ))?;
        }
        output::line(in_words(&written.status, now).join("\n"))?;
    }
    Ok(if is_healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> anyhow::Result<Written> {
    use std::io::Read;
    let mut text = String::new();
    let opened = std::fs::File::open(file).with_context(|| {
        format!(
            "no agent is running: there is no {}. Was it started with another --status-file?",
            file.display()
        )
    })?;
    opened.take(STATUS_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no status of an agent", file.display()))
}

fn is_gone(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

/// For a service manager's list.
pub(super) fn in_one_line(status: &Status) -> String {
    let server = if status.server.is_connected { "connected" } else { "no connection to the server" };
    let cameras = status.cameras.iter().map(|camera| format!("{} {}", camera.name, state(camera.state)));
    let stopped = if status.emergency_stop.is_some() { "; EMERGENCY STOP" } else { "" };
    let media = if status.media_failure.is_some() { "; no media reaches the server" } else { "" };
    format!("{server}; {}{media}{stopped}", cameras.collect::<Vec<_>>().join(", "))
}

fn in_words(status: &Status, now: DateTime<Utc>) -> Vec<String> {
    let since = status.server.since.map(|since| format!(" since {}", clock(since))).unwrap_or_default();
    let server = if status.server.is_connected { "connected" } else { "NOT CONNECTED" };
    let session = match status.session_ends_at {
        Some(ends_at) => {
            format!("until {}, {} s left", clock(ends_at), (ends_at - now).num_seconds().max(0))
        }
        None => "none".to_owned(),
    };
    let mut lines = vec![
        format!("robot     {}", status.name),
        format!("server    {server}{since}"),
        format!("session   {session}"),
    ];
    lines.extend(status.media_failure.iter().map(|why| format!("media     NOT SENT: {why}")));
    lines.extend(status.emergency_stop.iter().map(stop_in_words));
    lines.extend(status.cameras.iter().map(camera_in_words));
    for failure in &status.failures {
        lines.push(format!("failure   {}  {}", clock(failure.at), failure.what));
    }
    lines
}

fn stop_in_words(stop: &StopStatus) -> String {
    let done = match (&stop.failure, stop.acknowledged_at) {
        (Some(failure), _) => format!("THE ROBOT'S PROGRAM FAILS: {failure}"),
        (None, Some(at)) => format!("acknowledged {}", clock(at)),
        (None, None) => "not acknowledged yet".to_owned(),
    };
    format!("STOPPED   since {} ({}), {done}", clock(stop.since), stop.reason)
}

fn camera_in_words(camera: &CameraStatus) -> String {
    let what = match (camera.state, &camera.reason) {
        (CameraState::Lost, Some(reason)) => format!("LOST: {reason}"),
        (CameraState::Sending, _) => format!(
            "sending {} frames/s, {} kbit/s (set to {}), last picture {} ms ago",
            camera.frames_per_second,
            camera.bits_per_second / 1000,
            camera.target_bps / 1000,
            camera.last_picture_age_ms.unwrap_or_default()
        ),
        (other, _) => state(other).to_owned(),
    };
    format!("camera    {} ({}): {what}", camera.name, camera.source)
}

fn state(state: CameraState) -> &'static str {
    match state {
        CameraState::Idle => "idle",
        CameraState::Starting => "starting",
        CameraState::Sending => "sending",
        CameraState::Lost => "lost",
    }
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Failure, ServerStatus};

    fn status() -> Status {
        let at = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        Status {
            name: "arm-1".into(),
            server: ServerStatus { is_connected: true, since: Some(at) },
            session_ends_at: Some(at + TimeDelta::seconds(90)),
            media_failure: None,
            emergency_stop: None,
            cameras: vec![CameraStatus {
                name: "main".into(),
                source: "test".into(),
                state: CameraState::Sending,
                frames_per_second: 30,
                bits_per_second: 1_400_000,
                target_bps: 1_500_000,
                last_picture_age_ms: Some(20),
                reason: None,
            }],
            failures: vec![Failure { at, what: "server: it went".into() }],
        }
    }

    fn shown(file: &Path) -> String {
        let args = StatusArgs { status_file: file.to_owned(), json: true };
        format!("{:?}", show(&args).expect("shows"))
    }

    #[test]
    fn the_exit_code_follows_what_the_agent_wrote() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        write(&file, &status()).expect("written");
        assert_eq!(shown(&file), format!("{:?}", ExitCode::SUCCESS));
        let lost = CameraStatus { state: CameraState::Lost, ..Default::default() };
        write(&file, &Status { cameras: vec![lost], ..status() }).expect("written");
        assert_eq!(shown(&file), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no partial file is left");
    }

    #[test]
    fn an_agent_that_is_gone_or_hangs_is_not_healthy() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        let old = |pid| Written {
            pid,
            version: "0".into(),
            written_at: Utc::now() - TimeDelta::minutes(5),
            is_healthy: true,
            status: status(),
        };
        let put = |written: Written| {
            std::fs::write(&file, serde_json::to_vec(&written).expect("serialises")).expect("written");
        };
        put(old(std::process::id()));
        assert_eq!(shown(&file), format!("{:?}", ExitCode::FAILURE));
        // Larger than any process id that Linux gives.
        put(old(u32::MAX));
        let args = StatusArgs { status_file: file.clone(), json: false };
        assert!(show(&args).expect_err("gone").to_string().contains("ended without a goodbye"));
        remove(&file);
        assert!(show(&args).expect_err("none").to_string().contains("no agent is running"));
        std::fs::write(&file, "{").expect("written");
        assert!(show(&args).expect_err("damaged").to_string().contains("no status"));
    }

    #[test]
    fn a_person_reads_what_is_and_what_was_wrong() {
        let now = DateTime::from_timestamp(1_800_000_030, 0).expect("in range");
        let lines = in_words(&status(), now);
        assert_eq!(
            lines,
            [
                "robot     arm-1",
                "server    connected since 2027-01-15 08:00:00 UTC",
                "session   until 2027-01-15 08:01:30 UTC, 60 s left",
                "camera    main (test): sending 30 frames/s, 1400 kbit/s (set to 1500), last picture 20 ms ago",
                "failure   2027-01-15 08:00:00 UTC  server: it went",
            ]
        );
        assert_eq!(in_one_line(&status()), "connected; main sending");
        let cut_off = Status { media_failure: Some("no way leads there".into()), ..status() };
        assert_eq!(in_one_line(&cut_off), "connected; main sending; no media reaches the server");
        assert_eq!(in_words(&cut_off, now)[3], "media     NOT SENT: no way leads there");
        let stop =
            StopStatus { since: now, reason: "smoke".into(), acknowledged_at: Some(now), failure: None };
        assert_eq!(
            stop_in_words(&stop),
            "STOPPED   since 2027-01-15 08:00:30 UTC (smoke), acknowledged 2027-01-15 08:00:30 UTC"
        );
        let stop = StopStatus { failure: Some("exit status: 1".into()), ..stop };
        assert!(stop_in_words(&stop).ends_with("FAILS: exit status: 1"));
    }
}
