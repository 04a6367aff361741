//! Logs: `tracing` to stderr, so that stdout carries results only.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    /// One JSON object a line, its fields beside `timestamp`, `level`, `target` and `message`.
    Json,
}

/// Starts logging by a filter such as `info` or `curfew=debug`. The first call in a process wins; an unreadable filter
/// falls back to `info` and says so.
pub fn start(filter: &str, format: LogFormat) {
    let (parsed, problem) = match EnvFilter::try_new(filter) {
        Ok(parsed) => (parsed, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(colours).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    if let (true, Some(error)) = (started.is_ok(), problem) {
        tracing::warn!(%error, filter, "the log filter cannot be read; logging at info");
    }
}
