//! People: signing in, one-time links, and accounts as admins see them. A person is two things kept apart: an account in
//! the log, by an opaque id, and a record with name, e-mail and password hash that can be erased.

mod routes;
mod throttle;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, Reason, Role};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Mutex, MutexGuard};

use crate::actors::{AccountState, Lab, Principal, Recorded};
use crate::api::ApiParts;
use crate::api::auth::{random_secret, sha256_hex};
use crate::api::dto::{Names, User};
use crate::api::error::Problem;
use crate::api::metrics::SignInMeters;
use crate::api::password::{self, Passwords};
use crate::api::token::{Bearer, Tokens};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::signaling::{Roster, SignOut};
use crate::store::{NewPerson, OneTimeLinks, People, PeopleError, Person};
use throttle::Attempts;

pub(super) use routes::{admin_routes, routes};

/// People looked at in one read.
const LOOK_AHEAD: usize = 500;
const FIRST_ADMIN: &str = "first-admin";
const PASSWORD_RESET: &str = "password-reset";

/// Everything about accounts that needs both the log and the people's records.
#[derive(Clone)]
pub struct Accounts {
    lab: Lab,
    people: People,
    links: OneTimeLinks,
    passwords: Passwords,
    tokens: Arc<Tokens>,
    clock: SharedClock,
    attempts: Arc<Attempts>,
    roster: Roster,
    /// Held while somebody becomes a person: what is looked up first is still so then.
    creating: Arc<Mutex<()>>,
    refused: Counter,
    link_lifetime: Duration,
    base_url: String,
}

/// A person to be.
pub struct NewAccount {
    pub name: String,
    pub email: String,
    pub password: String,
    pub role: Role,
}

/// A link that works once, for a person to open. Its token is in the fragment, which browsers keep to themselves.
pub struct OneTimeLink {
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

impl Accounts {
    pub(super) async fn new(parts: &ApiParts, tokens: Arc<Tokens>, config: &Config) -> Result<Self, Problem> {
        Ok(Self {
            lab: parts.lab.clone(),
            people: parts.log.people(),
            links: parts.log.one_time_links(),
            passwords: Passwords::new(&config.limits).await?,
            tokens,
            clock: Arc::clone(&parts.clock),
            attempts: Arc::new(Attempts::new(config.limits.wrong_passwords_per_minute)),
            roster: parts.roster.clone(),
            creating: Arc::default(),
            refused: Counter::default(),
            link_lifetime: Duration::from_secs(config.sessions.link_minutes.saturating_mul(60)),
            base_url: parts.base_url.clone(),
        })
    }

    /// Creates a person and their account. Refuses an e-mail that another has with `conflict`.
    pub async fn create(&self, by: &Principal, new: NewAccount) -> Result<User, Problem> {
        self.check_new(&new.name, &new.email).await?;
        let password_hash = self.passwords.hash(new.password.clone()).await?;
        let turn = self.creating.lock().await;
        self.create_now(by, new, password_hash, &turn).await
    }

    async fn create_now(
        &self,
        by: &Principal,
        new: NewAccount,
        password_hash: String,
        _turn: &MutexGuard<'_, ()>,
    ) -> Result<User, Problem> {
        let NewAccount { name, email, role, .. } = new;
        self.check_new(&name, &email).await?;
        // An account whose record is lost in a crash opens nothing to anybody.
        let account_id = self.lab.register_account(Some(by), role).await?;
        let person = NewPerson { account_id, name, email, password_hash, created_at: self.clock.wall() };
        Ok(user(self.people.create(person).await?, role, false))
    }

    /// Counts what costs a password's work and needs none: as many as wrong passwords are heard from one address.
    pub(super) fn attempt(&self, email: &str, from: Option<IpAddr>) -> Result<(), Problem> {
        self.attempts.begin(from, email, self.clock.boot())
    }

    async fn check_new(&self, name: &str, email: &str) -> Result<(), Problem> {
        NewPerson::check(name, email)?;
        match self.people.by_email(email).await? {
            Some(_) => Err(PeopleError::EmailTaken.into()),
            None => Ok(()),
        }
    }

    pub(super) fn meters(&self) -> SignInMeters {
        SignInMeters { refused: self.refused.clone(), hashed: self.passwords.hashed.clone() }
    }

    /// As [`Self::try_sign_in`], and counts those that are refused.
    pub(super) async fn sign_in(
        &self,
        email: &str,
        password: String,
        from: Option<IpAddr>,
    ) -> Result<(String, User), Problem> {
        let signed_in = self.try_sign_in(email, password, from).await;
        if signed_in.is_err() {
            self.refused.inc();
        }
        signed_in
    }

