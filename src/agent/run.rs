//! The shell around `core`: carries out its actions, brings it events and the boot clock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::ClientError;
use super::config::{AgentConfig, AgentError};
use super::core::{Action, CloseWhy, Core, Event, LinkId, StreamId};
use super::endpoint::Endpoint;
use super::health::Beat;
use super::link::{self, LinkEvent};
use super::publisher::{Publisher, PublisherSpec};
use super::sources::CameraSource;
use super::stop::{self, Next, Stop};
use crate::clock::{BootInstant, SharedClock};
use crate::protocol::{
    ClientMessage, EmergencyStop, IncomingAnswer, IncomingCandidate, OutgoingOffer, Publish, RobotStop,
    ServerMessage, SessionDescription,
};

/// A tokio timer stands still while the machine is suspended, the boot clock does not: a wait is never longer than this
/// before the boot clock is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const INBOX: usize = 64;
/// How often the loop shows that it runs.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Runs an agent until `shutdown` is ready, then closes what is open. Losing the server is no reason to end.
pub async fn run(
    config: AgentConfig,
    clock: SharedClock,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    config.check()?;
    let endpoint = Endpoint::new(&config.server, config.ca_file.as_deref())?;
    let mut agent = Agent::new(config, endpoint, clock);
    let mut alive = tokio::time::interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(shutdown);
    loop {
        agent.beat.beat();
        let due = wait_until(agent.clock.clone(), agent.core.next_due());
        let event = tokio::select! {
            () = &mut shutdown => break,
            Some((link, event)) = agent.inbox.recv() => agent.link_event(link, event).await,
            Some(Ok(step)) = agent.steps.join_next() => agent.step_done(step).await,
            () = due => Some(Event::Tick),
            _ = alive.tick() => None,
        };
        if let Some(event) = event {
            agent.take(event);
        }
    }
    agent.close().await;
    Ok(())
}

/// Ends when the boot clock reaches `due`; never for `None`.
async fn wait_until(clock: SharedClock, due: Option<BootInstant>) {
    let Some(due) = due else { return std::future::pending().await };
    loop {
        let left = due.saturating_since(clock.boot());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK_AGAIN)).await;
    }
}

struct Agent {
    config: AgentConfig,
    endpoint: Endpoint,
    clock: SharedClock,
    core: Core,
    inbox: mpsc::Receiver<(LinkId, LinkEvent)>,
    to_inbox: mpsc::Sender<(LinkId, LinkEvent)>,
    link: Option<Link>,
    publishers: HashMap<StreamId, Publisher>,
    /// Work on peer connections, which takes milliseconds, beside the loop.
    steps: JoinSet<Step>,
    cameras: Vec<Arc<CameraSource>>,
    /// The cameras that the last `publish` named.
    chosen: Vec<Arc<CameraSource>>,
    stop: Stop,
    beat: Beat,
    /// Why there is no link, as it was told last.
    told_lost: Option<String>,
}

struct Link {
    id: LinkId,
    outgoing: mpsc::Sender<ClientMessage>,
    local_ip: IpAddr,
}

enum Step {
    Offered {
        stream: StreamId,
        link: LinkId,
        made: Result<(Publisher, String), webrtc::error::Error>,
    },
    /// The stream is connected, or never will be.
    Connected(StreamId, bool),
    Failed(StreamId, String),
    Closed,
    /// The operator's program for an emergency stop ended.
    StopTried {
        number: u64,
        ended: Result<(), String>,
    },
}

impl Agent {
    fn new(config: AgentConfig, endpoint: Endpoint, clock: SharedClock) -> Self {
        let (to_inbox, inbox) = mpsc::channel(INBOX);
        let core = Core::new(clock.boot(), rand::random());
        let health = config.health.clone();
        health.connected(false, clock.wall());
        let camera = |source| Arc::new(CameraSource::new(source, &config, &health, clock.clone()));
        let cameras = config.sources.iter().map(camera).collect();
        let beat = health.beat("the agent's loop");
        let stop = Stop::new(health, config.on_stop.is_some());
        Self {
            config,
            endpoint,
            clock,
            core,
            inbox,
            to_inbox,
            link: None,
            publishers: HashMap::new(),
            steps: JoinSet::new(),
            cameras,
            chosen: Vec::new(),
            stop,
            beat,
            told_lost: None,
        }
    }

