//! The room's actor: opens the live room when its opening is durable, moves its end, and lets it go when it has closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew_domain::room::RoomEvent;
use curfew_domain::{Actor, Basis, BookingId, Room, RoomCommand, RoomId, Window};

use super::deadlines::Due;
use super::decisions::Awaited;
use super::dispatch::rooms_changed;
use super::entity::Decided;
use super::keeper::Kind;
use super::live::{LiveRoom, Place, Sitter, send};
use super::registry::{Registry, Shelf};
use super::shell::Shell;
use crate::clock::BootInstant;
use crate::protocol::{ServerMessage, SessionChanged, SessionStarted, User, UserRef};

/// When people are warned, in seconds before the end.
const WARNINGS: [u32; 3] = [300, 60, 10];

pub(crate) struct RoomSide {
    id: RoomId,
}

impl Kind for RoomSide {
    type Aggregate = Room;
    type Id = RoomId;

    fn new(id: RoomId, _: &Arc<Shell>) -> Self {
        Self { id }
    }

    fn shelf(registry: &Registry) -> &Shelf<Self> {
        &registry.rooms
    }

    fn is_needed(id: RoomId, shell: &Shell) -> bool {
        shell.rooms.get(id).is_some()
    }

    fn published(&mut self, state: &Room, decided: &Decided<Room>, shell: &Arc<Shell>) {
        for event in &decided.events {
            match event {
                RoomEvent::Opened { opened_at, booking_id, .. } => {
                    open(state, *opened_at, shell);
                    if let Some(booking) = booking_id {
                        shell.decisions.came(*booking, Awaited::Opening);
                    }
                }
                RoomEvent::DeadlineMoved { to, by, .. } => {
                    let live = shell.rooms.get(self.id);
                    if let Some(live) = live.filter(|live| live.move_end(*to).is_some()) {
                        end_moved(&live, *by, live.explanation(*to).as_deref(), shell);
                    }
                    if let Some(booking) = state.place().and_then(|place| place.booking_id) {
                        shell.decisions.came(booking, Awaited::Change);
                    }
                }
                RoomEvent::Closed { .. } => disarm(self.id, shell),
                _ => {}
            }
        }
    }
}

/// The end of an open room is another one from here on: arms it and tells everybody. `why` in an admin's words.
pub(crate) fn end_moved(live: &LiveRoom, by: Actor, why: Option<&str>, shell: &Arc<Shell>) {
    live.settle(|deadline| {
        // First the media, which ends by itself.
        shell.media.set_room_deadline(live.id, deadline);
        arm(live.id, deadline, shell);
    });
    let changed = tell_end(live, by, why);
    shell.media.session_message(live.id, changed.to_text().into());
    rooms_changed(shell, live.place().robot, None);
}

/// Tells everybody who sits in a room or waits for it to open when it ends; what they were told.
pub(crate) fn tell_end(live: &LiveRoom, by: Actor, why: Option<&str>) -> ServerMessage {
    let changed = ServerMessage::SessionChanged(SessionChanged {
        room_id: live.id.to_string(),
        ends_at: live.place().window.ends_at,
        reason: why.unwrap_or("The end of this session was moved.").to_owned(),
        by: by.to_string(),
    });
    live.tell(&changed, None);
    changed
}

/// Makes a room that is open in the log live: arms its end and lets in whoever waits. Its end is on the boot clock from
/// here on. False when it has ended.
pub(crate) fn open(state: &Room, since: DateTime<Utc>, shell: &Arc<Shell>) -> bool {
    let (Some(place), Some(ends_at)) = (state.place(), state.deadline()) else { return false };
    let window = Window { starts_at: since.min(ends_at), ends_at };
    let place = Place { booking: place.booking_id, robot: place.robot_id, holder: place.holder, window };
    let id = state.place().map_or_else(|| RoomId::from(uuid::Uuid::nil()), |place| place.room_id);
    let live = shell.rooms.get_or_insert(id, place);
    if !live.open(shell.clock.boot_at(ends_at), ends_at) {
        return false;
    }
    live.settle(|deadline| arm(id, deadline, shell));
    rooms_changed(shell, place.robot, None);
    if state.robot_came() || shell.rooms.is_online(place.robot) {
        robot_comes(&live, shell);
    }
    match place.booking {
        None => tell_watch(shell, &place, ServerMessage::UserJoined),
        Some(booking) => arm_grace(booking, state, &live, shell),
    }
    shell.spawn(welcome(Arc::clone(shell), live));
    true
}

/// The robot is in a room: of a session, that is recorded the first time.
pub(crate) fn robot_comes(live: &Arc<LiveRoom>, shell: &Arc<Shell>) {
    if live.robot_comes(shell.clock.boot()) {
        shell.spawn(record_robot(Arc::clone(live), Arc::clone(shell)));
    }
}

