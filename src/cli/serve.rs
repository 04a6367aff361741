//! `curfew serve`: the server.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::{App, RunningApp, told_to_stop};
use crate::cli::output;
use crate::clock::SystemClock;
use crate::config::{Config, Flags};
use crate::telemetry;

#[derive(Debug, clap::Args)]
#[command(
    about = "Run the server",
    after_help = "Example:\n  curfew serve --config curfew.toml\n  CURFEW_LISTEN=0.0.0.0:8080 curfew serve --data /var/lib/curfew"
)]
pub(super) struct ServeArgs {
    /// The configuration, a TOML file; CURFEW_* and the flags here override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The address of HTTP and WebSocket
    #[arg(long, value_name = "ADDR", value_parser = super::address)]
    listen: Option<std::net::SocketAddr>,

    /// The folder of the embedded database
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The lab's time zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    /// What people type to get here, such as https://robots.example.org
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

pub(super) async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let ServeArgs { config, listen, data, zone, public_url } = args;
    let config = Config::load(config.as_deref(), &Flags { listen, data, zone, public_url })?;
    telemetry::start(&config.log, config.log_format);
    let mut told = std::pin::pin!(told_to_stop()?);
    let app = tokio::select! {
        biased;
        app = App::start(config, SystemClock::shared()) => app?,
        // Nobody was served yet, and what a start does is done again by the next.
        () = &mut told => return Ok(ExitCode::SUCCESS),
    };
    let outcome = greet(&app).await;
    if outcome.is_ok() {
        told.await;
    }
    app.shutdown().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Says where the server is and, while nobody could administer it, how to become the one who can.
async fn greet(app: &RunningApp) -> anyhow::Result<()> {
    output::greeting(format!("Serving on {}", app.base_url))?;
    if app.core.accounts().has_admin().await? {
        return Ok(());
    }
    let link = app.core.accounts().first_admin_link().await?;
    output::greeting(format!(
        "There is no admin yet. Open this link to become one; it works once, until {}:\n  {}",
        link.expires_at.format("%H:%M UTC"),
        link.url
    ))?;
    Ok(())
}
