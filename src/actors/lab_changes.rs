//! The end of a booking, moved: later when that was decided, earlier at once.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use curfew_domain::booking::State;
use curfew_domain::{Actor, BookingCommand, BookingEvent, BookingId, Decide, Reason, Role};

use super::account::AccountSide;
use super::booking::BookingSide;
use super::decisions::Awaited;
use super::lab::{Lab, Principal, Recorded};
use super::lab_bookings::told;
use super::refusal::{Answer, Refused};
use super::robot::RobotSide;
use super::room::{RoomSide, end_moved};
use super::shell::Shell;

impl Lab {
    /// Asks for a later end of the caller's own booking, and waits for the decision as long as a caller has patience.
    /// `Recorded(false)` when nothing was decided by then.
    ///
    /// # Errors
    /// The rule or the booking that is in the way, and until when there is none.
    pub async fn extend(
        &self,
        principal: &Principal,
        id: BookingId,
        ends_at: DateTime<Utc>,
    ) -> Answer<Recorded> {
        let (account, role) = self.person(principal).await?;
        let booking = self.shell.known_booking(id).await?;
        if booking.state().is_none_or(|state| state.holder != account) {
            return Err(match role {
                Role::Admin => {
                    let text = "To extend somebody else's booking, do it as an admin and give the reason.";
                    Refused::because(Reason::ReasonRequired, text)
                }
                _ => Refused::new(Reason::NotYourBooking),
            });
        }
        self.extend_by(Actor::Account(account), id, ends_at, None).await
    }

    /// An admin's extension: it goes beyond the lab's rules, and bookings that are in its way are cancelled.
    pub async fn extend_anyway(
        &self,
        principal: &Principal,
        id: BookingId,
        ends_at: DateTime<Utc>,
        reason: &str,
    ) -> Answer<Recorded> {
        let (by, reason) = self.admin_because(principal, reason).await?;
        let reason_hash = self.shell.keep_reason(reason).await?;
        let room = self.shell.known_booking(id).await?.state().map(|state| state.room_id);
        let live = room.and_then(|room| self.shell.rooms.get(room));
        if let Some(live) = &live {
            live.explain(ends_at, reason);
        }
        let extended = self.extend_by(by, id, ends_at, Some(reason_hash)).await;
        if let (Err(_), Some(live)) = (&extended, live) {
            // They are not to be told as the reason of somebody else's extension.
            let _unsaid = live.explanation(ends_at);
        }
        extended
    }

    async fn extend_by(
        &self,
        by: Actor,
        id: BookingId,
        ends_at: DateTime<Utc>,
        reason_hash: Option<String>,
    ) -> Answer<Recorded> {
        let overrides = reason_hash.is_some();
        let booking = self.shell.known_booking(id).await?;
        let room = booking.state().map(|state| state.room_id);
        let command = BookingCommand::RequestExtension {
            ends_at,
            by,
            overrides,
            reason_hash,
            rules: Box::new(self.shell.rules()),
            now: room.map_or_else(|| self.shell.clock.wall(), |room| self.shell.now_in(room)),
        };
        let mut change = self.shell.decisions.wait_for(id, Awaited::Change);
        let asked = self.shell.carry::<BookingSide>(id, command, Shell::metadata(by)).await;
        let asked = asked.map(|decided| {
            decided.events.iter().find_map(|event| match event {
                BookingEvent::ExtensionRequested { change, .. } => Some(change.change_no),
                _ => None,
            })
        });
        let deciding = async {
            let number = asked?;
            loop {
                if let Some(answer) = self.decided_on(id, ends_at, number).await? {
                    return answer;
                }
                if change.await.is_err() {
                    return Err(Refused::unavailable("The server is shutting down."));
                }
                change = self.shell.decisions.wait_for(id, Awaited::Change);
            }
        };
        let answer = tokio::time::timeout(self.shell.config.patience, deciding).await;
        self.shell.decisions.forget(id, Awaited::Change);
        let Ok(answer) = answer else { return Ok(Recorded(false)) };
        answer?;
        self.shell.shown(None).await;
        Ok(Recorded(true))
    }

