//! Rooms that were opened, by room id: who held them, when they ended, and how punctually.

use chrono::{DateTime, Utc};
use curfew_domain::{
    AccountId, Actor, BookingId, Cause, Fact, PeerId, PeerQuality, Recorded, RobotId, RoomEvent, RoomId,
    RoomKind, StoppedBetween,
};
use serde::{Deserialize, Serialize};

use crate::Projection;

/// A row keeps this many terminated peers; the timeline has them all.
const KEPT_PEERS: usize = 256;

/// A peer connection that was terminated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerRow {
    pub peer_id: PeerId,
    pub who: Actor,
    pub cause: Cause,
    pub due_at: DateTime<Utc>,
    pub lateness_us: u64,
    pub recorded_late_us: u64,
    /// `None` where nobody lived to count them.
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
    pub stopped_between: Option<StoppedBetween>,
    /// How a viewer was served; `None` where it was not measured.
    #[serde(default)]
    pub quality: Option<PeerQuality>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    pub room_id: RoomId,
    pub kind: RoomKind,
    pub booking_id: Option<BookingId>,
    pub robot_id: RobotId,
    /// The booking's holder, or the admin who watches.
    pub holder: AccountId,
    pub opened_at: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
    pub cause: Option<Cause>,
    pub closed_by: Option<Actor>,
    pub reason_hash: Option<String>,
    pub admitted: u32,
    pub refused: u32,
    pub peers_opened: u32,
    pub peers_terminated: u32,
    /// Over all terminated peers that were counted.
    pub max_lateness_us: u64,
    pub packets: u64,
    pub bytes: u64,
    /// The first that were terminated.
    pub terminated: Vec<PeerRow>,
}

/// What happened in which room.
pub struct Sessions;

impl Projection for Sessions {
    const NAME: &'static str = "sessions";
    type Row = SessionRow;

    fn keys(recorded: &Recorded) -> Vec<String> {
        match &recorded.fact {
            Fact::Room(
                RoomEvent::RobotCame { .. }
                | RoomEvent::Negotiated { .. }
                | RoomEvent::ControlGranted { .. }
                | RoomEvent::ControlReleased { .. }
                | RoomEvent::ParticipantLeft { .. },
            ) => vec![],
            Fact::Room(_) => vec![recorded.aggregate_id.clone()],
            _ => vec![],
        }
    }

    fn fold(_key: &str, row: Option<SessionRow>, recorded: &Recorded) -> Option<SessionRow> {
        let Fact::Room(event) = &recorded.fact else { return row };
        match row {
            None => opened(event),
            Some(mut row) => {
                row.apply(event);
                Some(row)
            }
        }
    }
}

fn opened(event: &RoomEvent) -> Option<SessionRow> {
    let RoomEvent::Opened { room_id, kind, robot_id, booking_id, holder, deadline, opened_at, .. } = event
    else {
        return None;
    };
    Some(SessionRow {
        room_id: *room_id,
        kind: *kind,
        booking_id: *booking_id,
        robot_id: *robot_id,
        holder: *holder,
        opened_at: *opened_at,
        deadline: *deadline,
        closed_at: None,
        cause: None,
        closed_by: None,
        reason_hash: None,
        admitted: 0,
        refused: 0,
        peers_opened: 0,
        peers_terminated: 0,
        max_lateness_us: 0,
        packets: 0,
        bytes: 0,
        terminated: vec![],
    })
}

impl SessionRow {
    /// It is closed, and each of its peers was terminated.
    pub const fn is_settled(&self) -> bool {
        self.closed_at.is_some() && self.peers_terminated >= self.peers_opened
    }

    fn apply(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::ParticipantAdmitted { .. } => self.admitted += 1,
            RoomEvent::ParticipantRefused { count, .. } => self.refused = self.refused.saturating_add(*count),
            RoomEvent::PeerConnectionOpened { .. } => self.peers_opened += 1,
            RoomEvent::PeerConnectionTerminated { .. } => self.terminate(event),
            RoomEvent::DeadlineMoved { to, .. } => self.deadline = *to,
            RoomEvent::Closed { cause, by, reason_hash, ended_at, .. } => {
                self.closed_at = Some(*ended_at);
                self.cause = Some(*cause);
                self.closed_by = Some(*by);
                self.reason_hash.clone_from(reason_hash);
            }
            RoomEvent::Opened { .. }
            | RoomEvent::RobotCame { .. }
            | RoomEvent::ParticipantLeft { .. }
            | RoomEvent::Negotiated { .. }
            | RoomEvent::ControlGranted { .. }
            | RoomEvent::ControlReleased { .. } => {}
        }
    }

    fn terminate(&mut self, event: &RoomEvent) {
        let RoomEvent::PeerConnectionTerminated {
            peer_id,
            who,
            cause,
            due_at,
            lateness_us,
            recorded_late_us,
            packets,
            bytes,
            stopped_between,
            quality,
        } = event
        else {
            return;
        };
        self.peers_terminated += 1;
        self.max_lateness_us = self.max_lateness_us.max(*lateness_us);
        self.packets = self.packets.saturating_add(packets.unwrap_or_default());
        self.bytes = self.bytes.saturating_add(bytes.unwrap_or_default());
        if self.terminated.len() < KEPT_PEERS {
            self.terminated.push(PeerRow {
                peer_id: *peer_id,
                who: *who,
                cause: *cause,
                due_at: *due_at,
                lateness_us: *lateness_us,
                recorded_late_us: *recorded_late_us,
                packets: *packets,
                bytes: *bytes,
                stopped_between: *stopped_between,
                quality: *quality,
            });
        }
    }
}
