//! What the machine itself takes away: on a shared host its processors stand still now and then, which no program on it can help.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

const WATCHED_FOR: Duration = Duration::from_secs(2);
/// A spinning program that is left alone sees its clock move by less than a microsecond at a time; an interrupt takes some ten.
const STALL: Duration = Duration::from_micros(300);

/// How long each processor stood still in a while in which nothing else ran, and the longest time in one piece.
pub(crate) fn stalls() -> Result<String> {
    let processors = std::thread::available_parallelism()?.get();
    let spinning: Vec<_> =
        (0..processors).map(|processor| std::thread::spawn(move || spin(processor))).collect();
    let mut told = Vec::new();
    for thread in spinning {
        let (stood, longest) = thread.join().ok().context("a spinning thread panicked")??;
        let share = stood.as_secs_f64() / WATCHED_FOR.as_secs_f64() * 100.0;
        told.push(format!("{share:.1} % ({:.1} ms)", longest.as_secs_f64() * 1e3));
    }
    Ok(told.join(", "))
}

fn spin(processor: usize) -> Result<(Duration, Duration)> {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only)?;
    crate::stand::hurry();
    let begun = Instant::now();
    let (mut last, mut stood, mut longest) = (begun, Duration::ZERO, Duration::ZERO);
    while last < begun + WATCHED_FOR {
        let now = Instant::now();
        let passed = now - last;
        if passed >= STALL {
            stood += passed;
            longest = longest.max(passed);
        }
        last = now;
    }
    Ok((stood, longest))
}
