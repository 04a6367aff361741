//! Which slots are reserved: the rules that keep two of them from overlapping.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Decision, Robot, RobotError, RobotEvent, require_reason};
use crate::recent::Recent;
use crate::{AccountId, BookingId, Displaced, SlotRequest, Window, WindowChange};

/// A reserved slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    pub booking_id: BookingId,
    pub account_id: AccountId,
    pub window: Window,
    /// The last of the booking's changes that was carried out here.
    pub change_no: u32,
}

/// The robot is in the workshop, until it is said to be over when `until` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    pub from: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

impl Maintenance {
    pub fn overlaps(&self, window: &Window) -> bool {
        self.from < window.ends_at && self.until.is_none_or(|until| window.starts_at < until)
    }

    pub fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    fn touches(&self, other: &Self) -> bool {
        other.until.is_none_or(|until| self.from <= until)
            && self.until.is_none_or(|until| other.from <= until)
    }
}

/// Slots by start, from the last reservation on; of those that had ended by then only the latest end is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calendar {
    slots: Vec<Slot>,
    forgotten_until: Option<DateTime<Utc>>,
    maintenance: Option<Maintenance>,
    released: Recent<BookingId>,
}

impl Calendar {
    pub(super) const fn maintenance(&self) -> Option<&Maintenance> {
        self.maintenance.as_ref()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub(super) fn slot(&self, booking_id: BookingId) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.booking_id == booking_id)
    }

    /// Whether `window` could be reserved beside what is there.
    pub(super) fn check(&self, window: &Window, buffer: TimeDelta) -> Result<(), RobotError> {
        if self.maintenance.is_some_and(|maintenance| maintenance.overlaps(window)) {
            return Err(RobotError::UnderMaintenance);
        }
        // Only a window that has begun already can reach back to what is forgotten.
        let reaches_back = self.forgotten_until.is_some_and(|until| window.starts_at < until + buffer);
        if reaches_back || self.slots.iter().any(|slot| slot.window.is_within(buffer, window)) {
            return Err(RobotError::SlotTaken);
        }
        Ok(())
    }

    fn displaced_by(&self, is_hit: impl Fn(&Slot) -> bool) -> Vec<Displaced> {
        let displaced = |slot: &Slot| Displaced {
            booking_id: slot.booking_id,
            account_id: slot.account_id,
            window: slot.window,
        };
        self.slots.iter().filter(|slot| is_hit(slot)).map(displaced).collect()
    }

    pub(super) fn apply(&mut self, event: &RobotEvent) {
        match event {
            RobotEvent::SlotReserved { request, at, .. } => {
                self.forget_before(*at);
                self.slots.push(Slot {
                    booking_id: request.booking_id,
                    account_id: request.account_id,
                    window: request.window,
                    change_no: 0,
                });
                self.slots.sort_by_key(|slot| slot.window.starts_at);
            }
            RobotEvent::SlotReleased { booking_id, .. } => self.release(*booking_id),
            RobotEvent::SlotMoved { change, displaced, is_restored, .. } => {
                self.release_all(displaced);
                if let Some(slot) = self.slots.iter_mut().find(|slot| slot.booking_id == change.booking_id) {
                    slot.window = if *is_restored { change.from } else { change.to };
                    slot.change_no = change.change_no;
                }
            }
            RobotEvent::MaintenanceStarted { from, until, displaced, .. } => {
                self.maintenance = Some(Maintenance { from: *from, until: *until });
                self.release_all(displaced);
            }
            RobotEvent::MaintenanceEnded { .. } => self.maintenance = None,
            RobotEvent::Retired { displaced, .. } => self.release_all(displaced),
            _ => {}
        }
    }

    fn forget_before(&mut self, at: DateTime<Utc>) {
        let (ended, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.slots).into_iter().partition(|slot| slot.window.has_ended(at));
        self.slots = rest;
        self.forgotten_until = ended.iter().map(|slot| slot.window.ends_at).chain(self.forgotten_until).max();
    }

    fn release(&mut self, booking_id: BookingId) {
        self.slots.retain(|slot| slot.booking_id != booking_id);
        self.released.insert(booking_id);
    }

    fn release_all(&mut self, displaced: &[Displaced]) {
        for gone in displaced {
            self.release(gone.booking_id);
        }
    }
}

impl Robot {
    pub(super) fn reserve_slot(&self, request: SlotRequest, now: DateTime<Utc>) -> Decision {
        let robot_id = self.in_service()?.robot_id;
        if self.slot(request.booking_id).is_some() {
            return Ok(vec![]);
        }
        if self.calendar.released.contains(&request.booking_id) {
            return Err(RobotError::SlotReleased);
        }
        if request.window.is_empty() {
            return Err(RobotError::EmptyWindow);
        }
        if request.window.has_ended(now) {
            return Err(RobotError::WindowOver);
        }
        self.calendar.check(&request.window, buffer(request.buffer_s))?;
        Ok(vec![RobotEvent::SlotReserved { robot_id, request, at: now }])
    }

