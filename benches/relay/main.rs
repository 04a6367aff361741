//! The relay beside its rival and beside bare `sendto`: processor time of a forwarded packet, delay, memory of a viewer, and
//! what is left of viewers that come and go. Ends with 1 when a limit is broken.
//!
//! `cargo bench --bench relay -- [--viewers 80] [--pps 1000] [--seconds 4] [--rounds 3] [--watching 200] [--cycles 2000]
//! [--look-every-us 0]`.
//! The forwarders are processes of their own, so their processor time and memory are theirs alone; robot and viewers are
//! real DTLS-SRTP peers in this process. Rounds take turns, and medians are judged.
//!
//! A machine that shares its host with others is slower at one hour than at another and stands still for milliseconds, which no program
//! on it can help: how much it does so is told before and after.
//!
//! Far ends that sleep are woken by whoever sends to them, so on one machine the forwarder pays for it; those of other machines
//! would cost it nothing. With `--look-every-us` they are not woken but look so often, which counts as delay.

mod bare;
mod end;
mod figures;
mod forwarder;
mod rival;
mod robot;
mod stalls;
mod stand;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::figures::{Figures, median, micros, percentile};
use crate::forwarder::{Forwarder, Spent};
use crate::robot::{Pace, Robot};
use crate::stand::Stand;

/// Processor time of a packet, and its share of the rival's.
const PACKET_US: f64 = 4.0;
const RIVAL_SHARE: f64 = 0.45;
const DELAY: Duration = Duration::from_millis(5);
const VIEWER_KIB: f64 = 300.0;
/// Resident memory is counted in pages and shared out by the allocator; a leak of one viewer's state in a hundred shows.
const CYCLE_KIB: f64 = 1.0;

/// Packets of an even pace that the relay's pause brings together.
const GATHERED: u32 = 3;

