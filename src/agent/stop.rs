//! An emergency stop of the robot, as the agent lives through it: the operator's program runs, if there is one, again and again until it
//! succeeds, and only then is the server told that the robot stands still.
//!
//! The agent itself moves nothing, so without a program there is nothing to wait for. Cameras go on: people are to see what the robot does.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::backoff::Backoff;
use super::camera::last_words;
use super::health::{self, Health};
use crate::protocol::EmergencyStop;

/// The program is killed and started again after so long: a robot that is to stop cannot wait for more.
pub(super) const PROGRAM_WITHIN: Duration = Duration::from_secs(10);
/// Longest wait before it is started again.
const RETRY_WITHIN: Duration = Duration::from_secs(2);
const SAID_WITHIN: Duration = Duration::from_millis(500);

/// A stop that is engaged, as `curfew robot status` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopStatus {
    /// When this agent was told.
    pub since: DateTime<Utc>,
    pub reason: String,
    /// When the server was told that the robot stands still.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Why the operator's program did not succeed, the last time it was tried.
    pub failure: Option<String>,
}

/// What is to be done about what was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// Run the program, for the stop of this number.
    Run(u64),
    /// Tell the server.
    Acknowledge,
}

/// Whether the robot is to stand still, and whether it does.
pub(super) struct Stop {
    health: Health,
    has_program: bool,
    status: Option<StopStatus>,
    /// What the server calls the stop; a server of before names none.
    id: Option<String>,
    /// Numbers the stops, so that what is done for an earlier one is told apart.
    number: u64,
    work: Option<AbortHandle>,
    backoff: Backoff,
    is_still: bool,
}

impl Stop {
    pub(super) fn new(health: Health, has_program: bool) -> Self {
        let backoff = Backoff::new(rand::random());
        Self { health, has_program, status: None, id: None, number: 0, work: None, backoff, is_still: false }
    }

    /// The server tells it of each new connection again, so the same stop may come many times.
    pub(super) fn told(&mut self, now: DateTime<Utc>, told: &EmergencyStop) -> Next {
        self.id.clone_from(&told.stop_id);
        if !told.engaged {
            if let Some(work) = self.work.take() {
                work.abort();
            }
            (self.status, self.is_still) = (None, false);
            self.health.stopped(None);
            return Next::Nothing;
        }
        let is_known = self.status.is_some();
        let status = self.status.get_or_insert_with(|| StopStatus { since: now, ..StopStatus::default() });
        status.reason = health::short(told.reason.clone());
        self.health.stopped(self.status.clone());
        if is_known && !self.is_still {
            return Next::Nothing;
        }
        if !is_known {
            self.number += 1;
            self.backoff.reset();
            self.is_still = !self.has_program;
        }
        if self.is_still { Next::Acknowledge } else { Next::Run(self.number) }
    }

    /// What the server called the stop when it told of it last.
    pub(super) fn id(&self) -> Option<String> {
        self.id.clone()
    }

    /// The program is at work; what ends it.
    pub(super) fn running(&mut self, work: AbortHandle) {
        self.work = Some(work);
    }

    /// The program succeeded for the stop of this number; whether that is the one there is.
    pub(super) fn stands_still(&mut self, number: u64) -> bool {
        let is_current = self.status.is_some() && number == self.number;
        self.is_still |= is_current;
        is_current
    }

    /// The server is told now.
    pub(super) fn acknowledged(&mut self, now: DateTime<Utc>) {
        if let Some(status) = &mut self.status {
            status.acknowledged_at.get_or_insert(now);
            status.failure = None;
        }
        self.health.stopped(self.status.clone());
    }

    /// The program did not succeed for the stop of this number: after how long it is tried again, where that stop is engaged still.
    pub(super) fn failed(&mut self, number: u64, why: &str) -> Option<Duration> {
        let status = self.status.as_mut().filter(|_| number == self.number)?;
        status.failure = Some(health::short(why.to_owned()));
        self.health.stopped(self.status.clone());
        Some(self.backoff.next(RETRY_WITHIN))
    }
}

