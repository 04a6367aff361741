//! What a load run found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::Instant;

use super::LoadArgs;
use super::viewer::Outcome;
use crate::protocol::millis;

/// Failures that are told in full.
const FAILURES_TOLD: usize = 10;

/// An admin's termination of the session `room`.
pub(super) struct Termination {
    pub(super) room: usize,
    pub(super) asked: Instant,
    pub(super) answered: Instant,
}

#[derive(Serialize)]
pub(super) struct Report {
    machine: Machine,
    rooms: u16,
    viewers_per_room: u16,
    packets_per_second: u32,
    #[serde(with = "millis")]
    deadline: DateTime<Utc>,
    deadline_unix_ms: i64,
    robots_publishing: usize,
    viewers: usize,
    viewers_with_media: usize,
    viewers_told: usize,
    /// `session-ended` by its cause.
    causes: BTreeMap<String, usize>,
    /// By their text, the first few.
    failures: Vec<String>,
    failed: usize,
    offer_to_answer_ms: Option<Summary>,
    offer_to_first_packet_ms: Option<Summary>,
    packets_per_viewer: Option<Summary>,
    packets: u64,
    packets_lost: u64,
    /// `session-ended` over the WebSocket, as the receiving process saw it.
    told_after_deadline_ms: Option<Summary>,
    /// `session-ended` over the data channel.
    told_by_channel_after_deadline_ms: Option<Summary>,
    /// Negative: before the deadline.
    last_packet_after_deadline_ms: Option<Summary>,
    termination: Option<TerminationReport>,
}

#[derive(Serialize)]
struct TerminationReport {
    request_to_reply_ms: Option<Summary>,
    /// From the request to the last media packet of each viewer; 0 where it came before the request.
    request_to_last_packet_ms: Option<Summary>,
    request_to_told_ms: Option<Summary>,
}

/// What figures were taken on; they mean little without.
#[derive(Serialize)]
struct Machine {
    cores: usize,
    cpu: String,
    memory_mib: u64,
}

/// Percentiles by nearest rank.
#[derive(Debug, PartialEq, Serialize)]
struct Summary {
    count: usize,
    min: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Report {
    pub(super) fn new(
        args: &LoadArgs,
        deadline: DateTime<Utc>,
        robots_publishing: usize,
        outcomes: Vec<Outcome>,
        terminations: &[Termination],
    ) -> Self {
        // Sessions that an admin terminates never reach the deadline.
        let to_the_end = || outcomes.iter().filter(|_| terminations.is_empty());
        let after_deadline = |at: DateTime<Utc>| signed_ms(at - deadline);
        let durations =
            |of: fn(&Outcome) -> Option<Duration>| summary(outcomes.iter().filter_map(of).map(ms));
        let mut causes = BTreeMap::new();
        for told in outcomes.iter().filter_map(|outcome| outcome.told.as_ref()) {
            *causes.entry(told.cause.clone()).or_insert(0) += 1;
        }
        let failures: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.failure.clone()).collect();
        let watched = outcomes.iter().filter(|outcome| outcome.packets > 0);
        Self {
            machine: Machine::this(),
            rooms: args.rooms,
            viewers_per_room: args.viewers,
            packets_per_second: args.pps,
            deadline,
            deadline_unix_ms: deadline.timestamp_millis(),
            robots_publishing,
            viewers: outcomes.len(),
            viewers_with_media: watched.clone().count(),
            viewers_told: outcomes.iter().filter(|outcome| outcome.told.is_some()).count(),
            causes,
            failed: failures.len(),
            failures: failures.into_iter().take(FAILURES_TOLD).collect(),
            offer_to_answer_ms: durations(|outcome| outcome.offer_to_answer),
            offer_to_first_packet_ms: durations(|outcome| outcome.offer_to_first_packet),
            packets_per_viewer: summary(watched.map(|outcome| outcome.packets as f64)),
            packets: outcomes.iter().map(|outcome| outcome.packets).sum(),
            packets_lost: outcomes.iter().map(|outcome| outcome.lost).sum(),
            told_after_deadline_ms: summary(
                to_the_end()
                    .filter_map(|outcome| outcome.told.as_ref())
                    .map(|told| after_deadline(told.wall)),
            ),
            told_by_channel_after_deadline_ms: summary(
                to_the_end().filter_map(|outcome| outcome.told_by_channel).map(after_deadline),
            ),
            last_packet_after_deadline_ms: summary(
                to_the_end().filter_map(|outcome| outcome.last_packet).map(|(_, wall)| after_deadline(wall)),
            ),
            termination: (!terminations.is_empty()).then(|| TerminationReport::new(&outcomes, terminations)),
        }
    }

