//! `curfew serve` as a process of its own, which can be killed.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A start takes far less, but for a machine that is busy with something else.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOGGED_WITHIN: Duration = Duration::from_secs(30);
const GREETING: &str = "Serving on ";

/// A running server. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    /// `http://HOST:PORT`.
    pub(crate) url: String,
    /// Just before the process began.
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ready_at: DateTime<Utc>,
}

impl Server {
    /// Starts the server on `data`, on ports of the system's choice, and returns when it serves. It logs to
    /// `server.log` in `logs`.
    pub(crate) async fn start(data: &Path, logs: &Path) -> Self {
        Self::start_with(data, logs, &[]).await
    }

    /// As [`Self::start`], with these settings (`CURFEW_…`) besides.
    pub(crate) async fn start_with(data: &Path, logs: &Path, settings: &[(&str, &str)]) -> Self {
        let started_at = Utc::now();
        let mut child = spawn(data, logs, settings);
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stdout = BufReader::new(stdout).lines();
        let greeting = tokio::time::timeout(READY_WITHIN, stdout.next_line()).await;
        let greeting = greeting.expect("the server is ready in time").expect("stdout can be read");
        let greeting = greeting.unwrap_or_else(|| panic!("the server ended:\n{}", tail(logs)));
        let url = greeting.strip_prefix(GREETING).expect("the server says where it is").to_owned();
        Self { child, stdout, url, started_at, ready_at: Utc::now() }
    }

    /// Starts it and kills it `after` that, whether or not it was ready: a crash while it recovers from another.
    pub(crate) async fn kill_while_starting(data: &Path, logs: &Path, after: Duration) {
        let mut child = spawn(data, logs, &[]);
        tokio::time::sleep(after).await;
        child.kill().await.expect("the server can be killed");
    }

    /// The token of the one-time link for the first admin, which the server prints where there is none.
    pub(crate) async fn first_admin_token(&mut self) -> String {
        loop {
            let line = self.stdout.next_line().await.expect("stdout can be read").expect("a link is printed");
            if let Some((_, token)) =
                line.trim().split_once("/#/").and_then(|(_, page)| page.rsplit_once('/'))
            {
                return token.rsplit('=').next().unwrap_or_default().to_owned();
            }
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id().expect("it runs"))
    }

    /// As a crash of the process is: at once, with no chance to tidy up. Returns when it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// Asks it to stop; returns whether it said that all went well.
    pub(crate) async fn stop(self) -> bool {
        self.stop_by(Signal::TERM).await
    }

    pub(crate) async fn stop_by(mut self, signal: Signal) -> bool {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        rustix::process::kill_process(pid.expect("it runs"), signal).expect("a signal can be sent");
        self.child.wait().await.expect("it ends").success()
    }
}

fn spawn(data: &Path, logs: &Path, settings: &[(&str, &str)]) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(log_file(logs));
    Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        // What configures the tests would be read as configuration of the server.
        .env_clear()
        .env("CURFEW_MEDIA__LISTEN", "127.0.0.1:0")
        .env("CURFEW_LOG", "info")
        // However slow the machine, what is asked for is decided before it is answered.
        .env("CURFEW_SESSIONS__ANSWER_MS", "60000")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.expect("the server's log can be written"))
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts")
}

/// What the kernel says of a running process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

impl Process {
    /// Resident memory, KiB.
    pub(crate) fn memory_kib(self) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it runs");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Open descriptors.
    pub(crate) fn descriptors(self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0)).expect("it runs").count()
    }

    /// Processor time used so far, user and system.
    pub(crate) fn processor_time(self) -> Duration {
        let stat = self.read("stat");
        let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    fn read(self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.0)).expect("it runs")
    }
}

fn log_file(logs: &Path) -> PathBuf {
    logs.join("server.log")
}

/// Returns when the server has logged, or has logged already, a line with all of these words.
pub(crate) async fn logged(logs: &Path, words: &[&str]) {
    let mut tail = Command::new("tail")
        .args(["--follow", "--lines=+1"])
        .arg(log_file(logs))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("tail can be run");
    let mut lines = BufReader::new(tail.stdout.take().expect("stdout is piped")).lines();
    let finding = async {
        while let Some(line) = lines.next_line().await.expect("the log is text") {
            if words.iter().all(|word| line.contains(word)) {
                return;
            }
        }
    };
    let found = tokio::time::timeout(LOGGED_WITHIN, finding).await;
    found.unwrap_or_else(|_| panic!("{words:?} was not logged within {LOGGED_WITHIN:?}"));
}

/// The last lines the server logged.
pub(crate) fn tail(logs: &Path) -> String {
    let text = std::fs::read_to_string(log_file(logs)).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
