//! A room: the live place of one session or watch, with who is in it, their peer connections, and its deadline.
//!
//! Media, sockets and timers never live here; whether somebody may come is decided by `Booking::admission`, whether there
//! is a place for them, here.

mod command;
mod error;
mod event;
mod peers;
mod place;
#[cfg(test)]
mod tests;

pub use command::RoomCommand;
pub use error::RoomError;
pub use event::RoomEvent;
pub use place::Peer;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::decide::write_decision;
use crate::recent::Recent;
use crate::{AccountId, Actor, Basis, BookingId, Decide, PeerId, RobotId, RoomId, StoppedBetween};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    Booking,
    Watch,
}

/// What to record of a peer that is open and has no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreported {
    /// Its report is still to come: it stays open in the state until `RecordPeerTerminated`.
    Await,
    /// Nobody will report: it ended with this lateness, for a dead process within this interval.
    Record { lateness_us: u64, stopped_between: Option<StoppedBetween> },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Room {
    place: Option<Place>,
    /// Moved by the booking, perhaps before the room opened.
    deadline: Option<DateTime<Utc>>,
    change_no: u32,
    is_closed: bool,
    robot_came: bool,
    holder_came: bool,
    participants: BTreeMap<AccountId, Basis>,
    peers: BTreeMap<PeerId, Peer>,
    terminated: Recent<PeerId>,
    control: Option<AccountId>,
}

/// What a room was opened as.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub room_id: RoomId,
    pub kind: RoomKind,
    pub robot_id: RobotId,
    pub booking_id: Option<BookingId>,
    pub holder: AccountId,
    pub viewer_limit: u16,
}

impl Room {
    /// `None` before it opened.
    pub const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Opened and not closed; its deadline may have come.
    pub const fn is_open(&self) -> bool {
        self.place.is_some() && !self.is_closed
    }

    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether the robot has been there since the session began.
    pub const fn robot_came(&self) -> bool {
        self.robot_came
    }

    /// Whether the holder was ever let in.
    pub const fn holder_came(&self) -> bool {
        self.holder_came
    }

    /// `None` before it opened.
    pub const fn deadline(&self) -> Option<DateTime<Utc>> {
        self.deadline
    }

    pub fn participants(&self) -> impl Iterator<Item = (AccountId, Basis)> {
        self.participants.iter().map(|(account_id, basis)| (*account_id, *basis))
    }

    pub fn participant(&self, account_id: AccountId) -> Option<Basis> {
        self.participants.get(&account_id).copied()
    }

    /// The peers that are open: those whose termination is not recorded yet.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.peers.iter().map(|(peer_id, peer)| (*peer_id, peer))
    }

    pub fn peer(&self, peer_id: PeerId) -> Option<&Peer> {
        self.peers.get(&peer_id)
    }

    /// Who is in control of the robot.
    pub const fn control(&self) -> Option<AccountId> {
        self.control
    }

    fn open_place(&self, now: DateTime<Utc>) -> Result<&Place, RoomError> {
        if self.is_closed {
            return Err(RoomError::Closed);
        }
        let place = self.place.as_ref().ok_or(RoomError::NotOpen)?;
        if self.deadline.is_none_or(|deadline| deadline <= now) {
            return Err(RoomError::PastDeadline);
        }
        Ok(place)
    }
}

type Decision = Result<Vec<RoomEvent>, RoomError>;

