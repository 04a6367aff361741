//! Watches over a running agent from a thread of its own: writes its status, keeps systemd's watchdog quiet while there is
//! progress, and ends the process when there is none, so that whoever started it starts it again.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

use super::notify::{ServiceManager, watchdog_interval};
use super::status;
use crate::agent::Health;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// No part of an agent takes so long for one step, on the slowest of robots.
const STUCK_AFTER: Duration = Duration::from_secs(15);
/// sysexits.h: try again later.
const EXIT_STUCK: i32 = 75;

/// Watches until stopped.
pub(super) struct Guard {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Guard {
    pub(super) fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

pub(super) fn start(health: Health, status_file: PathBuf) -> anyhow::Result<Guard> {
    let manager = ServiceManager::from_environment();
    if let Err(error) = status::write(&status_file, &health.status()) {
        // Not worth ending a robot for.
        tracing::warn!("{error:#}: `curfew robot status` cannot show this robot; give another --status-file");
    }
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::Builder::new().name("guard".into());
    let thread = thread.spawn(move || {
        watch(&health, &status_file, manager.as_ref(), &stopped);
        status::remove(&status_file);
    });
    Ok(Guard { stop, thread: thread.context("no thread for the watchdog")? })
}

fn watch(
    health: &Health,
    status_file: &std::path::Path,
    manager: Option<&ServiceManager>,
    stopped: &mpsc::Receiver<()>,
) {
    // Twice within the time that systemd gives.
    let every = watchdog_interval().map_or(LOOK_EVERY, |given| LOOK_EVERY.min(given / 2));
    let mut is_ready = false;
    while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        if let Some((part, age)) = health.stuck(STUCK_AFTER) {
            tracing::error!(
                seconds = age.as_secs(),
                "{part} makes no progress: ending the process, so that it can be started again"
            );
            status::remove(status_file);
            std::process::exit(EXIT_STUCK);
        }
        let status = health.status();
        if let Some(manager) = manager {
            is_ready |= status.server.is_connected;
            manager.tell(if is_ready { "READY=1\nWATCHDOG=1" } else { "WATCHDOG=1" });
            manager.tell(&format!("STATUS={}", status::in_one_line(&status)));
        }
        if let Err(error) = status::write(status_file, &status) {
            tracing::debug!("{error:#}");
        }
    }
    if let Some(manager) = manager {
        manager.tell("STOPPING=1");
    }
}
