//! An account: its role, whether it is suspended, and the windows it has claimed.
//!
//! The account's stream alone decides which of a person's windows overlap. Names, e-mail addresses and password hashes
//! never live here: they can be erased, the log cannot.

mod command;
mod error;
mod event;
#[cfg(test)]
mod tests;
mod windows;

pub use command::AccountCommand;
pub use error::AccountError;
pub use event::AccountEvent;
pub use windows::Claim;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::decide::write_decision;
use crate::{AccountId, Actor, BookingId, Decide, Role, Window};
use windows::Windows;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    account_id: Option<AccountId>,
    role: Role,
    is_suspended: bool,
    #[serde(default)]
    sign_outs: u32,
    windows: Windows,
}

impl Account {
    /// `None` before it is registered.
    pub const fn account_id(&self) -> Option<AccountId> {
        self.account_id
    }

    pub const fn is_registered(&self) -> bool {
        self.account_id.is_some()
    }

    pub const fn role(&self) -> Role {
        self.role
    }

    pub const fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    /// How often everything that was given out on signing in lost its worth: with every new password and every suspension.
    pub const fn sign_outs(&self) -> u32 {
        self.sign_outs
    }

    /// The claimed windows that had not ended at the last claim, by start.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.windows.claims()
    }

    pub fn claim(&self, booking_id: BookingId) -> Option<&Claim> {
        self.windows.claim(booking_id)
    }

    /// Whether the account could claim this window.
    pub fn is_free(&self, window: &Window) -> bool {
        self.windows.check(window, None).is_ok()
    }

    fn registered(&self) -> Result<AccountId, AccountError> {
        self.account_id.ok_or(AccountError::NotRegistered)
    }

    fn register(&self, account_id: AccountId, role: Role) -> Decision {
        match self.account_id {
            None => Ok(vec![AccountEvent::Registered { account_id, role }]),
            Some(known) if known == account_id => Ok(vec![]),
            Some(_) => Err(AccountError::AlreadyRegistered),
        }
    }

    fn change_role(&self, role: Role, by: Actor) -> Decision {
        self.registered()?;
        let from = self.role;
        Ok((from != role).then_some(AccountEvent::RoleChanged { from, to: role, by }).into_iter().collect())
    }

    fn suspend(&self, by: Actor, reason_hash: String, now: DateTime<Utc>) -> Decision {
        let account_id = self.registered()?;
        if self.is_suspended {
            return Ok(vec![]);
        }
        if reason_hash.is_empty() {
            return Err(AccountError::ReasonRequired);
        }
        let cancelled = self.windows.not_over(account_id, now);
        Ok(vec![AccountEvent::Suspended { by, reason_hash, cancelled, at: now }])
    }

    fn reinstate(&self, by: Actor, now: DateTime<Utc>) -> Decision {
        self.registered()?;
        Ok(self.is_suspended.then_some(AccountEvent::Reinstated { by, at: now }).into_iter().collect())
    }
}

type Decision = Result<Vec<AccountEvent>, AccountError>;

impl Decide for Account {
    fn decide(&self, command: AccountCommand) -> Decision {
        use AccountCommand as C;
        match command {
            C::Register { account_id, role } => self.register(account_id, role),
            C::ChangeRole { role, by } => self.change_role(role, by),
            C::Suspend { by, reason_hash, now } => self.suspend(by, reason_hash, now),
            C::Reinstate { by, now } => self.reinstate(by, now),
            C::ClaimWindow { request, now } => self.claim_window(request, now),
            C::ReleaseWindow { booking_id, now } => Ok(self.release_window(booking_id, now)),
            C::MoveWindow { change, now } => self.move_window(change, now),
            C::RestoreWindow { change, now } => Ok(self.restore_window(change, now)),
            C::RecordSignIn { now } => {
                self.registered()?;
                Ok(vec![AccountEvent::SignedIn { at: now }])
            }
            C::RecordSignInRefused { reason, count, since } => {
                self.registered()?;
                let fact = AccountEvent::SignInRefused { reason, count, since };
                Ok((count > 0).then_some(fact).into_iter().collect())
            }
            C::RecordPasswordChanged { by, now } => {
                self.registered()?;
                Ok(vec![AccountEvent::PasswordChanged { by, at: now }])
            }
        }
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = AccountError;
    type Services = ();

    async fn handle(
        &mut self,
        command: AccountCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), AccountError> {
        write_decision(self, command, sink).await
    }

    fn apply(&mut self, event: AccountEvent) {
        self.windows.apply(&event);
        match event {
            AccountEvent::Registered { account_id, role } => {
                self.account_id = Some(account_id);
                self.role = role;
            }
            AccountEvent::RoleChanged { to, .. } => self.role = to,
            AccountEvent::Suspended { .. } => {
                self.is_suspended = true;
                self.sign_outs = self.sign_outs.saturating_add(1);
            }
            AccountEvent::PasswordChanged { .. } => self.sign_outs = self.sign_outs.saturating_add(1),
            AccountEvent::Reinstated { .. } => self.is_suspended = false,
            _ => {}
        }
    }
}
