//! Logs: `tracing` to stderr, so that stdout carries results only.

use tracing_subscriber::EnvFilter;

/// Starts logging by a filter such as `info` or `curfew=debug`. The first call in a process wins; an unreadable filter
/// falls back to `info` and says so.
pub fn start(filter: &str) {
    let (parsed, problem) = match EnvFilter::try_new(filter) {
        Ok(parsed) => (parsed, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let started = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .try_init()
        .is_ok();
    if let (true, Some(error)) = (started, problem) {
        tracing::warn!(%error, filter, "the log filter cannot be read; logging at info");
    }
}
