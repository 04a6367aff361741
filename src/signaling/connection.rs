//! One connection's side of the protocol, on whatever transport carries it.

use std::future::pending;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::Signaling;
use super::limits::Bucket;
use super::roster::{Presence, SignOut};
use crate::actors::{ConnectionId, Joined, OfferTarget, Principal, Refused, RobotRoom, RoomHint};
use crate::api::listener::Place;
use crate::protocol::{
    ClientMessage, Empty, IncomingAnswer, JoinRoom, JoinedRoom, OutgoingCandidate, OutgoingOffer, Register,
    Registered, RobotStop, SdpType, ServerMessage, SessionDescription, User, UserRef, UserType, in_few_words,
};
use curfew_domain::{PeerId, Reason, RobotId, RoomId};

/// What the server calls itself towards a robot, in `from`.
const SERVER: &str = "curfew";
/// WebSocket close codes, RFC 6455 section 7.4.1.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

/// What the transport's reader saw.
#[derive(Debug)]
pub(super) enum Incoming {
    Text(String),
    /// Sign of life without content: a ping or a pong.
    Alive,
    /// A form of message that the protocol does not have.
    Unsupported,
    /// Larger than the transport takes.
    TooLarge,
}

/// What the transport's writer is to do.
#[derive(Debug)]
pub(super) enum Frame {
    Text(String),
    Ping,
    Close(Closing),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    pub(super) code: u16,
    pub(super) words: &'static str,
}

/// The protocol's state for one connection.
pub(super) struct Connection {
    signaling: Arc<Signaling>,
    frames: mpsc::Sender<Frame>,
    id: ConnectionId,
    /// A token that came with the transport's handshake.
    offered_token: Option<String>,
    who: Option<Principal>,
    /// Among the registered, once it is.
    presence: Option<Presence>,
    /// Among what the listener has open, where it came by the listener.
    place: Option<Place>,
    room: Option<RoomId>,
    /// The peer that candidates belong to: the last one negotiated here.
    peer: Option<PeerId>,
    bucket: Bucket,
}

impl Connection {
    pub(super) fn new(
        signaling: Arc<Signaling>,
        frames: mpsc::Sender<Frame>,
        token: Option<String>,
        place: Option<Place>,
    ) -> Self {
        let limits = signaling.limits;
        let bucket = Bucket::new(limits.messages_per_second, limits.message_burst, signaling.clock.boot());
        let id = ConnectionId::new(Uuid::now_v7());
        Self {
            signaling,
            frames,
            id,
            offered_token: token,
            who: None,
            presence: None,
            place,
            room: None,
            peer: None,
            bucket,
        }
    }

    /// Serves the connection until either side ends it, then tells the lab that it is gone.
    pub(super) async fn run(mut self, mut incoming: impl Stream<Item = Incoming> + Unpin) {
        let limits = self.signaling.limits;
        let mut ping = tokio::time::interval(limits.silent_for / 3);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let opened = Instant::now();
        let register_by = opened + limits.register_within;
        let mut heard = opened;
        let frames = self.frames.clone();
        let mut stopping = self.signaling.stopping.clone();
        loop {
            let flow = tokio::select! {
                () = frames.closed() => Break(()),
                () = told_to_stop(&mut stopping) => self.close(GOING_AWAY, "the server stops").await,
                why = signed_out(&mut self.presence) => self.sign_out(why).await,
                () = tokio::time::sleep_until(register_by), if self.who.is_none() => {
                    self.close(POLICY, "register first").await
                }
                _ = ping.tick() => self.check_alive(heard.elapsed()).await,
                event = incoming.next() => {
                    heard = Instant::now();
                    match event {
                        Some(event) => self.take(event).await,
                        None => Break(()),
                    }
                }
            };
            if flow.is_break() {
                break;
            }
        }
        self.finish().await;
    }

    async fn check_alive(&self, silent_for: Duration) -> ControlFlow<()> {
        if silent_for >= self.signaling.limits.silent_for {
            return self.close(POLICY, "no answer to pings").await;
        }
        self.frame(Frame::Ping).await
    }

    async fn sign_out(&self, why: SignOut) -> ControlFlow<()> {
        match why {
            SignOut::PasswordChanged => {
                self.refuse_and_close("bad_token", "The password was changed. Please sign in again.").await
            }
            SignOut::Suspended => self.refuse_and_close("suspended", Reason::Suspended.text()).await,
        }
    }

