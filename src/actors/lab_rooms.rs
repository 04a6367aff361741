//! Signaling connections: people who join and leave rooms, robots that come and go.

use std::sync::Arc;

use curfew_domain::{
    AccountId, Actor, Basis, Booking, BookingId, Cause, Reason, RobotId, Role, RoomCommand, RoomId, RoomKind,
};

use super::dispatch::rooms_changed;
use super::ending;
use super::folded;
use super::lab::{
    ConnectionId, Joined, Lab, Negotiated, Outbox, Principal, Recorded, RobotRoom, RoomHint, Watch,
};
use super::lab_access::account_of;
use super::live::{End, LiveRoom, Phase, Place, Seat, Sitter};
use super::refusal::{Answer, Refused};
use super::robot::{self, RobotSide, stop_message};
use super::robot_messages::{Connected, RobotOffer};
use super::room::{RoomSide, welcome};
use super::shell::Shell;
use crate::protocol::{RoomState, ServerMessage};

impl Lab {
    /// Gives a signaling connection its seat; it sits in one room at a time. Until the window begins the state is
    /// `Waiting`, and `session-started` comes through the outbox, as all later messages do.
    pub async fn join(
        &self,
        principal: &Principal,
        hint: &RoomHint,
        connection: ConnectionId,
        outbox: Outbox,
    ) -> Answer<Joined> {
        let (account, role) = self.person(principal).await?;
        let (room, booking) = self.shell.place_of(hint, account).await?;
        // Whoever asks again for the room it is in keeps what it negotiated there.
        if self.shell.rooms.room_of(connection) != Some(room) {
            self.leave(connection).await;
            if self.shell.rooms.connections_of(account) >= self.shell.config.connections_per_account {
                return Err(Refused::new(Reason::RateLimited));
            }
        }
        // Whoever is sent away meanwhile waits for this to be over, and then sees the seat.
        let turn = self.shell.peers.turn(account, room).await;
        let (place, basis) = match booking {
            Some(booking) => self.enter(room, booking, account, role).await?,
            None => self.enter_watch(room, account, role).await?,
        };
        let live = self.shell.rooms.get_or_insert(room, place);
        let state = match live.phase() {
            Phase::Open { .. } => {
                self.admit(&live, account, basis).await?;
                RoomState::Open
            }
            Phase::Waiting => RoomState::Waiting,
            Phase::Ended => return Err(self.too_late(room, account)),
        };
        let is_new = !live.has(account);
        let seat = Seat { who: Sitter::Account(account), outbox, admitted: state == RoomState::Open };
        if !self.shell.rooms.seat(&live, connection, seat) {
            // It ended just now, or the last who waited for it has just left.
            return Err(match live.phase() {
                Phase::Ended => self.too_late(room, account),
                Phase::Waiting | Phase::Open { .. } => Refused::unavailable("Please try again."),
            });
        }
        drop(turn);
        self.still_enters(principal, booking, connection, &live).await?;
        if state == RoomState::Open {
            if is_new {
                live.tell(&ServerMessage::UserJoined(Sitter::Account(account).user()), Some(connection));
            }
        } else if live.deadline().is_some() {
            // It opened while this one was being seated.
            self.shell.spawn(welcome(Arc::clone(&self.shell), Arc::clone(&live)));
        } else {
            rooms_changed(&self.shell, live.place().robot, None);
        }
        let place = live.place();
        Ok(Joined {
            room_id: live.id,
            starts_at: place.window.starts_at,
            ends_at: place.window.ends_at,
            server_time: self.shell.now_in(live.id),
            basis,
            state,
            robot: place.robot,
            robot_online: self.shell.rooms.is_online(place.robot),
            watched_by: self.watchers(place.robot),
            stopped: self.shell.rooms.stop(place.robot).map(|stop| stop_message(place.robot, Some(&stop))),
        })
    }

    /// Looks once more, now that there is a seat to take away: whoever lost their right, or their booking, between the first look
    /// and the seat was sent away before they sat there.
    async fn still_enters(
        &self,
        principal: &Principal,
        booking: Option<BookingId>,
        connection: ConnectionId,
        live: &Arc<LiveRoom>,
    ) -> Answer<()> {
        let looked = match (self.person(principal).await, booking) {
            (Ok((account, role)), Some(booking)) => {
                self.enter(live.id, booking, account, role).await.map(drop)
            }
            (Ok((account, role)), None) => self.enter_watch(live.id, account, role).await.map(drop),
            (Err(refused), _) => Err(refused),
        };
        if looked.is_err() {
            self.leave(connection).await;
        }
        looked
    }