/// Runs the program once: no shell, no arguments, and killed when it takes too long or when this future is dropped.
pub(super) async fn run_program(program: &Path, within: Duration) -> Result<(), String> {
    let child = Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| format!("it cannot be started: {error}"))?;
    // Read as it comes: a child blocks when nobody takes what it says.
    let words = tokio::spawn(last_words(child.stderr.take()));
    let ended = timeout(within, child.wait()).await;
    let ended = ended.map_err(|_| format!("it did not end within {within:?}"))?;
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => match timeout(SAID_WITHIN, words).await {
            Ok(Ok(said)) if !said.is_empty() => Err(format!("{status}: {said}")),
            _ => Err(status.to_string()),
        },
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    fn word(is_engaged: bool, reason: &str) -> EmergencyStop {
        let stop_id = is_engaged.then(|| format!("stop of {reason}"));
        EmergencyStop { robot_id: "r".into(), engaged: is_engaged, reason: reason.into(), stop_id }
    }

    #[test]
    fn without_a_program_every_word_of_the_stop_is_acknowledged() {
        let health = Health::new("arm-1");
        let mut stop = Stop::new(health.clone(), false);
        assert_eq!(stop.told(at(0), &word(false, "")), Next::Nothing);
        assert_eq!(health.status().emergency_stop, None);
        for second in 1..3 {
            assert_eq!(
                stop.told(at(second), &word(true, "smoke")),
                Next::Acknowledge,
                "each connection is told"
            );
            stop.acknowledged(at(second));
        }
        let status = health.status().emergency_stop.expect("engaged");
        assert_eq!((status.since, status.acknowledged_at), (at(1), Some(at(1))));
        assert_eq!(stop.told(at(3), &word(false, "")), Next::Nothing);
        assert_eq!(health.status().emergency_stop, None);
    }

    #[test]
    fn the_program_runs_until_it_succeeds_once_for_each_stop() {
        let health = Health::new("arm-1");
        let mut stop = Stop::new(health.clone(), true);
        assert_eq!(stop.told(at(0), &word(true, "smoke")), Next::Run(1));
        assert_eq!(stop.told(at(1), &word(true, "smoke")), Next::Nothing, "it is at work");
        assert!(stop.failed(1, "exit status: 1").is_some_and(|wait| wait <= RETRY_WITHIN));
        let status = health.status();
        assert_eq!(status.emergency_stop.and_then(|stop| stop.failure).as_deref(), Some("exit status: 1"));
        assert!(stop.stands_still(1));
        stop.acknowledged(at(2));
        assert_eq!(stop.told(at(3), &word(true, "smoke")), Next::Acknowledge, "it stands still");
        assert_eq!(health.status().emergency_stop.and_then(|stop| stop.failure), None);
        stop.told(at(4), &word(false, ""));
        assert_eq!(stop.failed(1, "too late"), None, "it was cleared");
        assert_eq!(stop.told(at(5), &word(true, "again")), Next::Run(2));
        assert_eq!(stop.id().as_deref(), Some("stop of again"));
        assert!(!stop.stands_still(1), "what was done for the one before says nothing");
        assert_eq!(health.status().emergency_stop.and_then(|stop| stop.acknowledged_at), None);
    }

    #[tokio::test]
    async fn how_a_program_ends_is_told_in_words() {
        assert_eq!(run_program(Path::new("/bin/true"), PROGRAM_WITHIN).await, Ok(()));
        assert_eq!(
            run_program(Path::new("/bin/false"), PROGRAM_WITHIN).await,
            Err("exit status: 1".to_owned())
        );
        let missing = run_program(Path::new("/nowhere/halt"), PROGRAM_WITHIN).await.expect_err("missing");
        assert!(missing.starts_with("it cannot be started: "), "{missing}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_given_up() {
        // It writes for ever.
        let ended = run_program(Path::new("/usr/bin/yes"), Duration::from_millis(20)).await;
        assert_eq!(ended, Err("it did not end within 20ms".to_owned()));
    }
}