    /// Whatever comes counts for the rate: a frame that is no message costs an answer too.
    async fn take(&mut self, event: Incoming) -> ControlFlow<()> {
        let is_too_large = match &event {
            Incoming::TooLarge => true,
            Incoming::Text(text) => text.len() > self.signaling.limits.message_bytes,
            Incoming::Alive | Incoming::Unsupported => false,
        };
        if is_too_large {
            return self.too_large().await;
        }
        if !self.bucket.take(self.signaling.clock.boot()) {
            self.error("rate_limited", "Too many messages: this connection is closed.").await?;
            return self.close(POLICY, "too many messages").await;
        }
        match event {
            Incoming::Text(text) => match parse(&text) {
                Ok(message) => self.handle(message).await,
                Err(words) => self.error("invalid", &words).await,
            },
            Incoming::Unsupported => self.error("invalid", "Messages are text frames of JSON.").await,
            Incoming::Alive | Incoming::TooLarge => Continue(()),
        }
    }

    async fn handle(&mut self, message: ClientMessage) -> ControlFlow<()> {
        let who = match (message, self.who) {
            (ClientMessage::Register(register), _) => return self.register(register).await,
            (_, None) => return self.error("bad_token", "Send `register` with a token first.").await,
            (message, Some(who)) => (message, who),
        };
        match who {
            (ClientMessage::JoinRoom(join), who) => self.join(&who, join).await,
            (ClientMessage::Offer(offer), who) => self.offer(&who, offer).await,
            (ClientMessage::IceCandidate(candidate), who) => self.candidate(&who, candidate).await,
            (ClientMessage::LeaveRoom(_), _) => {
                self.signaling.lab.leave(self.id).await;
                self.room = None;
                self.peer = None;
                self.say(&ServerMessage::LeftRoom(Empty {})).await
            }
            (ClientMessage::EmergencyStop(stop), who) => self.robot_stop(&who, stop).await,
            (ClientMessage::Answer(_), _) => {
                let words =
                    "This server answers offers itself; it takes no answers for a robot in relay mode.";
                self.error("not_available", words).await
            }
            (ClientMessage::Register(_), _) => Continue(()),
        }
    }

    async fn register(&mut self, register: Register) -> ControlFlow<()> {
        if self.who.is_some() {
            return self.error("conflict", "This connection is registered already.").await;
        }
        let Some(token) = register.token.or_else(|| self.offered_token.take()) else {
            return self.refuse_and_close("bad_token", "A token is needed to register.").await;
        };
        let who = match self.signaling.authenticate.authenticate(&token).await {
            Ok(who) => who,
            Err(refused) => return self.refuse_and_close(refused.reason.code(), &refused.detail).await,
        };
        let (user_id, user_type) = match &who {
            Principal::Account { id, .. } => (id.to_string(), UserType::Viewer),
            Principal::Robot { id, .. } => (id.to_string(), UserType::Robot),
            Principal::System => {
                return self.refuse_and_close("wrong_role", "The command line has no place in a room.").await;
            }
        };
        if user_type != register.user_type {
            let words = "The token is not of the kind that userType names.";
            return self.refuse_and_close("wrong_role", words).await;
        }
        let most = self.signaling.limits.connections_per_account;
        self.presence = self.signaling.roster.enter(&who, self.id, most);
        if self.presence.is_none() {
            let words = "You are connected too many times already: close another page first.";
            return self.refuse_and_close("rate_limited", words).await;
        }
        // Who was signed out between the first look at the token and the entry in the roster is not in time to be told.
        if let Err(refused) = self.signaling.authenticate.authenticate(&token).await {
            return self.refuse_and_close(refused.reason.code(), &refused.detail).await;
        }
        if let Some(place) = &self.place {
            place.in_use();
        }
        self.who = Some(who);
        self.say(&ServerMessage::Registered(Registered { success: true, user_id, user_type })).await?;
        if user_type == UserType::Viewer {
            return Continue(());
        }
        let (outbox, notices) = mpsc::channel(self.signaling.limits.outbox_messages);
        match self.signaling.lab.robot_connected(&who, self.id, outbox).await {
            Ok(()) => self.pass_on(notices, true),
            Err(refused) => return self.refuse_and_close(refused.reason.code(), &refused.detail).await,
        }
        Continue(())
    }

