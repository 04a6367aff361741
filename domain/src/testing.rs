//! Given these facts, when this command, then those facts or that refusal: the form of every scenario test.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use futures_executor::block_on;
use uuid::Uuid;

use crate::{
    AccountId, Actor, BookingId, Decide, PeerId, RobotId, RoomId, SlotRequest, TerminatedPeer, Window,
    WindowChange,
};

pub(crate) struct Given<A>(A);

pub(crate) struct When<A: Decide> {
    outcome: Result<Vec<A::Event>, A::Error>,
    aggregate: A,
}

/// An aggregate in its first state.
pub(crate) fn nothing<A: Decide>() -> Given<A> {
    Given(A::default())
}

impl<A: Decide<Error: PartialEq>> Given<A> {
    /// What was done before.
    pub(crate) fn and(self, command: A::Command) -> Self {
        let When { outcome, aggregate } = self.when(command);
        outcome.expect("what is given is carried out");
        Self(aggregate)
    }

    /// Carries the command out as the shell does, through `Aggregate::handle`.
    pub(crate) fn when(mut self, command: A::Command) -> When<A> {
        let sink = EventSink::default();
        let outcome = block_on(self.0.handle(command, &(), &sink));
        When { outcome: outcome.map(|()| block_on(sink.collect())), aggregate: self.0 }
    }

    pub(crate) fn state(&self) -> &A {
        &self.0
    }
}

impl<A: Decide<Error: PartialEq>> When<A> {
    pub(crate) fn then(self, facts: &[A::Event]) -> Given<A> {
        assert_eq!(self.outcome, Ok(facts.to_vec()));
        Given(self.aggregate)
    }

    /// Carried out already, or without effect.
    pub(crate) fn then_nothing(self) -> Given<A> {
        self.then(&[])
    }

    pub(crate) fn then_refused(self, error: A::Error) -> Given<A> {
        assert_eq!(self.outcome, Err(error));
        Given(self.aggregate)
    }

    /// For scenarios about one part of a fact.
    pub(crate) fn then_that<T: PartialEq + Debug>(self, part: impl Fn(&[A::Event]) -> T, is: &T) -> Given<A> {
        assert_eq!(part(&self.outcome.expect("is carried out")), *is);
        Given(self.aggregate)
    }
}

pub(crate) fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128(number).into()
}

/// Minutes after 2027-01-15T08:00:00Z.
pub(crate) fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).expect("in range")
}

pub(crate) fn window(from: i64, to: i64) -> Window {
    Window { starts_at: at(from), ends_at: at(to) }
}

pub(crate) fn holder() -> AccountId {
    id(1)
}

pub(crate) fn admin() -> AccountId {
    id(2)
}

pub(crate) fn by_holder() -> Actor {
    Actor::Account(holder())
}

pub(crate) fn by_admin() -> Actor {
    Actor::Account(admin())
}

pub(crate) fn robot() -> RobotId {
    id(16)
}

pub(crate) fn booking(number: u128) -> BookingId {
    id(32 + number)
}

pub(crate) fn room() -> RoomId {
    id(48)
}

pub(crate) fn peer(number: u128) -> PeerId {
    id(96 + number)
}

pub(crate) fn reason() -> String {
    "ab".repeat(32)
}

pub(crate) fn report(number: u128, lateness_us: u64) -> TerminatedPeer {
    TerminatedPeer {
        lateness_us,
        packets: Some(10),
        bytes: Some(1_000),
        ..TerminatedPeer::silent(peer(number))
    }
}

pub(crate) fn request(number: u128, from: i64, to: i64) -> SlotRequest {
    SlotRequest {
        booking_id: booking(number),
        account_id: holder(),
        window: window(from, to),
        candidates: vec![],
        buffer_s: 0,
    }
}

/// The holder's change of a booking's end.
pub(crate) fn change(number: u128, change_no: u32, from: Window, to: i64) -> WindowChange {
    WindowChange {
        booking_id: booking(number),
        account_id: holder(),
        robot_id: robot(),
        room_id: room(),
        change_no,
        from,
        to: from.ending(at(to)),
        by: by_holder(),
        reason_hash: None,
        overrides: false,
        buffer_s: 0,
    }
}
