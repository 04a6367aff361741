//! Bookings: made, cancelled, terminated.

use std::future::Future;
use std::sync::Arc;

use curfew_domain::booking::State;
use curfew_domain::{
    Actor, Booking, BookingCommand, BookingId, Cause, LabRules, Reason, Refusal, Role, RoomId, Window,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::booking::BookingSide;
use super::decisions::Awaited;
use super::ending::{self, Cut};
use super::lab::{Booked, Lab, NewBooking, Principal, Recorded};
use super::live::End;
use super::refusal::{Answer, Refused};
use super::shell::Shell;

impl Lab {
    /// Asks for a window, and waits for the decision and, when the window has begun already, for its room to open, as long
    /// as a caller has patience. What was decided shows in the read models when this returns.
    ///
    /// # Errors
    /// The rule that the window breaks, or why account or robot refuse it.
    pub async fn book(&self, principal: &Principal, new: NewBooking) -> Answer<Booked> {
        let (holder, _) = self.person(principal).await?;
        let (robot_type, candidates) = self.shell.candidates(&new.robot, &new.window).await?;
        let (id, room_id) = (BookingId::from(Uuid::now_v7()), RoomId::from(random_uuid()));
        let window = new.window;
        let command = BookingCommand::Request {
            booking_id: id,
            room_id,
            holder,
            choice: new.robot,
            robot_type,
            candidates,
            window,
            rules: Box::new(self.shell.rules()),
            now: self.shell.clock.wall(),
        };
        let decision = self.shell.decisions.wait_for(id, Awaited::Decision);
        let opening = self.shell.decisions.wait_for(id, Awaited::Opening);
        let requested =
            self.shell.carry::<BookingSide>(id, command, Shell::metadata(Actor::Account(holder))).await;
        let decided = match requested {
            Ok(_) => {
                let decided = decided(decision, opening, window, &self.shell);
                tokio::time::timeout(self.shell.config.patience, decided).await
            }
            Err(refused) => {
                drop((decision, opening));
                self.shell.decisions.forget(id, Awaited::Decision);
                self.shell.decisions.forget(id, Awaited::Opening);
                return Err(refused);
            }
        };
        self.shell.decisions.forget(id, Awaited::Decision);
        self.shell.decisions.forget(id, Awaited::Opening);
        let Ok(Some(())) = decided else { return Ok(Booked { id, decided: false }) };
        self.shell.shown(None).await;
        let booking = self.shell.state::<BookingSide>(id).await?;
        match booking.state().and_then(|state| state.rejected) {
            Some(reason) => Err(Refused::new(reason)),
            None => Ok(Booked { id, decided: true }),
        }
    }

    /// Cancels the caller's own booking; a session that runs ends at once, before that is recorded.
    ///
    /// # Errors
    /// `ReasonRequired` for an admin and somebody else's booking: that is `terminate`.
    pub async fn cancel_booking(&self, principal: &Principal, id: BookingId) -> Answer<Recorded> {
        let (account, role) = self.person(principal).await?;
        let booking = self.shell.known_booking(id).await?;
        let state = booking.state().ok_or_else(|| Refused::not_found("booking"))?;
        if state.holder != account {
            return Err(Refused::new(if role == Role::Admin {
                Reason::ReasonRequired
            } else {
                Reason::NotYourBooking
            }));
        }
        let by = Actor::Account(account);
        let now = self.shell.now_in(state.room_id);
        let end = End { cause: Cause::Cancelled, at: now, reason: None };
        let cut = state.is_active().then(|| ending::cut(&self.shell, state.room_id, end, by, None)).flatten();
        let command = BookingCommand::Cancel { by, cause: Cause::Cancelled, reason_hash: None, now };
        self.after_cut(cut, id, command, by).await
    }

    /// Ends a booking on an admin's word: a running session is cut before anything is recorded. `Recorded(false)` when the
    /// log took too long; it will be recorded all the same.
    pub async fn terminate(&self, principal: &Principal, id: BookingId, reason: &str) -> Answer<Recorded> {
        let (by, reason) = self.admin_because(principal, reason).await?;
        let booking = self.shell.known_booking(id).await?;
        let state = booking.state().ok_or_else(|| Refused::not_found("booking"))?;
        if state.phase.is_over() {
            return Err(Refused::because(Reason::Conflict, "This booking is over."));
        }
        let now = self.shell.now_in(state.room_id);
        let reason_hash = Some(self.shell.reason_hash(reason));
        let end = End { cause: Cause::TerminatedByAdmin, at: now, reason: Some(reason.to_owned()) };
        let cut =
            state.is_active().then(|| ending::cut(&self.shell, state.room_id, end, by, reason_hash.clone()));
        let command = BookingCommand::Cancel { by, cause: Cause::TerminatedByAdmin, reason_hash, now };
        self.shell.keep_reason_soon(reason);
        self.after_cut(cut.flatten(), id, command, by).await
    }

    /// A booking as it is now: all that was decided, recorded or shown in the read models or not.
    pub async fn booking(&self, id: BookingId) -> Answer<State> {
        let booking = self.shell.known_booking(id).await?;
        booking.state().cloned().ok_or_else(|| Refused::not_found("booking"))
    }

    /// The rules in force.
    pub fn rules(&self) -> LabRules {
        self.shell.rules()
    }

    /// Records a cancellation whose room, if it was open, has been cut already; waits for that only so long.
    async fn after_cut(
        &self,
        cut: Option<Cut>,
        id: BookingId,
        command: BookingCommand,
        by: Actor,
    ) -> Answer<Recorded> {
        let shell = Arc::clone(&self.shell);
        self.patiently(async move {
            let was_cut = cut.is_some();
            let cancelling = shell.insist::<BookingSide>(id, command, Shell::metadata(by));
            // Were the room's end first, the booking would be over, and nothing said of who cancelled it.
            let outcome = match cut {
                Some(cut) => ending::finish_after(&shell, cut, cancelling).await,
                None => cancelling.await,
            };
            let decided = told(outcome)?;
            if was_cut {
                shell.ended(id).await;
                shell.caught_up(None).await;
            } else {
                shell.caught_up(decided.position).await;
            }
            Ok(())
        })
        .await
    }

    /// Waits for a recording, which goes on by itself, but not for long.
    pub(super) async fn patiently(
        &self,
        recording: impl Future<Output = Answer<()>> + Send + 'static,
    ) -> Answer<Recorded> {
        match tokio::time::timeout(self.shell.config.patience, self.shell.runtime.spawn(recording)).await {
            Ok(Ok(recorded)) => recorded.map(|()| Recorded(true)),
            Ok(Err(_)) => Err(Refused::unavailable("The server is shutting down.")),
            Err(_) => Ok(Recorded(false)),
        }
    }
}

/// What became of a command that was insisted on.
pub(super) fn told<T, E: Refusal>(outcome: Option<Result<T, E>>) -> Answer<T> {
    let outcome = outcome.ok_or_else(|| Refused::unavailable("The server is shutting down."))?;
    outcome.map_err(|refused| super::entity::Undecided::Refused(refused).into())
}

impl Shell {
    pub(crate) async fn known_booking(self: &Arc<Self>, id: BookingId) -> Answer<Booking> {
        let booking = self.state::<BookingSide>(id).await?;
        if booking.state().is_none() { Err(Refused::not_found("booking")) } else { Ok(booking) }
    }

    /// Waits, within reason, until the log has the end of a booking.
    async fn ended(self: &Arc<Self>, id: BookingId) {
        let ended = self.decisions.wait_for(id, Awaited::End);
        let over = self
            .state::<BookingSide>(id)
            .await
            .is_ok_and(|booking| booking.phase().is_none_or(|p| p.is_over()));
        if !over {
            // Without it there is still the cancellation to show, for which half of the caller's patience is left.
            let _ = tokio::time::timeout(self.config.patience / 2, ended).await;
        } else {
            drop(ended);
        }
        self.decisions.forget(id, Awaited::End);
    }
}

pub(super) fn required(reason: &str) -> Answer<&str> {
    let reason = reason.trim();
    if reason.is_empty() { Err(Refused::new(Reason::ReasonRequired)) } else { Ok(reason) }
}

/// Resolves with the decision or, for a window that has begun, with its room's opening.
async fn decided(
    decision: oneshot::Receiver<()>,
    opening: oneshot::Receiver<()>,
    window: Window,
    shell: &Shell,
) -> Option<()> {
    decision.await.ok()?;
    if window.starts_at > shell.clock.wall() {
        return Some(());
    }
    opening.await.ok()
}

/// A room's name lets nobody in by itself, but it is handed to clients that may: 128 random bits.
fn random_uuid() -> Uuid {
    Uuid::from_u128(rand::random())
}
