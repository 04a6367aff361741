//! What people, robots and the runner of workflows may do to the world, in any order.

use chrono::{DateTime, TimeDelta, Utc};
use curfew_domain::workflow::Routed;
use curfew_domain::{
    AccountCommand, AccountId, Actor, Basis, BookingCommand, BookingId, Cause, PeerId, RobotChoice,
    RobotCommand, RoomCommand, RoomId, RoomKind, TerminatedPeer, Unreported, Window,
};
use proptest::prelude::*;

use super::{ROBOTS, World, account, admin, robot};

/// Numbers pick among what is there, modulo how much is there. Times are minutes.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Book { who: u8, robot: u8, start: i16, length: u8 },
    Cancel { booking: u8, by_admin: bool },
    Invite { booking: u8, guest: u8 },
    RemoveGuest { booking: u8, guest: u8 },
    Extend { booking: u8, by: u8, by_admin: bool, overrides: bool },
    Shorten { booking: u8, by: u8 },
    Start,
    EndDue,
    Terminate { booking: u8, cause: u8 },
    NoShow { booking: u8 },
    Watch { robot: u8, length: u8 },
    RobotComes { room: u8 },
    Join { booking: u8, who: u8 },
    Leave { booking: u8, who: u8 },
    ClosePeer { booking: u8 },
    Suspend { who: u8 },
    Reinstate { who: u8 },
    Maintain { robot: u8, start: u8, length: u8 },
    EndMaintenance { robot: u8 },
    Deliver { pick: u16, again: bool },
    Carry { pick: u16, again: bool },
    Settle,
    Advance { minutes: u8 },
}

pub(crate) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..most)
}

fn op() -> impl Strategy<Value = Op> {
    let few = || 0..12_u8;
    let again = || prop::bool::weighted(0.2);
    prop_oneof![
        8 => (few(), 0..4_u8, -30..240_i16, 10..150_u8)
            .prop_map(|(who, robot, start, length)| Op::Book { who, robot, start, length }),
        2 => (few(), any::<bool>()).prop_map(|(booking, by_admin)| Op::Cancel { booking, by_admin }),
        3 => (few(), few()).prop_map(|(booking, guest)| Op::Invite { booking, guest }),
        1 => (few(), few()).prop_map(|(booking, guest)| Op::RemoveGuest { booking, guest }),
        4 => (few(), 1..90_u8, any::<bool>(), any::<bool>()).prop_map(
            |(booking, by, by_admin, overrides)| Op::Extend { booking, by, by_admin, overrides }),
        2 => (few(), 1..60_u8).prop_map(|(booking, by)| Op::Shorten { booking, by }),
        6 => Just(Op::Start),
        3 => Just(Op::EndDue),
        1 => (few(), few()).prop_map(|(booking, cause)| Op::Terminate { booking, cause }),
        1 => few().prop_map(|booking| Op::NoShow { booking }),
        1 => (few(), 1..60_u8).prop_map(|(robot, length)| Op::Watch { robot, length }),
        3 => few().prop_map(|room| Op::RobotComes { room }),
        8 => (few(), few()).prop_map(|(booking, who)| Op::Join { booking, who }),
        2 => (few(), few()).prop_map(|(booking, who)| Op::Leave { booking, who }),
        1 => few().prop_map(|booking| Op::ClosePeer { booking }),
        1 => few().prop_map(|who| Op::Suspend { who }),
        1 => few().prop_map(|who| Op::Reinstate { who }),
        1 => (few(), any::<u8>(), 1..120_u8)
            .prop_map(|(robot, start, length)| Op::Maintain { robot, start, length }),
        1 => few().prop_map(|robot| Op::EndMaintenance { robot }),
        20 => (any::<u16>(), again()).prop_map(|(pick, again)| Op::Deliver { pick, again }),
        20 => (any::<u16>(), again()).prop_map(|(pick, again)| Op::Carry { pick, again }),
        3 => Just(Op::Settle),
        5 => (1..45_u8).prop_map(|minutes| Op::Advance { minutes }),
    ]
}

