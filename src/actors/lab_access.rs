//! Accounts: who there is, what they may, and how that is taken away; and the lab's rules.

use std::sync::Arc;

use curfew_domain::{AccountCommand, AccountId, Actor, Cause, LabCommand, LabRules, Reason, Role, RoomId};
use futures_util::future::{BoxFuture, join_all};
use uuid::Uuid;

use super::account::{AccountSide, LabSide, TheLab};
use super::ending;
use super::folded;
use super::lab::{AccountState, Lab, Principal, Recorded};
use super::lab_bookings::{required, told};
use super::live::{End, Place};
use super::refusal::{Answer, Refused};
use super::shell::Shell;
use super::turns::Leave;

impl Lab {
    /// An account's present role and state, whatever its token says.
    ///
    /// # Errors
    /// `NotFound` when it was never registered.
    pub async fn account(&self, id: AccountId) -> Answer<AccountState> {
        let account = self.shell.state::<AccountSide>(id).await?;
        if !account.is_registered() {
            return Err(Refused::not_found("account"));
        }
        Ok(AccountState {
            id,
            role: account.role(),
            suspended: account.is_suspended(),
            sign_outs: account.sign_outs(),
        })
    }

    /// `by` is `None` for the first admin and for the command line; else it must be an admin.
    pub async fn register_account(&self, by: Option<&Principal>, role: Role) -> Answer<AccountId> {
        let by = match by {
            Some(principal) => self.admin(principal).await?,
            None => Actor::System,
        };
        let id = AccountId::from(Uuid::now_v7());
        self.account_command(id, AccountCommand::Register { account_id: id, role }, by).await?;
        Ok(id)
    }

