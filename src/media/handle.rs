//! The handle to the media thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, channel, sync_channel};
use std::time::Instant;

use chrono::SubsecRound;
use curfew_domain::{PeerId, RobotId, RoomId};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::build::Builder;
use super::config::MediaConfig;
use super::core::{ClosingText, Core};
use super::driver::{Command, Driver, Link, WAKER};
use super::socket::bind;
use super::stats::{MediaStats, PeerStats};
use super::tcp::Tcp;
use super::types::{Answer, MediaError, MediaEvent, Now, PeerReport, PeerSpec};
use crate::clock::{BootInstant, SharedClock};
use crate::protocol::{IceCandidateInit, ServerMessage, SessionEnded};

/// Commands that wait for the media thread, which looks for them every few milliseconds at most.
const MAX_COMMANDS: usize = 4096;
/// Events that wait for their receiver; more wait in the media thread.
const MAX_EVENTS: usize = 1024;
/// Bytes of one candidate line.
const MAX_CANDIDATE: usize = 1024;

/// The media plane. Clones share it; the thread ends with [`Media::shutdown`] or the last clone.
#[derive(Clone)]
pub struct Media {
    local_addr: SocketAddr,
    commands: SyncSender<Command>,
    waker: Arc<mio::Waker>,
    builder: Arc<Builder>,
    builds: Arc<Semaphore>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

impl Media {
    /// Binds the port and starts the thread.
    pub fn start(config: MediaConfig, clock: SharedClock) -> io::Result<(Self, mpsc::Receiver<MediaEvent>)> {
        let (socket, listener) = bind(&config)?;
        let local_addr = socket.local_addr()?;
        let builder = Builder::new(config.clone(), socket.addresses()).map_err(io::Error::other)?;
        let poll = mio::Poll::new()?;
        let tcp = listener.map(|(listener, limits)| {
            let registry = poll.registry().try_clone()?;
            Tcp::new(listener, registry, socket.addresses().to_vec(), limits)
        });
        let tcp = tcp.transpose()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        let (commands, receiver) = sync_channel(MAX_COMMANDS);
        let (events, told) = mpsc::channel(MAX_EVENTS);
        let now = Now { mono: Instant::now(), boot: clock.boot() };
        let core = Core::new(config, closing_text(Arc::clone(&clock)), now);
        let (spent, over) = channel();
        std::thread::Builder::new()
            .name("media-over".into())
            .spawn(move || over.into_iter().for_each(drop))?;
        let driver =
            Driver { core, link: Link { socket, tcp, clock }, poll, commands: receiver, events, spent };
        std::thread::Builder::new().name("media".into()).spawn(move || driver.run())?;
        let at_once = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let builds = Arc::new(Semaphore::new(at_once));
        Ok((Self { local_addr, commands, waker, builder: Arc::new(builder), builds }, told))
    }

    /// The address of all media, over UDP and TCP.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers an offer. When this returns, the peer is reachable; it ends at `spec.deadline` whatever happens.
    pub async fn answer(&self, spec: PeerSpec, offer_sdp: String) -> Result<Answer, MediaError> {
        let permit = self.builds.clone().acquire_owned().await.map_err(|_| MediaError::Stopped)?;
        let builder = Arc::clone(&self.builder);
        let build = move || {
            let _permit = permit;
            builder.build(Instant::now(), spec, &offer_sdp)
        };
        let built = tokio::task::spawn_blocking(build)
            .await
            .map_err(|_| MediaError::Invalid("it broke the negotiation".into()))??;
        let answer = built.answer.clone();
        self.ask(|reply| Command::Register(Box::new(built), reply)).await??;
        Ok(answer)
    }

    /// Answers an offer that restarts ICE of a viewer's connection, `former` being the answer before. The connection goes on
    /// as it is, and is reached by the old credentials and the new.
    ///
    /// # Errors
    /// `NoSuchPeer` when it has ended or was never connected, `Invalid` when the offer wants more than new credentials.
    pub async fn restart(
        &self,
        peer: PeerId,
        offer_sdp: &str,
        former: &Answer,
    ) -> Result<Answer, MediaError> {
        let (credentials, answer) = self.builder.restart(offer_sdp, former)?;
        self.ask(|reply| Command::Restart(peer, Box::new(credentials), reply)).await??;
        Ok(answer)
    }