struct Setting {
    viewers: u64,
    pps: u32,
    time: Duration,
    rounds: u64,
    watching: u64,
    cycles: u64,
    look_every: Duration,
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    if let Some(which) = after("--forwarder") {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(forwarder::serve(which))?;
        return Ok(ExitCode::SUCCESS);
    }
    let number = |name, default| after(name).map_or(Ok(default), |text| text.parse()).context("a number");
    let setting = Setting {
        viewers: number("--viewers", 80)?,
        pps: u32::try_from(number("--pps", 1_000)?)?,
        time: Duration::from_secs(number("--seconds", 4)?),
        rounds: number("--rounds", 3)?,
        watching: number("--watching", 200)?,
        cycles: number("--cycles", 2_000)?,
        look_every: Duration::from_micros(number("--look-every-us", 0)?),
    };
    stand::hurry();
    let mut figures = Figures::default();
    let before = stalls::stalls()?;
    forwarding(&setting, &mut figures)?;
    figures.note("processors stood still, before: in all (most)", &before);
    figures.note("and after", &stalls::stalls()?);
    memory(&setting, &mut figures)?;
    coming_and_going(&setting, &mut figures)?;
    figures.print()?;
    Ok(if figures.all_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A forwarder with its robot and viewers.
struct Side {
    forwarder: Forwarder,
    robot: Robot,
    stand: Stand,
}

/// What one round showed.
#[derive(Default)]
struct Round {
    packet_us: f64,
    delivered: f64,
    latencies_us: Vec<u32>,
}

impl Side {
    fn start(which: &str, viewers: u64) -> Result<Self> {
        let mut forwarder = Forwarder::start(which)?;
        let robot = Robot::connect(&mut forwarder)?;
        let mut stand = Stand::new(robot.sent_at.clone())?;
        robot.film(Some(Pace::even(100)))?;
        for n in 1..=viewers {
            stand.join(&mut forwarder, n..n + 1)?;
        }
        robot.film(None)?;
        Ok(Self { forwarder, robot, stand })
    }

    fn round(&mut self, viewers: u64, pace: Pace, time: Duration) -> Result<Round> {
        self.robot.film(Some(pace))?;
        self.stand.run(Duration::from_millis(500), |_| false)?;
        self.stand.reset();
        let (before, sent) = (self.forwarder.spent()?, self.robot.sent());
        self.stand.run(time, |_| false)?;
        let (after, sent) = (self.forwarder.spent()?, self.robot.sent() - sent);
        self.robot.film(None)?;
        let seen = &mut self.stand.seen;
        anyhow::ensure!(seen.decrypted > 0, "nothing was decrypted");
        let round = Round {
            packet_us: (after.cpu - before.cpu).as_secs_f64() * 1e6 / seen.packets.max(1) as f64,
            delivered: seen.packets as f64 / (sent * viewers) as f64,
            latencies_us: std::mem::take(&mut seen.latencies_us),
        };
        self.stand.run(Duration::from_millis(100), |_| false)?;
        Ok(round)
    }
}

fn forwarding(setting: &Setting, figures: &mut Figures) -> Result<()> {
    let viewers = setting.viewers;
    let mut relay = Side::start("relay", viewers)?;
    let mut rival = Side::start("rival", viewers)?;
    relay.stand.look_every = setting.look_every;
    rival.stand.look_every = setting.look_every;
    figures.note("offer to answer", &percentiles(relay.stand.joins.iter().map(|join| Some(join.answer))));
    figures
        .note("offer to first packet", &percentiles(relay.stand.joins.iter().map(|join| join.first_packet)));
    for (name, pace) in [("even", Pace::even(setting.pps)), ("frames", Pace::frames(setting.pps))] {
        let (mut ours, mut theirs, mut bare, mut gathered) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let together = pace.gathered(if pace.burst == 1 { GATHERED } else { 1 });
        for _ in 0..setting.rounds {
            ours.push(relay.round(viewers, pace, setting.time)?);
            theirs.push(rival.round(viewers, pace, setting.time)?);
            bare.push(bare::round(&mut relay.stand, pace, setting.time, 1)?);
            gathered.push(bare::round(&mut relay.stand, together, setting.time, together.burst)?);
        }
        let us = |rounds: &[Round]| median(rounds.iter().map(|round| round.packet_us));
        let delivered = |rounds: &[Round]| median(rounds.iter().map(|round| round.delivered)) * 100.0;
        let (packet, other) = (us(&ours), us(&theirs));
        figures.limit(&format!("{name}: CPU of a forwarded packet (us)"), packet, PACKET_US);
        figures.limit(&format!("{name}: share of the rival's"), packet / other, RIVAL_SHARE);
        figures.note(
            &format!("{name}: rival and bare sendto (us)"),
            &format!("{other:.2} and {:.2}", median(bare)),
        );
        figures.note(
            &format!("{name}: {} datagrams in one bare call (us each)", together.burst),
            &format!("{:.2}", median(gathered)),
        );
        let shares = format!("{:.1} % and {:.1} %", delivered(&ours), delivered(&theirs));
        figures.note(&format!("{name}: delivered, rival's"), &shares);
        let mut all: Vec<u32> = ours.into_iter().flat_map(|round| round.latencies_us).collect();
        all.sort_unstable();
        let p50 = percentile(&all, 0.5);
        if name == "even" {
            figures.note("even: delay p50 (us)", &p50.to_string());
            figures.limit("even: delay p99 (us)", f64::from(percentile(&all, 0.99)), micros(DELAY));
        }
    }
    Ok(())
}

/// All of a viewer's memory while it watches: what its packets wait in, and what is kept for repairs.
fn memory(setting: &Setting, figures: &mut Figures) -> Result<()> {
    let mut side = Side::start("relay", 0)?;
    let before = side.forwarder.spent()?;
    side.robot.film(Some(Pace::even(setting.pps)))?;
    for first in (1..=setting.watching).step_by(20) {
        let last = (first + 20).min(setting.watching + 1);
        side.stand.join(&mut side.forwarder, first..last)?;
    }
    side.stand.run(setting.time, |_| false)?;
    let after = side.forwarder.spent()?;
    let grown = after.bytes.saturating_sub(before.bytes) as f64 / 1024.0;
    figures.limit("memory of a watching viewer (KiB)", grown / setting.watching as f64, VIEWER_KIB);
    Ok(())
}

fn coming_and_going(setting: &Setting, figures: &mut Figures) -> Result<()> {
    const AT_ONCE: u64 = 20;
    let mut side = Side::start("relay", 0)?;
    side.robot.film(Some(Pace::even(200)))?;
    let mut cycle = |from: u64, count: u64| -> Result<Spent> {
        for first in (from..from + count).step_by(AT_ONCE as usize) {
            side.stand.join(&mut side.forwarder, first..first + AT_ONCE)?;
            side.stand.leave(&mut side.forwarder, first..first + AT_ONCE)?;
        }
        side.stand.run(Duration::from_millis(500), |_| false)?;
        side.forwarder.spent()
    };
    // The allocator's own pools fill first.
    let before = cycle(1, 500)?;
    let after = cycle(501, setting.cycles)?;
    let grown = (after.bytes as f64 - before.bytes as f64) / 1024.0;
    let cycles = setting.cycles;
    figures.limit(&format!("growth a join, {cycles} joins (KiB)"), grown / cycles as f64, CYCLE_KIB);
    let more = after.descriptors as f64 - before.descriptors as f64;
    figures.limit(&format!("descriptors left by {cycles} joins"), more, 0.0);
    Ok(())
}

fn percentiles(all: impl Iterator<Item = Option<Duration>>) -> String {
    let mut all: Vec<Duration> = all.flatten().collect();
    all.sort_unstable();
    let at = |share| percentile(&all, share);
    format!("min {:.1?}, p50 {:.1?}, p99 {:.1?}", at(0.0), at(0.5), at(0.99))
}