    pub(super) fn release_slot(&self, booking_id: BookingId, now: DateTime<Utc>) -> Vec<RobotEvent> {
        let released = |slot: &Slot| RobotEvent::SlotReleased { booking_id, window: slot.window, at: now };
        self.slot(booking_id).map(released).into_iter().collect()
    }

    /// A shortened slot is never refused. A longer one takes the place of no other slot unless it overrides, and of no
    /// maintenance at all.
    pub(super) fn move_slot(&self, change: WindowChange, now: DateTime<Utc>) -> Decision {
        let slot = self.slot(change.booking_id).ok_or(RobotError::NoSuchSlot)?;
        if change.change_no <= slot.change_no {
            return Ok(vec![]);
        }
        if change.to.is_empty() {
            return Err(RobotError::EmptyWindow);
        }
        if change.to.ends_at <= slot.window.ends_at {
            return Ok(vec![RobotEvent::SlotMoved {
                change,
                displaced: vec![],
                is_restored: false,
                at: now,
            }]);
        }
        self.in_service()?;
        if slot.window.has_ended(now) {
            return Err(RobotError::WindowOver);
        }
        if self.maintenance().is_some_and(|maintenance| maintenance.overlaps(&change.to)) {
            return Err(RobotError::UnderMaintenance);
        }
        let gap = buffer(change.buffer_s);
        let in_the_way = self.calendar.displaced_by(|other| {
            other.booking_id != change.booking_id
                && other.window.starts_at >= slot.window.starts_at
                && other.window.is_within(gap, &change.to)
        });
        if in_the_way.is_empty() {
            return Ok(vec![RobotEvent::SlotMoved {
                change,
                displaced: vec![],
                is_restored: false,
                at: now,
            }]);
        }
        if !change.overrides {
            return Err(RobotError::SlotTaken);
        }
        require_reason(change.reason_hash.as_deref().unwrap_or_default())?;
        Ok(vec![RobotEvent::SlotMoved { change, displaced: in_the_way, is_restored: false, at: now }])
    }

    pub(super) fn restore_slot(&self, change: WindowChange, now: DateTime<Utc>) -> Vec<RobotEvent> {
        let is_moved = |slot: &&Slot| slot.change_no == change.change_no && slot.window == change.to;
        if self.slot(change.booking_id).filter(is_moved).is_none() || !change.is_extension() {
            return vec![];
        }
        vec![RobotEvent::SlotMoved { change, displaced: vec![], is_restored: true, at: now }]
    }

    pub(super) fn start_maintenance(
        &self,
        maintenance: Maintenance,
        by: AccountId,
        reason_hash: String,
        now: DateTime<Utc>,
    ) -> Decision {
        self.in_service()?;
        require_reason(&reason_hash)?;
        if maintenance.until.is_some_and(|until| until <= maintenance.from) {
            return Err(RobotError::EmptyWindow);
        }
        if self.maintenance() == Some(&maintenance) {
            return Ok(vec![]);
        }
        // One that it touches is moved by it; one apart would be forgotten.
        if self.maintenance().is_some_and(|known| !known.has_ended(now) && !known.touches(&maintenance)) {
            return Err(RobotError::OtherMaintenance);
        }
        let displaced = self.calendar.displaced_by(|slot| {
            !slot.window.has_ended(maintenance.from) && maintenance.overlaps(&slot.window)
        });
        let Maintenance { from, until } = maintenance;
        Ok(vec![RobotEvent::MaintenanceStarted { from, until, by, reason_hash, displaced }])
    }

    pub(super) fn end_maintenance(&self, by: AccountId, now: DateTime<Utc>) -> Vec<RobotEvent> {
        let ended = |_: &Maintenance| RobotEvent::MaintenanceEnded { by, at: now };
        self.maintenance().map(ended).into_iter().collect()
    }

    pub(super) fn retire(&self, by: AccountId, reason_hash: Option<String>, now: DateTime<Utc>) -> Decision {
        if self.is_retired {
            return Ok(vec![]);
        }
        self.in_service()?;
        let displaced = self.calendar.displaced_by(|slot| !slot.window.has_ended(now));
        if !displaced.is_empty() {
            require_reason(reason_hash.as_deref().unwrap_or_default())?;
        }
        let mut events = self.go_offline(crate::Cause::CredentialRevoked, now);
        events.push(RobotEvent::Retired { by, reason_hash, displaced, at: now });
        Ok(events)
    }
}

fn buffer(seconds: u32) -> TimeDelta {
    TimeDelta::seconds(seconds.into())
}
