//! The booking's actor: arms the instants of its window and says when it is decided.

use std::sync::Arc;

use curfew_domain::booking::BookingEvent;
use curfew_domain::{Booking, BookingId, Cause, Phase as BookingPhase, WindowChange};

use super::deadlines::Due;
use super::decisions::Awaited;
use super::dispatch::rooms_changed;
use super::entity::Decided;
use super::keeper::Kind;
use super::live::{End, Phase};
use super::registry::{Registry, Shelf};
use super::robot::AHEAD;
use super::room::tell_end;
use super::shell::Shell;

pub(crate) struct BookingSide {
    id: BookingId,
}

impl Kind for BookingSide {
    type Aggregate = Booking;
    type Id = BookingId;

    fn new(id: BookingId, _: &Arc<Shell>) -> Self {
        Self { id }
    }

    fn shelf(registry: &Registry) -> &Shelf<Self> {
        &registry.bookings
    }

    fn published(&mut self, state: &Booking, decided: &Decided<Booking>, shell: &Arc<Shell>) {
        let Some(booking) = state.state() else { return };
        for event in &decided.events {
            match event {
                BookingEvent::Confirmed { .. } => arm(state, shell),
                BookingEvent::SessionStarted { .. } => {
                    shell.deadlines.disarm(Due::BookingStarts(self.id));
                }
                BookingEvent::SessionExtended { change, is_running, .. }
                | BookingEvent::SessionShortened { change, is_running, .. } => {
                    shell.deadlines.arm_wall(Due::BookingEnds(self.id), booking.window.ends_at);
                    if !is_running {
                        reschedule(change, shell);
                        shell.decisions.came(self.id, Awaited::Change);
                    }
                }
                BookingEvent::ExtensionRefused { .. } => {
                    shell.decisions.came(self.id, Awaited::Change);
                }
                _ => {}
            }
        }
        if booking.phase != BookingPhase::Requested {
            shell.decisions.came(self.id, Awaited::Decision);
        }
        if booking.phase.is_over() {
            shell.decisions.came(self.id, Awaited::Opening);
            shell.decisions.came(self.id, Awaited::Change);
            shell.decisions.came(self.id, Awaited::End);
            disarm(state, shell);
            send_the_waiting_home(state, shell);
        }
    }
}

/// Arms what a confirmed booking's window asks for; all of it follows the wall clock until the session starts.
pub(crate) fn arm(booking: &Booking, shell: &Arc<Shell>) {
    let Some(state) = booking.state() else { return };
    let Some(robot) = state.robot_id else { return };
    let id = state.booking_id;
    if state.phase == BookingPhase::Confirmed {
        shell.deadlines.arm_wall(Due::BookingStarts(id), state.window.starts_at);
        shell.deadlines.arm_wall(Due::RobotAhead(robot, id), state.window.starts_at - AHEAD);
    }
    if !state.phase.is_over() {
        shell.deadlines.arm_wall(Due::BookingEnds(id), state.window.ends_at);
    }
}

/// Those who wait for a window to begin are told of its new end.
fn reschedule(change: &WindowChange, shell: &Shell) {
    let ends_at = change.to.ends_at;
    if let Some(live) = shell.rooms.get(change.room_id).filter(|live| live.reschedule(ends_at)) {
        tell_end(&live, change.by, live.explanation(ends_at).as_deref());
    }
}

fn disarm(booking: &Booking, shell: &Arc<Shell>) {
    let Some(state) = booking.state() else { return };
    let id = state.booking_id;
    for due in [Due::BookingStarts(id), Due::BookingEnds(id), Due::RobotLost(id), Due::NoShow(id)] {
        shell.deadlines.disarm(due);
    }
    if let Some(robot) = state.robot_id {
        shell.deadlines.disarm(Due::RobotAhead(robot, id));
    }
}

/// Those who wait for a window that will not open are told so.
fn send_the_waiting_home(booking: &Booking, shell: &Arc<Shell>) {
    let Some(state) = booking.state() else { return };
    let Some(room) = shell.rooms.get(state.room_id).filter(|room| room.phase() == Phase::Waiting) else {
        return;
    };
    let end = End { cause: state.cause.unwrap_or(Cause::Cancelled), at: shell.clock.wall(), reason: None };
    room.cut(&end);
    shell.rooms.remove(state.room_id);
    rooms_changed(shell, room.place().robot, Some(end.cause));
}
