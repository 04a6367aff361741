//! What is told of every request: one line in the log, and its part of the metrics. Never a token, a body, an address of a
//! person, or the address that was asked: only the route that it fits.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request};
use uuid::Uuid;
use warp::reply::Response;

use crate::api::metrics::Metrics;
use crate::clock::{BootInstant, SharedClock};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The pattern of the route that answered, in its response's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routed(pub(super) &'static str);

/// Stands in the metrics for the status of a request whose client went away before the answer.
const LEFT: u16 = 499;

/// A request that is being answered. Dropped without an answer, it is one whose client went away.
pub(super) struct Trace {
    pub(super) id: Uuid,
    method: &'static str,
    is_signaling: bool,
    began_at: BootInstant,
    metrics: Arc<Metrics>,
    clock: SharedClock,
    is_answered: bool,
}

impl Trace {
    /// `trusted` is whether a trusted proxy sent it, which may have named it already, with a UUID.
    pub(super) fn begin<B>(
        request: &Request<B>,
        trusted: bool,
        metrics: &Arc<Metrics>,
        clock: &SharedClock,
    ) -> Self {
        let named = trusted.then(|| named(request.headers())).flatten();
        Self {
            id: named.unwrap_or_else(Uuid::now_v7),
            method: name_of(request.method()),
            is_signaling: request.uri().path() == "/ws",
            began_at: clock.boot(),
            metrics: Arc::clone(metrics),
            clock: Arc::clone(clock),
            is_answered: false,
        }
    }

    pub(super) fn end(mut self, response: &mut Response) {
        self.is_answered = true;
        let status = response.status();
        let route = match response.extensions().get::<Routed>() {
            Some(Routed(route)) => route,
            None if self.is_signaling => "/ws",
            None if status.is_client_error() || status.is_server_error() => "none",
            None => "console",
        };
        let took = self.took();
        self.metrics.answered(self.method, route, status.as_u16(), took);
        let (request_id, method, duration_us) = (self.id, self.method, micros(took));
        tracing::info!(%request_id, method, route, status = status.as_u16(), duration_us, "answered");
        if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
    }

    fn took(&self) -> Duration {
        self.clock.boot().saturating_since(self.began_at)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let took = self.took();
        self.metrics.answered(self.method, "none", LEFT, took);
        let (request_id, method, duration_us) = (self.id, self.method, micros(took));
        tracing::info!(%request_id, method, duration_us, "the client went away before the answer");
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn named(headers: &HeaderMap) -> Option<Uuid> {
    Uuid::try_parse(headers.get(X_REQUEST_ID)?.to_str().ok()?).ok()
}

/// Methods are whatever a client sends; those that no route has are all alike.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
