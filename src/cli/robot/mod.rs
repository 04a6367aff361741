//! `curfew robot`: the robot's side.

mod guard;
mod notify;
mod status;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::{self, AgentConfig, DEFAULT_MAX_BPS, Source};
use crate::cli::WrongUse;
use crate::clock::SystemClock;

/// Longer than any credential and any source.
const LINE_MAX: u64 = 4096;

#[derive(Debug, clap::Args)]
#[command(
    about = "Publish a robot's cameras: connects to the server, reconnects for ever, ends each session at its deadline",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        curfew robot --server https://lab.example --token-file robot.token --source v4l2:/dev/video0\n  \
        curfew robot --server http://127.0.0.1:8080 --token-file robot.token --source left=test --source right=test\n  \
        curfew robot status"
)]
pub(super) struct RobotArgs {
    #[command(subcommand)]
    command: Option<RobotCommand>,

    /// The server's address, https:// or (within a network that you trust) http://
    #[arg(long, value_name = "URL", required = true)]
    server: Option<String>,

    /// File with the robot's credential, as `curfew robot-registry credential` shows it once
    #[arg(long, value_name = "FILE", required = true)]
    token_file: Option<PathBuf>,

    /// A camera, once for each: [NAME=]SOURCE, where SOURCE is `test` (a drawn picture that moves), `v4l2:/dev/video0`,
    /// `rtsp://HOST/PATH`, or `@FILE` with one of these on a line, which keeps a camera's password from the process list
    #[arg(long = "source", value_name = "[NAME=]SOURCE", default_value = "test")]
    sources: Vec<String>,

    /// A name for the picture and the logs
    #[arg(long, default_value = "robot")]
    name: String,

    /// Highest bit rate of a camera, kbit/s; the encoder follows what viewers can receive below it
    #[arg(long, value_name = "KBIT_S", default_value_t = DEFAULT_MAX_BPS / 1000, value_parser = clap::value_parser!(u32).range(150..=20_000))]
    max_bitrate: u32,

    /// Program that makes the robot stand still in an emergency: run without a shell and without arguments, for 10 s at most, until it
    /// exits with 0; only then does the server hear that the robot stands still
    #[arg(long, value_name = "PROGRAM")]
    on_stop: Option<PathBuf>,

    /// File with certificates (PEM) of authorities to trust for https, beside the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Where `curfew robot status` reads how this robot is
    #[arg(long, value_name = "FILE", default_value_os_t = status::default_file())]
    status_file: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum RobotCommand {
    Status(status::StatusArgs),
}

pub(super) async fn run(args: RobotArgs) -> anyhow::Result<ExitCode> {
    if let Some(RobotCommand::Status(args)) = args.command {
        return status::show(&args);
    }
    let (Some(server), Some(token_file)) = (args.server, args.token_file) else {
        return Err(WrongUse("--server and --token-file are needed".to_owned()).into());
    };
    let wrong = |error: anyhow::Error| WrongUse(format!("{error:#}"));
    let token = read_token(&token_file).map_err(wrong)?;
    let sources: anyhow::Result<Vec<Source>> = args.sources.iter().map(|text| read_source(text)).collect();
    let mut config = AgentConfig::new(server, token, sources.map_err(wrong)?, args.name);
    config.ca_file = args.ca_file;
    config.on_stop = args.on_stop;
    config.max_bps = args.max_bitrate.saturating_mul(1000);
    let guard = guard::start(config.health.clone(), args.status_file)?;
    let ended = agent::run(config, SystemClock::shared(), interrupted()?).await;
    guard.stop();
    // An agent does not fail for what happens while it runs.
    ended.map_err(|error| WrongUse(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads `[NAME=]SOURCE`, or `[NAME=]@FILE` with the source in the file.
fn read_source(text: &str) -> anyhow::Result<Source> {
    let (name, file) = match text.split_once('@') {
        Some(("", file)) => ("", file),
        Some((name, file)) if name.ends_with('=') => (name, file),
        _ => return Ok(text.parse()?),
    };
    let line = read_line(Path::new(file), "source file")?;
    // What is in the file is not shown: it may hold a password.
    format!("{name}{line}").parse().with_context(|| format!("the source file {file} holds no source"))
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let token = read_line(path, "token file")?;
    let is_token = token.bytes().all(|byte| byte.is_ascii_graphic());
    anyhow::ensure!(is_token, "the token file {} holds no token: one line, no spaces", path.display());
    Ok(token)
}

/// The one line of a file.
fn read_line(path: &Path, what: &str) -> anyhow::Result<String> {
    let cannot = || format!("cannot read the {what} {}", path.display());
    let file = std::fs::File::open(path).with_context(cannot)?;
    let mut text = String::new();
    file.take(LINE_MAX + 1).read_to_string(&mut text).with_context(cannot)?;
    let line = text.trim();
    anyhow::ensure!(!line.is_empty(), "the {what} {} is empty", path.display());
    let is_line = text.len() as u64 <= LINE_MAX && !line.contains(['\n', '\r']);
    anyhow::ensure!(is_line, "the {what} {} should hold one line", path.display());
    Ok(line.to_owned())
}

/// Ends at Ctrl-C or SIGTERM.
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RobotArgs,
    }

    #[test]
    fn sources_default_to_the_test_picture_and_may_be_several() {
        let required = ["robot", "--server", "http://h", "--token-file", "t"];
        let check = |more: &[&str], expected: &[&str]| {
            let line = Line::try_parse_from([&required[..], more].concat()).expect("parses");
            assert_eq!(line.args.sources, expected);
        };
        check(&[], &["test"]);
        check(&["--source", "left=test", "--source", "right=test"], &["left=test", "right=test"]);
    }

    #[test]
    fn status_is_asked_without_what_a_running_agent_needs() {
        assert!(Line::try_parse_from(["robot", "status", "--json"]).is_ok());
        assert!(Line::try_parse_from(["robot"]).is_err());
        assert!(Line::try_parse_from(["robot", "--server", "http://h"]).is_err());
        assert!(
            Line::try_parse_from(["robot", "--server", "http://h", "--token-file", "t", "status"]).is_err()
        );
    }

    #[test]
    fn a_source_may_stand_in_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("front");
        std::fs::write(&path, "rtsp://u:s3cret@camera/1\n").expect("written");
        let source = read_source(&format!("front=@{}", path.display())).expect("reads");
        assert_eq!((source.camera.as_str(), source.kind.to_string().as_str()), ("front", "rtsp://camera/1"));
        assert_eq!(read_source(&format!("@{}", path.display())).expect("reads").camera, "main");
        assert_eq!(
            read_source("rtsp://u:p@camera/1").expect("an address").kind.to_string(),
            "rtsp://camera/1"
        );
        std::fs::write(&path, "rtsp:s3cret").expect("written");
        let error = read_source(&format!("@{}", path.display())).expect_err("no source");
        assert!(!format!("{error:#}").contains("s3cret"), "{error:#}");
        assert!(read_source("@/no/such/file").is_err());
    }

    #[test]
    fn a_token_file_is_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |content: &str, expected: Option<&str>| {
            let path = folder.path().join("token");
            std::fs::write(&path, content).expect("written");
            assert_eq!(read_token(&path).ok().as_deref(), expected, "{content:?}");
        };
        check("abc\n", Some("abc"));
        check("", None);
        check(" \n", None);
        check("a b", None);
        check("a\nb", None);
        check(&"a".repeat(5000), None);
        let error = read_token(&folder.path().join("missing")).expect_err("no such file");
        assert!(format!("{error:#}").contains("missing"), "{error:#}");
    }
}