    /// Whether every robot published and every viewer watched and was told.
    pub(super) fn is_complete(&self) -> bool {
        self.robots_publishing == usize::from(self.rooms)
            && self.viewers_with_media == self.viewers
            && self.viewers_told == self.viewers
    }

    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let Machine { cores, cpu, memory_mib } = &self.machine;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "machine             {cores} cores, {cpu}, {memory_mib} MiB");
        let _ = writeln!(
            text,
            "sessions            {} with {} viewers each, {} packets/s, deadline {}",
            self.rooms,
            self.viewers_per_room,
            self.packets_per_second,
            millis::to_string(&self.deadline)
        );
        let _ = writeln!(
            text,
            "viewers             {} of {} saw media, {} were told of the end {:?}",
            self.viewers_with_media, self.viewers, self.viewers_told, self.causes
        );
        let _ = writeln!(text, "packets             {}, {} lost", self.packets, self.packets_lost);
        let termination = self.termination.as_ref();
        let rows = [
            ("offer to answer", &self.offer_to_answer_ms),
            ("offer to first packet", &self.offer_to_first_packet_ms),
            ("told after deadline", &self.told_after_deadline_ms),
            ("  by data channel", &self.told_by_channel_after_deadline_ms),
            ("last packet after deadline", &self.last_packet_after_deadline_ms),
            ("terminate to reply", termination.map_or(&None, |report| &report.request_to_reply_ms)),
            (
                "terminate to last packet",
                termination.map_or(&None, |report| &report.request_to_last_packet_ms),
            ),
            ("terminate to told", termination.map_or(&None, |report| &report.request_to_told_ms)),
        ];
        let _ = writeln!(text, "{:<28}{:>9}{:>9}{:>9}{:>9}{:>9}", "ms", "min", "p50", "p90", "p99", "max");
        for (name, row) in rows {
            if let Some(Summary { min, p50, p90, p99, max, .. }) = row {
                let _ = writeln!(text, "{name:<28}{min:>9.1}{p50:>9.1}{p90:>9.1}{p99:>9.1}{max:>9.1}");
            }
        }
        if self.failed > 0 {
            let _ = writeln!(text, "failures            {}", self.failed);
            for failure in &self.failures {
                let _ = writeln!(text, "  {failure}");
            }
        }
        text
    }
}

impl TerminationReport {
    fn new(outcomes: &[Outcome], terminations: &[Termination]) -> Self {
        let since_request = |room: usize, at: Instant| {
            let termination = terminations.iter().find(|termination| termination.room == room)?;
            Some(ms(at.saturating_duration_since(termination.asked)))
        };
        let watched = outcomes.iter();
        Self {
            request_to_reply_ms: summary(terminations.iter().map(|one| ms(one.answered - one.asked))),
            request_to_last_packet_ms: summary(
                watched.clone().filter_map(|one| since_request(one.room, one.last_packet?.0)),
            ),
            request_to_told_ms: summary(
                watched.filter_map(|one| since_request(one.room, one.told.as_ref()?.at)),
            ),
        }
    }
}

impl Machine {
    fn this() -> Self {
        let value = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = value("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".to_owned()),
            memory_mib: kib / 1024,
        }
    }
}

fn summary(values: impl Iterator<Item = f64>) -> Option<Summary> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    Some(Summary { count: sorted.len(), min, p50: rank(50), p90: rank(90), p99: rank(99), max })
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn signed_ms(delta: chrono::TimeDelta) -> f64 {
    // A run is far shorter than the 292,000 years after which microseconds overflow.
    delta.num_microseconds().unwrap_or(i64::MAX) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_by_nearest_rank() {
        assert_eq!(summary(std::iter::empty()), None);
        let one = summary([7.0].into_iter()).expect("a value");
        assert_eq!((one.min, one.p50, one.p99, one.max), (7.0, 7.0, 7.0, 7.0));
        let hundred = summary((1..=100).rev().map(f64::from)).expect("values");
        assert_eq!(
            (hundred.min, hundred.p50, hundred.p90, hundred.p99, hundred.max),
            (1.0, 50.0, 90.0, 99.0, 100.0)
        );
    }
}
