//! Guests of a booking: invited by its holder, sent away by its holder, or leaving by themselves.

use std::sync::Arc;

use curfew_domain::{AccountId, Actor, BookingCommand, BookingId, Cause, Decide, Reason, Role, RoomId};

use super::account::AccountSide;
use super::booking::BookingSide;
use super::ending;
use super::lab::{Lab, Principal, Recorded};
use super::lab_bookings::told;
use super::live::End;
use super::refusal::{Answer, Refused};
use super::shell::Shell;

impl Lab {
    /// Lets a guest into the caller's own booking.
    pub async fn invite_guest(&self, principal: &Principal, id: BookingId, guest: AccountId) -> Answer<()> {
        let (by, _) = self.person(principal).await?;
        self.shell.known_booking(id).await?;
        let invited = self.shell.state::<AccountSide>(guest).await?;
        if !invited.is_registered() {
            return Err(Refused::not_found("account"));
        }
        if invited.role() == Role::Auditor {
            return Err(Refused::because(Reason::Conflict, "Auditors read the log and watch nothing."));
        }
        if invited.is_suspended() {
            return Err(Refused::because(Reason::Conflict, "This account is suspended: it cannot watch."));
        }
        let command = BookingCommand::InviteGuest { account_id: guest, by, now: self.shell.clock.wall() };
        let metadata = Shell::metadata(Actor::Account(by));
        let decided = self.shell.carry::<BookingSide>(id, command, metadata).await?;
        self.shell.shown(decided.position).await;
        Ok(())
    }

    /// Takes a guest's right away: the holder any guest's, a guest their own. A session that runs ends for the guest before
    /// that is recorded.
    ///
    /// # Errors
    /// `NotYourBooking` for everybody else, `NotFound` when that account is no guest.
    pub async fn remove_guest(
        &self,
        principal: &Principal,
        id: BookingId,
        guest: AccountId,
    ) -> Answer<Recorded> {
        let (by, _) = self.person(principal).await?;
        let booking = self.shell.known_booking(id).await?;
        let state = booking.state().ok_or_else(|| Refused::not_found("booking"))?;
        if by != state.holder && !state.guests.contains(&by) {
            return Err(Refused::new(Reason::NotYourBooking));
        }
        if !state.guests.contains(&guest) {
            return Err(Refused::not_found("guest"));
        }
        let (room, now) = (state.room_id, self.shell.now_in(state.room_id));
        let command = BookingCommand::RemoveGuest { account_id: guest, by, now };
        // What would be refused is refused before anything is done.
        told(Some(booking.decide(command.clone())))?;
        let end = End { cause: Cause::Cancelled, at: now, reason: None };
        let shell = Arc::clone(&self.shell);
        self.patiently(async move {
            let metadata = Shell::metadata(Actor::Account(by));
            let recording = shell.insist::<BookingSide>(id, command, metadata);
            let ((), outcome) = tokio::join!(send_out(&shell, room, guest, end.clone()), recording);
            let decided = told(outcome)?;
            // Nobody comes back from here on; whoever did in between goes again.
            send_out(&shell, room, guest, end).await;
            shell.caught_up(decided.position).await;
            Ok(())
        })
        .await
    }
}

/// Ends a session for one account, and the waiting for it too.
async fn send_out(shell: &Arc<Shell>, room: RoomId, account: AccountId, end: End) {
    if shell.rooms.get(room).is_some_and(|live| live.has(account)) {
        ending::end_for(shell, room, account, end).await;
        shell.rooms.remove_if_idle(room);
    }
}