    /// The connection left its room, or is gone: the peers that it negotiated are closed with it.
    pub async fn leave(&self, connection: ConnectionId) {
        if self.shell.is_closing() {
            // The server leaves them, and records it so.
            return;
        }
        let Some(live) = self.shell.rooms.unseat(connection) else { return };
        let Some(seat) = live.stand_up(connection) else { return };
        let Sitter::Account(account) = seat.who else { return };
        for peer in self.shell.peers.of_connection(connection) {
            ending::end_peer(&self.shell, live.id, peer, Cause::ParticipantLeft).await;
        }
        if live.has(account) || live.phase() == Phase::Ended {
            return;
        }
        if seat.admitted {
            // Of who only waited nobody was told that they came.
            live.tell(&ServerMessage::UserLeft(Sitter::Account(account).user()), None);
        }
        match live.phase() {
            Phase::Open { .. } if seat.admitted => ending::leave_if_gone(&self.shell, live.id, account).await,
            Phase::Waiting => self.shell.rooms.remove_if_idle(live.id),
            _ => {}
        }
    }

    /// A robot registered on a signaling connection; it replaces the one before. `publish`, `unpublish` and the messages of
    /// its rooms come through the outbox. The transport keeps no sender of its own: when the lab drops the last one, the
    /// connection ends.
    pub async fn robot_connected(
        &self,
        principal: &Principal,
        connection: ConnectionId,
        outbox: Outbox,
    ) -> Answer<()> {
        let Principal::Robot { id, credential } = *principal else {
            return Err(Refused::new(Reason::WrongRole));
        };
        self.shell.robot(id).ask(Connected { connection, credential, outbox }).await?
    }

    pub async fn robot_offer(
        &self,
        robot: RobotId,
        connection: ConnectionId,
        sdp: String,
    ) -> Answer<Negotiated> {
        self.shell.robot(robot).ask(RobotOffer { connection, sdp }).await?
    }

    /// Returns when that is recorded, or cannot be for now: it is tried on then.
    pub async fn robot_disconnected(&self, robot: RobotId, connection: ConnectionId) {
        let cause = if self.shell.is_closing() { Cause::ServerStopped } else { Cause::RobotLost };
        let shell = Arc::clone(&self.shell);
        let recorded = self.patiently(async move {
            robot::disconnected(robot, connection, cause, &shell).await;
            Ok(())
        });
        if recorded.await != Ok(Recorded(true)) {
            tracing::warn!(%robot, "that a robot went offline is not recorded yet");
        }
    }

    /// Opens a watch: a room without a booking, for the admin who asks. Whoever has one of this robot open gets that, also who
    /// asks twice at one instant.
    pub async fn watch(&self, principal: &Principal, robot: RobotId, reason: &str) -> Answer<Watch> {
        let (by, reason) = self.admin_because(principal, reason).await?;
        let admin = account_of(by)?;
        let reason_hash = self.shell.keep_reason(reason).await?;
        if !self.shell.state::<RobotSide>(robot).await?.is_in_service() {
            return Err(Refused::not_found("robot"));
        }
        let turn = self.shell.turns.watches.lock().await;
        let own = self.shell.rooms.of_robot(robot).into_iter().find(|room| {
            let place = room.place();
            place.booking.is_none() && place.holder == admin && room.deadline().is_some()
        });
        if let Some(own) = own {
            return Ok(Watch { room_id: own.id, ends_at: own.place().window.ends_at });
        }
        let rules = self.shell.rules();
        let now = self.shell.clock.wall();
        let room_id = RoomId::from(uuid::Uuid::from_u128(rand::random()));
        let ends_at = now + chrono::TimeDelta::minutes(rules.watch_minutes.into());
        let command = RoomCommand::Open {
            room_id,
            kind: RoomKind::Watch,
            robot_id: robot,
            booking_id: None,
            holder: admin,
            deadline: ends_at,
            change_no: 0,
            viewer_limit: rules.viewer_limit,
            reason_hash: Some(reason_hash),
            due_at: now,
            now,
        };
        let decided =
            self.shell.carry::<RoomSide>(room_id, command, Shell::metadata(Actor::Account(admin))).await?;
        drop(turn);
        if let Err(refused) = self.still_watches(principal, robot).await {
            let end = End { cause: Cause::TerminatedByAdmin, at: self.shell.now_in(room_id), reason: None };
            ending::end(&self.shell, room_id, end, Actor::System, None).await;
            return Err(refused);
        }
        self.shell.shown(decided.position).await;
        Ok(Watch { room_id, ends_at })
    }

    /// Looks once more, now that there is a watch to end: who is no admin any more, or a robot that is out of service, was
    /// left by the watches that there were then.
    async fn still_watches(&self, principal: &Principal, robot: RobotId) -> Answer<()> {
        self.admin(principal).await?;
        match self.shell.state::<RobotSide>(robot).await?.is_in_service() {
            true => Ok(()),
            false => Err(Refused::not_found("robot")),
        }
    }

