//! `curfew robot-registry`: the robots there are, and their credentials.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::cli::data_folder::{DataArgs, DataFolder};
use crate::cli::http::text;
use crate::cli::output::{self, cell};

#[derive(Debug, clap::Args)]
#[command(
    about = "Register robots and give them credentials",
    after_help = "Examples:\n  curfew robot-registry add --data curfew-data --slug turtle-1 --name 'Turtle 1' --type turtlebot\n  curfew robot-registry credential --data curfew-data turtle-1 --token-file turtle-1.token\n  curfew robot-registry list --data curfew-data --json"
)]
pub(super) struct RobotRegistryArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(subcommand)]
    command: RegistryCommand,
}

#[derive(Debug, Subcommand)]
enum RegistryCommand {
    /// Register a robot
    #[command(
        after_help = "Example:\n  curfew robot-registry add --slug turtle-1 --name 'Turtle 1' --type turtlebot --camera front --camera arm"
    )]
    Add {
        /// A short unique name for addresses and files
        #[arg(long)]
        slug: String,
        /// What people read
        #[arg(long)]
        name: String,
        /// What people book when any robot of a kind will do
        #[arg(long, value_name = "TYPE")]
        r#type: String,
        /// A camera's name, once per camera, in the order viewers get them
        #[arg(long = "camera", value_name = "NAME")]
        cameras: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the robots
    #[command(after_help = "Example:\n  curfew robot-registry list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a robot a credential, shown or written this once, or revoke one
    #[command(
        after_help = "Examples:\n  curfew robot-registry credential turtle-1 --token-file turtle-1.token\n  curfew robot-registry credential turtle-1 --revoke ID"
    )]
    Credential {
        /// The robot's slug or id
        robot: String,
        /// Write the token to this new file, readable by its owner only, instead of showing it
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// Revoke the credential of this id; its connection ends at once
        #[arg(long, value_name = "ID", conflicts_with = "token_file")]
        revoke: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(args: RobotRegistryArgs) -> anyhow::Result<ExitCode> {
    DataFolder::run(&args.data, async |folder| carry_out(folder, args.command).await).await
}

async fn carry_out(folder: &DataFolder, command: RegistryCommand) -> anyhow::Result<()> {
    match command {
        RegistryCommand::Add { slug, name, r#type, cameras, json } => {
            let body = json!({"slug": slug, "name": name, "type": r#type, "cameras": cameras});
            let robot = folder.post("/admin/robots", &body).await?;
            if json {
                return output::json(&robot);
            }
            Ok(output::line(format!("added {slug} ({})", text(&robot, "id")?))?)
        }
        RegistryCommand::List { json } => list(&folder.list("/admin/robots").await?, json),
        RegistryCommand::Credential { robot, revoke: Some(credential), json, .. } => {
            let path = format!("/admin/robots/{}/credentials/{}", segment(&robot), segment(&credential));
            folder.request(Method::DELETE, &path, None).await?;
            match json {
                true => output::json(&json!({"id": credential, "revoked": true})),
                false => Ok(output::line(format!("revoked {credential}"))?),
            }
        }
        RegistryCommand::Credential { robot, token_file, json, .. } => {
            issue(folder, &robot, token_file.as_deref(), json).await
        }
    }
}

async fn issue(folder: &DataFolder, robot: &str, file: Option<&Path>, json: bool) -> anyhow::Result<()> {
    // Opened first: a credential that cannot be kept should not be given.
    let file = file.map(|path| Ok::<_, anyhow::Error>((path, new_private_file(path)?))).transpose()?;
    let path = format!("/admin/robots/{}/credentials", segment(robot));
    let mut credential = folder.post(&path, &json!({})).await?;
    let token = text(&credential, "token")?.to_owned();
    let id = text(&credential, "id")?.to_owned();
    match file {
        Some((path, mut file)) => {
            writeln!(file, "{token}").with_context(|| format!("cannot write {}", path.display()))?;
            if json {
                credential["token"] = Value::Null;
                return output::json(&credential);
            }
            Ok(output::line(format!("credential {id} for {robot} is in {}", path.display()))?)
        }
        None if json => output::json(&credential),
        None => Ok(output::line(format!("credential {id} for {robot}, shown this once:\n{token}"))?),
    }
}

fn new_private_file(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

fn list(robots: &[Value], json: bool) -> anyhow::Result<()> {
    let state = |robot: &Value| match (&robot["retired"], &robot["online"]) {
        (Value::Bool(true), _) => "retired".to_owned(),
        (_, Value::Bool(true)) => "online".to_owned(),
        _ => "offline".to_owned(),
    };
    output::list(robots, json, ["ID", "SLUG", "NAME", "TYPE", "STATE"], |robot| {
        [cell(robot, "id"), cell(robot, "slug"), cell(robot, "name"), cell(robot, "type"), state(robot)]
    })
}

/// A path segment for anything typed (RFC 3986, section 2.1).
fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stays_one_segment() {
        assert_eq!(segment("turtle-1"), "turtle-1");
        assert_eq!(segment("../users?x=ü"), "..%2Fusers%3Fx%3D%C3%BC");
    }

    #[test]
    fn a_token_file_is_new_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("robot.token");
        let file = new_private_file(&path).expect("created");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert!(new_private_file(&path).is_err(), "an existing file is not written over");
    }
}
