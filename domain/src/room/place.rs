//! The room itself: its opening, its places, its deadline, who controls the robot.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Decision, Room, RoomCommand, RoomError, RoomEvent, RoomKind};
use crate::{AccountId, Actor, Basis};

/// An open peer connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    pub who: Actor,
    pub opened_at: DateTime<Utc>,
    /// The SHA-256 of the last offer that was negotiated.
    pub negotiated: Option<String>,
}

impl Room {
    /// Takes the place as it was asked for, but for a deadline that was moved before the room opened.
    pub(super) fn open(&self, open: RoomCommand) -> Decision {
        let RoomCommand::Open {
            room_id,
            kind,
            robot_id,
            booking_id,
            holder,
            deadline,
            change_no,
            viewer_limit,
            reason_hash,
            due_at,
            now,
        } = open
        else {
            return Ok(vec![]);
        };
        if let Some(place) = &self.place {
            return if place.room_id == room_id { Ok(vec![]) } else { Err(RoomError::AlreadyOpened) };
        }
        if self.is_closed {
            return Err(RoomError::Closed);
        }
        if booking_id.is_some() != (kind == RoomKind::Booking) {
            return Err(RoomError::KindMismatch);
        }
        if kind == RoomKind::Watch && reason_hash.as_deref().is_none_or(str::is_empty) {
            return Err(RoomError::ReasonRequired);
        }
        let moved = self.deadline.filter(|_| self.change_no > change_no);
        Ok(vec![RoomEvent::Opened {
            room_id,
            kind,
            robot_id,
            booking_id,
            holder,
            deadline: moved.unwrap_or(deadline),
            change_no: self.change_no.max(change_no),
            viewer_limit,
            reason_hash,
            due_at,
            opened_at: now,
        }])
    }

    pub(super) fn record_robot_came(&self, now: DateTime<Utc>) -> Vec<RoomEvent> {
        self.awaits_robot().then_some(RoomEvent::RobotCame { at: now }).into_iter().collect()
    }

    /// A session is under way, and its robot has not been there yet.
    pub(super) fn awaits_robot(&self) -> bool {
        let is_session = self.place.is_some_and(|place| place.kind == RoomKind::Booking);
        is_session && !self.is_closed && !self.robot_came
    }

    pub(super) fn admit(&self, account_id: AccountId, basis: Basis, now: DateTime<Utc>) -> Decision {
        let place = self.open_place(now)?;
        match (place.kind, basis) {
            (RoomKind::Booking, Basis::Admin) => return Err(RoomError::AdminNeedsWatch),
            (RoomKind::Watch, Basis::Holder | Basis::Guest) => return Err(RoomError::WatchIsForAdmins),
            _ => {}
        }
        if self.participants.contains_key(&account_id) {
            return Ok(vec![]);
        }
        let others = self.participants.keys().filter(|present| **present != place.holder).count();
        let holders = self.participants.len() - others;
        self.check_place(account_id == place.holder, others, holders)?;
        Ok(vec![RoomEvent::ParticipantAdmitted { account_id, basis, at: now }])
    }

    /// Whether one more fits beside `others` and what is the holder's. One place is always kept for the holder.
    pub(super) fn check_place(
        &self,
        is_holder: bool,
        others: usize,
        holders: usize,
    ) -> Result<(), RoomError> {
        let limit = self.place.map_or(0, |place| usize::from(place.viewer_limit));
        let taken = others + if is_holder { holders } else { holders.max(1) };
        if taken < limit { Ok(()) } else { Err(RoomError::Full) }
    }

    pub(super) fn move_deadline(&self, moved: RoomEvent, now: DateTime<Utc>) -> Decision {
        let RoomEvent::DeadlineMoved { to, change_no, .. } = &moved else { return Ok(vec![]) };
        if *change_no <= self.change_no {
            return Ok(vec![]);
        }
        let is_earlier = self.deadline.is_none_or(|deadline| *to <= deadline);
        if self.is_closed {
            return if is_earlier { Ok(vec![]) } else { Err(RoomError::Closed) };
        }
        // What is due has ended for those in the room, even if closing it is still being recorded.
        if !is_earlier && self.place.is_some() && self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(RoomError::PastDeadline);
        }
        Ok(vec![moved])
    }

    pub(super) fn grant_control(&self, to: AccountId, by: Actor, now: DateTime<Utc>) -> Decision {
        let place = self.open_place(now)?;
        if !self.participants.contains_key(&to) {
            return Err(RoomError::NotAParticipant);
        }
        let granted = RoomEvent::ControlGranted { to, by, at: now };
        match self.control {
            Some(present) if present == to => Ok(vec![]),
            Some(present) if by == Actor::Account(present) || place.commands_control(by) => {
                Ok(vec![RoomEvent::ControlReleased { account_id: present, at: now }, granted])
            }
            None if by == Actor::Account(to) || place.commands_control(by) => Ok(vec![granted]),
            _ => Err(RoomError::ControlHeld),
        }
    }

    pub(super) fn release_control(&self, account_id: AccountId, now: DateTime<Utc>) -> Vec<RoomEvent> {
        let released = RoomEvent::ControlReleased { account_id, at: now };
        (self.control == Some(account_id)).then_some(released).into_iter().collect()
    }
}