    /// What the new role does not open ends: an admin's watches, and every session for an auditor.
    pub async fn change_role(&self, principal: &Principal, id: AccountId, role: Role) -> Answer<()> {
        let by = self.admin(principal).await?;
        let _leave = match role {
            Role::Admin => None,
            Role::Viewer | Role::Auditor => Some(self.begin_taking(principal, by, id).await?),
        };
        self.account_command(id, AccountCommand::ChangeRole { role, by }, by).await?;
        let is_closed_to = |place: &Place| match role {
            Role::Admin => false,
            Role::Viewer => place.booking.is_none(),
            Role::Auditor => true,
        };
        let ended = take_out(&self.shell, id, Cause::TerminatedByAdmin, by, None, is_closed_to);
        self.patiently(async move {
            ended.await;
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Cuts the account's live peers and sessions at once, then records it; its coming bookings are cancelled.
    pub async fn suspend(&self, principal: &Principal, id: AccountId, reason: &str) -> Answer<Recorded> {
        let (by, reason) = self.admin_because(principal, reason).await?;
        let leave = self.begin_taking(principal, by, id).await?;
        if !self.shell.state::<AccountSide>(id).await?.is_registered() {
            return Err(Refused::not_found("account"));
        }
        let reason_hash = self.shell.reason_hash(reason);
        let hash = reason_hash.clone();
        let cause = Cause::AccountSuspended;
        let cut = move |shell: &Arc<Shell>| take_out(shell, id, cause, by, Some(&hash), |_| true);
        self.shell.spawn(cut(&self.shell));
        self.shell.keep_reason_soon(reason);
        let command = AccountCommand::Suspend { by, reason_hash, now: self.shell.clock.wall() };
        let shell = Arc::clone(&self.shell);
        self.patiently(async move {
            let suspended = shell.insist::<AccountSide>(id, command, Shell::metadata(by)).await;
            let position = told(suspended)?.position;
            drop(leave);
            // Until it was recorded, they could come back.
            cut(&shell).await;
            shell.caught_up(position).await;
            Ok(())
        })
        .await
    }

    pub async fn reinstate(&self, principal: &Principal, id: AccountId) -> Answer<()> {
        let by = self.admin(principal).await?;
        self.account_command(id, AccountCommand::Reinstate { by, now: self.shell.clock.wall() }, by).await
    }

    pub async fn record_signed_in(&self, id: AccountId) -> Answer<()> {
        self.account_command(
            id,
            AccountCommand::RecordSignIn { now: self.shell.clock.wall() },
            Actor::Account(id),
        )
        .await
    }

    /// Somebody failed to sign in to this account; repeated ones are folded into one fact a minute.
    pub fn record_sign_in_refused(&self, id: AccountId, reason: Reason) {
        folded::sign_in_refused(&self.shell, id, reason);
    }

    pub async fn record_password_changed(&self, by: AccountId, id: AccountId) -> Answer<()> {
        let by = Actor::Account(by);
        self.account_command(
            id,
            AccountCommand::RecordPasswordChanged { by, now: self.shell.clock.wall() },
            by,
        )
        .await
    }

    pub async fn change_rules(
        &self,
        principal: &Principal,
        rules: LabRules,
        reason: Option<&str>,
    ) -> Answer<()> {
        let admin = self.admin(principal).await?;
        let reason_hash = match reason {
            Some(reason) => Some(self.shell.keep_reason(reason).await?),
            None => None,
        };
        let rules = Box::new(rules);
        let command = match admin {
            Actor::Account(by) => LabCommand::ChangeRules { rules, by, reason_hash },
            Actor::Robot(_) | Actor::System => LabCommand::SetInitialRules { rules },
        };
        let decided = self.shell.carry::<LabSide>(TheLab, command, Shell::metadata(admin)).await?;
        self.shell.shown(decided.position).await;
        Ok(())
    }

    /// The rules that the configuration or `curfew demo` sets.
    pub async fn set_initial_rules(&self, rules: LabRules) -> Answer<()> {
        let command = LabCommand::SetInitialRules { rules: Box::new(rules) };
        self.shell.carry::<LabSide>(TheLab, command, Shell::metadata(Actor::System)).await.map(drop)
    }

    /// A person who may use the lab: a viewer or an admin, by what the account says now and not by its token.
    pub(super) async fn person(&self, principal: &Principal) -> Answer<(AccountId, Role)> {
        let Principal::Account { id, .. } = *principal else { return Err(Refused::new(Reason::WrongRole)) };
        let account = self.shell.state::<AccountSide>(id).await?;
        if !account.is_registered() {
            return Err(Refused::new(Reason::BadToken));
        }
        if account.is_suspended() {
            return Err(Refused::new(Reason::Suspended));
        }
        match account.role() {
            Role::Auditor => Err(Refused::new(Reason::WrongRole)),
            role => Ok((id, role)),
        }
    }

    /// An admin, or whoever owns the data folder.
    pub(super) async fn admin(&self, principal: &Principal) -> Answer<Actor> {
        if *principal == Principal::System {
            return Ok(Actor::System);
        }
        match self.person(principal).await? {
            (id, Role::Admin) => Ok(Actor::Account(id)),
            _ => Err(Refused::new(Reason::WrongRole)),
        }
    }

    /// An admin, and the reason that is owed, without the space around it.
    pub(super) async fn admin_because<'a>(
        &self,
        principal: &Principal,
        reason: &'a str,
    ) -> Answer<(Actor, &'a str)> {
        Ok((self.admin(principal).await?, required(reason)?))
    }

    /// Somebody's rights are going to be taken away by an admin, which holds until the answer is dropped.
    async fn begin_taking(&self, principal: &Principal, by: Actor, id: AccountId) -> Answer<Leave> {
        not_oneself(by, id)?;
        let leave = self.shell.turns.leaving.begin(by, id).ok_or_else(|| {
            Refused::because(
                Reason::Conflict,
                "Another admin is changing your own rights just now. Try again in a moment.",
            )
        })?;
        // What was recorded before shows in a look that comes after; what is being recorded was seen above.
        self.admin(principal).await?;
        Ok(leave)
    }

    async fn account_command(&self, id: AccountId, command: AccountCommand, by: Actor) -> Answer<()> {
        let decided = self.shell.carry::<AccountSide>(id, command, Shell::metadata(by)).await?;
        self.shell.shown(decided.position).await;
        Ok(())
    }
}

/// For what the log wants a person to answer for.
pub(super) fn account_of(by: Actor) -> Answer<AccountId> {
    by.account().ok_or_else(|| Refused::because(Reason::WrongRole, "This needs an admin's account."))
}

/// So that a slip does not leave a lab without an admin; that two do not, [`Lab::begin_taking`] sees to.
fn not_oneself(by: Actor, id: AccountId) -> Answer<()> {
    if by == Actor::Account(id) {
        let text = "This would take your own rights away. Ask another admin to do it.";
        return Err(Refused::because(Reason::Conflict, text));
    }
    Ok(())
}

/// Takes an account out of rooms whose place `is_meant`, at once: those that it holds end for all, others for it alone. The
/// future that this gives records it.
fn take_out(
    shell: &Arc<Shell>,
    id: AccountId,
    cause: Cause,
    by: Actor,
    reason_hash: Option<&str>,
    is_meant: impl Fn(&Place) -> bool,
) -> BoxFuture<'static, ()> {
    // In each room by its own time.
    let end = |room: RoomId| End { cause, at: shell.now_in(room), reason: None };
    let (mut held, mut visited) = (vec![], vec![]);
    for room in shell.rooms.all().into_iter().filter(|room| is_meant(&room.place())) {
        if room.place().holder == id && room.deadline().is_some() {
            held.extend(ending::cut(shell, room.id, end(room.id), by, reason_hash.map(str::to_owned)));
        } else if room.has(id) {
            visited.push((room.id, end(room.id)));
        }
    }
    let shell = Arc::clone(shell);
    Box::pin(async move {
        let left = visited.into_iter().map(|(room, end)| ending::end_for(&shell, room, id, end));
        tokio::join!(ending::finish_all(&shell, held), join_all(left));
    })
}