    /// Takes a trickled candidate of a peer. An empty one ends them (RFC 8838, 13).
    pub async fn add_remote_candidate(
        &self,
        peer: PeerId,
        candidate: IceCandidateInit,
    ) -> Result<(), MediaError> {
        if candidate.candidate.len() > MAX_CANDIDATE {
            return Err(MediaError::CandidateTooLarge { limit: MAX_CANDIDATE });
        }
        self.ask(|reply| Command::AddCandidate(peer, reply)).await?
    }

    /// Moves the deadline of all of a room's viewers, either way. One that is past ends them at once.
    pub fn set_room_deadline(&self, room: RoomId, deadline: BootInstant) {
        self.tell(Command::RoomDeadline(room, deadline));
    }

    /// Moves the deadline of a robot's own connection, either way.
    pub fn set_robot_deadline(&self, robot: RobotId, deadline: BootInstant) {
        self.tell(Command::RobotDeadline(robot, deadline));
    }

    /// Sends a text to the `session` data channels of a room, to each as soon as it is open.
    pub fn session_message(&self, room: RoomId, text: Arc<str>) {
        self.tell(Command::SessionMessage(room, text));
    }

    /// Ends all of a room's viewers now. `closing` is the last text on their `session` channels.
    pub async fn close_room(&self, room: RoomId, closing: Option<Arc<str>>) -> Vec<PeerReport> {
        self.ask(|reply| Command::CloseRoom(room, closing, reply)).await.unwrap_or_default()
    }

    /// Ends one peer now; `None` when it had ended before.
    pub async fn close_peer(&self, peer: PeerId, closing: Option<Arc<str>>) -> Option<PeerReport> {
        self.ask(|reply| Command::ClosePeer(peer, closing, reply)).await.ok().flatten()
    }

    /// Ends a robot's own connection now; `None` when it has none. It is asked for before this returns: connections
    /// that are registered later stay, whenever the answer is awaited.
    pub fn close_robot(&self, robot: RobotId) -> impl Future<Output = Option<PeerReport>> + use<> {
        let (reply, answered) = oneshot::channel();
        self.tell(Command::CloseRobot(robot, reply));
        async move { answered.await.ok().flatten() }
    }

    pub async fn stats(&self) -> MediaStats {
        self.ask(Command::Stats).await.unwrap_or_default()
    }

    /// How a viewer is served; `None` where there is no such viewer.
    pub async fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        self.ask(|reply| Command::PeerStats(peer, reply)).await.ok().flatten()
    }

    /// Ends every peer and the thread; the reports of those that were left.
    pub async fn shutdown(&self) -> Vec<PeerReport> {
        self.ask(Command::Shutdown).await.unwrap_or_default()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, MediaError> {
        let (reply, answered) = oneshot::channel();
        let mut command = command(reply);
        loop {
            match self.commands.try_send(command) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(MediaError::Stopped),
                Err(TrySendError::Full(again)) => command = again,
            }
            self.wake();
            tokio::task::yield_now().await;
        }
        self.wake();
        answered.await.map_err(|_| MediaError::Stopped)
    }

    /// Never loses a command: with thousands waiting, the caller waits for the media thread's next turn.
    fn tell(&self, command: Command) {
        let sent = match self.commands.try_send(command) {
            Err(TrySendError::Full(command)) => {
                self.wake();
                self.commands.send(command).is_ok()
            }
            other => other.is_ok(),
        };
        if sent {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "the media thread could not be woken");
        }
    }
}

/// What the `session` channel says when the media thread itself ends a viewer: its window closed.
fn closing_text(clock: SharedClock) -> ClosingText {
    Box::new(move |room, deadline| {
        let ended = SessionEnded {
            room_id: room.to_string(),
            cause: "window_closed".to_owned(),
            reason: None,
            // Two clocks read one after the other are some microseconds apart; the wire has milliseconds.
            ended_at: clock.wall_at(deadline).round_subsecs(3),
        };
        ServerMessage::SessionEnded(ended).to_text().into()
    })
}
