//! What all actors share, and the ways by which one reaches another.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::ArbiterHandle;
use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use curfew_domain::{
    Actor, Cause, LabRules, Metadata, PeerId, PeerQuality, Reason, Refusal, RobotCommand, RobotId, RoomId,
    TerminatedPeer,
};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use super::config::ActorsConfig;
use super::deadlines::Deadlines;
use super::decisions::Decisions;
use super::entity::{Decided, Undecided};
use super::folded::Folded;
use super::keeper::{Command, Kind, StateOf};
use super::live_rooms::LiveRooms;
use super::meters::Meters;
use super::peers::Peers;
use super::refusal::{Answer, Refused};
use super::registry::{Handle, Registry};
use super::robot::RobotSide;
use super::turns::Turns;
use crate::clock::{BootInstant, SharedClock};
use crate::correlation;
use crate::media::{Media, MediaError, PeerReport, PeerStats};
use crate::store::{Log, Projector, Reads, Reasons, StoreError};

/// Between two tries of what must be recorded; doubled from the first to the second.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Shell {
    pub(crate) log: Log,
    pub(crate) projector: Projector,
    pub(crate) reads: Reads,
    pub(crate) reasons: Reasons,
    /// Salts the hashes of reasons.
    pub(crate) salt: Vec<u8>,
    pub(crate) media: Media,
    pub(crate) clock: SharedClock,
    pub(crate) config: ActorsConfig,
    pub(crate) arbiter: ArbiterHandle,
    pub(crate) system: actix::System,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) registry: Registry,
    pub(crate) deadlines: Deadlines,
    pub(crate) rooms: LiveRooms,
    pub(crate) peers: Peers,
    pub(crate) folded: Folded,
    pub(crate) decisions: Decisions,
    pub(crate) turns: Turns,
    pub(crate) rules: Mutex<LabRules>,
    pub(crate) clock_behind: AtomicBool,
    /// Connections end because the server does.
    pub(crate) closing: AtomicBool,
    /// How far the workflows have come.
    pub(crate) answered: AtomicU64,
    pub(crate) meters: Meters,
    pub(crate) stop: watch::Sender<bool>,
}

impl Shell {
    /// The live actor of an aggregate, started if need be.
    pub(crate) fn actor<K: Kind>(self: &Arc<Self>, id: K::Id) -> Handle<K> {
        K::shelf(&self.registry).get(id, self)
    }

    pub(crate) fn robot(self: &Arc<Self>, id: RobotId) -> Handle<RobotSide> {
        self.actor(id)
    }

    /// Sends a command to its aggregate's actor; durable when `Ok`.
    pub(crate) async fn carry<K: Kind>(
        self: &Arc<Self>,
        id: K::Id,
        command: <K::Aggregate as Aggregate>::Command,
        metadata: Metadata,
    ) -> Answer<Decided<K::Aggregate>>
    where
        <K::Aggregate as Aggregate>::Error: Refusal,
    {
        Ok(self.actor::<K>(id).ask(Command { command, metadata }).await??)
    }

    /// Sends a command until it is recorded or refused, however long the disk is full; `None` when the server stops.
    pub(crate) async fn insist<K: Kind>(
        self: &Arc<Self>,
        id: K::Id,
        command: <K::Aggregate as Aggregate>::Command,
        metadata: Metadata,
    ) -> Option<Result<Decided<K::Aggregate>, <K::Aggregate as Aggregate>::Error>> {
        self.insist_on::<K>(id, move || command.clone(), metadata).await
    }

