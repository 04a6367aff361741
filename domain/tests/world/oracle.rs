//! What must hold whatever happens, judged from the facts alone: it shares no state and no rule with the aggregates.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use curfew_domain::robot::Maintenance;
use curfew_domain::{
    AccountEvent, AccountId, Actor, Basis, BookingEvent, BookingId, Fact, PeerId, Recorded, RobotEvent,
    RobotId, RoomEvent, RoomId, RoomKind, Window,
};

use super::admin;

#[derive(Default)]
pub(crate) struct Oracle {
    buffer: TimeDelta,
    /// All that was ever reserved and not released: nothing is forgotten because it is past.
    slots: BTreeMap<RobotId, BTreeMap<BookingId, Window>>,
    maintenance: BTreeMap<RobotId, Maintenance>,
    windows: BTreeMap<AccountId, BTreeMap<BookingId, Window>>,
    bookings: BTreeMap<BookingId, Seen>,
    rooms: BTreeMap<RoomId, Place>,
    opened: BTreeSet<PeerId>,
    terminated: BTreeSet<PeerId>,
}

struct Seen {
    holder: AccountId,
    guests: BTreeSet<AccountId>,
    window: Window,
    /// Holds a slot and a window: confirmed, and not over.
    is_confirmed: bool,
    is_running: bool,
    is_cancelled: bool,
}

struct Place {
    kind: RoomKind,
    booking_id: Option<BookingId>,
    deadline: DateTime<Utc>,
    is_closed: bool,
    viewer_limit: usize,
    inside: BTreeSet<AccountId>,
    peers: BTreeSet<PeerId>,
}

impl Oracle {
    pub(crate) fn new(buffer_s: u32) -> Self {
        Self { buffer: TimeDelta::seconds(buffer_s.into()), ..Self::default() }
    }

    /// Takes a fact in and panics when it breaks an invariant.
    pub(crate) fn see(&mut self, recorded: &Recorded) {
        match &recorded.fact {
            Fact::Robot(event) => self.see_robot(recorded.aggregate_id.parse().expect("a robot's id"), event),
            Fact::Account(event) => {
                self.see_account(recorded.aggregate_id.parse().expect("an account's id"), event);
            }
            Fact::Booking(event) => {
                self.see_booking(recorded.aggregate_id.parse().expect("a booking's id"), event);
            }
            Fact::Room(event) => self.see_room(recorded.aggregate_id.parse().expect("a room's id"), event),
            Fact::Lab(_) => {}
        }
    }

    pub(crate) fn open_peers(&self) -> usize {
        self.opened.len() - self.terminated.len()
    }

    fn see_robot(&mut self, robot_id: RobotId, event: &RobotEvent) {
        let slots = self.slots.entry(robot_id).or_default();
        match event {
            RobotEvent::SlotReserved { request, .. } => {
                slots.insert(request.booking_id, request.window);
            }
            RobotEvent::SlotReleased { booking_id, .. } => {
                slots.remove(booking_id);
            }
            RobotEvent::SlotMoved { change, displaced, is_restored, .. } => {
                slots.insert(change.booking_id, if *is_restored { change.from } else { change.to });
                slots.retain(|booking_id, _| displaced.iter().all(|gone| gone.booking_id != *booking_id));
            }
            RobotEvent::MaintenanceStarted { from, until, displaced, .. } => {
                slots.retain(|booking_id, _| displaced.iter().all(|gone| gone.booking_id != *booking_id));
                self.maintenance.insert(robot_id, Maintenance { from: *from, until: *until });
            }
            RobotEvent::MaintenanceEnded { .. } => {
                self.maintenance.remove(&robot_id);
            }
            RobotEvent::Retired { displaced, .. } => {
                slots.retain(|booking_id, _| displaced.iter().all(|gone| gone.booking_id != *booking_id));
            }
            _ => {}
        }
        let windows: Vec<_> = slots.values().copied().collect();
        assert_apart(&windows, self.buffer, "two slots of one robot overlap");
        if let Some(maintenance) = self.maintenance.get(&robot_id) {
            assert!(
                !windows.iter().any(|window| maintenance.overlaps(window)),
                "a slot overlaps maintenance"
            );
        }
    }

    fn see_account(&mut self, account_id: AccountId, event: &AccountEvent) {
        let windows = self.windows.entry(account_id).or_default();
        match event {
            AccountEvent::WindowClaimed { request, .. } => {
                windows.insert(request.booking_id, request.window);
            }
            AccountEvent::WindowReleased { booking_id, .. } => {
                windows.remove(booking_id);
            }
            AccountEvent::WindowMoved { change, is_restored, .. } => {
                windows.insert(change.booking_id, if *is_restored { change.from } else { change.to });
            }
            _ => {}
        }
        let windows: Vec<_> = windows.values().copied().collect();
        assert_apart(&windows, TimeDelta::zero(), "two windows of one account overlap");
    }

