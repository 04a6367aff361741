//! The command line: what each command takes, and how its outcome becomes an exit code.
//!
//! Results go to stdout, everything else to stderr. No rule and no wiring lives here: commands ask a server, or start one.

mod data_folder;
mod demo;
pub(crate) mod http;
pub mod load;
mod output;
mod robot;
mod robot_registry;
mod serve;
mod user;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::api::tls::TlsError;
use crate::config::ConfigError;
use crate::telemetry::{self, LogFormat};

/// Exit codes of every command: 0 done, 1 failed or a check not passed, 2 wrong use, which is all that was given and cannot be used
/// as it is: nothing was begun.
const WRONG_USE: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "curfew",
    version,
    about,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit codes:\n  0  done\n  1  failed, or a check was not passed\n  2  wrong use: the command line, the configuration or a \
        file that they name cannot be used as it is"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Serve(serve::ServeArgs),
    Robot(robot::RobotArgs),
    Load(load::LoadArgs),
    User(user::UserArgs),
    RobotRegistry(robot_registry::RobotRegistryArgs),
}

/// An address to listen on. Names are not looked up: which of their addresses is meant would be a guess.
pub(crate) fn address(text: &str) -> Result<std::net::SocketAddr, &'static str> {
    text.parse().map_err(|_| "an address is an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080")
}

/// Wrong use that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUse(pub(crate) String);

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let code = if error.use_stderr() { WRONG_USE } else { 0 };
            // Nobody left to tell when even this cannot be written.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    runtime.block_on(run(line.command)).unwrap_or_else(|error| failed(&error))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        // It reads its own from the configuration.
        Command::Serve(_) => {}
        Command::Robot(_) => telemetry::start("info", LogFormat::Text),
        Command::Load(_) => telemetry::start("warn,curfew::cli::load=info", LogFormat::Text),
        Command::Demo(_) | Command::User(_) | Command::RobotRegistry(_) => {
            telemetry::start("warn", LogFormat::Text)
        }
    }
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Robot(args) => robot::run(args).await,
        Command::Load(args) => load::run(args).await,
        Command::User(args) => user::run(args).await,
        Command::RobotRegistry(args) => robot_registry::run(args).await,
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Whoever reads our output may stop at any time: `curfew user list | head`.
    let is_broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    let is_wrong_use = error.is::<WrongUse>() || error.is::<ConfigError>() || error.is::<TlsError>();
    if is_wrong_use { ExitCode::from(WRONG_USE) } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_each_has_an_example() {
        let mut line = Line::command();
        line.build();
        line.clone().debug_assert();
        let mut commands: Vec<_> = line.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            if command.get_name() == "help" {
                continue;
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("curfew "), "{} has no example", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{}: {}", command.get_name(), argument.get_id());
            }
            commands.extend(command.get_subcommands());
        }
    }

    #[test]
    fn wrong_use_is_told_apart_from_failure() {
        let code = |error: anyhow::Error| format!("{:?}", failed(&error));
        assert_eq!(code(WrongUse("no such thing".into()).into()), format!("{:?}", ExitCode::from(2)));
        assert_eq!(code(anyhow::anyhow!("the disk is full")), format!("{:?}", ExitCode::FAILURE));
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(code(pipe.into()), format!("{:?}", ExitCode::SUCCESS));
    }
}