    /// As [`Self::insist`], with a command that is made anew for each try: one that depends on when it is decided.
    pub(crate) async fn insist_on<K: Kind>(
        self: &Arc<Self>,
        id: K::Id,
        command: impl Fn() -> <K::Aggregate as Aggregate>::Command + Send,
        metadata: Metadata,
    ) -> Option<Result<Decided<K::Aggregate>, <K::Aggregate as Aggregate>::Error>> {
        let mut wait = FIRST_RETRY;
        loop {
            let message = Command { command: command(), metadata: metadata.clone() };
            match self.actor::<K>(id).ask(message).await {
                Ok(Ok(decided)) => return Some(Ok(decided)),
                Ok(Err(Undecided::Refused(refused))) => return Some(Err(refused)),
                Ok(Err(Undecided::Store(error))) => {
                    tracing::warn!(%error, %id, kind = K::Aggregate::TYPE, "not recorded yet");
                }
                // The actor is gone: with the server, which the pause tells, or by itself, and the next try finds another.
                Err(refused) => {
                    tracing::debug!(%refused, %id, kind = K::Aggregate::TYPE, "no actor answered")
                }
            }
            if self.pause(wait).await {
                return None;
            }
            wait = (wait * 2).min(LAST_RETRY);
        }
    }

    /// A copy of an aggregate's state.
    pub(crate) async fn state<K: Kind>(self: &Arc<Self>, id: K::Id) -> Answer<K::Aggregate> {
        Ok(self.actor::<K>(id).ask(StateOf::ask()).await??)
    }

