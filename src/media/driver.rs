//! The media thread: it owns the sockets and the core, and nothing else may touch them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use curfew_domain::{PeerId, RobotId, RoomId};
use rtc::shared::TransportProtocol;
use tokio::sync::{mpsc, oneshot};

use super::alarm::Alarm;
use super::build::Built;
use super::core::Core;
use super::ends::Spent;
use super::io::{Batch, Io, Sent};
use super::restart::Credentials;
use super::socket::Socket;
use super::stats::{MediaStats, PeerStats};
use super::tcp::Tcp;
use super::types::{MediaError, MediaEvent, Now, PeerReport};
use crate::clock::{BootInstant, SharedClock};

/// Longest sleep, whatever the timers say.
const MAX_SLEEP: Duration = Duration::from_millis(250);
/// A full socket is tried again after so long.
const RETRY: Duration = Duration::from_millis(1);
/// Batches read before timers and sends get their turn.
const MAX_BATCHES: usize = 8;

const SOCKET: mio::Token = mio::Token(0);
pub(super) const WAKER: mio::Token = mio::Token(1);
const ALARM: mio::Token = mio::Token(2);

pub(super) enum Command {
    Register(Box<Built>, oneshot::Sender<Result<(), MediaError>>),
    Restart(PeerId, Box<Credentials>, oneshot::Sender<Result<(), MediaError>>),
    AddCandidate(PeerId, oneshot::Sender<Result<(), MediaError>>),
    RoomDeadline(RoomId, BootInstant),
    RobotDeadline(RobotId, BootInstant),
    SessionMessage(RoomId, Arc<str>),
    CloseRoom(RoomId, Option<Arc<str>>, oneshot::Sender<Vec<PeerReport>>),
    ClosePeer(PeerId, Option<Arc<str>>, oneshot::Sender<Option<PeerReport>>),
    CloseRobot(RobotId, oneshot::Sender<Option<PeerReport>>),
    Stats(oneshot::Sender<MediaStats>),
    PeerStats(PeerId, oneshot::Sender<Option<PeerStats>>),
    Shutdown(oneshot::Sender<Vec<PeerReport>>),
}

pub(super) struct Driver {
    pub(super) core: Core,
    pub(super) link: Link,
    pub(super) poll: mio::Poll,
    pub(super) commands: Receiver<Command>,
    pub(super) events: mpsc::Sender<MediaEvent>,
    /// Where peers go that are over, with what was kept for them: somebody frees them.
    pub(super) spent: std::sync::mpsc::Sender<Spent>,
}

/// The sockets and the clock, as the core sends with them.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) tcp: Option<Tcp>,
    pub(super) clock: SharedClock,
}

impl Io for Link {
    fn boot(&self) -> BootInstant {
        self.clock.boot()
    }

    fn at_once(&self) -> usize {
        self.socket.at_once()
    }

    fn send(&mut self, batch: Batch<'_>) -> Sent {
        match &mut self.tcp {
            Some(tcp) if batch.path.protocol == TransportProtocol::TCP => tcp.send(batch),
            _ => self.socket.send(batch),
        }
    }
}

impl Link {
    fn now(&self) -> Now {
        Now { mono: Instant::now(), boot: self.clock.boot() }
    }
}

impl Driver {
    /// Runs until shut down, or until no handle is left.
    pub(super) fn run(mut self) {
        raise_priority();
        if let Err(error) = self.listen() {
            tracing::error!(%error, "the media thread stopped");
        }
    }

