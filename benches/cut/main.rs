//! Reads packet captures of a load run and says whether the cut was on the instant: no RTP or RTCP from the media port to any
//! viewer at or after the deadline, and `session-ended` on every viewer's WebSocket soon after it. The server's own
//! counters are not asked. Judges a load run's own figures of joins and terminations too. `scripts/bench-cut` runs it.

mod pcap;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use serde_json::Value;

use pcap::{Packet, Transport};

const TOLD_P99_MS: f64 = 20.0;
const TOLD_MAX_MS: f64 = 50.0;
/// A viewer that got media this shortly before the deadline was under load until the end.
const WATCHED_UNTIL_NS: i64 = 500_000_000;
const ENDED: &[u8] = br#""event":"session-ended""#;

const LAST_PACKET_P99_MS: f64 = 100.0;
const JOIN_P50_MS: f64 = 60.0;
const JOIN_P99_MS: f64 = 150.0;

enum Task {
    Captures { media_port: u16, http_port: u16, load: Value, captures: Vec<String> },
    Load(Value),
}

/// What left the media port for one destination.
#[derive(Default)]
struct Flow {
    rtp: u64,
    last_before_ns: i64,
    late: u64,
    latest_ns: i64,
}

#[derive(Default)]
struct Findings {
    flows: HashMap<SocketAddr, Flow>,
    /// By the receiving end of a TCP connection: the end of what it got last, and when `session-ended` was complete.
    sockets: HashMap<SocketAddr, (Vec<u8>, Option<i64>)>,
}