    /// The token and whose it is. The answer and the work are the same for a wrong password and an unknown e-mail.
    async fn try_sign_in(
        &self,
        email: &str,
        password: String,
        from: Option<IpAddr>,
    ) -> Result<(String, User), Problem> {
        let now = self.clock.boot();
        self.attempts.begin(from, email, now)?;
        let person = self.people.by_email(email).await?;
        let stored = person.as_ref().map(|person| person.password_hash.clone());
        let matches = self.passwords.verify(stored, password).await?;
        let known = person.as_ref().map(|person| person.account_id);
        let Some(person) = person.filter(|_| matches) else {
            if let Some(account) = known {
                self.lab.record_sign_in_refused(account, Reason::BadToken);
            }
            return Err(Problem::because(Reason::BadToken, "The e-mail or the password is wrong."));
        };
        self.attempts.succeeded(from, email, now);
        let account = self.lab.account(person.account_id).await?;
        if account.suspended {
            self.lab.record_sign_in_refused(account.id, Reason::Suspended);
            return Err(Problem::new(Reason::Suspended));
        }
        // The account was read after the password was compared: a change in between must not be outlived by this token.
        let now_stored = self.people.by_id(account.id).await?.map(|person| person.password_hash);
        if now_stored.as_ref() != Some(&person.password_hash) {
            return Err(Problem::because(Reason::BadToken, "The e-mail or the password is wrong."));
        }
        let token = self.issue(&account)?;
        self.lab.record_signed_in(account.id).await?;
        Ok((token, user(person, account.role, account.suspended)))
    }

    fn issue(&self, account: &AccountState) -> Result<String, Problem> {
        let bearer = Bearer { subject: account.id.as_uuid(), sign_outs: account.sign_outs };
        self.tokens.issue(bearer, self.clock.reading()).map_err(|error| {
            tracing::error!(%error, "a token could not be issued");
            Problem::unavailable("The server cannot sign you in just now.")
        })
    }

    pub async fn user(&self, id: AccountId) -> Result<User, Problem> {
        let person = self.people.by_id(id).await?.ok_or_else(|| Problem::not_found("user"))?;
        self.user_of(person).await
    }

    pub(super) async fn by_email(&self, email: &str) -> Result<Option<AccountId>, Problem> {
        Ok(self.people.by_email(email).await?.map(|person| person.account_id))
    }

    async fn user_of(&self, person: Person) -> Result<User, Problem> {
        let account = self.lab.account(person.account_id).await?;
        Ok(user(person, account.role, account.suspended))
    }

    /// The names that go with these ids, without those that were erased.
    pub(super) async fn names(&self, ids: impl IntoIterator<Item = AccountId>) -> Result<Names, Problem> {
        let ids: BTreeSet<AccountId> = ids.into_iter().collect();
        Ok(self.people.names(&ids).await?)
    }

    /// Whether somebody can administer this lab: an admin's account without a person behind it lets nobody in. By what the log
    /// says, however far behind the read models are.
    pub async fn has_admin(&self) -> Result<bool, Problem> {
        let mut after = None;
        loop {
            let people = self.people.all(after, LOOK_AHEAD).await?;
            for person in &people {
                match self.lab.account(person.account_id).await {
                    Ok(account) if account.role == Role::Admin && !account.suspended => return Ok(true),
                    Err(refused) if refused.reason != Reason::NotFound => return Err(refused.into()),
                    Ok(_) | Err(_) => {}
                }
            }
            match people.last() {
                Some(last) => after = Some(last.account_id),
                None => return Ok(false),
            }
        }
    }