    /// Waits; true when the server is stopping.
    pub(crate) async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => self.is_stopping(),
            () = self.stopped() => true,
        }
    }

    /// Returns when the server stops.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // It cannot fail: the sender is in here.
        drop(stop.wait_for(|stopping| *stopping).await);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// The metadata of a request's facts.
    pub(crate) fn metadata(actor: Actor) -> Metadata {
        Metadata::new(actor, correlation::current().unwrap_or_else(Uuid::now_v7))
    }

    /// Names a peer connection: 128 random bits, since the name grants its teardown.
    pub(crate) fn random_peer() -> PeerId {
        PeerId::from(Uuid::from_u128(rand::random()))
    }

    /// Keeps the words of a reason outside the log, and gives what stands for them in it. An empty reason is none.
    pub(crate) async fn keep_reason(&self, text: &str) -> Result<String, StoreError> {
        let hash = self.reason_hash(text);
        if !hash.is_empty() {
            self.reasons.put(&hash, text.trim()).await?;
        }
        Ok(hash)
    }

    pub(crate) fn reason_hash(&self, text: &str) -> String {
        let text = text.trim();
        if text.is_empty() {
            return String::new();
        }
        let digest = Sha256::new().chain_update(&self.salt).chain_update(text.as_bytes()).finalize();
        hex(&digest)
    }

    /// As [`Self::keep_reason`], for what must not wait: tried until it is stored.
    pub(crate) fn keep_reason_soon(self: &Arc<Self>, text: &str) {
        let (shell, text) = (Arc::clone(self), text.to_owned());
        self.spawn(async move {
            while let Err(error) = shell.keep_reason(&text).await {
                tracing::warn!(%error, "a reason was not stored yet");
                if shell.pause(LAST_RETRY).await {
                    return;
                }
            }
        });
    }

    /// The present instant in a room: its own time once it is open, else what the wall clock says.
    pub(crate) fn now_in(&self, room: RoomId) -> DateTime<Utc> {
        self.at_in(room, self.clock.boot())
    }

    pub(crate) fn at_in(&self, room: RoomId, boot: BootInstant) -> DateTime<Utc> {
        self.rooms.get(room).and_then(|live| live.at(boot)).unwrap_or_else(|| self.clock.wall_at(boot))
    }

    /// The lab's rules in force.
    pub(crate) fn rules(&self) -> LabRules {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_rules(&self, rules: LabRules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    pub(crate) fn doubt_clock(&self, doubted: bool) {
        self.clock_behind.store(doubted, Ordering::Release);
    }

    pub(crate) fn clock_is_doubted(&self) -> bool {
        self.clock_behind.load(Ordering::Acquire)
    }

    /// Waits, but half of a caller's patience at most, until the read models include what was just recorded.
    pub(crate) async fn shown(&self, position: Option<u64>) {
        if tokio::time::timeout(self.config.patience / 2, self.caught_up(position)).await.is_err() {
            tracing::warn!(position, "the read models are behind");
        }
    }

    /// Waits until the read models hold the log up to `position`, for what must not be decided on less.
    ///
    /// # Errors
    /// `Unavailable` where that takes too long.
    pub(crate) async fn up_to(&self, position: u64) -> Answer<()> {
        match tokio::time::timeout(self.config.patience / 2, self.projector.caught_up(position)).await {
            Ok(caught_up) => Ok(caught_up?),
            Err(_) => Err(Refused::unavailable("The server is behind with its work. Please try again.")),
        }
    }

    /// Waits until the read models include what was just recorded. Without a position nothing was, since it is so already:
    /// what made it so is in the log, and the read models may not have it yet.
    pub(crate) async fn caught_up(&self, position: Option<u64>) {
        let position = position.unwrap_or_else(|| *self.log.head().borrow());
        if let Err(error) = self.projector.caught_up(position).await {
            tracing::warn!(position, %error, "the read models do not follow any more");
        }
    }

    /// What the log says of a closed peer.
    pub(crate) fn terminated(&self, report: &PeerReport) -> TerminatedPeer {
        self.meters.ended(report);
        TerminatedPeer {
            peer_id: report.peer,
            lateness_us: u64::try_from(report.lateness.as_micros()).unwrap_or(u64::MAX),
            packets: Some(report.packets),
            bytes: Some(report.bytes),
            stopped_between: None,
            quality: report.stats.as_ref().map(quality),
        }
    }

    pub(crate) async fn record_publisher_end(
        self: &Arc<Self>,
        robot: RobotId,
        report: &PeerReport,
        cause: Cause,
        due_at: DateTime<Utc>,
    ) {
        self.peers.remove(report.peer);
        let now = self.clock.wall();
        let command = RobotCommand::EndPublishing { report: self.terminated(report), cause, due_at, now };
        if let Some(Err(refused)) =
            self.insist::<RobotSide>(robot, command, Self::metadata(Actor::System)).await
        {
            tracing::warn!(%robot, %refused, "the end of publishing was refused");
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl<E: Refusal> From<Undecided<E>> for Refused {
    fn from(undecided: Undecided<E>) -> Self {
        match undecided {
            Undecided::Refused(error) => Self::because(error.reason(), error.detail()),
            Undecided::Store(error) => error.into(),
        }
    }
}

impl From<MediaError> for Refused {
    fn from(error: MediaError) -> Self {
        let reason = match &error {
            MediaError::TooLarge { .. } | MediaError::CandidateTooLarge { .. } => Reason::TooLarge,
            MediaError::Invalid(_) | MediaError::NoVideo | MediaError::NoCodec => Reason::Invalid,
            MediaError::TooManyPeers { .. } | MediaError::Stopped => Reason::Unavailable,
            MediaError::TooManyCandidates { .. } => Reason::RateLimited,
            MediaError::NoSuchPeer => Reason::NotFound,
            MediaError::Duplicate => Reason::Conflict,
            MediaError::TooLate => Reason::WindowClosed,
        };
        let detail = match &error {
            MediaError::TooManyCandidates { limit } => {
                format!("A connection may name {limit} candidates: further ones are not taken.")
            }
            MediaError::CandidateTooLarge { limit } => format!("A candidate has at most {limit} bytes."),
            error => format!("The connection could not be made: {error}."),
        };
        Self::because(reason, detail)
    }
}

fn quality(stats: &PeerStats) -> PeerQuality {
    PeerQuality {
        mean_bitrate_bps: stats.mean_bitrate_bps,
        lost: stats.lost,
        retransmitted: stats.retransmitted,
        keyframe_requests: stats.keyframe_requests,
        mean_round_trip_us: stats
            .mean_round_trip
            .map(|trip| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)),
        freezes: stats.freezes,
        frozen_ms: u64::try_from(stats.frozen.as_millis()).unwrap_or(u64::MAX),
    }
}