fn main() -> ExitCode {
    let outcome = task().and_then(|task| match task {
        Some(Task::Captures { media_port, http_port, load, captures }) => {
            check_captures(media_port, http_port, &load, &captures)
        }
        Some(Task::Load(load)) => check_load(&load, &mut io::stdout()),
        None => {
            writeln!(io::stdout(), "The cut is measured by scripts/bench-cut, which runs this program.")?;
            Ok(true)
        }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// `None` where there are no arguments, as under a bare `cargo bench`.
fn task() -> io::Result<Option<Task>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let usage = || {
        io::Error::other("usage: cut captures MEDIA_PORT HTTP_PORT LOAD.json CAPTURE… | cut load LOAD.json")
    };
    let port = |text: &String| text.parse().map_err(|_| usage());
    let json = |path: &String| -> io::Result<Value> {
        Ok(serde_json::from_reader(BufReader::new(File::open(path)?))?)
    };
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(None),
        ["load", _] => Ok(Some(Task::Load(json(&args[1])?))),
        ["captures", _, _, _, _, ..] => Ok(Some(Task::Captures {
            media_port: port(&args[1])?,
            http_port: port(&args[2])?,
            load: json(&args[3])?,
            captures: args[4..].to_vec(),
        })),
        _ => Err(usage()),
    }
}

fn check_captures(media_port: u16, http_port: u16, load: &Value, captures: &[String]) -> io::Result<bool> {
    let number = |member: &str| {
        load[member].as_i64().ok_or_else(|| io::Error::other(format!("the load's result has no `{member}`")))
    };
    let deadline_ns = number("deadline_unix_ms")? * 1_000_000;
    let viewers = usize::try_from(number("rooms")? * number("viewers_per_room")?).unwrap_or_default();
    let mut findings = Findings::default();
    for capture in captures {
        let file = BufReader::with_capacity(1 << 20, File::open(capture)?);
        pcap::read(file, |packet| match packet.transport {
            Transport::Udp if packet.from.port() == media_port => findings.datagram(deadline_ns, &packet),
            Transport::Tcp if packet.from.port() == http_port => findings.segment(&packet),
            _ => {}
        })?;
    }
    let is_good = findings.judge(deadline_ns, viewers, &mut io::stdout())?;
    machine(load, &mut io::stdout())?;
    Ok(is_good)
}

/// What the figures were taken on.
fn machine(load: &Value, out: &mut impl Write) -> io::Result<()> {
    let machine = &load["machine"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    writeln!(
        out,
        "        {} of {} packets were lost on the way; {} cores, {}, {} MiB",
        load["packets_lost"],
        load["packets"],
        machine["cores"],
        text(&machine["cpu"]),
        machine["memory_mib"]
    )
}

/// What the load generator saw as a viewer and an admin.
fn check_load(load: &Value, out: &mut impl Write) -> io::Result<bool> {
    let figure = |path: &str| load.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let mut verdict = Verdict { out, is_good: true };
    let (p50, p99) = (figure("/offer_to_first_packet_ms/p50"), figure("/offer_to_first_packet_ms/p99"));
    verdict.say(
        p50 <= JOIN_P50_MS && p99 <= JOIN_P99_MS,
        &format!("offer to first RTP packet, while the robot publishes: p50 {p50:.1} ms, p99 {p99:.1} ms"),
    )?;
    if load["termination"].is_object() {
        let last = figure("/termination/request_to_last_packet_ms/p99");
        let told = figure("/termination/request_to_told_ms/p99");
        verdict.say(
            last <= LAST_PACKET_P99_MS,
            &format!("an admin's termination: last media packet p99 {last:.1} ms after the request, session-ended p99 {told:.1} ms"),
        )?;
    }
    machine(load, verdict.out)?;
    Ok(verdict.is_good)
}

impl Findings {
    fn datagram(&mut self, deadline_ns: i64, packet: &Packet<'_>) {
        // RFC 7983 section 7 tells RTP and RTCP from STUN and DTLS; RFC 5761 section 4 tells RTCP from RTP.
        let (Some(128..=191), Some(second)) = (packet.payload.first(), packet.payload.get(1)) else { return };
        let flow = self.flows.entry(packet.to).or_default();
        flow.rtp += u64::from(!(192..=223).contains(second));
        flow.latest_ns = flow.latest_ns.max(packet.at_ns);
        if packet.at_ns >= deadline_ns {
            flow.late += 1;
        } else {
            flow.last_before_ns = flow.last_before_ns.max(packet.at_ns);
        }
    }

    fn segment(&mut self, packet: &Packet<'_>) {
        let (tail, ended_ns) = self.sockets.entry(packet.to).or_default();
        if ended_ns.is_some() || packet.payload.is_empty() {
            return;
        }
        tail.extend_from_slice(packet.payload);
        if tail.windows(ENDED.len()).any(|window| window == ENDED) {
            *ended_ns = Some(packet.at_ns);
        }
        // What a word needs that is split over two segments.
        tail.drain(..tail.len().saturating_sub(ENDED.len() - 1));
    }

    fn judge(&self, deadline_ns: i64, viewers: usize, out: &mut impl Write) -> io::Result<bool> {
        let ms = |ns: i64| (ns - deadline_ns) as f64 / 1e6;
        // Only viewers are sent RTP; robots get RTCP alone.
        let watched: Vec<&Flow> = self.flows.values().filter(|flow| flow.rtp > 0).collect();
        let rtp: u64 = watched.iter().map(|flow| flow.rtp).sum();
        let until_the_end =
            watched.iter().filter(|flow| deadline_ns - flow.last_before_ns <= WATCHED_UNTIL_NS).count();
        let late: u64 = watched.iter().map(|flow| flow.late).sum();
        let latest = watched.iter().map(|flow| flow.latest_ns).max().unwrap_or_default();
        let mut told: Vec<f64> = self.sockets.values().filter_map(|(_, ended)| *ended).map(ms).collect();
        told.sort_by(f64::total_cmp);
        let rank = |percent: usize| told.get((told.len() * percent).div_ceil(100).max(1) - 1).copied();
        let (p50, p99, max) =
            (rank(50).unwrap_or(f64::NAN), rank(99).unwrap_or(f64::NAN), rank(100).unwrap_or(f64::NAN));
        let first = told.first().copied().unwrap_or(f64::NAN);

        writeln!(out, "from the capture:")?;
        let mut verdict = Verdict { out, is_good: true };
        verdict.say(
            watched.len() == viewers && until_the_end == viewers,
            &format!(
                "{rtp} RTP packets to {} viewers, {until_the_end} of them to the end ({viewers} asked)",
                watched.len()
            ),
        )?;
        verdict.say(
            late == 0,
            &format!("{late} RTP or RTCP packets to a viewer at or after the deadline; the last left {:.3} ms from it", ms(latest)),
        )?;
        verdict.say(
            told.len() >= viewers,
            &format!("session-ended on {} WebSockets, the first {first:.3} ms from the deadline", told.len()),
        )?;
        verdict.say(
            p99 <= TOLD_P99_MS && max <= TOLD_MAX_MS,
            &format!("session-ended after the deadline: p50 {p50:.3} ms, p99 {p99:.3} ms, max {max:.3} ms"),
        )?;
        Ok(verdict.is_good)
    }
}

struct Verdict<'a, W: Write> {
    out: &'a mut W,
    is_good: bool,
}

impl<W: Write> Verdict<'_, W> {
    fn say(&mut self, is_good: bool, what: &str) -> io::Result<()> {
        self.is_good &= is_good;
        writeln!(self.out, "  {}  {what}", if is_good { "ok  " } else { "FAIL" })
    }
}