    fn see_booking(&mut self, booking_id: BookingId, event: &BookingEvent) {
        if let BookingEvent::Requested { holder, window, .. } = event {
            let seen = Seen {
                holder: *holder,
                guests: BTreeSet::new(),
                window: *window,
                is_confirmed: false,
                is_running: false,
                is_cancelled: false,
            };
            self.bookings.insert(booking_id, seen);
        }
        let seen = self.bookings.get_mut(&booking_id).expect("a booking is requested first");
        match event {
            BookingEvent::Confirmed { .. } => seen.is_confirmed = true,
            BookingEvent::GuestInvited { account_id, .. } => {
                seen.guests.insert(*account_id);
            }
            BookingEvent::GuestRemoved { account_id, .. } => {
                seen.guests.remove(account_id);
            }
            BookingEvent::SessionStarted { .. } => seen.is_running = true,
            BookingEvent::SessionExtended { change, .. } | BookingEvent::SessionShortened { change, .. } => {
                seen.window = change.to;
            }
            BookingEvent::Cancelled { is_running, .. } => {
                seen.is_cancelled = true;
                seen.is_confirmed &= *is_running;
            }
            BookingEvent::SessionEnded { .. } | BookingEvent::NoShow { .. } => {
                seen.is_running = false;
                seen.is_confirmed = false;
            }
            _ => {}
        }
        let holder = seen.holder;
        let held: Vec<_> =
            self.bookings.values().filter(|seen| seen.holder == holder && seen.is_confirmed).collect();
        let windows: Vec<_> = held.iter().map(|seen| seen.window).collect();
        assert_apart(&windows, TimeDelta::zero(), "two confirmed bookings of one account overlap");
    }

    fn see_room(&mut self, room_id: RoomId, event: &RoomEvent) {
        match event {
            RoomEvent::Opened { kind, booking_id, deadline, viewer_limit, .. } => {
                let place = Place {
                    kind: *kind,
                    booking_id: *booking_id,
                    deadline: *deadline,
                    is_closed: false,
                    viewer_limit: usize::from(*viewer_limit),
                    inside: BTreeSet::new(),
                    peers: BTreeSet::new(),
                };
                assert!(self.rooms.insert(room_id, place).is_none(), "a room opens once");
            }
            RoomEvent::ParticipantAdmitted { account_id, basis, at } => {
                self.assert_admissible(room_id, *account_id, *at);
                let place = self.rooms.get_mut(&room_id).expect("an open room");
                assert_eq!(*basis == Basis::Admin, place.kind == RoomKind::Watch);
                place.inside.insert(*account_id);
            }
            RoomEvent::ParticipantLeft { account_id, .. } => {
                self.rooms.get_mut(&room_id).expect("an open room").inside.remove(account_id);
            }
            RoomEvent::PeerConnectionOpened { peer_id, who, opened_at } => {
                let Actor::Account(account_id) = who else { panic!("a viewer is an account") };
                self.assert_admissible(room_id, *account_id, *opened_at);
                assert!(self.opened.insert(*peer_id), "a peer opens once");
                let place = self.rooms.get_mut(&room_id).expect("an open room");
                assert!(place.inside.contains(account_id), "a peer of somebody who is not inside");
                place.peers.insert(*peer_id);
                assert!(place.peers.len() <= place.viewer_limit, "more viewers than the room takes");
            }
            RoomEvent::PeerConnectionTerminated { peer_id, .. } => {
                assert!(self.opened.contains(peer_id), "a peer that never opened was terminated");
                assert!(self.terminated.insert(*peer_id), "a peer is terminated once");
                self.rooms.get_mut(&room_id).expect("an open room").peers.remove(peer_id);
            }
            RoomEvent::DeadlineMoved { to, .. } => {
                if let Some(place) = self.rooms.get_mut(&room_id) {
                    place.deadline = *to;
                }
            }
            RoomEvent::Closed { .. } => {
                if let Some(place) = self.rooms.get_mut(&room_id) {
                    assert!(!place.is_closed, "a room closes once");
                    place.is_closed = true;
                }
            }
            _ => {}
        }
    }

    fn assert_admissible(&self, room_id: RoomId, account_id: AccountId, at: DateTime<Utc>) {
        let place = self.rooms.get(&room_id).expect("admitted to a room that never opened");
        assert!(!place.is_closed, "admitted to a closed room");
        assert!(at < place.deadline, "admitted past the deadline");
        let Some(booking_id) = place.booking_id else {
            assert_eq!((place.kind, account_id), (RoomKind::Watch, admin()), "a watch is for admins");
            return;
        };
        let seen = &self.bookings[&booking_id];
        assert!(seen.is_running && !seen.is_cancelled, "admitted outside a live booking");
        assert!(seen.window.contains(at), "admitted outside the booked window");
        assert!(account_id == seen.holder || seen.guests.contains(&account_id), "a stranger was admitted");
    }
}

fn assert_apart(windows: &[Window], gap: TimeDelta, what: &str) {
    for (index, window) in windows.iter().enumerate() {
        for other in &windows[index + 1..] {
            assert!(!window.is_within(gap, other), "{what}: {window:?} and {other:?}");
        }
    }
}