    fn take(&mut self, event: Event) {
        for action in self.core.handle(self.clock.boot(), event) {
            self.carry_out(action);
        }
        let ends_at = self.core.deadline().map(|deadline| self.clock.wall_at(deadline));
        self.config.health.session(ends_at);
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Connect(id) => {
                let (endpoint, token) = (self.endpoint.clone(), self.config.token.clone());
                let outgoing =
                    link::start(id, endpoint, token, self.config.name.clone(), self.to_inbox.clone());
                self.link = Some(Link { id, outgoing, local_ip: Ipv4Addr::UNSPECIFIED.into() });
            }
            Action::Offer { stream, link, deadline } => self.offer(stream, link, deadline),
            Action::MoveDeadline { stream, deadline } => {
                if let Some(publisher) = self.publishers.get(&stream) {
                    publisher.move_deadline(deadline);
                }
            }
            Action::Close { stream, why } => self.close_stream(stream, why),
        }
    }

    fn offer(&mut self, stream: StreamId, link: LinkId, deadline: BootInstant) {
        let Some(toward) = self.link.as_ref().filter(|up| up.id == link).map(|up| up.local_ip) else {
            return;
        };
        let spec = PublisherSpec {
            robot: self.config.name.clone(),
            cameras: self.chosen.clone(),
            toward,
            deadline,
            clock: self.clock.clone(),
        };
        tracing::info!(seconds = deadline.saturating_since(self.clock.boot()).as_secs(), "publishing");
        self.steps.spawn(async move { Step::Offered { stream, link, made: Publisher::offer(spec).await } });
    }

    fn close_stream(&mut self, stream: StreamId, why: CloseWhy) {
        if why == CloseWhy::Unanswered {
            self.media_failed("the server did not answer the offer of this robot's media in time".to_owned());
        }
        // A stream that is still being made is closed when it is done: see `step_done`.
        let Some(publisher) = self.publishers.remove(&stream) else { return };
        match why {
            CloseWhy::Deadline => tracing::info!("the deadline is reached: the peer connection ends"),
            CloseWhy::Unpublished => tracing::info!("publishing ends early, as the server asked"),
            CloseWhy::Failed | CloseWhy::Unanswered => {
                tracing::debug!("another peer connection is offered in a moment")
            }
            CloseWhy::Replaced => tracing::info!("a new peer connection replaces this one"),
        }
        self.steps.spawn(async move {
            publisher.close().await;
            Step::Closed
        });
    }

    /// Tells it once, however many attempts fail for the same reason.
    fn media_failed(&mut self, why: String) {
        if self.config.health.media_failed(self.clock.wall(), &why) {
            tracing::error!(why, "no media reaches the server: trying again until it does");
        }
    }

    async fn link_event(&mut self, id: LinkId, event: LinkEvent) -> Option<Event> {
        match event {
            LinkEvent::Up { local_ip } => {
                let link = self.link.as_mut().filter(|link| link.id == id)?;
                link.local_ip = local_ip;
                self.told_lost = None;
                self.config.health.connected(true, self.clock.wall());
                tracing::info!(server = self.config.server, "connected and registered");
                Some(Event::Registered(id))
            }
            LinkEvent::Lost(why) => {
                self.link.take_if(|link| link.id == id);
                self.link_lost(why);
                Some(Event::LinkLost(id))
            }
            LinkEvent::Message(message) => self.message(id, message).await,
        }
    }

    /// Tells it once, however many attempts fail for the same reason.
    fn link_lost(&mut self, why: Option<ClientError>) {
        let now = self.clock.wall();
        self.config.health.connected(false, now);
        let Some(why) = why else { return };
        let reason = why.to_string();
        self.config.health.failed(now, format!("server: {reason}"));
        let is_known = self.told_lost.as_ref() == Some(&reason);
        let server = &self.config.server;
        if !is_known && matches!(why, ClientError::Refused { .. }) {
            tracing::error!(
                server,
                reason,
                "the server refuses this robot: issue a credential with `curfew robot-registry credential` and put it into the \
                 token file; trying again until then"
            );
        } else if !is_known {
            tracing::warn!(server, reason, "no connection to the server: trying again until there is one");
        }
        self.told_lost = Some(reason);
    }

    async fn message(&mut self, link: LinkId, message: ServerMessage) -> Option<Event> {
        match message {
            ServerMessage::Publish(Publish { cameras, in_ms }) => {
                self.chosen = self.choose(cameras);
                Some(Event::Publish { link, in_ms })
            }
            ServerMessage::Unpublish(_) => Some(Event::Unpublish(link)),
            ServerMessage::Answer(IncomingAnswer { answer, .. }) => self.answer(answer).await,
            ServerMessage::IceCandidate(IncomingCandidate { candidate: Some(candidate), .. }) => {
                let publisher = self.publishers.get(&self.core.stream()?)?;
                if let Err(error) = publisher.add_candidate(candidate).await {
                    tracing::debug!(%error, "a candidate that cannot be used");
                }
                None
            }
            ServerMessage::EmergencyStop(stop) => {
                self.emergency_stop(stop).await;
                None
            }
            ServerMessage::Error(error) => {
                tracing::warn!(code = error.code, message = error.message, "the server reports an error");
                None
            }
            _ => None,
        }
    }

    async fn emergency_stop(&mut self, told: EmergencyStop) {
        tracing::warn!(engaged = told.engaged, reason = told.reason, "emergency stop");
        match self.stop.told(self.clock.wall(), &told) {
            Next::Run(number) => self.try_to_stop(number, Duration::ZERO),
            Next::Acknowledge => self.acknowledge_stop().await,
            Next::Nothing => {}
        }
    }

    fn try_to_stop(&mut self, number: u64, after: Duration) {
        let Some(program) = self.config.on_stop.clone() else { return };
        self.stop.running(self.steps.spawn(async move {
            tokio::time::sleep(after).await;
            Step::StopTried { number, ended: stop::run_program(&program, stop::PROGRAM_WITHIN).await }
        }));
    }

    async fn stop_tried(&mut self, number: u64, ended: Result<(), String>) {
        match ended {
            Ok(()) if self.stop.stands_still(number) => self.acknowledge_stop().await,
            Ok(()) => {}
            Err(why) => {
                tracing::error!(
                    why,
                    "the program for an emergency stop failed: trying again until it succeeds"
                );
                self.config.health.failed(self.clock.wall(), format!("emergency stop: {why}"));
                if let Some(after) = self.stop.failed(number, &why) {
                    self.try_to_stop(number, after);
                }
            }
        }
    }

    /// Without a link nothing is lost: the next one brings the stop again.
    async fn acknowledge_stop(&mut self) {
        let Some(link) = &self.link else { return };
        self.stop.acknowledged(self.clock.wall());
        let stop_id = self.stop.id();
        let word = ClientMessage::EmergencyStop(RobotStop { engaged: true, reason: None, stop_id });
        let _ = link.outgoing.send(word).await;
    }

    async fn answer(&mut self, answer: SessionDescription) -> Option<Event> {
        let stream = self.core.stream()?;
        let publisher = self.publishers.get_mut(&stream)?;
        match publisher.accept_answer(&answer.sdp).await {
            Ok(()) => Some(Event::Answered(stream)),
            Err(error) => {
                self.media_failed(format!("the server's answer cannot be used: {error}"));
                Some(Event::StreamFailed(stream))
            }
        }
    }

    async fn step_done(&mut self, step: Step) -> Option<Event> {
        match step {
            Step::Closed => None,
            Step::StopTried { number, ended } => {
                self.stop_tried(number, ended).await;
                None
            }
            Step::Connected(stream, is_connected) => {
                if is_connected && self.core.stream() == Some(stream) {
                    self.config.health.media_is_back();
                }
                None
            }
            Step::Failed(stream, why) => {
                // One that was closed has ended like one that failed.
                if self.core.stream() == Some(stream) {
                    self.media_failed(why);
                }
                Some(Event::StreamFailed(stream))
            }
            Step::Offered { stream, made: Err(error), .. } => {
                self.media_failed(format!("no peer connection could be made: {error}"));
                Some(Event::StreamFailed(stream))
            }
            Step::Offered { stream, link, made: Ok((publisher, sdp)) } => {
                if self.core.stream() != Some(stream) {
                    self.steps.spawn(async move {
                        publisher.close().await;
                        Step::Closed
                    });
                    return None;
                }
                // It may have moved while the offer was made.
                if let Some(deadline) = self.core.deadline() {
                    publisher.move_deadline(deadline);
                }
                let (failure, connected) = (publisher.failure(), publisher.connected());
                self.steps.spawn(async move { Step::Failed(stream, failure.await) });
                self.steps.spawn(async move { Step::Connected(stream, connected.await) });
                self.publishers.insert(stream, publisher);
                let offer = OutgoingOffer { to: None, offer: SessionDescription::offer(sdp) };
                let link = self.link.as_ref().filter(|up| up.id == link)?;
                // A link that takes nothing any more is reported lost by itself.
                let _ = link.outgoing.send(ClientMessage::Offer(offer)).await;
                None
            }
        }
    }

    /// The cameras that a `publish` names, in the robot's order; all of them where it names none that this robot has.
    fn choose(&self, named: Option<Vec<String>>) -> Vec<Arc<CameraSource>> {
        let all = &self.cameras;
        let Some(named) = named.filter(|named| !named.is_empty()) else { return all.clone() };
        let is_named = |camera: &&Arc<CameraSource>| named.iter().any(|name| name == camera.name());
        let chosen: Vec<_> = all.iter().filter(is_named).cloned().collect();
        if chosen.is_empty() {
            tracing::warn!(?named, "the server asks for cameras that are not here: publishing all");
            return all.clone();
        }
        chosen
    }

    async fn close(mut self) {
        self.link = None;
        for (_, publisher) in self.publishers.drain() {
            publisher.close().await;
        }
        self.steps.shutdown().await;
    }
}
