//! A whole lab in memory: aggregates, their one log, and a workflow runner that delivers late, out of order and twice.
//!
//! It plays the shell's part, no more of it than rules need: it asks for admission before it lets anybody in, and reports
//! the peers of a room that it closes. Used by the tests of `domain` and of `projections`.
#![allow(dead_code, reason = "each test binary that includes this uses its own part")]

pub(crate) mod ops;
pub(crate) mod oracle;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use curfew_domain::workflow::{self, Refused, Routed};
use curfew_domain::{
    Account, AccountCommand, AccountId, Actor, Booking, BookingId, Cause, Decide, Fact, LabRules, MediaMode,
    Metadata, Recorded, Robot, RobotCommand, RobotId, Role, Room, RoomCommand, RoomId, Unreported,
};
use uuid::Uuid;

use oracle::Oracle;

pub(crate) const ROBOTS: u128 = 3;
/// The last account is an admin.
pub(crate) const ACCOUNTS: u128 = 5;

pub(crate) struct World {
    pub(crate) now: DateTime<Utc>,
    pub(crate) rules: LabRules,
    pub(crate) robots: BTreeMap<RobotId, Robot>,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) bookings: BTreeMap<BookingId, Booking>,
    pub(crate) rooms: BTreeMap<RoomId, Room>,
    pub(crate) log: Vec<Recorded>,
    pub(crate) oracle: Oracle,
    /// Facts that the workflow has not read to the end.
    undelivered: Vec<Recorded>,
    /// Commands of the workflow that are not carried out.
    queue: Vec<Routed>,
    ids: u128,
}

