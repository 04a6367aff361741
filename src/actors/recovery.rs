//! What a start finds, and puts right before any transport accepts a connection.
//!
//! Media died with the process before this one. Windows that passed meanwhile are closed first and told truly, those still
//! open go on, those ahead are armed.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew_domain::booking::Ending;
use curfew_domain::room::Unreported;
use curfew_domain::{
    Actor, BookingCommand, BookingId, Cause, LabCommand, Phase, RobotCommand, RobotId, RoomCommand, RoomId,
    StoppedBetween, TerminatedPeer,
};
use curfew_projections::{BookingRow, RobotRow, SessionRow};

use super::account::{LabSide, TheLab};
use super::booking::{self, BookingSide};
use super::lab::Lab;
use super::live_rooms::ToldStop;
use super::refusal::Answer;
use super::robot::RobotSide;
use super::room::{self, RoomSide};
use super::shell::Shell;
use super::workflows::Runner;

/// A wall clock this far behind the log is not believed.
const BELIEVED: chrono::TimeDelta = chrono::TimeDelta::seconds(1);

const PAGE: usize = 500;

impl Lab {
    /// Brings the lab to where the log says it is. To be called once, before any transport accepts. A wall clock that is
    /// behind the log keeps all sessions waiting until it has caught up, unless the configuration confirms it.
    pub async fn recover(&self) -> Answer<()> {
        let shell = &self.shell;
        let lab = shell.state::<LabSide>(TheLab).await?;
        shell.set_rules(lab.rules().clone());
        let now = shell.clock.wall();
        let behind = shell.log.last_recorded_at().filter(|last| *last - now > BELIEVED);
        if let Some(last) = behind.filter(|_| !shell.config.confirm_clock) {
            tracing::error!(
                %now,
                %last,
                "the wall clock is behind the log: no session runs until this machine's clock is set right; if the log is what was \
                 wrong, start once with `sessions.confirm_clock = true`"
            );
            shell.doubt_clock(true);
            let shell = Arc::clone(shell);
            shell.clone().spawn(async move {
                while shell.clock.wall() < last {
                    if shell.pause(Duration::from_secs(1)).await {
                        return;
                    }
                }
                tracing::warn!("the wall clock has caught up with the log: sessions run");
                // The start is one fact, however often what follows has to be tried.
                if let Some(begun) = until_done(&shell, || begin(&shell)).await {
                    until_done(&shell, || resume(&shell, begun)).await;
                }
            });
            return Ok(());
        }
        let begun = begin(shell).await?;
        resume(shell, begun).await
    }
}

