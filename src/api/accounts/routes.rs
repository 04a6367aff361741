//! The routes about people: `/auth/…` for themselves, `/admin/users` for admins.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, Reason, Role};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NewAccount, OneTimeLink};
use crate::actors::{Principal, Recorded};
use crate::api::admin::recorded;
use crate::api::dto::{NotRecorded, User};
use crate::api::error::Problem;
use crate::api::listener::Via;
use crate::api::request::{Call, Page, ok, with_status};
use crate::api::route::{Access, Answer, Route};
use crate::protocol::millis;
use crate::store::NewPerson;

pub(in crate::api) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/auth/login", Access::Public, login)
            .about("Signs in")
            .takes::<Login>()
            .gives::<SignedIn>(StatusCode::OK),
        Route::new(Method::POST, "/auth/register", Access::Public, register)
            .about("Registers oneself, where the configuration allows it")
            .takes::<Register>()
            .gives::<User>(StatusCode::CREATED)
            .repeatable(),
        Route::new(Method::POST, "/auth/redeem", Access::Public, redeem)
            .about("Uses a one-time link")
            .takes::<Redeem>()
            .gives::<SignedIn>(StatusCode::OK),
        Route::new(Method::GET, "/auth/me", Access::Any, me)
            .about("Who is signed in")
            .gives::<User>(StatusCode::OK),
        Route::new(Method::POST, "/auth/password", Access::Any, change_password)
            .about("Changes one's own password")
            .takes::<ChangePassword>()
            .gives::<PasswordChanged>(StatusCode::OK),
    ]
}

pub(in crate::api) fn admin_routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/admin/users", Access::Admin, list).about("All accounts").lists::<User>(),
        Route::new(Method::POST, "/admin/users", Access::Admin, create)
            .about("Creates an account")
            .takes::<Create>()
            .gives::<User>(StatusCode::CREATED)
            .repeatable(),
        Route::new(Method::PATCH, "/admin/users/{id}", Access::Admin, update)
            .about("Changes an account; what is left out stays")
            .takes::<Update>()
            .gives::<User>(StatusCode::OK)
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::POST, "/admin/users/{id}/reset-link", Access::Admin, reset_link)
            .about("Makes a link with which a person sets a new password")
            .gives::<Link>(StatusCode::CREATED)
            .repeatable_secret(),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct Login {
    email: String,
    password: String,
}

#[derive(JsonSchema, Serialize)]
struct SignedIn {
    access_token: String,
    token_type: &'static str,
    user: User,
}

fn signed_in((access_token, user): (String, User)) -> SignedIn {
    SignedIn { access_token, token_type: "bearer", user }
}

async fn login(call: Call) -> Answer {
    let Login { email, password } = call.json()?;
    Ok(ok(&signed_in(call.api.accounts.sign_in(&email, password, address(&call)).await?)))
}

/// Where somebody who is not signed in asks from; none for who owns the data folder.
fn address(call: &Call) -> Option<IpAddr> {
    match call.via {
        Via::Network(client) => Some(client),
        Via::DataFolder => None,
    }
}

#[derive(Deserialize, JsonSchema)]
struct Register {
    name: String,
    email: String,
    password: String,
}

async fn register(call: Call) -> Answer {
    if !call.api.registration {
        let text = "People do not register themselves here. Ask an admin of this lab for an account.";
        return Err(Problem::because(Reason::NotAvailable, text));
    }
    let Register { name, email, password } = call.json()?;
    call.api.accounts.attempt(&email, address(&call))?;
    let new = NewAccount { name, email, password, role: Role::Viewer };
    let user = call.api.accounts.create(&Principal::System, new).await?;
    Ok(with_status(StatusCode::CREATED, &user))
}

#[derive(Deserialize, JsonSchema)]
struct Redeem {
    token: String,
    password: String,
    name: Option<String>,
    email: Option<String>,
}

async fn redeem(call: Call) -> Answer {
    let Redeem { token, password, name, email } = call.json()?;
    let done = call.api.accounts.redeem(&token, password, name.zip(email)).await?;
    Ok(ok(&signed_in(done)))
}

async fn me(call: Call) -> Answer {
    Ok(ok(&call.api.accounts.user(call.account()?).await?))
}

#[derive(Deserialize, JsonSchema)]
struct ChangePassword {
    old: String,
    new: String,
}

/// The user, and the token that replaces the one it was asked with.
#[derive(JsonSchema, Serialize)]
struct PasswordChanged {
    #[serde(flatten)]
    user: User,
    access_token: String,
    token_type: &'static str,
}

async fn change_password(call: Call) -> Answer {
    let ChangePassword { old, new } = call.json()?;
    let id = call.account()?;
    let (access_token, user) = call.api.accounts.change_password(id, old, new).await?;
    Ok(ok(&PasswordChanged { user, access_token, token_type: "bearer" }))
}

async fn list(call: Call) -> Answer {
    let limit = call.limit()?;
    let users = call.api.accounts.all(call.optional("after")?, limit + 1).await?;
    Ok(ok(&Page::of(users, limit, |user| user.id.to_string())))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    name: String,
    email: String,
    password: String,
    role: Role,
}

async fn create(call: Call) -> Answer {
    let Create { name, email, password, role } = call.json()?;
    let new = NewAccount { name, email, password, role };
    let user = call.api.accounts.create(&call.principal()?, new).await?;
    Ok(with_status(StatusCode::CREATED, &user))
}

/// What is left out stays as it is: a misspelt member is refused, or it would look as if it had been changed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    name: Option<String>,
    role: Option<Role>,
    suspended: Option<bool>,
    /// Owed for a suspension.
    reason: Option<String>,
}

async fn update(call: Call) -> Answer {
    let id: AccountId = call.id(0, "user")?;
    let Update { name, role, suspended, reason } = call.json()?;
    let (by, reason) = (call.principal()?, reason.unwrap_or_default());
    let (accounts, lab) = (&call.api.accounts, &call.api.lab);
    let user = accounts.user(id).await?;
    // Looked at before anything is changed: a refusal leaves everything as it was.
    if let Some(name) = &name {
        NewPerson::check(name, &user.email)?;
    }
    if suspended == Some(true) && reason.trim().is_empty() {
        return Err(Problem::new(Reason::ReasonRequired));
    }
    if let Some(role) = role {
        lab.change_role(&by, id, role).await?;
    }
    let done = match suspended {
        Some(true) => accounts.suspend(&by, id, &reason).await?,
        Some(false) => lab.reinstate(&by, id).await.map(|()| Recorded(true))?,
        None => Recorded(true),
    };
    if let Some(name) = name {
        accounts.rename(id, &name).await?;
    }
    match recorded(done) {
        Some(response) => Ok(response),
        None => Ok(ok(&accounts.user(id).await?)),
    }
}

#[derive(JsonSchema, Serialize)]
struct Link {
    url: String,
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    expires_at: DateTime<Utc>,
}

async fn reset_link(call: Call) -> Answer {
    let OneTimeLink { url, expires_at } = call.api.accounts.reset_link(call.id(0, "user")?).await?;
    Ok(with_status(StatusCode::CREATED, &Link { url, expires_at }))
}
