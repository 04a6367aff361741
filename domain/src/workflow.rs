//! What one aggregate's fact asks of another: event in, commands out.
//!
//! `commands` is called for every recorded fact, at least once and in the order of the log; `on_refused` when an aggregate
//! refuses one of the commands. Both are pure; every command is idempotent, so a repeated delivery changes nothing. The
//! room's actor cuts media before it carries out `Close`, `Leave` or an earlier `MoveDeadline`, and puts the reports into
//! the command.

use chrono::{DateTime, Utc};

use crate::{
    AccountCommand, AccountError, AccountEvent, AccountId, Actor, BookingCommand, BookingError, BookingEvent,
    BookingId, Cause, Displaced, Fact, Reason, Recorded, Refusal, RobotCommand, RobotError, RobotEvent,
    RobotId, RoomCommand, RoomError, RoomEvent, RoomId, RoomKind, SlotRequest, Unreported, WindowChange,
};

/// A command and whom it is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Routed {
    Robot(RobotId, RobotCommand),
    Booking(BookingId, BookingCommand),
    Room(RoomId, RoomCommand),
    Account(AccountId, AccountCommand),
}

/// An aggregate's refusal of a routed command.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Robot(#[from] RobotError),
    #[error(transparent)]
    Booking(#[from] BookingError),
    #[error(transparent)]
    Room(#[from] RoomError),
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl Refusal for Refused {
    fn reason(&self) -> Reason {
        match self {
            Self::Robot(error) => error.reason(),
            Self::Booking(error) => error.reason(),
            Self::Room(error) => error.reason(),
            Self::Account(error) => error.reason(),
        }
    }
}

/// The commands that follow from a recorded fact.
pub fn commands(recorded: &Recorded, now: DateTime<Utc>) -> Vec<Routed> {
    match &recorded.fact {
        Fact::Booking(event) => after_booking(recorded, event, now),
        Fact::Account(event) => after_account(event, now),
        Fact::Robot(event) => after_robot(event, now),
        Fact::Room(event) => after_room(event, now),
        Fact::Lab(_) => vec![],
    }
}

/// The commands that follow when `routed` was refused: the next candidate, or what takes earlier steps back.
pub fn on_refused(routed: &Routed, refused: &Refused, now: DateTime<Utc>) -> Vec<Routed> {
    match routed {
        Routed::Account(_, AccountCommand::ClaimWindow { request, .. }) => {
            vec![reject(request, refused.reason(), now)]
        }
        Routed::Robot(_, RobotCommand::ReserveSlot { request, .. }) => match next_candidate(request, now) {
            // Asked once more, a robot that gave the slot back: the booking was decided, and no other is to reserve it.
            Some(_) if *refused == Refused::Robot(RobotError::SlotReleased) => vec![],
            Some(next) => vec![next],
            None => vec![reject(request, refused.reason(), now)],
        },
        Routed::Booking(booking_id, BookingCommand::Confirm { robot_id, account_id, .. }) => {
            let slot = release_slot(*robot_id, *booking_id, now);
            // Confirmed with another robot, the booking still needs its window.
            match refused {
                Refused::Booking(BookingError::ConfirmedElsewhere) => vec![slot],
                _ => vec![slot, release_window(*account_id, *booking_id, now)],
            }
        }
        Routed::Booking(booking_id, BookingCommand::Reject { account_id, .. }) => {
            vec![release_window(*account_id, *booking_id, now)]
        }
        Routed::Account(_, AccountCommand::MoveWindow { change, .. })
        | Routed::Robot(_, RobotCommand::MoveSlot { change, .. })
            if change.is_extension() =>
        {
            vec![refuse_extension(change, refused.reason(), now)]
        }
        Routed::Booking(_, BookingCommand::Extend { change, .. }) => match refused {
            Refused::Booking(BookingError::WindowClosed) => {
                vec![refuse_extension(change, refused.reason(), now)]
            }
            _ => restore(change, now),
        },
        Routed::Booking(_, BookingCommand::RefuseExtension { change, .. }) => restore(change, now),
        _ => vec![],
    }
}

fn after_booking(recorded: &Recorded, event: &BookingEvent, now: DateTime<Utc>) -> Vec<Routed> {
    let Ok(booking_id) = recorded.aggregate_id.parse::<BookingId>() else { return vec![] };
    match event {
        BookingEvent::Requested { holder, candidates, window, buffer_s, .. } => {
            let request = SlotRequest {
                booking_id,
                account_id: *holder,
                window: *window,
                candidates: candidates.clone(),
                buffer_s: *buffer_s,
            };
            vec![Routed::Account(*holder, AccountCommand::ClaimWindow { request, now })]
        }
        BookingEvent::Rejected { holder, .. } => vec![release_window(*holder, booking_id, now)],
        BookingEvent::Cancelled { by, cause, reason_hash, holder, robot_id, room_id, is_running, at } => {
            if *is_running {
                return vec![close_room(*room_id, booking_id, *cause, (*by, reason_hash.clone()), *at, now)];
            }
            let slot = robot_id.map(|robot_id| release_slot(robot_id, booking_id, now));
            slot.into_iter().chain([release_window(*holder, booking_id, now)]).collect()
        }
        BookingEvent::GuestRemoved { account_id, room_id, is_running: true, at, .. } => {
            let leave = RoomCommand::Leave {
                account_id: *account_id,
                cause: Cause::Cancelled,
                terminated: vec![],
                unreported: Unreported::Await,
                due_at: *at,
                now,
            };
            vec![Routed::Room(*room_id, leave)]
        }
        BookingEvent::SessionStarted { .. } => open_room(event, now).into_iter().collect(),
        BookingEvent::ExtensionRequested { change, .. } => {
            vec![Routed::Account(
                change.account_id,
                AccountCommand::MoveWindow { change: change.clone(), now },
            )]
        }
        BookingEvent::ExtensionRefused { change, .. } => restore(change, now),
        BookingEvent::SessionExtended { change, is_running, .. } => {
            is_running.then(|| move_deadline(change, now)).into_iter().collect()
        }
        BookingEvent::SessionShortened { change, is_running, .. } => {
            let deadline = is_running.then(|| move_deadline(change, now));
            let slot = Routed::Robot(change.robot_id, RobotCommand::MoveSlot { change: change.clone(), now });
            let window = Routed::Account(
                change.account_id,
                AccountCommand::MoveWindow { change: change.clone(), now },
            );
            deadline.into_iter().chain([slot, window]).collect()
        }
        BookingEvent::SessionEnded { cause, holder, robot_id, room_id, has_started, due_at, .. } => {
            let room = has_started
                .then(|| close_room(*room_id, booking_id, *cause, (Actor::System, None), *due_at, now));
            let slot = release_slot(*robot_id, booking_id, now);
            room.into_iter().chain([slot, release_window(*holder, booking_id, now)]).collect()
        }
        BookingEvent::NoShow { holder, robot_id, room_id, at } => vec![
            close_room(*room_id, booking_id, Cause::Cancelled, (Actor::System, None), *at, now),
            release_slot(*robot_id, booking_id, now),
            release_window(*holder, booking_id, now),
        ],
        BookingEvent::Confirmed { .. }
        | BookingEvent::GuestInvited { .. }
        | BookingEvent::GuestRemoved { .. } => vec![],
    }
}

fn after_account(event: &AccountEvent, now: DateTime<Utc>) -> Vec<Routed> {
    match event {
        AccountEvent::WindowClaimed { request, .. } => next_candidate(request, now).into_iter().collect(),
        AccountEvent::WindowMoved { change, is_restored: false, .. } if change.is_extension() => {
            vec![Routed::Robot(change.robot_id, RobotCommand::MoveSlot { change: change.clone(), now })]
        }
        AccountEvent::Suspended { by, reason_hash, cancelled, .. } => {
            cancel_all(cancelled, *by, Cause::AccountSuspended, reason_hash, now)
        }
        _ => vec![],
    }
}

fn after_robot(event: &RobotEvent, now: DateTime<Utc>) -> Vec<Routed> {
    match event {
        RobotEvent::SlotReserved { robot_id, request, .. } => {
            let confirm =
                BookingCommand::Confirm { robot_id: *robot_id, account_id: request.account_id, now };
            vec![Routed::Booking(request.booking_id, confirm)]
        }
        RobotEvent::SlotMoved { change, displaced, is_restored: false, .. } => {
            let reason_hash = change.reason_hash.clone().unwrap_or_default();
            let mut routed = cancel_all(displaced, change.by, Cause::Cancelled, &reason_hash, now);
            if change.is_extension() {
                let extend = BookingCommand::Extend { change: change.clone(), now };
                routed.insert(0, Routed::Booking(change.booking_id, extend));
            }
            routed
        }
        RobotEvent::MaintenanceStarted { by, reason_hash, displaced, .. } => {
            cancel_all(displaced, Actor::Account(*by), Cause::Maintenance, reason_hash, now)
        }
        RobotEvent::Retired { by, reason_hash, displaced, .. } => {
            let reason_hash = reason_hash.as_deref().unwrap_or_default();
            cancel_all(displaced, Actor::Account(*by), Cause::RobotLost, reason_hash, now)
        }
        _ => vec![],
    }
}

fn after_room(event: &RoomEvent, now: DateTime<Utc>) -> Vec<Routed> {
    match event {
        RoomEvent::Closed { booking_id: Some(booking_id), cause, due_at, robot_missed, .. } => {
            let cause = match cause {
                Cause::WindowClosed if *robot_missed => Cause::RobotLost,
                other => *other,
            };
            let end = BookingCommand::EndSession { cause, due_at: *due_at, room_closed: true, now };
            vec![Routed::Booking(*booking_id, end)]
        }
        _ => vec![],
    }
}

fn open_room(started: &BookingEvent, now: DateTime<Utc>) -> Option<Routed> {
    let BookingEvent::SessionStarted {
        booking_id,
        room_id,
        robot_id,
        holder,
        window,
        change_no,
        viewer_limit,
        due_at,
        ..
    } = started
    else {
        return None;
    };
    let open = RoomCommand::Open {
        room_id: *room_id,
        kind: RoomKind::Booking,
        robot_id: *robot_id,
        booking_id: Some(*booking_id),
        holder: *holder,
        deadline: window.ends_at,
        change_no: *change_no,
        viewer_limit: *viewer_limit,
        reason_hash: None,
        due_at: *due_at,
        now,
    };
    Some(Routed::Room(*room_id, open))
}

fn close_room(
    room_id: RoomId,
    booking_id: BookingId,
    cause: Cause,
    (by, reason_hash): (Actor, Option<String>),
    due_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Routed {
    let close = RoomCommand::Close {
        booking_id: Some(booking_id),
        cause,
        by,
        reason_hash,
        terminated: vec![],
        unreported: Unreported::Await,
        due_at,
        now,
    };
    Routed::Room(room_id, close)
}

fn move_deadline(change: &WindowChange, now: DateTime<Utc>) -> Routed {
    let moved = RoomCommand::MoveDeadline {
        deadline: change.to.ends_at,
        change_no: change.change_no,
        by: change.by,
        reason_hash: change.reason_hash.clone(),
        now,
    };
    Routed::Room(change.room_id, moved)
}

/// Asks the first candidate, which is handed those after it.
fn next_candidate(request: &SlotRequest, now: DateTime<Utc>) -> Option<Routed> {
    let (first, rest) = request.candidates.split_first()?;
    let request = SlotRequest { candidates: rest.to_vec(), ..request.clone() };
    Some(Routed::Robot(*first, RobotCommand::ReserveSlot { request, now }))
}

fn reject(request: &SlotRequest, reason: Reason, now: DateTime<Utc>) -> Routed {
    let reject = BookingCommand::Reject { reason, account_id: request.account_id, now };
    Routed::Booking(request.booking_id, reject)
}

fn refuse_extension(change: &WindowChange, reason: Reason, now: DateTime<Utc>) -> Routed {
    let refuse = BookingCommand::RefuseExtension { change: change.clone(), reason, now };
    Routed::Booking(change.booking_id, refuse)
}

/// Takes an extension back that the booking did not carry out. The booking decides first: were window or slot given back
/// before, a repeated delivery could still extend it.
fn restore(change: &WindowChange, now: DateTime<Utc>) -> Vec<Routed> {
    vec![
        Routed::Robot(change.robot_id, RobotCommand::RestoreSlot { change: change.clone(), now }),
        Routed::Account(change.account_id, AccountCommand::RestoreWindow { change: change.clone(), now }),
    ]
}

fn release_slot(robot_id: RobotId, booking_id: BookingId, now: DateTime<Utc>) -> Routed {
    Routed::Robot(robot_id, RobotCommand::ReleaseSlot { booking_id, now })
}

fn release_window(account_id: AccountId, booking_id: BookingId, now: DateTime<Utc>) -> Routed {
    Routed::Account(account_id, AccountCommand::ReleaseWindow { booking_id, now })
}

fn cancel_all(
    displaced: &[Displaced],
    by: Actor,
    cause: Cause,
    reason_hash: &str,
    now: DateTime<Utc>,
) -> Vec<Routed> {
    let cancel = |gone: &Displaced| {
        let reason_hash = Some(reason_hash.to_owned());
        Routed::Booking(gone.booking_id, BookingCommand::Cancel { by, cause, reason_hash, now })
    };
    displaced.iter().map(cancel).collect()
}
