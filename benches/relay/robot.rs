//! The robot: one camera that films on a thread of its own, evenly or in frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::end::End;
use crate::forwarder::Forwarder;

/// How the robot's packets are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) every: Duration,
    /// Packets at once.
    pub(crate) burst: u32,
}

impl Pace {
    pub(crate) fn even(pps: u32) -> Self {
        Self { every: Duration::from_secs(1) / pps.max(1), burst: 1 }
    }

    /// The same number of packets, `count` times as many of them at once.
    pub(crate) fn gathered(self, count: u32) -> Self {
        Self { every: self.every * count, burst: self.burst * count }
    }

    /// Frames at 25 a second, as an encoder gives them.
    pub(crate) fn frames(pps: u32) -> Self {
        Self { every: Duration::from_millis(40), burst: (pps / 25).max(1) }
    }
}

/// When each of the latest packets was sent, by the low bits of its number.
#[derive(Clone)]
pub(crate) struct SentAt {
    start: Instant,
    micros: Arc<[AtomicU64]>,
}

impl SentAt {
    fn new() -> Self {
        Self { start: Instant::now(), micros: (0..=u16::MAX).map(|_| AtomicU64::new(0)).collect() }
    }

    fn note(&self, number: u32) {
        let micros = self.start.elapsed().as_micros() as u64;
        self.micros[usize::from(number as u16)].store(micros, Ordering::Relaxed);
    }

    pub(crate) fn since(&self, number: u16, now: Instant) -> Duration {
        let sent = Duration::from_micros(self.micros[usize::from(number)].load(Ordering::Relaxed));
        now.saturating_duration_since(self.start).saturating_sub(sent)
    }
}

pub(crate) struct Robot {
    pace: Sender<Option<Pace>>,
    pub(crate) sent_at: SentAt,
    pub(crate) sent: Arc<AtomicU64>,
}

impl Robot {
    /// Connects a robot through `forwarder`. It films nothing yet.
    pub(crate) fn connect(forwarder: &mut Forwarder) -> Result<Self> {
        let mut end = End::robot()?;
        let answer = forwarder.answer(0, end.offer()?)?;
        end.accept(answer)?;
        let (pace, paces) = channel();
        let (connected, connecting) = channel();
        let (sent_at, sent) = (SentAt::new(), Arc::new(AtomicU64::new(0)));
        let mut filming = Filming { end, paces, sent_at: sent_at.clone(), sent: Arc::clone(&sent) };
        std::thread::Builder::new().name("robot".into()).spawn(move || filming.run(&connected))?;
        connecting.recv_timeout(Duration::from_secs(10)).context("the robot did not connect")?;
        Ok(Self { pace, sent_at, sent })
    }

    pub(crate) fn film(&self, pace: Option<Pace>) -> Result<()> {
        self.pace.send(pace).context("the robot has stopped")
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

struct Filming {
    end: End,
    paces: Receiver<Option<Pace>>,
    sent_at: SentAt,
    sent: Arc<AtomicU64>,
}

impl Filming {
    fn run(&mut self, connected: &Sender<()>) {
        crate::stand::hurry();
        if let Err(error) = self.turns(connected) {
            tracing::error!(%error, "the robot failed");
        }
    }

    fn turns(&mut self, connected: &Sender<()>) -> Result<()> {
        let (mut pace, mut due, mut number) = (None::<Pace>, Instant::now(), 0u32);
        let mut told = false;
        loop {
            match self.paces.try_recv() {
                Ok(next) => (pace, due) = (next, Instant::now()),
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
                Err(std::sync::mpsc::TryRecvError::Empty) => {}
            }
            let now = Instant::now();
            while let Some(pace) = pace.filter(|_| due <= now) {
                for _ in 0..pace.burst {
                    self.sent_at.note(number);
                    self.end.film(number)?;
                    number = number.wrapping_add(1);
                }
                self.sent.fetch_add(u64::from(pace.burst), Ordering::Relaxed);
                due += pace.every;
            }
            let mut buffer = [0; 2048];
            while let Ok((len, from)) = self.end.socket.recv_from(&mut buffer) {
                self.end.receive(from, &buffer[..len])?;
            }
            self.end.handle_timeout(Instant::now())?;
            if self.end.connected && !std::mem::replace(&mut told, true) {
                connected.send(()).context("nobody waits for the robot")?;
            }
            let tick = Duration::from_millis(if told { 5 } else { 1 });
            let next = pace.map_or(tick, |_| due.saturating_duration_since(Instant::now()).min(tick));
            std::thread::sleep(next);
        }
    }
}
