use curfew_domain::{Actor, BookingEvent as E, Cause, Fact, Reason, RobotChoice};

use super::*;

pub(crate) fn samples() -> Vec<Fact> {
    let (holder, robot_id, room_id) = (holder(), robot(), room());
    let events = vec![
        E::Requested {
            booking_id: booking(),
            room_id,
            holder,
            choice: RobotChoice::Type("rover".into()),
            robot_type: "rover".into(),
            candidates: vec![robot_id, id(17)],
            window: window(60, 120),
            buffer_s: 300,
            viewer_limit: 4,
        },
        E::Confirmed { robot_id, at: at(0) },
        E::Rejected { holder, reason: Reason::SlotTaken, at: at(0) },
        E::Cancelled {
            by: Actor::Account(admin()),
            cause: Cause::TerminatedByAdmin,
            reason_hash: Some(hash()),
            holder,
            robot_id: Some(robot_id),
            room_id,
            is_running: true,
            at: at(90),
        },
        E::GuestInvited { account_id: id(3), by: holder },
        E::GuestRemoved { account_id: id(3), by: holder, room_id, is_running: true, at: at(80) },
        E::SessionStarted {
            booking_id: booking(),
            room_id,
            robot_id,
            holder,
            window: window(60, 120),
            change_no: 0,
            viewer_limit: 4,
            due_at: at(60),
            started_at: at(60),
        },
        E::ExtensionRequested { change: extension(), at: at(100) },
        E::SessionExtended { change: extension(), is_running: true, at: at(100) },
        E::ExtensionRefused { change: extension(), reason: Reason::SlotTaken, at: at(100) },
        E::SessionShortened { change: shortening(), is_running: true, at: at(80) },
        E::SessionEnded {
            cause: Cause::WindowClosed,
            holder,
            robot_id,
            room_id,
            has_started: true,
            due_at: at(120),
            ended_at: at(120),
        },
        E::NoShow { holder, robot_id, room_id, at: at(75) },
    ];
    events.into_iter().map(Fact::Booking).collect()
}