impl World {
    /// Does it; a refusal is as good an outcome as any.
    pub(crate) fn perform(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Book { who, robot: choice, start, length } => self.book(who, choice, start, length),
            Op::Deliver { pick, again } => self.deliver(pick.into(), again),
            Op::Carry { pick, again } => self.carry_queued(pick.into(), again),
            Op::Settle => self.settle(),
            Op::Advance { minutes } => self.now += TimeDelta::minutes(minutes.into()),
            Op::EndDue => self.end_what_is_due(),
            Op::Suspend { who } => {
                let suspend = AccountCommand::Suspend { by: by_admin(), reason_hash: reason(), now };
                self.attempt(Routed::Account(account(who.into()), suspend));
            }
            Op::Reinstate { who } => {
                let reinstate = AccountCommand::Reinstate { by: by_admin(), now };
                self.attempt(Routed::Account(account(who.into()), reinstate));
            }
            Op::Maintain { robot: number, start, length } => {
                let from = now + TimeDelta::minutes(start.into());
                let until = Some(from + TimeDelta::minutes(length.into()));
                let start =
                    RobotCommand::StartMaintenance { from, until, by: admin(), reason_hash: reason(), now };
                self.attempt(Routed::Robot(robot(number.into()), start));
            }
            Op::EndMaintenance { robot: number } => {
                let end = RobotCommand::EndMaintenance { by: admin(), now };
                self.attempt(Routed::Robot(robot(number.into()), end));
            }
            Op::Watch { robot, length } => self.watch(robot, length),
            _ => self.perform_on_booking(op),
        }
    }

    fn perform_on_booking(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Cancel { booking, by_admin: is_admin } => self.on_booking(booking, |holder, _| {
                let by = if is_admin { by_admin() } else { Actor::Account(holder) };
                BookingCommand::Cancel { by, cause: Cause::Cancelled, reason_hash: Some(reason()), now }
            }),
            Op::Invite { booking, guest } => self.on_booking(booking, |holder, _| {
                BookingCommand::InviteGuest { account_id: account(guest.into()), by: holder, now }
            }),
            Op::RemoveGuest { booking, guest } => self.on_booking(booking, |holder, _| {
                BookingCommand::RemoveGuest { account_id: account(guest.into()), by: holder, now }
            }),
            Op::Extend { booking, by, by_admin: is_admin, overrides } => {
                let rules = Box::new(self.rules.clone());
                self.on_booking(booking, |holder, window| BookingCommand::RequestExtension {
                    ends_at: window.ends_at + TimeDelta::minutes(by.into()),
                    by: if is_admin { by_admin() } else { Actor::Account(holder) },
                    reason_hash: is_admin.then(reason),
                    overrides: overrides && is_admin,
                    rules,
                    now,
                });
            }
            Op::Shorten { booking, by } => self.on_booking(booking, |_, window| BookingCommand::Shorten {
                ends_at: window.ends_at - TimeDelta::minutes(by.into()),
                by: by_admin(),
                reason_hash: reason(),
                now,
            }),
            Op::NoShow { booking } => self.on_booking(booking, |_, _| BookingCommand::RecordNoShow { now }),
            Op::Start => {
                for booking_id in self.bookings.keys().copied().collect::<Vec<_>>() {
                    self.attempt(Routed::Booking(booking_id, BookingCommand::StartSession { now }));
                }
            }
            Op::Terminate { booking, cause } => {
                let causes = [Cause::TerminatedByAdmin, Cause::RobotLost, Cause::CredentialRevoked];
                if let Some(room_id) = self.pick_room(booking) {
                    self.close_room(room_id, causes[usize::from(cause) % causes.len()], now);
                }
            }
            Op::RobotComes { room } => {
                if let Some(room_id) = self.pick_room(room) {
                    self.attempt(Routed::Room(room_id, RoomCommand::RecordRobotCame { now }));
                }
            }
            Op::Join { booking, who } => self.join(booking, account(who.into())),
            Op::Leave { booking, who } => self.leave(booking, account(who.into())),
            Op::ClosePeer { booking } => self.close_peer(booking),
            _ => {}
        }
    }

    fn attempt(&mut self, routed: Routed) {
        let _refused = self.carry(routed);
    }

    fn book(&mut self, who: u8, choice: u8, start: i16, length: u8) {
        let starts_at = self.now + TimeDelta::minutes(start.into());
        let all: Vec<_> = (0..ROBOTS).map(robot).collect();
        let (choice, candidates) = match all.get(usize::from(choice)) {
            Some(named) => (RobotChoice::Id(*named), vec![*named]),
            None => (RobotChoice::Type("rover".into()), all),
        };
        let booking_id = self.fresh_id();
        let request = BookingCommand::Request {
            booking_id,
            room_id: self.fresh_id(),
            holder: account(who.into()),
            choice,
            robot_type: "rover".into(),
            candidates,
            window: Window { starts_at, ends_at: starts_at + TimeDelta::minutes(length.into()) },
            rules: Box::new(self.rules.clone()),
            now: self.now,
        };
        self.attempt(Routed::Booking(booking_id, request));
    }

    fn pick_booking(&self, pick: u8) -> Option<BookingId> {
        // The latest are the ones that still live.
        let known: Vec<_> = self
            .bookings
            .iter()
            .filter(|(_, booking)| booking.state().is_some())
            .map(|(id, _)| *id)
            .collect();
        known.iter().rev().nth(usize::from(pick) % known.len().max(1)).copied()
    }

    fn pick_room(&self, pick: u8) -> Option<RoomId> {
        let open: Vec<_> = self.rooms.iter().filter(|(_, room)| room.is_open()).map(|(id, _)| *id).collect();
        open.get(usize::from(pick) % open.len().max(1)).copied()
    }

    fn on_booking(&mut self, pick: u8, command: impl FnOnce(AccountId, Window) -> BookingCommand) {
        let Some(booking_id) = self.pick_booking(pick) else { return };
        let Some(state) = self.bookings[&booking_id].state() else { return };
        let command = command(state.holder, state.window);
        self.attempt(Routed::Booking(booking_id, command));
    }

    fn watch(&mut self, number: u8, length: u8) {
        let room_id = self.fresh_id();
        let open = RoomCommand::Open {
            room_id,
            kind: RoomKind::Watch,
            robot_id: robot(number.into()),
            booking_id: None,
            holder: admin(),
            deadline: self.now + TimeDelta::minutes(length.into()),
            change_no: 0,
            viewer_limit: 4,
            reason_hash: Some(reason()),
            due_at: self.now,
            now: self.now,
        };
        self.attempt(Routed::Room(room_id, open));
    }

    /// Admission as the shell does it, and then a peer connection.
    fn join(&mut self, pick: u8, account_id: AccountId) {
        // Closed rooms are tried as well.
        let Some(room_id) = self.rooms.keys().rev().nth(usize::from(pick) % self.rooms.len().max(1)).copied()
        else {
            return;
        };
        let Some(place) = self.rooms[&room_id].place().copied() else { return };
        let role = self.accounts[&account_id].role();
        let basis = match place.booking_id {
            Some(booking_id) => self.bookings[&booking_id].admission(account_id, role, self.now),
            None => Ok(if account_id == admin() { Basis::Admin } else { Basis::Guest }),
        };
        let Ok(basis) = basis else { return };
        let now = self.now;
        self.attempt(Routed::Room(room_id, RoomCommand::Admit { account_id, basis, now }));
        let peer_id: PeerId = self.fresh_id();
        self.attempt(Routed::Room(room_id, RoomCommand::OpenPeer { peer_id, account_id, now }));
        let take = RoomCommand::GrantControl { to: account_id, by: Actor::Account(account_id), now };
        self.attempt(Routed::Room(room_id, take));
    }

    fn leave(&mut self, pick: u8, account_id: AccountId) {
        let Some(room_id) = self.pick_room(pick) else { return };
        let leave = RoomCommand::Leave {
            account_id,
            cause: Cause::ParticipantLeft,
            terminated: vec![],
            unreported: Unreported::Await,
            due_at: self.now,
            now: self.now,
        };
        self.attempt(Routed::Room(room_id, leave));
    }

    fn close_peer(&mut self, pick: u8) {
        let Some(room_id) = self.pick_room(pick) else { return };
        let Some((peer_id, _)) = self.rooms[&room_id].peers().next() else { return };
        let gone = RoomCommand::RecordPeerTerminated {
            report: TerminatedPeer::silent(peer_id),
            cause: Cause::ParticipantLeft,
            due_at: self.now,
            now: self.now,
        };
        self.attempt(Routed::Room(room_id, gone));
    }

    pub(crate) fn close_room(&mut self, room_id: RoomId, cause: Cause, due_at: DateTime<Utc>) {
        let close = RoomCommand::Close {
            booking_id: None,
            cause,
            by: Actor::System,
            reason_hash: None,
            terminated: vec![],
            unreported: Unreported::Await,
            due_at,
            now: self.now,
        };
        self.attempt(Routed::Room(room_id, close));
    }

    /// Ends a confirmed booking whose window passed without a session.
    pub(crate) fn end_unstarted(&mut self, booking_id: BookingId, due_at: DateTime<Utc>) {
        if self.bookings[&booking_id].state().is_some_and(|state| state.is_active()) {
            return;
        }
        let end = BookingCommand::EndSession {
            cause: Cause::ServerStopped,
            due_at,
            room_closed: false,
            now: self.now,
        };
        self.attempt(Routed::Booking(booking_id, end));
    }
}

fn by_admin() -> Actor {
    Actor::Account(admin())
}

fn reason() -> String {
    "ab".repeat(32)
}