    /// Whether an extension has been decided, and how; for a running session it is when its room has the new end.
    async fn decided_on(
        &self,
        id: BookingId,
        ends_at: DateTime<Utc>,
        number: Option<u32>,
    ) -> Answer<Option<Answer<()>>> {
        let booking = self.shell.known_booking(id).await?;
        let Some(state) = booking.state() else { return Ok(None) };
        if let Some((refused, reason)) = state.refused_change
            && Some(refused) == number
        {
            return Ok(Some(Err(self.why_not(state, reason).await?)));
        }
        if state.phase.is_over() || state.ending.is_some() {
            return Ok(Some(Err(Refused::new(Reason::WindowClosed))));
        }
        let room = self.shell.rooms.get(state.room_id).filter(|room| room.deadline().is_some());
        let has_moved = room.is_none_or(|room| room.place().window.ends_at == ends_at);
        Ok((state.window.ends_at == ends_at && has_moved).then_some(Ok(())))
    }

    /// Why an extension was refused, and how long it may be.
    async fn why_not(&self, state: &State, reason: Reason) -> Answer<Refused> {
        let after = |starts_at: &DateTime<Utc>| *starts_at >= state.window.ends_at;
        let (whose, next) = match (reason, state.robot_id) {
            (Reason::SlotTaken, Some(robot)) => {
                let robot = self.shell.state::<RobotSide>(robot).await?;
                let next = robot.slots().map(|slot| slot.window.starts_at).filter(after).min();
                ("The robot is booked", next.map(|at| (at, TimeDelta::seconds(state.buffer_s.into()))))
            }
            (Reason::UnderMaintenance, Some(robot)) => {
                let robot = self.shell.state::<RobotSide>(robot).await?;
                let next = robot.maintenance().map(|maintenance| maintenance.from).filter(after);
                ("The robot is under maintenance", next.map(|at| (at, TimeDelta::zero())))
            }
            (Reason::AccountBusy, _) => {
                let account = self.shell.state::<AccountSide>(state.holder).await?;
                let next = account.claims().map(|claim| claim.window.starts_at).filter(after).min();
                ("The holder has another booking", next.map(|at| (at, TimeDelta::zero())))
            }
            _ => return Ok(Refused::new(reason)),
        };
        let Some((next, buffer)) = next else { return Ok(Refused::new(reason)) };
        let zone = self.shell.rules().zone;
        let local = |at: DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M");
        let latest = (next - buffer).max(state.window.ends_at);
        let text = format!(
            "{whose} from {} on: this one may end at {} ({zone}) at the latest.",
            local(next),
            local(latest)
        );
        Ok(Refused::because(reason, text))
    }

    /// An admin moves the end of a booking to an earlier instant; a running session has it before anything is recorded.
    pub async fn shorten(
        &self,
        principal: &Principal,
        id: BookingId,
        ends_at: DateTime<Utc>,
        reason: &str,
    ) -> Answer<Recorded> {
        let (by, reason) = self.admin_because(principal, reason).await?;
        let reason = reason.to_owned();
        let booking = self.shell.known_booking(id).await?;
        let reason_hash = self.shell.reason_hash(&reason);
        let room = booking.state().and_then(|state| self.shell.rooms.get(state.room_id));
        let is_running = booking.state().is_some_and(|state| state.is_active());
        let (live, ahead) = if is_running { (room, None) } else { (None, room) };
        let now = live.as_ref().and_then(|live| live.at(self.shell.clock.boot()));
        let now = now.unwrap_or_else(|| self.shell.clock.wall());
        let command = BookingCommand::Shorten { ends_at, by, reason_hash, now };
        // What would be refused is refused before anything is done.
        told(Some(booking.decide(command.clone())))?;
        if let Some(live) = live.as_ref().filter(|live| live.bring_forward(ends_at).is_some()) {
            end_moved(live, by, Some(&reason), &self.shell);
        }
        if let Some(ahead) = ahead {
            ahead.explain(ends_at, &reason);
        }
        self.shell.keep_reason_soon(&reason);
        let shell = Arc::clone(&self.shell);
        self.patiently(async move {
            let outcome = shell.insist::<BookingSide>(id, command, Shell::metadata(by)).await;
            if let (Some(Err(_)), Some(live)) = (&outcome, live) {
                let ends_at = shell.state::<RoomSide>(live.id).await?.deadline();
                if ends_at.and_then(|ends_at| live.take_back(ends_at)).is_some() {
                    end_moved(&live, by, None, &shell);
                }
            }
            shell.caught_up(told(outcome)?.position).await;
            Ok(())
        })
        .await
    }
}