    fn listen(&mut self) -> io::Result<()> {
        let interests = mio::Interest::READABLE | mio::Interest::WRITABLE;
        self.poll.registry().register(&mut self.link.socket.io, SOCKET, interests)?;
        let mut alarm = Alarm::new(self.poll.registry(), ALARM)?;
        let mut ready = mio::Events::with_capacity(16);
        let mut backlog = VecDeque::new();
        let (mut more, mut blocked) = (true, false);
        loop {
            let sleep = self.sleep(&mut alarm, more, blocked || !backlog.is_empty())?;
            match self.poll.poll(&mut ready, Some(sleep)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            if ready.iter().any(|event| event.token() == ALARM) {
                alarm.went_off();
            }
            if !self.obey() {
                return Ok(());
            }
            self.cut();
            more |= ready.iter().any(|event| event.token() == SOCKET && event.is_readable());
            if more {
                more = self.receive();
            }
            more |= self.receive_tcp(&ready);
            let now = self.link.now();
            self.core.handle_timeout(now);
            self.cut();
            blocked = self.core.flush(now, &mut self.link);
            self.tell(&mut backlog);
            for spent in self.core.take_spent() {
                // With nobody left to take it, it is freed here.
                drop(self.spent.send(spent));
            }
        }
    }

    /// Readiness is told once, so the socket is read until it is empty; `true` when there may be more.
    fn receive(&mut self) -> bool {
        for _ in 0..MAX_BATCHES {
            let now = self.link.now();
            let core = &mut self.core;
            match self.link.socket.receive(|path, bytes| _ = core.receive(now, path, bytes)) {
                Ok(0) => return false,
                Ok(_) => {}
                // An ICMP error about some peer; the socket itself is fine.
                Err(error) => tracing::debug!(%error, "receive failed"),
            }
        }
        true
    }

    /// Accepts and reads what came over TCP; `true` when there may be more.
    fn receive_tcp(&mut self, ready: &mio::Events) -> bool {
        let Some(tcp) = &mut self.link.tcp else { return false };
        ready.iter().for_each(|event| tcp.note(event.token()));
        if !tcp.has_work() {
            return false;
        }
        let now = Now { mono: Instant::now(), boot: self.link.clock.boot() };
        let core = &mut self.core;
        tcp.receive(now.mono, |path, bytes| core.receive(now, path, bytes));
        tcp.has_work()
    }

    /// Resets the connections over TCP whose time is over, and tells the core of those that are gone.
    fn cut(&mut self) {
        let Some(tcp) = &mut self.link.tcp else { return };
        tcp.reset(self.core.take_cuts());
        tcp.handle_timeout(Instant::now());
        tcp.take_closed().into_iter().for_each(|remote| self.core.disconnected(remote));
    }

    /// How long the poll may wait; the alarm goes off before that where something is due.
    fn sleep(&self, alarm: &mut Alarm, more: bool, retry: bool) -> io::Result<Duration> {
        if more {
            return Ok(Duration::ZERO);
        }
        let now = Instant::now();
        let wake = self.core.poll_timeout();
        let mono = wake.mono.into_iter().chain(self.link.tcp.as_ref().and_then(Tcp::poll_timeout)).min();
        let mono = mono.map(|at| at.saturating_duration_since(now));
        let boot = wake.boot.map(|at| at.saturating_since(self.link.clock.boot()));
        let left = [mono, boot, retry.then_some(RETRY)].into_iter().flatten().fold(MAX_SLEEP, Duration::min);
        if left.is_zero() {
            return Ok(left);
        }
        alarm.set(now, now + left)?;
        Ok(MAX_SLEEP)
    }

    /// Carries out what was commanded; `false` when that was to stop.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Shutdown(reply)) => {
                    let now = self.link.now();
                    let reports = self.core.close_all();
                    self.core.finish(now);
                    self.core.flush(now, &mut self.link);
                    let _ = reply.send(reports);
                    return false;
                }
                Ok(command) => self.carry_out(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    let now = self.link.now();
                    self.core.close_all();
                    self.core.finish(now);
                    self.core.flush(now, &mut self.link);
                    return false;
                }
            }
        }
    }

    /// Replies are sent whether or not somebody still waits for them.
    fn carry_out(&mut self, command: Command) {
        let now = self.link.now();
        let core = &mut self.core;
        match command {
            Command::Register(built, reply) => {
                let peer = built.spec.peer;
                if let Err(unheard) = reply.send(core.register(now, *built)) {
                    // Whoever asked is gone: nobody has the answer, so nobody will use the peer.
                    if unheard.is_ok() {
                        core.close(peer, None);
                    }
                }
            }
            Command::Restart(peer, credentials, reply) => drop(reply.send(core.restart(peer, &credentials))),
            Command::AddCandidate(peer, reply) => drop(reply.send(core.add_remote_candidate(peer))),
            Command::RoomDeadline(room, deadline) => core.set_room_deadline(room, deadline),
            Command::RobotDeadline(robot, deadline) => core.set_robot_deadline(robot, deadline),
            Command::SessionMessage(room, text) => core.session_message(now, room, &text),
            // The connections are closed after the answer: it is what gets announced.
            Command::CloseRoom(room, text, reply) => drop(reply.send(core.close_room(room, text.as_deref()))),
            Command::ClosePeer(peer, text, reply) => drop(reply.send(core.close(peer, text.as_deref()))),
            Command::CloseRobot(robot, reply) => drop(reply.send(core.close_robot(robot))),
            Command::Stats(reply) => {
                let mut stats = core.stats();
                self.link.tcp.iter().for_each(|tcp| tcp.count(&mut stats));
                let _ = reply.send(stats);
            }
            Command::PeerStats(peer, reply) => drop(reply.send(core.peer_stats(now, peer))),
            Command::Shutdown(reply) => drop(reply.send(Vec::new())),
        }
    }

    /// Hands events on. What the receiver has no room for waits here: there are three for each peer at most.
    fn tell(&mut self, backlog: &mut VecDeque<MediaEvent>) {
        while let Some(event) = self.core.poll_event() {
            backlog.push_back(event);
        }
        while let Some(event) = backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    backlog.push_front(event);
                    return;
                }
            }
        }
    }
}

/// Other threads' work must not come between the gate's check and the send for long. Needs CAP_SYS_NICE; without it the
/// guard time has to cover more.
fn raise_priority() {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), -15) {
        tracing::info!(%error, "the media thread runs at normal priority");
    }
}
