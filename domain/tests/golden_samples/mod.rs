//! One sample of every event, with recognisable ids and times.

pub(crate) mod account;
pub(crate) mod booking;
pub(crate) mod lab;
pub(crate) mod robot;
pub(crate) mod room;

use chrono::{DateTime, Utc};
use curfew_domain::{
    AccountId, Actor, BookingId, Displaced, Fact, RobotId, RoomId, SlotRequest, StoppedBetween, Window,
    WindowChange,
};
use uuid::Uuid;

/// The payload as the store writes it.
pub(crate) fn payload(fact: &Fact) -> serde_json::Value {
    match fact {
        Fact::Robot(event) => serde_json::to_value(event),
        Fact::Booking(event) => serde_json::to_value(event),
        Fact::Room(event) => serde_json::to_value(event),
        Fact::Account(event) => serde_json::to_value(event),
        Fact::Lab(event) => serde_json::to_value(event),
    }
    .expect("an event serialises")
}

pub(crate) fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number).into()
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

pub(crate) fn robot() -> RobotId {
    id(16)
}

pub(crate) fn booking() -> BookingId {
    id(32)
}

pub(crate) fn room() -> RoomId {
    id(48)
}

pub(crate) fn hash() -> String {
    "5f2c".repeat(16)
}

pub(crate) fn request() -> SlotRequest {
    SlotRequest {
        booking_id: booking(),
        account_id: holder(),
        window: window(60, 120),
        candidates: vec![id(17)],
        buffer_s: 300,
    }
}

pub(crate) fn extension() -> WindowChange {
    WindowChange {
        booking_id: booking(),
        account_id: holder(),
        robot_id: robot(),
        room_id: room(),
        change_no: 1,
        from: window(60, 120),
        to: window(60, 150),
        by: Actor::Account(admin()),
        reason_hash: Some(hash()),
        overrides: true,
        buffer_s: 300,
    }
}

pub(crate) fn shortening() -> WindowChange {
    WindowChange { change_no: 2, to: window(60, 90), overrides: false, ..extension() }
}

pub(crate) fn displaced() -> Vec<Displaced> {
    vec![Displaced { booking_id: id(33), account_id: id(3), window: window(140, 200) }]
}

pub(crate) fn stopped_between() -> Option<StoppedBetween> {
    Some(StoppedBetween { from: at(100), to: at(130) })
}