/// Tries until it is done; `None` when the server stops.
async fn until_done<T, F>(shell: &Arc<Shell>, mut what: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Answer<T>>,
{
    loop {
        match what().await {
            Ok(done) => return Some(done),
            Err(refused) => tracing::error!(%refused, "the sessions could not be resumed yet"),
        }
        if shell.pause(Duration::from_secs(1)).await {
            return None;
        }
    }
}

/// When this server began, and when the one before it stopped, if there was one.
#[derive(Clone, Copy)]
struct Begun {
    stopped: Option<StoppedBetween>,
    now: DateTime<Utc>,
}

async fn begin(shell: &Arc<Shell>) -> Answer<Begun> {
    let was_running = shell.state::<LabSide>(TheLab).await?.started_at().is_some();
    let now = shell.clock.wall();
    let stopped = match shell.log.last_heartbeat().await? {
        Some(from) if was_running => Some(StoppedBetween { from: from.min(now), to: now }),
        _ => None,
    };
    let version = shell.config.version.clone();
    let started = LabCommand::RecordServerStarted { version, stopped_between: stopped, now };
    shell.carry::<LabSide>(TheLab, started, Shell::metadata(Actor::System)).await?;
    Ok(Begun { stopped, now })
}

/// May be tried again after it failed: what is done by then, and who came meanwhile, is left as it is.
async fn resume(shell: &Arc<Shell>, Begun { stopped, now }: Begun) -> Answer<()> {
    // Everything below is read from the tables, which must hold all of the log.
    let head = *shell.log.head().borrow();
    shell.projector.caught_up(head).await?;
    for robot in shell.reads.fleet().await? {
        robot_stopped(shell, &robot, stopped, now).await?;
        if let Some(stop) = &robot.emergency_stop {
            let why = shell.reasons.get(&stop.reason_hash).await?;
            shell.rooms.set_stop(robot.robot_id, Some(ToldStop::because(why.unwrap_or_default())));
        }
    }
    let bookings = live_bookings(shell).await?;
    for row in bookings.iter().filter(|row| row.window.has_ended(now)) {
        close_passed(shell, row.booking_id, stopped).await?;
    }
    for row in shell.reads.sessions_unsettled().await? {
        if shell.rooms.get(row.room_id).is_some_and(|live| live.deadline().is_some()) {
            continue;
        }
        let end = end_of(shell, &row, now).await?;
        peers_stopped(shell, row.room_id, stopped, end.as_ref()).await?;
        if let Some(end) = end.filter(|_| row.closed_at.is_none()) {
            close_room(shell, row.room_id, row.booking_id, end).await?;
        }
    }
    // What the workflows had not come to, ends above all.
    Runner::new(Arc::clone(shell)).await?.catch_up().await;
    for row in bookings.iter().filter(|row| !row.window.has_ended(now)) {
        resume_booking(shell, row.booking_id).await?;
    }
    for row in shell.reads.sessions_unsettled().await? {
        resume_room(shell, row.room_id).await?;
    }
    shell.doubt_clock(false);
    shell.start_loops();
    Ok(())
}

async fn live_bookings(shell: &Arc<Shell>) -> Answer<Vec<BookingRow>> {
    let mut all = Vec::new();
    loop {
        let page =
            shell.reads.bookings_live(None, all.last().map(|row: &BookingRow| row.booking_id), PAGE).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn robot_stopped(
    shell: &Arc<Shell>,
    row: &RobotRow,
    stopped: Option<StoppedBetween>,
    now: DateTime<Utc>,
) -> Answer<()> {
    let robot: RobotId = row.robot_id;
    if let Some(peer) = row.publishing.filter(|peer| shell.peers.owner(*peer).is_none()) {
        let report = TerminatedPeer { stopped_between: stopped, ..TerminatedPeer::silent(peer) };
        let due_at = stopped.map_or(now, |between| between.to);
        let command = RobotCommand::EndPublishing { report, cause: Cause::ServerStopped, due_at, now };
        shell.carry::<RobotSide>(robot, command, Shell::metadata(Actor::System)).await?;
    }
    if let Some(connection_id) = row.connection_id.filter(|_| !shell.rooms.is_online(robot)) {
        let command = RobotCommand::Disconnect { connection_id, cause: Cause::ServerStopped, now };
        shell.carry::<RobotSide>(robot, command, Shell::metadata(Actor::System)).await?;
    }
    Ok(())
}

/// The end of a room, recorded or to be recorded now: an end that was cut before the process died, or else its deadline, where
/// that has come.
async fn end_of(shell: &Arc<Shell>, row: &SessionRow, now: DateTime<Utc>) -> Answer<Option<Ending>> {
    if let (Some(due_at), Some(cause), Some(by)) = (row.closed_at, row.cause, row.closed_by) {
        return Ok(Some(Ending { cause, due_at, by, reason_hash: row.reason_hash.clone() }));
    }
    let ending = match row.booking_id {
        Some(id) => shell.state::<BookingSide>(id).await?.state().and_then(|state| state.ending.clone()),
        None => None,
    };
    Ok(ending.or_else(|| (row.deadline <= now).then(|| closed_by_its_window(row.deadline))))
}

const fn closed_by_its_window(due_at: DateTime<Utc>) -> Ending {
    Ending { cause: Cause::WindowClosed, due_at, by: Actor::System, reason_hash: None }
}

/// Closes what passed while nobody was there: peers ended with the process, the session with its window or when it was cut.
async fn close_passed(shell: &Arc<Shell>, id: BookingId, stopped: Option<StoppedBetween>) -> Answer<()> {
    let booking = shell.state::<BookingSide>(id).await?;
    let Some(state) = booking.state() else { return Ok(()) };
    let (due_at, now) = (state.window.ends_at, shell.clock.wall());
    match state.phase {
        Phase::Active => {
            let end = state.ending.clone().unwrap_or_else(|| closed_by_its_window(due_at));
            peers_stopped(shell, state.room_id, stopped, Some(&end)).await?;
            close_room(shell, state.room_id, Some(id), end).await
        }
        Phase::Confirmed => {
            let command =
                BookingCommand::EndSession { cause: Cause::WindowClosed, due_at, room_closed: false, now };
            shell.carry::<BookingSide>(id, command, Shell::metadata(Actor::System)).await.map(drop)
        }
        _ => Ok(()),
    }
}

async fn close_room(
    shell: &Arc<Shell>,
    room: RoomId,
    booking_id: Option<BookingId>,
    end: Ending,
) -> Answer<()> {
    let Ending { cause, due_at, by, reason_hash } = end;
    let command = RoomCommand::Close {
        booking_id,
        cause,
        by,
        reason_hash,
        terminated: vec![],
        unreported: Unreported::Await,
        due_at,
        now: shell.clock.wall(),
    };
    shell.carry::<RoomSide>(room, command, Shell::metadata(Actor::System)).await.map(drop)
}

/// The peers of a process that died, and with them everybody in the room: whoever is still there joins again.
async fn peers_stopped(
    shell: &Arc<Shell>,
    id: RoomId,
    stopped: Option<StoppedBetween>,
    end: Option<&Ending>,
) -> Answer<()> {
    let room = shell.state::<RoomSide>(id).await?;
    let now = shell.clock.wall();
    let stopped_at = stopped.map_or(now, |between| between.to);
    let due_at =
        [room.deadline(), end.map(|end| end.due_at)].into_iter().flatten().fold(stopped_at, DateTime::min);
    // Of a room that was closed, only the reports of its peers were still to come.
    let cause = end.map(|end| end.cause).filter(|_| room.is_closed()).unwrap_or(Cause::ServerStopped);
    let mut accounts: Vec<_> = room.participants().map(|(account, _)| account).collect();
    accounts.extend(room.peers().filter_map(|(_, peer)| peer.who.account()));
    accounts.sort();
    accounts.dedup();
    for account_id in accounts {
        let command = RoomCommand::Leave {
            account_id,
            cause,
            terminated: vec![],
            unreported: Unreported::Record { lateness_us: 0, stopped_between: stopped },
            due_at,
            now,
        };
        shell.carry::<RoomSide>(id, command, Shell::metadata(Actor::System)).await?;
    }
    Ok(())
}

async fn resume_booking(shell: &Arc<Shell>, id: BookingId) -> Answer<()> {
    let booking = shell.state::<BookingSide>(id).await?;
    let Some(state) = booking.state() else { return Ok(()) };
    booking::arm(&booking, shell);
    match state.ending.clone() {
        Some(end) if state.is_active() => close_room(shell, state.room_id, Some(id), end).await,
        _ => Ok(()),
    }
}

/// A room whose window is still open goes on.
async fn resume_room(shell: &Arc<Shell>, id: RoomId) -> Answer<()> {
    let state = shell.state::<RoomSide>(id).await?;
    if state.is_open() && shell.rooms.get(id).is_none_or(|live| live.deadline().is_none()) {
        let opened_at = shell.reads.session(id).await?.map(|row| row.opened_at);
        room::open(&state, opened_at.unwrap_or_else(|| shell.clock.wall()), shell);
    }
    Ok(())
}