impl World {
    pub(crate) fn new(buffer_s: u32) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("in range");
        let mut world = Self {
            now,
            rules: LabRules { buffer_s, max_minutes: 180, ..LabRules::demo() },
            robots: BTreeMap::new(),
            accounts: BTreeMap::new(),
            bookings: BTreeMap::new(),
            rooms: BTreeMap::new(),
            log: vec![],
            oracle: Oracle::new(buffer_s),
            undelivered: vec![],
            queue: vec![],
            ids: 1_000,
        };
        for number in 0..ROBOTS {
            let register = RobotCommand::Register {
                robot_id: robot(number),
                slug: format!("rover-{number}"),
                name: format!("Rover {number}"),
                robot_type: "rover".into(),
                cameras: vec!["front".into()],
                media: MediaMode::Relay,
            };
            world.carry(Routed::Robot(robot(number), register)).expect("a robot is registered");
        }
        for number in 0..ACCOUNTS {
            let role = if number + 1 == ACCOUNTS { Role::Admin } else { Role::Viewer };
            let register = AccountCommand::Register { account_id: account(number), role };
            world.carry(Routed::Account(account(number), register)).expect("an account is registered");
        }
        world
    }

    pub(crate) fn fresh_id<T: From<Uuid>>(&mut self) -> T {
        self.ids += 1;
        Uuid::from_u128(self.ids).into()
    }

    /// Has the aggregate decide, and records what follows.
    pub(crate) fn carry(&mut self, routed: Routed) -> Result<(), Refused> {
        match self.as_the_room_would(routed) {
            Routed::Robot(id, command) => {
                let aggregate = self.robots.entry(id).or_default();
                let facts = decide(aggregate, command)?.into_iter().map(Fact::Robot).collect();
                self.record(id.to_string(), facts);
            }
            Routed::Booking(id, command) => {
                let aggregate = self.bookings.entry(id).or_default();
                let facts = decide(aggregate, command)?.into_iter().map(Fact::Booking).collect();
                self.record(id.to_string(), facts);
            }
            Routed::Room(id, command) => {
                let aggregate = self.rooms.entry(id).or_default();
                let facts = decide(aggregate, command)?.into_iter().map(Fact::Room).collect();
                self.record(id.to_string(), facts);
            }
            Routed::Account(id, command) => {
                let aggregate = self.accounts.entry(id).or_default();
                let facts = decide(aggregate, command)?.into_iter().map(Fact::Account).collect();
                self.record(id.to_string(), facts);
            }
        }
        Ok(())
    }

    /// A room's actor has cut its peers before it closes the room, so nothing is left to wait for.
    fn as_the_room_would(&self, mut routed: Routed) -> Routed {
        if let Routed::Room(
            _,
            RoomCommand::Close { unreported, .. } | RoomCommand::Leave { unreported, .. },
        ) = &mut routed
        {
            *unreported = Unreported::Record { lateness_us: 0, stopped_between: None };
        }
        routed
    }

    fn record(&mut self, aggregate_id: String, facts: Vec<Fact>) {
        for fact in facts {
            let of_stream = |one: &&Recorded| {
                one.aggregate_id == aggregate_id && one.fact.aggregate_type() == fact.aggregate_type()
            };
            let recorded = Recorded {
                position: self.log.len() as u64 + 1,
                aggregate_type: fact.aggregate_type().into(),
                sequence: self.log.iter().filter(of_stream).count() as u64 + 1,
                aggregate_id: aggregate_id.clone(),
                recorded_at: self.now,
                wall_at: self.now,
                metadata: Metadata::new(Actor::System, Uuid::nil()),
                fact,
            };
            self.oracle.see(&recorded);
            self.undelivered.push(recorded.clone());
            self.log.push(recorded);
        }
    }

    /// Reads one fact that waits, wherever it stands in the order; `again` leaves it to be read once more.
    pub(crate) fn deliver(&mut self, pick: usize, again: bool) {
        if self.undelivered.is_empty() {
            return;
        }
        let at = pick % self.undelivered.len();
        let recorded = if again { self.undelivered[at].clone() } else { self.undelivered.remove(at) };
        self.queue.extend(workflow::commands(&recorded, self.now));
    }

    /// Carries out one command that waits; `again` leaves it to be carried out once more.
    pub(crate) fn carry_queued(&mut self, pick: usize, again: bool) {
        if self.queue.is_empty() {
            return;
        }
        let at = pick % self.queue.len();
        let routed = if again { self.queue[at].clone() } else { self.queue.remove(at) };
        if let Err(refused) = self.carry(routed.clone()) {
            self.queue.extend(workflow::on_refused(&routed, &refused, self.now));
        }
    }

    /// Lets the workflow come to rest, in the order of the log.
    pub(crate) fn settle(&mut self) {
        let mut steps = 0;
        while !(self.queue.is_empty() && self.undelivered.is_empty()) {
            if self.queue.is_empty() {
                self.deliver(0, false)
            } else {
                self.carry_queued(0, false)
            }
            steps += 1;
            assert!(steps < 20_000, "the workflow does not come to rest");
        }
    }

    /// Closes what is due: rooms at their deadline, windows that passed without a session.
    pub(crate) fn end_what_is_due(&mut self) {
        let now = self.now;
        let due_rooms: Vec<_> = self
            .rooms
            .iter()
            .filter_map(|(id, room)| {
                Some((*id, room.deadline().filter(|due| room.is_open() && *due <= now)?))
            })
            .collect();
        for (room_id, due_at) in due_rooms {
            self.close_room(room_id, Cause::WindowClosed, due_at);
        }
        let due: Vec<_> = self
            .bookings
            .iter()
            .filter_map(|(id, booking)| Some((*id, booking.window()?.ends_at)))
            .filter(|(_, ends_at)| *ends_at <= now)
            .collect();
        for (booking_id, due_at) in due {
            self.end_unstarted(booking_id, due_at);
        }
    }

    /// Far in the future, with all done that was to be done.
    pub(crate) fn wind_down(&mut self) {
        self.settle();
        self.now += TimeDelta::days(60);
        for _ in 0..4 {
            self.end_what_is_due();
            self.settle();
        }
    }
}

pub(crate) fn robot(number: u128) -> RobotId {
    Uuid::from_u128(100 + number % ROBOTS).into()
}

pub(crate) fn account(number: u128) -> AccountId {
    Uuid::from_u128(200 + number % ACCOUNTS).into()
}

pub(crate) fn admin() -> AccountId {
    account(ACCOUNTS - 1)
}

fn decide<A: Decide>(aggregate: &mut A, command: A::Command) -> Result<Vec<A::Event>, A::Error> {
    let events = aggregate.decide(command)?;
    for event in &events {
        aggregate.apply(event.clone());
    }
    Ok(events)
}
