use curfew_domain::{Actor, Basis, Cause, Fact, PeerQuality, Reason, RoomEvent as E, RoomKind};

use super::*;

pub(crate) fn samples() -> Vec<Fact> {
    let account_id = holder();
    let events = vec![
        E::Opened {
            room_id: room(),
            kind: RoomKind::Booking,
            robot_id: robot(),
            booking_id: Some(booking()),
            holder: account_id,
            deadline: at(120),
            change_no: 0,
            viewer_limit: 4,
            reason_hash: None,
            due_at: at(60),
            opened_at: at(60),
        },
        E::ParticipantAdmitted { account_id, basis: Basis::Holder, at: at(61) },
        E::ParticipantRefused { account_id: id(4), reason: Reason::RoomFull, count: 3, since: at(62) },
        E::ParticipantLeft { account_id, cause: Cause::ParticipantLeft, at: at(90) },
        E::Negotiated {
            from: Actor::Account(account_id),
            to: Actor::Robot(robot()),
            peer_id: id(97),
            offer_sha256: hash(),
            answer_sha256: hash(),
            candidates: 2,
        },
        E::PeerConnectionOpened { peer_id: id(97), who: Actor::Account(account_id), opened_at: at(61) },
        E::PeerConnectionTerminated {
            peer_id: id(97),
            who: Actor::Account(account_id),
            cause: Cause::ServerStopped,
            due_at: at(120),
            lateness_us: 0,
            recorded_late_us: 600_000_000,
            packets: 180_000,
            bytes: 198_000_000,
            stopped_between: stopped_between(),
            quality: None,
        },
        E::PeerConnectionTerminated {
            peer_id: id(98),
            who: Actor::Account(account_id),
            cause: Cause::WindowClosed,
            due_at: at(120),
            lateness_us: 0,
            recorded_late_us: 2_000,
            packets: 180_000,
            bytes: 198_000_000,
            stopped_between: None,
            quality: Some(PeerQuality {
                mean_bitrate_bps: 2_500_000,
                lost: 420,
                retransmitted: 418,
                keyframe_requests: 3,
                mean_round_trip_us: Some(38_000),
                freezes: 2,
                frozen_ms: 740,
            }),
        },
        E::ControlGranted { to: account_id, by: Actor::Account(account_id), at: at(62) },
        E::ControlReleased { account_id, at: at(70) },
        E::DeadlineMoved {
            from: Some(at(120)),
            to: at(150),
            change_no: 1,
            by: Actor::Account(admin()),
            reason_hash: Some(hash()),
            at: at(100),
        },
        E::Closed {
            booking_id: Some(booking()),
            cause: Cause::WindowClosed,
            by: Actor::System,
            reason_hash: None,
            due_at: at(120),
            ended_at: at(120),
        },
    ];
    events.into_iter().map(Fact::Room).collect()
}
