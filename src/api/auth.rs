//! Who asks: from a Bearer token to a principal, and what a principal's role opens.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curfew_domain::{CredentialId, Reason, RobotId, Role};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ipnet::IpNet;
use rand::RngCore;
use sha2::{Digest, Sha256};

use crate::actors::{Lab, Principal, Refused, hex};
use crate::api::error::Problem;
use crate::api::listener::Via;
use crate::api::proxies::is_in;
use crate::api::route::{Access, Route};
use crate::api::token::Tokens;
use crate::clock::SharedClock;
use crate::signaling::Authenticate;

/// The longest token that is looked at.
const LONGEST_TOKEN: usize = 4_096;
pub(super) const ROBOT_PREFIX: &str = "curfew_robot_";

/// Authenticates people and robots, for every transport.
#[derive(Clone)]
pub struct Auth {
    tokens: Arc<Tokens>,
    lab: Lab,
    clock: SharedClock,
    /// Networks that may read metrics.
    monitors: Arc<[IpNet]>,
}

impl Auth {
    pub(super) fn new(tokens: Arc<Tokens>, lab: Lab, clock: SharedClock, monitors: Vec<IpNet>) -> Self {
        Self { tokens, lab, clock, monitors: monitors.into() }
    }

    /// Whose token this is: a person's, with the role of this moment, or a robot's. Refuses with `bad_token` or
    /// `suspended`.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, Refused> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refused::new(Reason::BadToken));
        }
        if let Some(rest) = token.strip_prefix(ROBOT_PREFIX) {
            let (credential, robot) = robot_ids(rest).ok_or_else(|| Refused::new(Reason::BadToken))?;
            return self.lab.authenticate_robot(robot, credential, &sha256_hex(token)).await;
        }
        let bearer = self.tokens.bearer(token, self.clock.reading()).map_err(|error| {
            tracing::debug!(%error, "a token was refused");
            Refused::new(Reason::BadToken)
        })?;
        let id = bearer.subject.into();
        match self.lab.account(id).await {
            Ok(account) if account.suspended => Err(Refused::new(Reason::Suspended)),
            Ok(account) if account.sign_outs != bearer.sign_outs => Err(Refused::because(
                Reason::BadToken,
                "Your password was changed or your account suspended since you signed in. Please sign in again.",
            )),
            Ok(account) => Ok(Principal::Account { id, role: account.role }),
            Err(refused) if refused.reason == Reason::NotFound => Err(Refused::new(Reason::BadToken)),
            Err(refused) => Err(refused),
        }
    }

    /// Who asks for `route`; nobody if it is public.
    pub(super) async fn admit(
        &self,
        route: &Route,
        headers: &HeaderMap,
        via: Via,
    ) -> Result<Option<Principal>, Problem> {
        let who = match (bearer(headers), via) {
            _ if route.access == Access::Public => return Ok(None),
            (Some(token), _) => self.authenticate(token).await?,
            // Whoever can open the socket owns the data folder, and could do anything to it.
            (None, Via::DataFolder) => Principal::System,
            (None, Via::Network(client))
                if route.access == Access::Monitor && is_in(&self.monitors, client) =>
            {
                return Ok(None);
            }
            (None, Via::Network(_)) => {
                return Err(Problem::because(Reason::BadToken, "Please sign in: this needs a Bearer token."));
            }
        };
        if may(who, route) { Ok(Some(who)) } else { Err(Problem::new(Reason::WrongRole)) }
    }
}

impl Authenticate for Auth {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Refused>> {
        Box::pin(Self::authenticate(self, token))
    }
}

/// RFC 6750, section 2.1.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A robot's new token, naming its credential and itself so that neither has to be searched for:
/// `curfew_robot_<credential><robot>_<32 random bytes in base64url>`.
pub(super) fn new_robot_token(credential: CredentialId, robot: RobotId) -> String {
    let (credential, robot) = (credential.as_uuid().simple(), robot.as_uuid().simple());
    format!("{ROBOT_PREFIX}{credential}{robot}_{}", random_secret())
}

/// 32 random bytes in base64url, 43 characters.
pub(super) fn random_secret() -> String {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    URL_SAFE_NO_PAD.encode(secret)
}

/// What is kept of a token.
pub(super) fn sha256_hex(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

pub(super) fn robot_ids(rest: &str) -> Option<(CredentialId, RobotId)> {
    let (credential, rest) = rest.split_at_checked(32)?;
    let (robot, secret) = rest.split_at_checked(32)?;
    secret.starts_with('_').then_some((credential.parse().ok()?, robot.parse().ok()?))
}

fn may(who: Principal, route: &Route) -> bool {
    match who {
        Principal::System => route.access != Access::Robot,
        Principal::Robot { .. } => route.access == Access::Robot,
        Principal::Account { role, .. } => match route.access {
            Access::Public => true,
            Access::Any => role != Role::Auditor || route.reads(),
            Access::Admin | Access::Monitor => role == Role::Admin,
            Access::Audit => matches!(role, Role::Admin | Role::Auditor),
            Access::Robot => false,
        },
    }
}
