//! `curfew robot`: the robot's side.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::{self, AgentConfig, Source};
use crate::cli::WrongUse;
use crate::clock::SystemClock;

/// Longer than any credential.
const TOKEN_MAX: u64 = 4096;

#[derive(Debug, clap::Args)]
#[command(
    about = "Publish a robot's cameras: connects to the server, reconnects for ever, ends each session at its deadline",
    after_help = "Example:\n  curfew robot --server http://127.0.0.1:8080 --token-file robot.token --source test"
)]
pub struct RobotArgs {
    /// The server's address
    #[arg(long, value_name = "URL")]
    pub server: String,

    /// File with the robot's credential, as `curfew robot-registry credential` shows it once
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,

    /// A camera's source, once per camera: `[NAME=]test`, a drawn picture that moves. (rtsp:// and v4l2: come later)
    #[arg(long = "source", value_name = "[NAME=]SOURCE", default_value = "test")]
    pub sources: Vec<Source>,

    /// A name for the picture and the logs
    #[arg(long, default_value = "robot")]
    pub name: String,
}

pub async fn run(args: RobotArgs) -> anyhow::Result<ExitCode> {
    let token = read_token(&args.token_file).map_err(|error| WrongUse(format!("{error:#}")))?;
    let config = AgentConfig { server: args.server, token, sources: args.sources, name: args.name };
    let ended = agent::run(config, SystemClock::shared(), interrupted()?).await;
    // An agent does not fail for what happens while it runs.
    ended.map_err(|error| WrongUse(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let file = std::fs::File::open(path)
        .with_context(|| format!("cannot read the token file {}", path.display()))?;
    let mut text = String::new();
    file.take(TOKEN_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read the token file {}", path.display()))?;
    let token = text.trim();
    anyhow::ensure!(!token.is_empty(), "the token file {} is empty", path.display());
    let is_token = text.len() as u64 <= TOKEN_MAX && token.bytes().all(|byte| byte.is_ascii_graphic());
    anyhow::ensure!(is_token, "the token file {} holds no token: one line, no spaces", path.display());
    Ok(token.to_owned())
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
        let line = Line::try_parse_from(required).expect("parses");
        assert_eq!(
            line.args.sources.iter().map(|source| source.camera.as_str()).collect::<Vec<_>>(),
            ["main"]
        );
        let line = Line::try_parse_from(
            [&required[..], &["--source", "left=test", "--source", "right=test"]].concat(),
        )
        .expect("parses");
        assert_eq!(line.args.sources.len(), 2);
        let error = Line::try_parse_from([&required[..], &["--source", "rtsp://camera"]].concat())
            .err()
            .expect("refused");
        assert!(error.to_string().contains("not available yet"), "{error}");
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
