//! The viewers of one forwarder, on one thread: all of them connect for real, and one media datagram in 64 is decrypted;
//! the others are counted by their headers, so that the far ends leave the processor to the forwarder.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::end::End;
use crate::forwarder::Forwarder;
use crate::robot::SentAt;

const DECRYPT_ONE_IN: u64 = 64;
const TIMERS_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Stand {
    poll: mio::Poll,
    viewers: HashMap<u64, Watching>,
    sent_at: SentAt,
    timers_at: Instant,
    /// How often the viewers look for datagrams; zero: whenever one comes.
    pub(crate) look_every: Duration,
    /// What was received since [`Stand::reset`].
    pub(crate) seen: Seen,
    pub(crate) joins: Vec<Join>,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Media datagrams that came to viewers, reports not counted.
    pub(crate) packets: u64,
    pub(crate) decrypted: u64,
    /// Microseconds from the robot's send to here.
    pub(crate) latencies_us: Vec<u32>,
}

/// From the offer being handed over: to the answer, and to the first packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join {
    pub(crate) answer: Duration,
    pub(crate) first_packet: Option<Duration>,
}

struct Watching {
    end: End,
    offered: Instant,
    join: usize,
    received: u64,
    /// What the forwarder adds to the robot's sequence numbers.
    offset: Option<u16>,
}

impl Stand {
    pub(crate) fn new(sent_at: SentAt) -> Result<Self> {
        Ok(Self {
            poll: mio::Poll::new()?,
            viewers: HashMap::new(),
            sent_at,
            timers_at: Instant::now(),
            look_every: Duration::ZERO,
            seen: Seen::default(),
            joins: Vec::new(),
        })
    }

    pub(crate) fn reset(&mut self) {
        self.seen = Seen::default();
    }

    /// Joins viewers of these numbers at once and waits until each has seen the picture.
    pub(crate) fn join(&mut self, forwarder: &mut Forwarder, numbers: std::ops::Range<u64>) -> Result<()> {
        for n in numbers.clone() {
            let mut end = End::viewer()?;
            let offer = end.offer()?;
            let offered = Instant::now();
            let answer = forwarder.answer(n, offer)?;
            self.joins.push(Join { answer: offered.elapsed(), first_packet: None });
            let token = mio::Token(usize::try_from(n)?);
            self.poll.registry().register(&mut end.socket, token, mio::Interest::READABLE)?;
            end.accept(answer)?;
            let join = self.joins.len() - 1;
            self.viewers.insert(n, Watching { end, offered, join, received: 0, offset: None });
            self.run(Duration::ZERO, |_| false)?;
        }
        let watching = |stand: &Self| {
            numbers.clone().all(|n| stand.viewers.get(&n).is_some_and(|viewer| viewer.offset.is_some()))
        };
        self.run(Duration::from_secs(20), watching)?;
        anyhow::ensure!(watching(self), "not every viewer saw the picture");
        Ok(())
    }

    pub(crate) fn leave(&mut self, forwarder: &mut Forwarder, numbers: std::ops::Range<u64>) -> Result<()> {
        for n in numbers {
            forwarder.end(n)?;
            self.viewers.remove(&n).context("no such viewer")?;
        }
        Ok(())
    }

    /// Where the viewers are.
    pub(crate) fn addresses(&self) -> Result<Vec<SocketAddr>> {
        self.viewers.values().map(|viewer| Ok(viewer.end.socket.local_addr()?)).collect()
    }

    /// Receives for so long, or until `done`.
    pub(crate) fn run(&mut self, time: Duration, done: impl Fn(&Self) -> bool) -> Result<()> {
        let until = Instant::now() + time;
        let mut ready = mio::Events::with_capacity(256);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = if self.look_every.is_zero() { left.min(TIMERS_EVERY) } else { Duration::ZERO };
            std::thread::sleep(left.min(self.look_every));
            match self.poll.poll(&mut ready, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &ready {
                self.read(event.token().0 as u64)?;
            }
            let now = Instant::now();
            if now >= self.timers_at {
                self.timers_at = now + TIMERS_EVERY;
                for viewer in self.viewers.values_mut() {
                    viewer.end.handle_timeout(now)?;
                }
            }
            if now >= until || done(self) {
                return Ok(());
            }
        }
    }

    /// Readiness is told once, so a socket is read until it is empty.
    fn read(&mut self, n: u64) -> Result<()> {
        let Some(viewer) = self.viewers.get_mut(&n) else { return Ok(()) };
        let mut buffer = [0; 2048];
        loop {
            let (len, from) = match viewer.end.socket.recv_from(&mut buffer) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let bytes = &buffer[..len];
            match sequence_number(bytes) {
                Some(sequence) => {
                    take_media(viewer, from, bytes, sequence, &mut self.seen, &self.sent_at)?;
                    if viewer.offset.is_some() {
                        let join = &mut self.joins[viewer.join];
                        join.first_packet.get_or_insert_with(|| viewer.offered.elapsed());
                    }
                }
                None => viewer.end.receive(from, bytes)?,
            }
        }
    }
}

fn take_media(
    viewer: &mut Watching,
    from: SocketAddr,
    bytes: &[u8],
    sequence: u16,
    seen: &mut Seen,
    sent_at: &SentAt,
) -> Result<()> {
    viewer.received += 1;
    seen.packets += 1;
    if let Some(offset) = viewer.offset {
        let latency = sent_at.since(sequence.wrapping_sub(offset), Instant::now());
        seen.latencies_us.push(u32::try_from(latency.as_micros())?);
    }
    if viewer.offset.is_none() || viewer.received.is_multiple_of(DECRYPT_ONE_IN) {
        viewer.end.receive(from, bytes)?;
        for (number, sequence) in viewer.end.decrypted.drain(..) {
            seen.decrypted += 1;
            viewer.offset = Some(sequence.wrapping_sub(number as u16));
        }
    }
    Ok(())
}

/// Of an RTP packet: SRTP leaves the header readable. `None` for all else, RTCP too (RFC 5761, 4).
fn sequence_number(bytes: &[u8]) -> Option<u16> {
    let header: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let is_rtp = (128..=191).contains(&header[0]) && !(192..=223).contains(&header[1]);
    is_rtp.then(|| u16::from_be_bytes([header[2], header[3]]))
}

/// Other programs' work must not pass for the forwarder's delay. Without the capability it may.
pub(crate) fn hurry() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);
}
