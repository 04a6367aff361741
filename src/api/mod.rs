//! REST: routes, who may call them, shapes on the wire, and the listener they are served by.
//!
//! No rule about bookings, rooms or robots lives here: handlers authenticate, read a shape, ask [`Lab`] or the read models,
//! and write a shape. `error.rs` is the one place where a refusal becomes a status.

mod accounts;
mod admin;
pub mod auth;
mod bookings;
mod dto;
pub mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod guests;
mod health;
mod idempotency;
mod instant;
mod interventions;
pub mod listener;
pub mod metrics;
mod openapi;
mod origin;
mod password;
pub mod proxies;
mod request;
mod robots;
mod route;
mod schedule;
mod service;
pub mod tls;
pub mod token;
mod trace;
mod videos;
mod webrtc;

pub use accounts::{Accounts, NewAccount, OneTimeLink};
pub use dto::User;
pub use service::Service;

use std::sync::Arc;
use std::time::Duration;

use crate::actors::Lab;
use crate::api::auth::Auth;
use crate::api::error::Problem;
use crate::api::metrics::{ListenerMeters, Metrics};
use crate::api::proxies::Proxies;
use crate::api::route::{Access, Route, Table};
use crate::api::token::Tokens;
use crate::clock::SharedClock;
use crate::config::{Config, origin_of};
use crate::media::Media;
use crate::signaling::Roster;
use crate::store::{Idempotency, Log, Projector, Reads};

/// What the routes answer from.
pub struct Api {
    lab: Lab,
    log: Log,
    reads: Reads,
    media: Media,
    clock: SharedClock,
    auth: Auth,
    accounts: Accounts,
    idempotency: Idempotency,
    running: Arc<idempotency::Running>,
    proxies: Arc<Proxies>,
    projector: Projector,
    roster: Roster,
    metrics: Arc<Metrics>,
    registration: bool,
    body_bytes: usize,
    body_timeout: Duration,
    /// How long a part may take to answer before it counts as failing.
    patience: Duration,
    /// Whether this server itself speaks TLS.
    is_tls: bool,
    /// What links for people begin with.
    base_url: String,
    /// Whose pages may call: this server's own as people reach it, and the configured ones.
    allowed_origins: Vec<String>,
}

/// The concrete parts, from `app.rs`.
pub struct ApiParts {
    pub lab: Lab,
    pub log: Log,
    pub reads: Reads,
    pub media: Media,
    pub clock: SharedClock,
    pub base_url: String,
    pub proxies: Arc<Proxies>,
    pub roster: Roster,
    pub projector: Projector,
    pub listener_meters: ListenerMeters,
}

impl Api {
    pub async fn new(parts: ApiParts, config: &Config) -> Result<Arc<Self>, Problem> {
        let key = parts.log.secrets().get_or_create("token-hs256", 32).await?;
        let tokens = Tokens::new(&key, Duration::from_secs(config.sessions.token_minutes.saturating_mul(60)));
        let tokens = Arc::new(tokens);
        let own_origin = origin_of(&parts.base_url).map(str::to_owned);
        let accounts = Accounts::new(&parts, Arc::clone(&tokens), config).await?;
        let (log, lab, listener) = (parts.log.meters(), parts.lab.meters(), &parts.listener_meters);
        let metrics = Arc::new(Metrics::new(log, lab, listener, &accounts.meters()));
        Ok(Arc::new(Self {
            auth: Auth::new(
                tokens,
                parts.lab.clone(),
                Arc::clone(&parts.clock),
                config.metrics.allow.clone(),
            ),
            accounts,
            idempotency: parts.log.idempotency(),
            running: Arc::default(),
            proxies: parts.proxies,
            projector: parts.projector,
            roster: parts.roster,
            metrics,
            lab: parts.lab,
            log: parts.log,
            reads: parts.reads,
            media: parts.media,
            clock: parts.clock,
            registration: config.registration,
            body_bytes: config.limits.body_bytes,
            body_timeout: config.limits.body_timeout(),
            patience: config.sessions.answer_within(),
            is_tls: config.tls.files().is_some(),
            allowed_origins: own_origin.into_iter().chain(config.allowed_origins.clone()).collect(),
            base_url: parts.base_url,
        }))
    }

    /// Authenticates tokens for the other transports.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Creates and finds accounts, for the program itself.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }
}

/// Every route there is, by area. What is documented and not here yet answers `not_available` to those who may call it.
fn table() -> Table {
    let mut routes = Vec::new();
    routes.extend(health::routes());
    routes.extend(metrics::routes());
    routes.extend(accounts::routes());
    routes.extend(robots::routes());
    routes.extend(schedule::routes());
    routes.extend(bookings::routes());
    routes.extend(guests::routes());
    routes.extend(webrtc::routes());
    routes.extend(videos::routes());
    routes.extend(admin::routes());
    routes.extend(interventions::routes());
    routes.extend(openapi::routes());
    routes.extend(later());
    Table::new(routes)
}

fn later() -> Vec<Route> {
    use http::Method;
    let not_yet = |method, pattern, access, what: &'static str| {
        Route::new(method, pattern, access, move |_| async move { Err(Problem::not_available(what)) })
    };
    vec![
        not_yet(Method::POST, "/whip/{robot_id}", Access::Robot, "WHIP"),
        not_yet(Method::POST, "/whep/{robot_id}", Access::Any, "WHEP"),
        not_yet(Method::GET, "/audit/events", Access::Audit, "The audit"),
        not_yet(Method::GET, "/audit/sessions", Access::Audit, "The audit"),
        not_yet(Method::GET, "/audit/sessions/{booking}", Access::Audit, "The audit"),
        not_yet(Method::GET, "/audit/state", Access::Audit, "The audit"),
        not_yet(Method::GET, "/audit/checkpoint", Access::Audit, "The audit"),
        not_yet(Method::GET, "/audit/proof/{what}", Access::Audit, "The audit"),
        not_yet(Method::GET, "/audit/proof/{what}/{which}", Access::Audit, "The audit"),
        not_yet(Method::GET, "/audit/export", Access::Audit, "The audit"),
        // Its clients come here before they send a token.
        not_yet(Method::GET, "/socket.io/", Access::Public, "Socket.IO"),
        not_yet(Method::POST, "/socket.io/", Access::Public, "Socket.IO"),
    ]
}