    /// Those after `after`, up to `limit`, by id.
    pub(super) async fn all(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<User>, Problem> {
        let mut users = Vec::new();
        for person in self.people.all(after, limit).await? {
            users.push(self.user_of(person).await?);
        }
        Ok(users)
    }

    pub(super) async fn rename(&self, id: AccountId, name: &str) -> Result<(), Problem> {
        Ok(self.people.set_name(id, name).await?)
    }

    /// Sets a new password for whoever knows the old one, and gives the token that goes on from here: every other one,
    /// and every connection, ends.
    pub(super) async fn change_password(
        &self,
        id: AccountId,
        old: String,
        new: String,
    ) -> Result<(String, User), Problem> {
        let person = self.people.by_id(id).await?.ok_or_else(|| Problem::not_found("user"))?;
        let now = self.clock.boot();
        self.attempts.begin(None, &person.email, now)?;
        if !self.passwords.verify(Some(person.password_hash), old).await? {
            return Err(Problem::invalid("The old password is wrong."));
        }
        self.attempts.succeeded(None, &person.email, now);
        let password_hash = self.passwords.hash(new).await?;
        self.set_password(id, password_hash).await?;
        self.signed_in(id).await
    }

    async fn set_password(&self, id: AccountId, password_hash: String) -> Result<(), Problem> {
        self.people.set_password_hash(id, password_hash).await?;
        self.links.revoke(id).await?;
        self.lab.record_password_changed(id, id).await?;
        self.roster.sign_out(id, SignOut::PasswordChanged);
        Ok(())
    }

    /// A token for somebody who has just proved who they are.
    async fn signed_in(&self, id: AccountId) -> Result<(String, User), Problem> {
        let account = self.lab.account(id).await?;
        if account.suspended {
            return Err(Problem::new(Reason::Suspended));
        }
        Ok((self.issue(&account)?, self.user(id).await?))
    }

    /// Ends what the account watches and its connections, now.
    pub(super) async fn suspend(
        &self,
        by: &Principal,
        id: AccountId,
        reason: &str,
    ) -> Result<Recorded, Problem> {
        let recorded = self.lab.suspend(by, id, reason).await?;
        self.roster.sign_out(id, SignOut::Suspended);
        Ok(recorded)
    }

    /// A link to set a new password with.
    pub async fn reset_link(&self, id: AccountId) -> Result<OneTimeLink, Problem> {
        self.people.by_id(id).await?.ok_or_else(|| Problem::not_found("user"))?;
        self.link(PASSWORD_RESET, Some(id)).await
    }

    /// A link to create the first admin with. It stops working once there is one.
    pub async fn first_admin_link(&self) -> Result<OneTimeLink, Problem> {
        self.link(FIRST_ADMIN, None).await
    }

    async fn link(&self, purpose: &str, account: Option<AccountId>) -> Result<OneTimeLink, Problem> {
        let secret = random_secret();
        // Said to whoever opens the link, so that only the first admin is asked for a name and an address.
        let token = if purpose == FIRST_ADMIN { format!("{FIRST_ADMIN}.{secret}") } else { secret };
        let expires_at = self.clock.wall() + self.link_lifetime;
        self.links.create(&sha256_hex(&token), purpose, account, expires_at).await?;
        Ok(OneTimeLink { url: format!("{}/#/redeem/{token}", self.base_url), expires_at })
    }

    /// Uses a link: creates the first admin, or sets a password. Everything that can be refused without using it up is.
    pub(super) async fn redeem(
        &self,
        token: &str,
        password: String,
        name_and_email: Option<(String, String)>,
    ) -> Result<(String, User), Problem> {
        password::check_new(&password)?;
        let (hash, now) = (sha256_hex(token), self.clock.wall());
        let id = if self.links.purpose(&hash, now).await?.ok_or_else(used_up)? == FIRST_ADMIN {
            let Some((name, email)) = name_and_email else {
                return Err(Problem::invalid("The first admin needs a `name` and an `email`."));
            };
            let new = NewAccount { name, email, password, role: Role::Admin };
            self.create_first_admin(&hash, new).await?.id
        } else {
            // Hashed first: who has to wait for their turn at that still has the link.
            let password_hash = self.passwords.hash(password).await?;
            let link = self.links.take(&hash, now).await?.ok_or_else(used_up)?;
            let id = link.account.ok_or_else(used_up)?;
            self.set_password(id, password_hash).await?;
            id
        };
        self.signed_in(id).await
    }

    /// Of several links to become the first admin, used at one instant, one works.
    async fn create_first_admin(&self, link: &str, new: NewAccount) -> Result<User, Problem> {
        let password_hash = self.passwords.hash(new.password.clone()).await?;
        let turn = self.creating.lock().await;
        if self.has_admin().await? {
            return Err(used_up());
        }
        self.check_new(&new.name, &new.email).await?;
        self.links.take(link, self.clock.wall()).await?.ok_or_else(used_up)?;
        self.create_now(&Principal::System, new, password_hash, &turn).await
    }
}

fn used_up() -> Problem {
    Problem::because(Reason::BadToken, "This link is not valid, was used already, or has expired.")
}

fn user(person: Person, role: Role, suspended: bool) -> User {
    User {
        id: person.account_id,
        name: person.name,
        email: person.email,
        role,
        suspended,
        created_at: person.created_at,
    }
}
