//! Carries out what falls due, and what the media plane reports.

use std::sync::Arc;
use std::time::Duration;

use curfew_domain::{Actor, BookingCommand, BookingId, Cause, LabCommand, RobotCommand, RobotId, RoomId};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::account::{LabSide, TheLab};
use super::booking::BookingSide;
use super::deadlines::{Due, Fired};
use super::ending;
use super::live::{End, Phase};
use super::robot::RobotSide;
use super::robot_messages::RoomsChanged;
use super::room::RoomSide;
use super::shell::Shell;
use crate::media::{ClosedWhy, MediaEvent, PeerKind, PeerReport};
use crate::protocol::{ServerMessage, SessionWarning};

/// Between two looks at what is idle.
const SWEEP: Duration = Duration::from_secs(10);

/// Between two tries of what cannot be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits for deadlines until the server stops.
pub(crate) async fn deadlines(shell: Arc<Shell>) {
    shell.deadlines.arm_boot(Due::Sweep, shell.clock.boot().saturating_add(SWEEP));
    loop {
        tokio::select! {
            biased;
            () = shell.stopped() => return,
            fired = shell.deadlines.next() => fire(&shell, fired),
        }
    }
}

/// Ends of rooms come first in `fired`, and all of them are announced before anything else is begun.
pub(crate) fn fire(shell: &Arc<Shell>, fired: Vec<Fired>) {
    let (mut cut, mut rest) = (Vec::new(), Vec::new());
    for fired in fired {
        match fired {
            Fired::Due(Due::RoomEnds(room)) => cut.extend(ending::cut_at_deadline(shell, room)),
            other => rest.push(other),
        }
    }
    if let Some(first) = cut.first() {
        let late_us = (shell.now_in(first.room()) - first.due_at()).num_microseconds();
        tracing::debug!(rooms = cut.len(), late_us, "sessions ended");
    }
    for cut in cut {
        shell.spawn(ending::finish(Arc::clone(shell), cut));
    }
    for fired in rest {
        match fired {
            Fired::Stepped { from, to } => stepped(shell, LabCommand::RecordClockStepped { from, to }),
            Fired::Due(due) => carry_out(shell, due),
        }
    }
}

fn carry_out(shell: &Arc<Shell>, due: Due) {
    match due {
        Due::RoomEnds(_) => {}
        Due::BookingStarts(id) => shell.spawn(start(Arc::clone(shell), id)),
        Due::BookingEnds(id) => shell.spawn(end_unopened(Arc::clone(shell), id)),
        Due::RobotAhead(robot, _) => rooms_changed(shell, robot, None),
        Due::RoomWarning(room, seconds_left) => warn(shell, room, seconds_left),
        Due::RobotLost(id) => robot_lost(shell, id),
        Due::NoShow(id) => shell.spawn(no_show(Arc::clone(shell), id)),
        Due::Sweep => sweep(shell),
    }
}

/// The window of a booking begins. Where that can be recorded only after its end, it has passed without a session.
pub(super) async fn start(shell: Arc<Shell>, id: BookingId) {
    let command = || BookingCommand::StartSession { now: shell.clock.wall() };
    let started = shell.insist_on::<BookingSide>(id, command, Shell::metadata(Actor::System)).await;
    if let Some(Err(refused)) = started {
        tracing::info!(%id, %refused, "a session was not started");
    }
}

async fn insisted(shell: &Arc<Shell>, id: BookingId, command: BookingCommand) {
    let metadata = Shell::metadata(Actor::System);
    if let Some(Err(refused)) = shell.insist::<BookingSide>(id, command, metadata).await {
        tracing::info!(%id, %refused, "a due step of a booking was refused");
    }
}

/// The window of a booking whose room never opened is over.
async fn end_unopened(shell: Arc<Shell>, id: BookingId) {
    let booking = loop {
        match shell.state::<BookingSide>(id).await {
            Ok(booking) => break booking,
            Err(refused) => {
                tracing::warn!(%refused, %id, "a booking whose window is over cannot be read yet")
            }
        }
        if shell.pause(AGAIN).await {
            return;
        }
    };
    let Some(state) = booking.state().filter(|state| !state.phase.is_over()) else { return };
    if shell.rooms.get(state.room_id).is_some_and(|room| room.phase() != Phase::Waiting) {
        return;
    }
    if state.is_active() && shell.state::<RoomSide>(state.room_id).await.is_ok_and(|room| room.is_closed()) {
        // What its room says of the end is on its way to it.
        return;
    }
    let (due_at, now) = (state.window.ends_at, shell.clock.wall());
    let command = BookingCommand::EndSession { cause: Cause::WindowClosed, due_at, room_closed: false, now };
    insisted(&shell, id, command).await;
}

/// The grace of a session's robot is over.
fn robot_lost(shell: &Arc<Shell>, id: BookingId) {
    let Some(live) = shell.rooms.of_booking(id) else { return };
    let end = End { cause: Cause::RobotLost, at: shell.now_in(live.id), reason: None };
    if let Some(cut) = ending::cut_without_robot(&live, end) {
        shell.spawn(ending::finish(Arc::clone(shell), cut));
    }
}