impl Decide for Room {
    fn decide(&self, command: RoomCommand) -> Decision {
        use RoomCommand as C;
        match command {
            open @ C::Open { .. } => self.open(open),
            C::RecordRobotCame { now } => Ok(self.record_robot_came(now)),
            C::Admit { account_id, basis, now } => self.admit(account_id, basis, now),
            C::RecordRefused { account_id, reason, count, since } => {
                let refused = RoomEvent::ParticipantRefused { account_id, reason, count, since };
                Ok((count > 0).then_some(refused).into_iter().collect())
            }
            C::Leave { account_id, cause, terminated, unreported, due_at, now } => {
                let end = peers::End { cause, due_at, now, unreported };
                Ok(self.leave(account_id, &terminated, &end))
            }
            C::OpenPeer { peer_id, account_id, now } => self.open_peer(peer_id, account_id, now),
            C::RecordNegotiated { from, to, peer_id, offer_sha256, answer_sha256, candidates } => self
                .record_negotiated(RoomEvent::Negotiated {
                    from,
                    to,
                    peer_id,
                    offer_sha256,
                    answer_sha256,
                    candidates,
                }),
            C::RecordPeerTerminated { report, cause, due_at, now } => {
                let end = peers::End { cause, due_at, now, unreported: Unreported::Await };
                self.record_peer_terminated(&report, &end)
            }
            C::GrantControl { to, by, now } => self.grant_control(to, by, now),
            C::ReleaseControl { account_id, now } => Ok(self.release_control(account_id, now)),
            C::MoveDeadline { deadline, change_no, by, reason_hash, now } => self.move_deadline(
                RoomEvent::DeadlineMoved {
                    from: self.deadline,
                    to: deadline,
                    change_no,
                    by,
                    reason_hash,
                    at: now,
                },
                now,
            ),
            C::Close { booking_id, cause, by, reason_hash, terminated, unreported, due_at, now } => {
                let end = peers::End { cause, due_at, now, unreported };
                let closed = RoomEvent::Closed {
                    booking_id: self.place.map_or(booking_id, |place| place.booking_id),
                    cause,
                    by,
                    reason_hash,
                    due_at,
                    ended_at: now,
                    robot_missed: self.awaits_robot(),
                };
                Ok(self.close(closed, &terminated, &end))
            }
        }
    }
}

impl Aggregate for Room {
    const TYPE: &'static str = "room";
    type Command = RoomCommand;
    type Event = RoomEvent;
    type Error = RoomError;
    type Services = ();

    async fn handle(
        &mut self,
        command: RoomCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), RoomError> {
        write_decision(self, command, sink).await
    }

    fn apply(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Opened {
                room_id,
                kind,
                robot_id,
                booking_id,
                holder,
                deadline,
                change_no,
                viewer_limit,
                ..
            } => {
                self.place = Some(Place { room_id, kind, robot_id, booking_id, holder, viewer_limit });
                self.deadline = Some(deadline);
                self.change_no = change_no;
            }
            RoomEvent::RobotCame { .. } => self.robot_came = true,
            RoomEvent::ParticipantAdmitted { account_id, basis, .. } => {
                self.holder_came |= self.place.is_some_and(|place| place.holder == account_id);
                self.participants.insert(account_id, basis);
            }
            RoomEvent::ParticipantLeft { account_id, .. } => {
                self.participants.remove(&account_id);
            }
            RoomEvent::PeerConnectionOpened { peer_id, who, opened_at } => {
                self.peers.insert(peer_id, Peer { who, opened_at, negotiated: None });
            }
            RoomEvent::Negotiated { peer_id, offer_sha256, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.negotiated = Some(offer_sha256);
                }
            }
            RoomEvent::PeerConnectionTerminated { peer_id, .. } => {
                self.peers.remove(&peer_id);
                self.terminated.insert(peer_id);
            }
            RoomEvent::ControlGranted { to, .. } => self.control = Some(to),
            RoomEvent::ControlReleased { .. } => self.control = None,
            RoomEvent::DeadlineMoved { to, change_no, .. } => {
                self.deadline = Some(to);
                self.change_no = change_no;
            }
            RoomEvent::Closed { .. } => {
                self.is_closed = true;
                self.participants.clear();
            }
            RoomEvent::ParticipantRefused { .. } => {}
        }
    }
}

impl Place {
    /// Whether `actor` may give and take control as it likes.
    fn commands_control(&self, actor: Actor) -> bool {
        actor == Actor::System || actor == Actor::Account(self.holder)
    }
}