/// Records that a session's robot came, if it did; returns when that is durable, or the server stops.
pub(crate) async fn record_robot(live: Arc<LiveRoom>, shell: Arc<Shell>) {
    let (Some(came), Place { booking: Some(_), robot, .. }) = (live.robot_came(), live.place()) else {
        return;
    };
    let command = RoomCommand::RecordRobotCame { now: shell.at_in(live.id, came) };
    // It is refused nowhere.
    let _ = shell.insist::<RoomSide>(live.id, command, Shell::metadata(Actor::Robot(robot))).await;
}

/// What the rules say of a robot that is not there and of a holder who does not come, from when the session's room opens (or
/// opens again after a restart), by the boot clock.
fn arm_grace(booking: BookingId, state: &Room, live: &LiveRoom, shell: &Shell) {
    let (rules, now) = (shell.rules(), shell.clock.boot());
    if live.robot_came().is_none() {
        tracing::warn!(robot = %live.place().robot, room = %live.id, "a session begins without its robot");
    }
    let graces = [
        (Due::RobotLost(booking), rules.no_robot_grace_s.filter(|_| live.robot_came().is_none())),
        (Due::NoShow(booking), rules.no_show_after_s.filter(|_| !state.holder_came())),
    ];
    for (due, grace) in graces {
        if let Some(seconds) = grace {
            shell.deadlines.arm_boot(due, now.saturating_add(Duration::from_secs(seconds.into())));
        }
    }
}

/// Tells a robot's sessions that an admin's watch came or went, unless the lab's rules keep watches silent.
pub(crate) fn tell_watch(shell: &Shell, watch: &Place, message: fn(User) -> ServerMessage) {
    if shell.rules().watch_is_silent {
        return;
    }
    let user = User { watch: true, ..Sitter::Account(watch.holder).user() };
    for room in shell.rooms.of_robot(watch.robot) {
        if room.place().booking.is_some() {
            room.tell(&message(user.clone()), None);
        }
    }
}

fn arm(id: RoomId, deadline: BootInstant, shell: &Arc<Shell>) {
    let now = shell.clock.boot();
    shell.deadlines.arm_boot(Due::RoomEnds(id), deadline);
    for seconds in WARNINGS {
        let (due, at) =
            (Due::RoomWarning(id, seconds), deadline.saturating_sub(Duration::from_secs(seconds.into())));
        if at > now { shell.deadlines.arm_boot(due, at) } else { shell.deadlines.disarm(due) }
    }
}

pub(crate) fn disarm(id: RoomId, shell: &Arc<Shell>) {
    shell.deadlines.disarm(Due::RoomEnds(id));
    for seconds in WARNINGS {
        shell.deadlines.disarm(Due::RoomWarning(id, seconds));
    }
}

/// Lets in those who waited: admitted durably first, told then, and of each other after that.
pub(crate) async fn welcome(shell: Arc<Shell>, live: Arc<LiveRoom>) {
    let mut came = BTreeMap::new();
    for (connection, seat) in live.take_unadmitted() {
        if let Sitter::Account(account) = seat.who {
            // Whoever leaves or is sent away meanwhile is recorded as gone after that they came.
            let _turn = shell.peers.turn(account, live.id).await;
            if !live.seats_connection(connection) {
                continue;
            }
            let basis = if account == live.place().holder { Basis::Holder } else { Basis::Guest };
            let basis = if live.place().booking.is_none() { Basis::Admin } else { basis };
            let command = RoomCommand::Admit { account_id: account, basis, now: shell.now_in(live.id) };
            let metadata = Shell::metadata(Actor::Account(account));
            if let Err(refused) = shell.carry::<RoomSide>(live.id, command, metadata).await {
                live.stand_up(connection);
                send(&seat.outbox, ServerMessage::error(refused.reason.code(), refused.detail));
                continue;
            }
        }
        if !live.seats_connection(connection) {
            continue;
        }
        send(&seat.outbox, started(&live, &shell));
        if let Sitter::Account(account) = seat.who {
            came.entry(account).or_insert(connection);
        }
        if matches!(seat.who, Sitter::Account(_)) && !shell.rooms.is_online(live.place().robot) {
            // Whoever waited is told that there is no robot yet.
            let user_id = live.place().robot.to_string();
            send(&seat.outbox, ServerMessage::RobotUnavailable(UserRef { user_id }));
        }
    }
    for (account, connection) in came {
        if live.seats_connection(connection) {
            live.tell(&ServerMessage::UserJoined(Sitter::Account(account).user()), Some(connection));
        }
    }
}

pub(crate) fn started(live: &LiveRoom, shell: &Shell) -> ServerMessage {
    let window = live.place().window;
    ServerMessage::SessionStarted(SessionStarted {
        room_id: live.id.to_string(),
        starts_at: window.starts_at,
        ends_at: window.ends_at,
        server_time: shell.now_in(live.id),
    })
}
