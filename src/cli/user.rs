//! `curfew user`: people and what they may do. Passwords are never arguments: other users of the machine can read those.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use http::Method;
use rand::Rng;
use serde_json::{Value, json};

use crate::cli::WrongUse;
use crate::cli::data_folder::{DataArgs, DataFolder};
use crate::cli::http::text;
use crate::cli::output::{self, cell};

#[derive(Debug, clap::Args)]
#[command(
    about = "Add people, see them, change what they may do",
    after_help = "Examples:\n  curfew user add --data curfew-data --name Ada --email ada@example.org --role admin\n  curfew user list --data curfew-data --json\n  curfew user suspend --data curfew-data ada@example.org --reason 'left the lab'"
)]
pub(super) struct UserArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    Viewer,
    Admin,
    Auditor,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a person; without --password-file a password is made and printed this once
    #[command(after_help = "Example:\n  curfew user add --name Ada --email ada@example.org --role admin")]
    Add {
        /// What others read of the person
        #[arg(long)]
        name: String,
        /// What the person signs in with
        #[arg(long)]
        email: String,
        /// What the person may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: RoleArg,
        /// A file whose first line is the password
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List everybody
    #[command(after_help = "Example:\n  curfew user list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change what a person may do
    #[command(after_help = "Example:\n  curfew user set-role ada@example.org auditor")]
    SetRole {
        /// The person's e-mail or id
        who: String,
        /// What the person may do from now on
        #[arg(value_enum)]
        role: RoleArg,
    },
    /// Suspend a person: what they watch ends now, what they booked is cancelled
    #[command(
        after_help = "Examples:\n  curfew user suspend ada@example.org --reason 'left the lab'\n  curfew user suspend ada@example.org --undo"
    )]
    Suspend {
        /// The person's e-mail or id
        who: String,
        /// Why; kept beside the log, erasable
        #[arg(long, required_unless_present = "undo")]
        reason: Option<String>,
        /// Take a suspension back
        #[arg(long, conflicts_with = "reason")]
        undo: bool,
    },
    /// Print a one-time link by which a person sets a new password
    #[command(after_help = "Example:\n  curfew user reset-password ada@example.org")]
    ResetPassword {
        /// The person's e-mail or id
        who: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(args: UserArgs) -> anyhow::Result<ExitCode> {
    DataFolder::run(&args.data, async |folder| carry_out(folder, args.command).await).await
}

async fn carry_out(folder: &DataFolder, command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { name, email, role, password_file, json } => {
            let given = password_file.as_deref().map(read_password).transpose()?;
            let made = given.is_none().then(make_password);
            let password = given.or_else(|| made.clone()).unwrap_or_default();
            let body = json!({"name": name, "email": email, "role": wire(role), "password": password});
            added(folder.post("/admin/users", &body).await?, made, json)
        }
        UserCommand::List { json } => list(&folder.list("/admin/users").await?, json),
        UserCommand::SetRole { who, role } => change(folder, &who, &json!({"role": wire(role)})).await,
        UserCommand::Suspend { who, reason, undo } => {
            change(folder, &who, &json!({"suspended": !undo, "reason": reason})).await
        }
        UserCommand::ResetPassword { who, json } => {
            let id = find(folder, &who).await?;
            let link = folder.post(&format!("/admin/users/{id}/reset-link"), &Value::Null).await?;
            if json {
                return output::json(&link);
            }
            Ok(output::line(format!(
                "{}\nworks once, until {}",
                text(&link, "url")?,
                text(&link, "expires_at")?
            ))?)
        }
    }
}

fn added(mut user: Value, made: Option<String>, json: bool) -> anyhow::Result<()> {
    if json {
        if let Some(password) = made {
            user["password"] = Value::String(password);
        }
        return output::json(&user);
    }
    output::line(format!(
        "added {} {} ({})",
        text(&user, "role")?,
        text(&user, "email")?,
        text(&user, "id")?
    ))?;
    if let Some(password) = made {
        output::line(format!("password, shown this once: {password}"))?;
    }
    Ok(())
}

fn list(users: &[Value], json: bool) -> anyhow::Result<()> {
    let state = |user: &Value| if user["suspended"] == true { "suspended".to_owned() } else { String::new() };
    output::list(users, json, ["ID", "E-MAIL", "NAME", "ROLE", ""], |user| {
        [cell(user, "id"), cell(user, "email"), cell(user, "name"), cell(user, "role"), state(user)]
    })
}

async fn change(folder: &DataFolder, who: &str, body: &Value) -> anyhow::Result<()> {
    let id = find(folder, who).await?;
    let user = folder.request(Method::PATCH, &format!("/admin/users/{id}"), Some(body)).await?;
    if user["recorded"] == false {
        return Ok(output::line("done at once; it is recorded when the log can be written")?);
    }
    let suspended = if user["suspended"] == true { ", suspended" } else { "" };
    Ok(output::line(format!("{} is {}{suspended}", text(&user, "email")?, text(&user, "role")?))?)
}

/// The id of a person by id or e-mail.
async fn find(folder: &DataFolder, who: &str) -> anyhow::Result<String> {
    let users = folder.list("/admin/users").await?;
    let is_meant = |user: &&Value| {
        user["id"] == who
            || user["email"].as_str().is_some_and(|email| email.eq_ignore_ascii_case(who.trim()))
    };
    let user = users.iter().find(is_meant).with_context(|| format!("nobody here is {who}"))?;
    Ok(text(user, "id")?.to_owned())
}

fn wire(role: RoleArg) -> &'static str {
    match role {
        RoleArg::Viewer => "viewer",
        RoleArg::Admin => "admin",
        RoleArg::Auditor => "auditor",
    }
}

fn read_password(path: &Path) -> anyhow::Result<String> {
    let content = std::fs::read_to_string(path)
        .map_err(|error| WrongUse(format!("cannot read the password file {}: {error}", path.display())))?;
    match content.lines().next().map(str::trim_end) {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(WrongUse(format!("the password file {} is empty", path.display())).into()),
    }
}

/// 100 bits, in letters and digits that are not taken for one another.
fn make_password() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..20).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_passwords_differ_and_are_long() {
        let (first, second) = (make_password(), make_password());
        assert_ne!(first, second);
        assert_eq!(first.len(), 20);
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |content: &str, expected: Option<&str>| {
            let path = folder.path().join("password");
            std::fs::write(&path, content).expect("written");
            assert_eq!(read_password(&path).ok().as_deref(), expected, "{content:?}");
        };
        check("correct horse\n", Some("correct horse"));
        check("correct horse\r\nmore", Some("correct horse"));
        check("", None);
        check("\nx", None);
    }
}