    async fn join(&mut self, who: &Principal, join: JoinRoom) -> ControlFlow<()> {
        if let Principal::Robot { id, .. } = who {
            return self.join_robot(*id).await;
        }
        let (outbox, notices) = mpsc::channel(self.signaling.limits.outbox_messages);
        match self.signaling.lab.join(who, &RoomHint(join.room_id), self.id, outbox).await {
            Ok(joined) => {
                self.room = Some(joined.room_id);
                let robot = joined.robot_online.then(|| joined.robot.to_string());
                let watched_by = joined.watched_by.clone();
                let stop = joined.stopped.clone();
                self.say(&ServerMessage::JoinedRoom(joined_room(joined))).await?;
                if let Some(user_id) = robot {
                    self.say(&ServerMessage::RobotAvailable(UserRef { user_id })).await?;
                }
                if let Some(stop) = stop {
                    self.say(&stop).await?;
                }
                for admin in watched_by {
                    let user = User { user_id: admin.to_string(), user_type: UserType::Viewer, watch: true };
                    self.say(&ServerMessage::UserJoined(user)).await?;
                }
                // Only now, so that no notice overtakes the answer.
                self.pass_on(notices, false);
                Continue(())
            }
            Err(refused) => self.refused(&refused).await,
        }
    }

    /// Documented robot clients join a room: whatever they name, theirs is that of their robot's session, which they are in.
    async fn join_robot(&self, robot: RobotId) -> ControlFlow<()> {
        match self.signaling.lab.robot_room(robot).await {
            Ok(RobotRoom { room_id, ends_at, server_time, state }) => {
                let room_id = room_id.to_string();
                let joined = JoinedRoom { room_id, ends_at, server_time, role: "robot".to_owned(), state };
                self.say(&ServerMessage::JoinedRoom(joined)).await
            }
            Err(refused) => self.refused(&refused).await,
        }
    }

    /// A robot stands still: because it was told to, or of its own accord.
    async fn robot_stop(&self, who: &Principal, stop: RobotStop) -> ControlFlow<()> {
        let Principal::Robot { id, .. } = *who else {
            return self.error("wrong_role", "Only a robot says this of itself.").await;
        };
        if !stop.engaged {
            return self.error("wrong_role", "Only an admin clears an emergency stop.").await;
        }
        let lab = &self.signaling.lab;
        if let Some(stop_id) = &stop.stop_id {
            lab.answer_stop(id, stop_id);
            return Continue(());
        }
        let reason = stop.reason.as_deref().filter(|reason| !reason.trim().is_empty());
        let answer = match lab.acknowledge_stop(id).await {
            Err(refused) if refused.reason == Reason::Conflict => {
                lab.engage_stop(who, id, reason.unwrap_or("The robot stopped by itself.")).await.map(drop)
            }
            other => other,
        };
        match answer {
            Ok(()) => Continue(()),
            Err(refused) => self.refused(&refused).await,
        }
    }

    async fn offer(&mut self, who: &Principal, offer: OutgoingOffer) -> ControlFlow<()> {
        if offer.offer.kind != SdpType::Offer {
            let refused = Refused::because(Reason::Invalid, "The description has to be an offer.");
            return self.refused(&refused).await;
        }
        let sdp = offer.offer.sdp;
        let (negotiated, from) = match who {
            Principal::Robot { id, .. } => {
                (self.signaling.lab.robot_offer(*id, self.id, sdp).await, SERVER.to_owned())
            }
            Principal::Account { .. } | Principal::System => {
                let target =
                    OfferTarget { robot: offer.to.clone(), room: self.room, connection: Some(self.id) };
                let negotiated = self.signaling.lab.offer(who, &target, None, sdp).await;
                let from = negotiated.as_ref().map(|n| n.robot.to_string()).unwrap_or_default();
                (negotiated, from)
            }
        };
        match negotiated {
            Ok(negotiated) => {
                self.peer = Some(negotiated.peer);
                let answer = SessionDescription::answer(negotiated.sdp);
                self.say(&ServerMessage::Answer(IncomingAnswer { from, answer })).await
            }
            Err(refused) => self.refused(&refused).await,
        }
    }

    async fn candidate(&mut self, who: &Principal, message: OutgoingCandidate) -> ControlFlow<()> {
        // The end of candidates needs no action: the server is ICE-lite and waits for checks.
        let Some(candidate) = message.candidate.filter(|c| !c.candidate.is_empty()) else {
            return Continue(());
        };
        let Some(peer) = self.peer else {
            return self.error("conflict", "A candidate needs an offer that was answered before it.").await;
        };
        match self.signaling.lab.candidate(who, peer, candidate).await {
            Ok(()) => Continue(()),
            Err(refused) => self.refused(&refused).await,
        }
    }

