//! How a session ends: everybody is told and every peer is cut first, and what was done is recorded then, however long
//! the disk takes.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew_domain::room::Unreported;
use curfew_domain::{AccountId, Actor, Cause, PeerId, RobotId, RoomCommand, RoomId, TerminatedPeer};

use super::deadlines::Due;
use super::dispatch::rooms_changed;
use super::live::{End, LiveRoom, Place};
use super::peers::Owner;
use super::room::RoomSide;
use super::shell::Shell;
use crate::media::{ClosedWhy, PeerReport};
use crate::protocol::ServerMessage;

/// How long after a window's end its recording begins: windows tend to end together, and the bookkeeping of some must not keep
/// others from hearing of theirs.
pub(super) const RECORD_AFTER: Duration = Duration::from_millis(25);

/// A room that was cut and whose end is to be recorded.
pub(crate) struct Cut {
    room: RoomId,
    place: Place,
    end: End,
    by: Actor,
    reason_hash: Option<String>,
    message: ServerMessage,
}

impl Cut {
    pub(crate) const fn room(&self) -> RoomId {
        self.room
    }

    pub(crate) const fn due_at(&self) -> DateTime<Utc> {
        self.end.at
    }
}

/// Cuts a room whose deadline fired; the end is the instant that was due, not that of the look at the clock.
pub(crate) fn cut_at_deadline(shell: &Arc<Shell>, room: RoomId) -> Option<Cut> {
    let live = shell.rooms.get(room)?;
    let deadline = live.deadline()?;
    if deadline > shell.clock.boot() {
        // It was moved while this was on its way.
        live.settle(|deadline| shell.deadlines.arm_boot(Due::RoomEnds(room), deadline));
        return None;
    }
    let end = End { cause: Cause::WindowClosed, at: live.place().window.ends_at, reason: None };
    cut(shell, room, end, Actor::System, None)
}

/// Tells everybody at once that the session is over, and lets nobody in from here on. `None` when there is no live room, or
/// another end came first and is being recorded.
pub(crate) fn cut(
    shell: &Arc<Shell>,
    room: RoomId,
    end: End,
    by: Actor,
    reason_hash: Option<String>,
) -> Option<Cut> {
    let live = shell.rooms.get(room)?;
    let message = live.cut(&end)?;
    Some(Cut { room, place: live.place(), end, by, reason_hash, message })
}

/// As [`cut`], of a session whose robot has never been there.
pub(crate) fn cut_without_robot(live: &LiveRoom, end: End) -> Option<Cut> {
    let message = live.cut_without_robot(&end)?;
    Some(Cut { room: live.id, place: live.place(), end, by: Actor::System, reason_hash: None, message })
}

/// Closes the peers of a room that was cut, then records it all. Returns once it is durable, or the server stops.
pub(crate) async fn finish(shell: Arc<Shell>, cut: Cut) {
    finish_after(&shell, cut, std::future::ready(())).await;
}

/// As [`finish`]; what `first` records stands in the log before the room's end.
pub(crate) async fn finish_after<T>(shell: &Arc<Shell>, cut: Cut, first: impl Future<Output = T>) -> T {
    let (reports, recorded) = tokio::join!(part(shell, &cut), first);
    record(shell, cut, reports).await;
    recorded
}

/// What the end of a room takes away, which waits for no disk: its peers, and the robot's duty to publish for it.
async fn part(shell: &Arc<Shell>, cut: &Cut) -> Vec<PeerReport> {
    let reports = shell.media.close_room(cut.room, Some(cut.message.to_text().into())).await;
    if cut.end.cause == Cause::WindowClosed {
        // First everybody's notice and every peer's last packet.
        shell.pause(RECORD_AFTER).await;
    }
    rooms_changed(shell, cut.place.robot, Some(cut.end.cause));
    if cut.place.booking.is_none() {
        super::room::tell_watch(shell, &cut.place, ServerMessage::UserLeft);
    }
    for report in &reports {
        shell.peers.remove(report.peer);
    }
    reports
}

async fn record(shell: &Arc<Shell>, cut: Cut, mut reports: Vec<PeerReport>) {
    let Cut { room, place, end, by, reason_hash, .. } = cut;
    if let Some(live) = shell.rooms.get(room) {
        // However long that takes: without it, the end would say that the robot never came.
        super::room::record_robot(Arc::clone(&live), Arc::clone(shell)).await;
        reports.extend(live.take_reports());
    }
    let command = RoomCommand::Close {
        booking_id: place.booking,
        cause: end.cause,
        by,
        reason_hash,
        terminated: reports.iter().map(|report| shell.terminated(report)).collect(),
        // Those that ended by their own timer report through the media plane's events.
        unreported: Unreported::Await,
        due_at: end.at,
        now: shell.now_in(room),
    };
    match shell.insist::<RoomSide>(room, command, Shell::metadata(by)).await {
        Some(Ok(_)) => tracing::info!(%room, cause = %end.cause, "the end of a session is recorded"),
        Some(Err(refused)) => tracing::error!(%room, %refused, "the end of a room was refused"),
        // The server stops: its next start records what is due.
        None => {}
    }
    super::room::disarm(room, shell);
    shell.rooms.remove(room);
}