/// The time in which a session's holder was to come is over.
pub(super) async fn no_show(shell: Arc<Shell>, id: BookingId) {
    let Some(live) = shell.rooms.of_booking(id) else { return };
    let holder = live.place().holder;
    // Until the session is cut, the holder is not being let in.
    let turn = shell.peers.turn(holder, live.id).await;
    let came = loop {
        match shell.state::<RoomSide>(live.id).await {
            Ok(room) => break room.holder_came(),
            Err(refused) => tracing::warn!(%refused, %id, "whether the holder came cannot be read yet"),
        }
        if shell.pause(AGAIN).await {
            return;
        }
    };
    if came || live.has(holder) {
        return;
    }
    let now = shell.now_in(live.id);
    let end = End { cause: Cause::Cancelled, at: now, reason: None };
    let Some(cut) = ending::cut(&shell, live.id, end, Actor::System, None) else { return };
    drop(turn);
    let recording = insisted(&shell, id, BookingCommand::RecordNoShow { now });
    ending::finish_after(&shell, cut, recording).await;
}

fn warn(shell: &Arc<Shell>, room: RoomId, seconds_left: u32) {
    let Some(live) = shell.rooms.get(room) else { return };
    let warning = ServerMessage::SessionWarning(SessionWarning { room_id: room.to_string(), seconds_left });
    live.tell(&warning, None);
    shell.media.session_message(room, warning.to_text().into());
}

fn stepped(shell: &Arc<Shell>, command: LabCommand) {
    tracing::warn!(?command, "the wall clock stepped");
    let shell = Arc::clone(shell);
    shell.clone().spawn(async move {
        shell.insist::<LabSide>(TheLab, command, Shell::metadata(Actor::System)).await;
    });
}

fn sweep(shell: &Arc<Shell>) {
    let now = shell.clock.boot();
    shell.registry.passivate(shell);
    shell.spawn(super::folded::flush(Arc::clone(shell), false));
    shell.deadlines.arm_boot(Due::Sweep, now.saturating_add(SWEEP));
}

/// Lets a robot's actor look at its rooms again.
pub(crate) fn rooms_changed(shell: &Arc<Shell>, robot: RobotId, ended: Option<Cause>) {
    let shell = Arc::clone(shell);
    shell.clone().spawn(async move {
        // Fails only when the actors are gone.
        let _ = shell.robot(robot).ask(RoomsChanged { ended }).await;
    });
}

/// Beats every second, so that a crash is known to within one.
pub(crate) async fn heartbeat(shell: Arc<Shell>) {
    loop {
        if let Err(error) = shell.log.beat(shell.clock.wall()).await {
            tracing::warn!(%error, "the heartbeat was not stored");
        }
        if shell.pause(Duration::from_secs(1)).await {
            return;
        }
    }
}

/// Follows the media plane. Facts of one peer reach its actor in order, and no slow actor holds up the others.
pub(crate) async fn media(shell: Arc<Shell>, mut events: mpsc::Receiver<MediaEvent>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => under_way.push(reported(Arc::clone(&shell), event)),
                None => break,
            },
            Some(()) = under_way.next() => {}
        }
    }
    while under_way.next().await.is_some() {}
}

async fn reported(shell: Arc<Shell>, event: MediaEvent) {
    let now = shell.clock.wall();
    match event {
        MediaEvent::Connected { peer, kind: PeerKind::Publisher { robot }, .. } => {
            // Recorded first, this would be taken for the end of the connection before, whose own end says why and what it sent.
            let _turn = shell.peers.publishing(robot).await;
            // One that was ended meanwhile is not begun after its end.
            if shell.peers.owner(peer).is_none() {
                return;
            }
            let command = RobotCommand::StartPublishing { peer_id: peer, now };
            let metadata = Shell::metadata(Actor::Robot(robot));
            if let Some(Err(refused)) = shell.insist::<RobotSide>(robot, command, metadata).await {
                tracing::warn!(%robot, %refused, "that a robot publishes was not recorded");
            }
        }
        // A viewer's peer is opened in the log before it is answered.
        MediaEvent::Connected { kind: PeerKind::Viewer { .. }, .. } | MediaEvent::FirstMedia { .. } => {}
        MediaEvent::Closed { report, why } => closed(&shell, &report, why).await,
    }
}

async fn closed(shell: &Arc<Shell>, report: &PeerReport, why: ClosedWhy) {
    match report.kind {
        PeerKind::Publisher { robot } => {
            let _turn = shell.peers.publishing(robot).await;
            if why == ClosedWhy::Deadline {
                shell.pause(ending::RECORD_AFTER).await;
            }
            let (cause, due_at) = match why {
                ClosedWhy::Deadline => (Cause::WindowClosed, shell.clock.wall_at(report.deadline)),
                ClosedWhy::Replaced => (Cause::Replaced, shell.clock.wall()),
                ClosedWhy::Remote | ClosedWhy::Timeout | ClosedWhy::Failed => {
                    (Cause::RobotLost, shell.clock.wall())
                }
            };
            shell.record_publisher_end(robot, report, cause, due_at).await;
        }
        PeerKind::Viewer { room, .. } => ending::peer_closed(shell, room, report, why).await,
    }
}
