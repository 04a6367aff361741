//! Reads what a server left on disk, while no server runs, and holds it against the ledger.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use curfew::clock::SystemClock;
use curfew::store::{Log, Projector};
use curfew_domain::{
    AccountEvent, AccountId, BookingEvent, BookingId, Cause, Fact, Recorded, RobotEvent, RobotId, RoomEvent,
    RoomId, SlotRequest, Window,
};

use super::ledger::{Ending, Ledger, Promise};

const BATCH: usize = 1000;
/// How late the log may say that a session was closed while the server ran. It is said after people were told (which they
/// time themselves), behind whatever waits for a disk that others keep busy.
const CLOSED_WITHIN: TimeDelta = TimeDelta::seconds(5);

/// What the log says of one booking, counted: what may happen once must not happen twice.
#[derive(Debug, Default)]
struct Seen {
    room: Option<RoomId>,
    counts: BTreeMap<String, usize>,
    /// Position, stream and name of what was counted, for the message.
    history: Vec<String>,
    admitted: Vec<(AccountId, DateTime<Utc>)>,
    deadline: Option<DateTime<Utc>>,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Closed {
    cause: Cause,
    due_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
}

impl Seen {
    fn count(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or_default()
    }
}

/// Follows the log from one crash to the next.
#[derive(Default)]
pub(super) struct Witness {
    last: Option<Recorded>,
    bookings: BTreeMap<BookingId, Seen>,
    rooms: BTreeMap<RoomId, BookingId>,
    slots: BTreeMap<RobotId, BTreeMap<BookingId, Window>>,
    claims: BTreeMap<String, BTreeMap<BookingId, Window>>,
    /// From a kill to the next time the server was ready.
    pub(super) outages: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    violations: Vec<String>,
}

impl Witness {
    /// Everything that is wrong, in sentences; nothing when all is right. `is_final` when every session has to be over.
    pub(super) async fn examine(&mut self, data: &Path, ledger: &Ledger, is_final: bool) -> Vec<String> {
        let log = Log::open(data, SystemClock::shared()).await.expect("the log opens after a crash");
        self.read(&log).await;
        let projector = Projector::start(log.clone()).await.expect("the tables follow");
        let rebuilt = projector.rebuild_matches().await.expect("the log can be folded");
        self.violations.extend(rebuilt.differences);
        projector.close().await;
        log.close().await;
        if is_final {
            let now = Utc::now();
            let all = self.slots.values().chain(self.claims.values()).flatten();
            let ahead = all.filter(|(_, window)| !window.has_ended(now));
            let kept = ahead.map(|(id, window)| format!("{id} is over and keeps {window:?}"));
            self.violations.extend(kept);
        }
        for (id, seen) in &self.bookings {
            check_once(*id, seen, is_final, &mut self.violations);
            check_deadline(*id, seen, &self.outages, &mut self.violations);
        }
        for promise in ledger.entries().promises.values() {
            check_promise(promise, self.bookings.get(&promise.booking), &mut self.violations);
        }
        self.violations.append(&mut ledger.entries().violations);
        std::mem::take(&mut self.violations)
    }

    pub(super) fn position(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.position)
    }

    /// Reads on from the last crash; the event read last must still be what it was.
    async fn read(&mut self, log: &Log) {
        if let Some(last) = &self.last {
            let again = log.read_after(last.position - 1, 1).await.expect("the log can be read");
            if again.first() != Some(last) {
                self.violations.push(format!("position {} is not what it was: {again:?}", last.position));
            }
        }
        loop {
            let events = log.read_after(self.position(), BATCH).await.expect("the log can be read");
            if events.is_empty() {
                return;
            }
            for event in events {
                if self.last.as_ref().is_some_and(|last| last.recorded_at >= event.recorded_at) {
                    self.violations.push(format!("recorded_at does not grow at position {}", event.position));
                }
                self.fold(&event);
                self.last = Some(event);
            }
        }
    }

    fn fold(&mut self, event: &Recorded) {
        match &event.fact {
            Fact::Booking(fact) => self.fold_booking(event, fact),
            Fact::Room(fact) => self.fold_room(event, fact),
            Fact::Robot(RobotEvent::SlotReserved { robot_id, request, at }) => {
                // Asked again after a crash, a robot that was not free may be by then: it gives back what another has.
                self.note(event, request.booking_id, &format!("SlotReserved of {robot_id}"));
                let held = self.slots.entry(*robot_id).or_default();
                hold(held, request, *at, &mut self.violations);
            }
            Fact::Robot(RobotEvent::SlotReleased { booking_id, .. }) => {
                self.note(event, *booking_id, &format!("SlotReleased of {}", event.aggregate_id));
                release(&mut self.slots, booking_id);
            }
            Fact::Account(AccountEvent::WindowClaimed { request, at }) => {
                self.note(event, request.booking_id, "WindowClaimed");
                let held = self.claims.entry(event.aggregate_id.clone()).or_default();
                hold(held, request, *at, &mut self.violations);
            }
            Fact::Account(AccountEvent::WindowReleased { booking_id, .. }) => {
                self.note(event, *booking_id, "WindowReleased");
                release(&mut self.claims, booking_id);
            }
            _ => {}
        }
    }

    fn fold_booking(&mut self, event: &Recorded, fact: &BookingEvent) {
        let id: BookingId = event.aggregate_id.parse().expect("a booking's id");
        if let BookingEvent::Requested { room_id, .. } = fact {
            self.rooms.insert(*room_id, id);
            self.bookings.entry(id).or_default().room = Some(*room_id);
        }
        self.note(event, id, fact.name());
    }

