//! Fuzz body: what may stand in the log, in whatever order.

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::persist::SerializedEvent;
use curfew_domain::{Account, Actor, Booking, Fact, Lab, Metadata, Recorded, Robot, Room, workflow};
use curfew_projections::{Accounts, Calendar, Fleet, Projection, Sessions, Timeline};
use serde_json::Value;
use uuid::Uuid;

use super::upcasters::decode;

/// Events, one a line: kind of stream, name of the event, payload. What can be read is the same when written and read
/// again; aggregates, read models and workflows take it in any order.
pub fn stored_events(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut all = All::default();
    for (position, line) in (1..).zip(text.split('\n')) {
        if let Some(fact) = read(line) {
            all.take(position, fact);
        }
    }
}

fn read(line: &str) -> Option<Fact> {
    let mut words = line.splitn(3, ' ');
    let (stream, event, payload) = (words.next()?, words.next()?, words.next()?);
    let payload: Value = serde_json::from_str(payload).ok()?;
    let fact = decode(stored(stream, event, payload)).ok()?;
    let written = match &fact {
        Fact::Robot(event) => serde_json::to_value(event),
        Fact::Booking(event) => serde_json::to_value(event),
        Fact::Room(event) => serde_json::to_value(event),
        Fact::Account(event) => serde_json::to_value(event),
        Fact::Lab(event) => serde_json::to_value(event),
    };
    let written = written.expect("what was read can be written");
    let again = decode(stored(fact.aggregate_type(), &fact.event_type(), written)).expect("can be read");
    assert_eq!(again, fact);
    Some(fact)
}

fn stored(stream: &str, event: &str, payload: Value) -> SerializedEvent {
    let (id, metadata) = (Uuid::nil().to_string(), Value::Null);
    SerializedEvent::new(id, 1, stream.to_owned(), event.to_owned(), "1".to_owned(), payload, metadata)
}

/// One aggregate of each kind, and one row of each read model.
#[derive(Default)]
struct All {
    robot: Robot,
    booking: Booking,
    room: Room,
    account: Account,
    lab: Lab,
    accounts: Option<<Accounts as Projection>::Row>,
    calendar: Option<<Calendar as Projection>::Row>,
    fleet: Option<<Fleet as Projection>::Row>,
    sessions: Option<<Sessions as Projection>::Row>,
    timeline: Option<<Timeline as Projection>::Row>,
}

impl All {
    fn take(&mut self, position: u64, fact: Fact) {
        match fact.clone() {
            Fact::Robot(event) => self.robot.apply(event),
            Fact::Booking(event) => self.booking.apply(event),
            Fact::Room(event) => self.room.apply(event),
            Fact::Account(event) => self.account.apply(event),
            Fact::Lab(event) => self.lab.apply(event),
        }
        let at = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        let recorded = Recorded {
            position,
            aggregate_type: fact.aggregate_type().to_owned(),
            aggregate_id: Uuid::nil().to_string(),
            sequence: position,
            recorded_at: at,
            wall_at: at,
            metadata: Metadata::new(Actor::System, Uuid::nil()),
            fact,
        };
        fold::<Accounts>(&mut self.accounts, &recorded);
        fold::<Calendar>(&mut self.calendar, &recorded);
        fold::<Fleet>(&mut self.fleet, &recorded);
        fold::<Sessions>(&mut self.sessions, &recorded);
        fold::<Timeline>(&mut self.timeline, &recorded);
        let _ = workflow::commands(&recorded, at);
        let window = self.booking.window();
        if let Some(window) = window {
            let _ = self.robot.is_free(&window, u32::MAX, at);
            let _ = self.account.is_free(&window);
            let _ = (window.length(), self.room.deadline(), self.lab.rules().check(&window, at));
        }
    }
}

fn fold<P: Projection>(row: &mut Option<P::Row>, recorded: &Recorded) {
    for key in P::keys(recorded) {
        *row = P::fold(&key, row.take(), recorded);
        let Some(row) = row else { continue };
        let kept = serde_json::to_string(row).expect("a row can be kept");
        assert_eq!(&serde_json::from_str::<P::Row>(&kept).expect("and read again"), row);
    }
}
