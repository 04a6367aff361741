//! `Idempotency-Key` on requests that create: the same request again gets the first reply again, and creates nothing.
//!
//! Only what was carried out is kept. A refusal changed nothing, so a retry of it is decided anew.

mod sealed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use curfew_domain::Reason;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, Response as HttpResponse, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::watch;
use warp::Reply;
use warp::reply::Response;

use crate::actors::Principal;
use crate::api::Api;
use crate::api::error::Problem;
use crate::api::listener::Via;
use crate::api::request::Call;
use crate::api::route::{Answer, Route};
use crate::store::{Claim, KeyName};
use sealed::{CallersKey, KeptReply};

const HEADER: &str = "idempotency-key";
pub(super) const LONGEST_KEY: usize = 255;
/// What a reply that is shown once is sealed with has to be hard to guess; a UUID is longer.
const SHORTEST_FOR_SECRETS: usize = 16;
/// How long the same request, sent while the first is carried out, waits for the first's reply.
const PATIENCE: Duration = Duration::from_secs(10);

/// The keys whose requests are being carried out by this process.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<KeyName, watch::Receiver<()>>>);

impl Running {
    /// `Err` with what ends when the request does that has this key already.
    fn begin(self: &Arc<Self>, key: &KeyName) -> Result<Turn, watch::Receiver<()>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = running.get(key) {
            return Err(other.clone());
        }
        let (held, ends) = watch::channel(());
        running.insert(key.clone(), ends);
        Ok(Turn { of: Arc::clone(self), key: key.clone(), _held: held })
    }
}

/// One request's time with its key; dropped, those who wait for it go on.
struct Turn {
    of: Arc<Running>,
    key: KeyName,
    _held: watch::Sender<()>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// A request with its key.
struct Keyed {
    api: Arc<Api>,
    callers: CallersKey,
    key: KeyName,
    request: String,
}

/// The fewest characters of a key that this route takes.
pub(super) const fn shortest(route: &Route) -> usize {
    if route.is_secret { SHORTEST_FOR_SECRETS } else { 1 }
}

/// Carries the request out once for its key; at once where it has none or the route creates nothing.
pub(super) async fn once(route: &Route, headers: &HeaderMap, path: &str, call: Call) -> Answer {
    let Some(key) = headers.get(HEADER).filter(|_| route.repeatable) else {
        return (route.handler)(call).await;
    };
    let shortest = shortest(route);
    let key = key.to_str().ok().filter(|key| (shortest..=LONGEST_KEY).contains(&key.len()));
    let key = key.ok_or_else(|| {
        let range = format!("{shortest} to {LONGEST_KEY}");
        Problem::invalid(format!("`Idempotency-Key` takes {range} ASCII characters here, such as a UUID."))
    })?;
    let who = name(call.who, call.via);
    let callers = CallersKey::new(&who, key);
    let derived = callers.name().zip(callers.fingerprint(route.method.as_str(), path, &call.body));
    let (name, request) = derived.ok_or_else(|| Problem::unavailable("The key cannot be used just now."))?;
    let keyed = Keyed { api: Arc::clone(&call.api), callers, key: KeyName { who, name }, request };
    let running = Arc::clone(&keyed.api.running);
    let turn = tokio::time::timeout(PATIENCE, async {
        loop {
            match running.begin(&keyed.key) {
                Ok(turn) => return turn,
                // It ends with an error, since nothing is ever sent.
                Err(mut other) => drop(other.changed().await),
            }
        }
    });
    let Ok(turn) = turn.await else {
        return conflict(
            "The first request with this Idempotency-Key is still being carried out. Please try again.",
        );
    };
    let answer = keyed.answer((route.handler)(call)).await;
    drop(turn);
    answer
}

impl Keyed {
    async fn answer(self, handled: impl Future<Output = Answer>) -> Answer {
        match self.api.idempotency.claim(&self.key, &self.request, self.api.clock.wall()).await? {
            Claim::Answered(sealed) => match self.callers.open(&sealed) {
                Some(reply) => again(reply),
                None => conflict("The reply to this Idempotency-Key cannot be read any more."),
            },
            Claim::Other => conflict("This Idempotency-Key was used for another request: take a new one."),
            Claim::Pending => conflict(
                "The first request with this Idempotency-Key failed or was interrupted. Please look whether it was carried out; to ask again, take a new key.",
            ),
            Claim::New => self.first(handled.await).await,
        }
    }

    async fn first(self, answer: Answer) -> Answer {
        let response = match answer {
            Ok(response) => response,
            Err(problem) => {
                // A failure may have come after the deed; a refusal has not.
                if !problem.status.is_server_error() {
                    self.api.idempotency.release(&self.key).await?;
                }
                return Err(problem);
            }
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let reply = KeptReply {
            status: head.status.as_u16(),
            location: location.map(str::to_owned),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        // It is carried out: that its reply could not be kept is no reason to say otherwise.
        match self.callers.seal(&reply) {
            Some(sealed) => {
                if let Err(error) = self.api.idempotency.keep(&self.key, sealed).await {
                    tracing::error!(%error, "a reply was not kept for its idempotency key");
                }
            }
            None => tracing::error!("a reply could not be sealed for its idempotency key"),
        }
        Ok(HttpResponse::from_parts(head, body).into_response())
    }
}

fn again(reply: KeptReply) -> Answer {
    let mut response: Response = reply.body.into_response();
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(location) = reply.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

fn conflict(detail: &str) -> Answer {
    Err(Problem::because(Reason::Conflict, detail))
}

/// Whose key it is; of those who have not signed in, their address's.
fn name(who: Option<Principal>, via: Via) -> String {
    match (who, via) {
        (Some(Principal::Account { id, .. }), _) => format!("account:{id}"),
        (Some(Principal::Robot { id, .. }), _) => format!("robot:{id}"),
        (Some(Principal::System), _) | (None, Via::DataFolder) => "system".to_owned(),
        (None, Via::Network(client)) => format!("address:{client}"),
    }
}