    fn fold_room(&mut self, event: &Recorded, fact: &RoomEvent) {
        let room = &event.aggregate_id;
        let Some(id) = self.rooms.get(&room.parse().expect("a room's id")).copied() else {
            return self.violations.push(format!("room {room} is of no booking"));
        };
        let seen = self.bookings.entry(id).or_default();
        match fact {
            RoomEvent::Opened { deadline, .. } => seen.deadline = Some(*deadline),
            RoomEvent::DeadlineMoved { to, .. } => seen.deadline = Some(*to),
            RoomEvent::ParticipantAdmitted { account_id, at, .. } => {
                if seen.closed.is_some() {
                    self.violations.push(format!("room {room} admitted {account_id} after it was closed"));
                }
                seen.admitted.push((*account_id, *at));
            }
            RoomEvent::Closed { cause, due_at, ended_at, .. } => {
                seen.closed = Some(Closed { cause: *cause, due_at: *due_at, ended_at: *ended_at });
            }
            _ => {}
        }
        match fact {
            RoomEvent::Opened { .. } => self.note(event, id, "Opened"),
            RoomEvent::Closed { .. } => self.note(event, id, "Closed"),
            _ => {}
        }
    }

    fn note(&mut self, event: &Recorded, id: BookingId, what: &str) {
        let seen = self.bookings.entry(id).or_default();
        *seen.counts.entry(what.to_owned()).or_default() += 1;
        let Recorded { position, recorded_at, aggregate_type, metadata, .. } = event;
        let cause = &metadata.causation_id;
        seen.history.push(format!("{position} {} {aggregate_type}.{what} {cause:?}", recorded_at.time()));
    }
}

/// A window that has passed holds nothing any more, whether or not it was released.
fn hold(
    held: &mut BTreeMap<BookingId, Window>,
    request: &SlotRequest,
    at: DateTime<Utc>,
    violations: &mut Vec<String>,
) {
    held.retain(|_, window| !window.has_ended(at));
    let id = request.booking_id;
    if let Some((other, _)) = held.iter().find(|(_, taken)| taken.overlaps(&request.window)) {
        violations.push(format!("{id} and {other} have the same robot or person at the same time"));
    }
    held.insert(id, request.window);
}

fn release<K>(all: &mut BTreeMap<K, BTreeMap<BookingId, Window>>, id: &BookingId) {
    for held in all.values_mut() {
        held.remove(id);
    }
}

fn check_once(id: BookingId, seen: &Seen, is_final: bool, violations: &mut Vec<String>) {
    const MANY_TIMES: [&str; 2] = ["GuestInvited", "GuestRemoved"];
    for (what, count) in &seen.counts {
        if *count > 1 && !MANY_TIMES.contains(&what.as_str()) {
            violations.push(format!("{id}: {what} {count} times: {:#?}", seen.history));
        }
    }
    if !is_final {
        return;
    }
    if seen.count("Opened") > seen.count("Closed") {
        violations.push(format!("{id}: its room is open at the end: {seen:?}"));
    }
    let over: usize =
        ["Rejected", "Cancelled", "SessionEnded", "NoShow"].map(|how| seen.count(how)).iter().sum();
    if over == 0 {
        violations.push(format!("{id} is not over at the end: {seen:?}"));
    }
}

fn check_deadline(
    id: BookingId,
    seen: &Seen,
    outages: &[(DateTime<Utc>, DateTime<Utc>)],
    violations: &mut Vec<String>,
) {
    let Some(deadline) = seen.deadline else { return };
    for (account, at) in &seen.admitted {
        if *at >= deadline {
            violations.push(format!("{id} admitted {account} at {at}, after its end at {deadline}"));
        }
    }
    let Some(closed) = &seen.closed else { return };
    let is_late = closed.ended_at - closed.due_at > CLOSED_WITHIN;
    let was_down =
        outages.iter().any(|(from, to)| *from - CLOSED_WITHIN <= closed.due_at && closed.due_at <= *to);
    if closed.ended_at > deadline + CLOSED_WITHIN && is_late && !was_down {
        violations.push(format!("{id} outlived its window while the server ran: {closed:?}"));
    }
}

fn check_promise(promise: &Promise, seen: Option<&Seen>, violations: &mut Vec<String>) {
    let id = promise.booking;
    let Some(seen) = seen else {
        return violations.push(format!("{promise:?} is lost"));
    };
    if seen.room != Some(promise.room)
        || seen.count("Requested") != 1
        || seen.count("Confirmed") != 1
        || seen.count("Rejected") != 0
    {
        violations.push(format!("{promise:?} was acknowledged, and the log has {seen:?}"));
    }
    if promise.admitted && !seen.admitted.iter().any(|(account, _)| *account == promise.holder) {
        violations.push(format!("{id}: being admitted was acknowledged, and the log has {seen:?}"));
    }
    if let Some(at) = promise.told_over_at
        && seen.admitted.iter().any(|(_, admitted_at)| *admitted_at > at)
    {
        violations.push(format!("{id}: told over at {at}, and somebody was admitted since: {seen:?}"));
    }
    if let Ending::Acknowledged(cause) = promise.ending {
        let is_over = seen.count("Cancelled") + seen.count("SessionEnded") > 0
            || seen.closed.as_ref().is_some_and(|closed| closed.cause == cause);
        if !is_over {
            violations.push(format!("{id}: its end ({cause}) was acknowledged, and the log has {seen:?}"));
        }
    }
}
