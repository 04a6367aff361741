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
    if let Err(error) = status::write(&status_file, &health.status()) {
        // Not worth ending a robot for.
        tracing::warn!("{error:#}: `curfew robot status` cannot show this robot; give another --status-file");
    }
    let (stop, stopped) = mpsc::channel();
    // At least twice within the time that systemd gives.
    let every = watchdog_interval().map_or(LOOK_EVERY, |given| LOOK_EVERY.min(given / 2));
    let watch = Watch {
        health,
        status_file,
        manager: ServiceManager::from_environment(),
        every,
        stuck_after: STUCK_AFTER,
    };
    let thread = std::thread::Builder::new().name("guard".into()).spawn(move || {
        let ended = watch.run(&stopped);
        status::remove(&watch.status_file);
        if let Ended::Stuck(part, age) = ended {
            tracing::error!(
                seconds = age.as_secs(),
                "{part} makes no progress: ending the process, so that it can be started again"
            );
            std::process::exit(EXIT_STUCK);
        }
    });
    Ok(Guard { stop, thread: thread.context("no thread for the watchdog")? })
}

struct Watch {
    health: Health,
    status_file: PathBuf,
    manager: Option<ServiceManager>,
    every: Duration,
    stuck_after: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Stopped,
    /// A part made no progress for so long.
    Stuck(String, Duration),
}

impl Watch {
    fn run(&self, stopped: &mpsc::Receiver<()>) -> Ended {
        self.tell("READY=1");
        while stopped.recv_timeout(self.every) == Err(RecvTimeoutError::Timeout) {
            if let Some((part, age)) = self.health.stuck(self.stuck_after) {
                self.tell("STATUS=stuck");
                return Ended::Stuck(part, age);
            }
            let status = self.health.status();
            self.tell(&format!("WATCHDOG=1\nSTATUS={}", status::in_one_line(&status)));
            if let Err(error) = status::write(&self.status_file, &status) {
                tracing::debug!("{error:#}");
            }
        }
        self.tell("STOPPING=1");
        Ended::Stopped
    }

    fn tell(&self, state: &str) {
        if let Some(manager) = &self.manager {
            manager.tell(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// A watch whose manager listens at the socket.
    fn watch(folder: &std::path::Path) -> (Watch, UnixDatagram) {
        let socket = folder.join("notify");
        let manager = UnixDatagram::bind(&socket).expect("binds");
        manager.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let watch = Watch {
            health: Health::new("arm-1"),
            status_file: folder.join("status.json"),
            manager: ServiceManager::at(socket.as_os_str()),
            every: Duration::from_millis(5),
            stuck_after: Duration::from_secs(60),
        };
        (watch, manager)
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).expect("a datagram");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn an_agent_in_progress_is_reported_alive_until_it_stops() {
        let folder = tempfile::tempdir().expect("a folder");
        let (watch, manager) = watch(folder.path());
        let _beat = watch.health.beat("a part");
        let (stop, stopped) = mpsc::channel();
        let file = watch.status_file.clone();
        let running = std::thread::spawn(move || watch.run(&stopped));
        assert_eq!(heard(&manager), "READY=1");
        assert_eq!(heard(&manager), "WATCHDOG=1\nSTATUS=no connection to the server; ");
        heard(&manager);
        assert!(file.exists(), "written before the next look");
        drop(stop);
        while heard(&manager) != "STOPPING=1" {}
        assert_eq!(running.join().expect("no panic"), Ended::Stopped);
    }

    #[test]
    fn an_agent_without_progress_is_no_longer_reported_alive() {
        let folder = tempfile::tempdir().expect("a folder");
        let (watch, manager) = watch(folder.path());
        let watch = Watch { stuck_after: Duration::ZERO, ..watch };
        let _beat = watch.health.beat("the agent's loop");
        let (_stop, stopped) = mpsc::channel();
        let Ended::Stuck(part, _) = watch.run(&stopped) else { panic!("not stuck") };
        assert_eq!(part, "the agent's loop");
        assert_eq!([heard(&manager), heard(&manager)], ["READY=1", "STATUS=stuck"]);
    }
}