/// As [`finish`], for several rooms at once.
pub(crate) async fn finish_all(shell: &Arc<Shell>, cuts: Vec<Cut>) {
    futures_util::future::join_all(cuts.into_iter().map(|cut| finish(Arc::clone(shell), cut))).await;
}

/// Ends a room, live or not; returns once that is durable.
pub(crate) async fn end(shell: &Arc<Shell>, room: RoomId, end: End, by: Actor, reason_hash: Option<String>) {
    if let Some(cut) = cut(shell, room, end, by, reason_hash) {
        finish(Arc::clone(shell), cut).await;
    }
}

/// Cuts all watches of a robot.
pub(crate) fn cut_watches(shell: &Arc<Shell>, robot: RobotId, by: Actor) -> Vec<Cut> {
    let end = |room| End { cause: Cause::RobotLost, at: shell.now_in(room), reason: None };
    let watches = shell.rooms.of_robot(robot).into_iter().filter(|room| room.place().booking.is_none());
    watches.filter_map(|room| cut(shell, room.id, end(room.id), by, None)).collect()
}

/// Ends the session for one account, everybody else stays.
pub(crate) async fn end_for(shell: &Arc<Shell>, room: RoomId, account: AccountId, end: End) {
    let mut terminated = send_away(shell, room, account, &end).await;
    // Whoever was being let in or answered just now is so no longer, and goes as well.
    let _turn = shell.peers.turn(account, room).await;
    terminated.extend(send_away(shell, room, account, &end).await);
    let command = RoomCommand::Leave {
        account_id: account,
        cause: end.cause,
        terminated,
        unreported: Unreported::Await,
        due_at: end.at,
        now: shell.now_in(room),
    };
    shell.insist::<RoomSide>(room, command, Shell::metadata(Actor::System)).await;
}

/// Cuts what one account has in a room at this moment.
async fn send_away(shell: &Shell, room: RoomId, account: AccountId, end: &End) -> Vec<TerminatedPeer> {
    let Some(live) = shell.rooms.get(room) else { return vec![] };
    let (message, gone, peers) = live.cut_account(account, end);
    shell.rooms.forget(&gone);
    let closing: Arc<str> = message.to_text().into();
    let mut terminated = Vec::new();
    for peer in peers {
        shell.peers.remove(peer);
        live.remove_peer(peer);
        let report = shell.media.close_peer(peer, Some(Arc::clone(&closing))).await;
        terminated.extend(report.as_ref().map(|report| shell.terminated(report)));
    }
    terminated
}

/// Records that somebody left of their own accord.
async fn left(shell: &Arc<Shell>, room: RoomId, account: AccountId) {
    let now = shell.now_in(room);
    let command = RoomCommand::Leave {
        account_id: account,
        cause: Cause::ParticipantLeft,
        terminated: vec![],
        unreported: Unreported::Await,
        due_at: now,
        now,
    };
    shell.insist::<RoomSide>(room, command, Shell::metadata(Actor::Account(account))).await;
}

/// Closes one peer and records why.
pub(crate) async fn end_peer(shell: &Arc<Shell>, room: RoomId, peer: PeerId, cause: Cause) {
    if let Some(report) = shell.media.close_peer(peer, None).await {
        record_peer(shell, room, &report, cause, shell.now_in(room)).await;
    }
}

/// A peer ended by itself.
pub(crate) async fn peer_closed(shell: &Arc<Shell>, room: RoomId, report: &PeerReport, why: ClosedWhy) {
    let at_deadline = why == ClosedWhy::Deadline;
    if shell.rooms.get(room).is_some_and(|live| at_deadline && live.report(report)) {
        shell.peers.remove(report.peer);
        return;
    }
    let now = shell.now_in(room);
    let (cause, due_at) = match why {
        ClosedWhy::Deadline => (Cause::WindowClosed, shell.at_in(room, report.deadline)),
        ClosedWhy::Replaced => (Cause::Replaced, now),
        ClosedWhy::Remote | ClosedWhy::Timeout | ClosedWhy::Failed => (Cause::ParticipantLeft, now),
    };
    let owner = shell.peers.owner(report.peer);
    record_peer(shell, room, report, cause, due_at).await;
    if let Some(Owner::Viewer { account, .. }) = owner.filter(|_| cause == Cause::ParticipantLeft) {
        leave_if_gone(shell, room, account).await;
    }
}

/// Whoever has neither a connection nor a peer in a room any more has left it.
pub(crate) async fn leave_if_gone(shell: &Arc<Shell>, room: RoomId, account: AccountId) {
    // Not while they are being let in or answered.
    let _turn = shell.peers.turn(account, room).await;
    if shell.rooms.get(room).is_some_and(|live| live.deadline().is_some() && !live.has(account)) {
        left(shell, room, account).await;
    }
}

async fn record_peer(
    shell: &Arc<Shell>,
    room: RoomId,
    report: &PeerReport,
    cause: Cause,
    due_at: DateTime<Utc>,
) {
    shell.peers.remove(report.peer);
    if let Some(live) = shell.rooms.get(room) {
        live.remove_peer(report.peer);
    }
    let report = shell.terminated(report);
    let command = RoomCommand::RecordPeerTerminated { report, cause, due_at, now: shell.now_in(room) };
    if let Some(Err(refused)) = shell.insist::<RoomSide>(room, command, Shell::metadata(Actor::System)).await
    {
        tracing::warn!(%room, %refused, "the end of a peer was refused");
    }
}