    /// Passes on what the lab tells this connection. An error that comes that way ends the connection, as does, for a
    /// robot, being let go.
    fn pass_on(&self, mut notices: mpsc::Receiver<ServerMessage>, until_let_go: bool) {
        let frames = self.frames.clone();
        tokio::spawn(async move {
            while let Some(message) = notices.recv().await {
                let last = matches!(message, ServerMessage::Error(_));
                if frames.send(Frame::Text(message.to_text())).await.is_err() {
                    return;
                }
                if last {
                    let _ = frames.send(Frame::Close(Closing { code: POLICY, words: "see the error" })).await;
                    return;
                }
            }
            if until_let_go {
                let _ = frames.send(Frame::Close(Closing { code: NORMAL, words: "let go" })).await;
            }
        });
    }

    async fn finish(self) {
        if let Some(Principal::Robot { id, .. }) = self.who {
            self.signaling.lab.robot_disconnected(id, self.id).await;
        } else if self.who.is_some() {
            self.signaling.lab.leave(self.id).await;
        }
    }

    async fn say(&self, message: &ServerMessage) -> ControlFlow<()> {
        self.frame(Frame::Text(message.to_text())).await
    }

    async fn error(&self, code: &str, words: &str) -> ControlFlow<()> {
        self.say(&ServerMessage::error(code, words)).await
    }

    /// Says why not. Whoever passes a limit is sent away as well.
    async fn refused(&self, refused: &Refused) -> ControlFlow<()> {
        if refused.reason == Reason::RateLimited {
            return self.refuse_and_close(refused.reason.code(), &refused.detail).await;
        }
        self.error(refused.reason.code(), &refused.detail).await
    }

    async fn refuse_and_close(&self, code: &str, words: &str) -> ControlFlow<()> {
        self.error(code, words).await?;
        self.close(POLICY, "refused").await
    }

    async fn too_large(&self) -> ControlFlow<()> {
        let most = self.signaling.limits.message_bytes;
        let words = format!("A message may have {most} bytes at most: this connection is closed.");
        self.error("too_large", &words).await?;
        self.close(TOO_BIG, "message too large").await
    }

    async fn close(&self, code: u16, words: &'static str) -> ControlFlow<()> {
        let _ = self.frame(Frame::Close(Closing { code, words })).await;
        Break(())
    }

    async fn frame(&self, frame: Frame) -> ControlFlow<()> {
        match self.frames.send(frame).await {
            Ok(()) => Continue(()),
            Err(_) => Break(()),
        }
    }
}

/// Never for who is not registered.
async fn signed_out(presence: &mut Option<Presence>) -> SignOut {
    match presence {
        Some(Presence { signed_out, .. }) => match signed_out.await {
            Ok(why) => why,
            Err(_) => pending().await,
        },
        None => pending().await,
    }
}

/// Also when whoever could tell is gone.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // The guard that this gives is dropped here: it may not be held across an await.
    drop(stopping.wait_for(|stop| *stop).await);
}

/// Reads a message, or says what is wrong with it in words that name the event.
pub(super) fn parse(text: &str) -> Result<ClientMessage, String> {
    #[derive(serde::Deserialize)]
    struct Named {
        event: String,
    }
    let named: Named = serde_json::from_str(text)
        .map_err(|_| r#"A message is JSON of the form {"event": NAME, "data": {…}}."#.to_owned())?;
    if !ClientMessage::EVENTS.contains(&named.event.as_str()) {
        return Err(format!("There is no event {:?}.", clip(&named.event)));
    }
    serde_json::from_str(text)
        .map_err(|error| format!("The data of {:?} is not right: {}.", named.event, in_few_words(&error)))
}

/// The first 40 characters: an error does not echo what may be a flood.
fn clip(name: &str) -> String {
    name.chars().take(40).collect()
}

fn joined_room(joined: Joined) -> JoinedRoom {
    JoinedRoom {
        room_id: joined.room_id.to_string(),
        ends_at: joined.ends_at,
        server_time: joined.server_time,
        role: joined.basis.name().to_owned(),
        state: joined.state,
    }
}