    /// The room that a robot is in without joining: that of the session it has now, or else of its next.
    pub async fn robot_room(&self, robot: RobotId) -> Answer<RobotRoom> {
        let open = self.shell.rooms.of_robot(robot).into_iter().filter(|room| room.deadline().is_some());
        // A session before a watch, the one that ends first before others.
        if let Some(live) = open.min_by_key(|room| (room.place().booking.is_none(), room.deadline())) {
            return Ok(RobotRoom {
                room_id: live.id,
                ends_at: live.place().window.ends_at,
                server_time: self.shell.now_in(live.id),
                state: RoomState::Open,
            });
        }
        let server_time = self.shell.clock.wall();
        let state = self.shell.state::<RobotSide>(robot).await?;
        let next = state.slots().find(|slot| !slot.window.has_ended(server_time)).cloned();
        let none = || Refused::because(Reason::NoActiveBooking, "This robot has no session, now or ahead.");
        let slot = next.ok_or_else(none)?;
        let booking = self.shell.known_booking(slot.booking_id).await?;
        let room_id = booking.state().map(|booking| booking.room_id).ok_or_else(none)?;
        Ok(RobotRoom { room_id, ends_at: slot.window.ends_at, server_time, state: RoomState::Waiting })
    }

    fn watchers(&self, robot: RobotId) -> Vec<AccountId> {
        if self.shell.rules().watch_is_silent {
            return vec![];
        }
        let open = self.shell.rooms.of_robot(robot).into_iter().filter(|room| room.deadline().is_some());
        open.map(|room| room.place())
            .filter(|place| place.booking.is_none())
            .map(|place| place.holder)
            .collect()
    }

    /// Lets an account in, durably; a refusal is recorded, folded.
    pub(super) async fn admit(&self, live: &LiveRoom, account: AccountId, basis: Basis) -> Answer<()> {
        if live.phase() == Phase::Ended {
            // Its end may not be recorded yet.
            return Err(self.too_late(live.id, account));
        }
        let command = RoomCommand::Admit { account_id: account, basis, now: self.shell.now_in(live.id) };
        let metadata = Shell::metadata(Actor::Account(account));
        let admitted = self.shell.carry::<RoomSide>(live.id, command, metadata).await;
        if let Err(refused) = &admitted {
            folded::refused(&self.shell, live.id, account, refused.reason);
        }
        admitted.map(drop)
    }

    /// The refusal of who came after the end, which is recorded, folded.
    fn too_late(&self, room: RoomId, account: AccountId) -> Refused {
        folded::refused(&self.shell, room, account, Reason::WindowClosed);
        Refused::new(Reason::WindowClosed)
    }

    async fn enter(
        &self,
        room: RoomId,
        booking: BookingId,
        account: AccountId,
        role: Role,
    ) -> Answer<(Place, Basis)> {
        let booking = self.shell.known_booking(booking).await?;
        let basis = match booking.admission(account, role, self.shell.now_in(room)) {
            Ok(basis) => basis,
            Err(Reason::WindowNotOpen) => basis_of(&booking, account, role)?,
            Err(reason) => {
                folded::refused(&self.shell, room, account, reason);
                return Err(Refused::new(reason));
            }
        };
        let place = place(&booking)?;
        // Between a room's end and that of its booking nobody waits for it to open.
        if booking.phase() == Some(curfew_domain::Phase::Active)
            && self.shell.rooms.get(room).is_none()
            && self.shell.state::<RoomSide>(room).await?.is_closed()
        {
            return Err(self.too_late(room, account));
        }
        if basis == Basis::Admin {
            folded::refused(&self.shell, room, account, Reason::ReasonRequired);
            let text = "To see somebody else's session, open a watch with a reason.";
            return Err(Refused::because(Reason::ReasonRequired, text));
        }
        Ok((place, basis))
    }

    async fn enter_watch(&self, room: RoomId, account: AccountId, role: Role) -> Answer<(Place, Basis)> {
        let live = self.shell.rooms.get(room).ok_or_else(|| Refused::new(Reason::NoActiveBooking))?;
        if role != Role::Admin {
            folded::refused(&self.shell, room, account, Reason::NoActiveBooking);
            return Err(Refused::new(Reason::NoActiveBooking));
        }
        Ok((live.place(), Basis::Admin))
    }
}

fn basis_of(booking: &Booking, account: AccountId, role: Role) -> Answer<Basis> {
    let state = booking.state().ok_or_else(|| Refused::new(Reason::NoActiveBooking))?;
    state.basis(account, role).map_err(Refused::new)
}

/// Where the session of a confirmed booking is.
pub(super) fn place(booking: &Booking) -> Answer<Place> {
    let state = booking.state().ok_or_else(|| Refused::new(Reason::NoActiveBooking))?;
    let robot = state.robot_id.ok_or_else(|| Refused::new(Reason::NoActiveBooking))?;
    Ok(Place { booking: Some(state.booking_id), robot, holder: state.holder, window: state.window })
}
