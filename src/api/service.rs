//! The whole as one function from request to response: the guard in front, the table of routes, the console and the
//! signaling beside it, and the problems that none of them took.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures_util::Stream;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Body;
use hyper_util::service::TowerToHyperService;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reject::{Reject, Rejection};
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::api::error::{Problem, from_rejection, render};
use crate::api::listener::{Place, TurnedAway, Via};
use crate::api::metrics::Metrics;
use crate::api::origin::{Origins, Verdict, expose};
use crate::api::proxies::Proxies;
use crate::api::request::{Call, check_json, read_body};
use crate::api::route::{Found, Matched};
use crate::api::trace::{Routed, Trace};
use crate::api::{Api, idempotency, table};
use crate::clock::SharedClock;
use crate::console;
use crate::correlation;

/// Answers requests, whatever they came in by. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    routes: BoxedFilter<(Response,)>,
    origins: Arc<Origins>,
    proxies: Arc<Proxies>,
    is_tls: bool,
    metrics: Arc<Metrics>,
    clock: SharedClock,
}

impl Service {
    /// `beside` is what is served besides REST: signaling, console.
    pub fn new(api: &Arc<Api>, beside: BoxedFilter<(Response,)>) -> Self {
        let origins = Arc::new(Origins::new(&api.allowed_origins));
        let routes = rest(Arc::clone(api)).or(beside).unify().recover(recover).unify().boxed();
        Self {
            routes,
            origins,
            proxies: Arc::clone(&api.proxies),
            is_tls: api.is_tls,
            metrics: Arc::clone(&api.metrics),
            clock: Arc::clone(&api.clock),
        }
    }

    pub async fn call<B>(&self, request: Request<B>) -> Result<Response, Infallible>
    where
        B: Body + Send + Sync + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let via = request.extensions().get::<Via>().copied();
        let trusted = matches!(via, Some(Via::Network(peer)) if self.proxies.trust(peer));
        let trace = Trace::begin(&request, trusted, &self.metrics, &self.clock);
        let mut response = correlation::within(trace.id, self.answer(request)).await?;
        trace.end(&mut response);
        Ok(response)
    }

    async fn answer<B>(&self, mut request: Request<B>) -> Result<Response, Infallible>
    where
        B: Body + Send + Sync + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().to_owned();
        let admitted = self.admit(&mut request);
        let (origin, response) = match (admitted, self.origins.judge(&request)) {
            (Err(problem), _) => (None, turned_away(&problem)),
            (Ok(_), Verdict::Answer(response)) => (None, response),
            // What admitted it is held until it is answered.
            (Ok(_place), Verdict::Pass(origin)) => {
                let routes = TowerToHyperService::new(warp::service(self.routes.clone()));
                (origin, hyper::service::Service::call(&routes, request).await?)
            }
        };
        let mut response = render(response, &path);
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if self.is_tls {
            // RFC 6797; a year.
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if let Some(origin) = origin {
            expose(headers, origin);
        }
        Ok(response)
    }

    /// Finds out which client asks, and whether that client may have one more request.
    fn admit<B>(&self, request: &mut Request<B>) -> Result<Option<Place>, Problem> {
        if let Some(why) = request.extensions().get::<TurnedAway>() {
            return Err(why.into());
        }
        let Some(Via::Network(peer)) = request.extensions().get::<Via>().copied() else { return Ok(None) };
        let client = self.proxies.client(peer, request.headers());
        request.extensions_mut().insert(Via::Network(client));
        tracing::debug!(%client, request_id = ?correlation::current(), "asked");
        if !self.proxies.trust(peer) {
            return Ok(None);
        }
        let Some(place) = request.extensions().get::<Place>() else { return Ok(None) };
        let place = place.visited_by(client).ok_or(&TurnedAway::AddressFull)?;
        // A WebSocket takes it along.
        request.extensions_mut().insert(place.clone());
        Ok(Some(place))
    }
}

impl From<&TurnedAway> for Problem {
    fn from(why: &TurnedAway) -> Self {
        match why {
            TurnedAway::Full => {
                Self::unavailable("The server has all the connections it can take. Please try again.")
            }
            TurnedAway::NotTls => Self {
                status: StatusCode::BAD_REQUEST,
                ..Self::invalid("This port speaks HTTPS: begin the address with https://.")
            },
            TurnedAway::AddressFull => {
                let detail = "There are too many connections from your address. Close some, or try again.";
                Self::rate_limited(detail, Duration::from_secs(1))
            }
        }
    }
}

/// The connection is not kept for another request.
fn turned_away(problem: &Problem) -> Response {
    let mut response = problem.clone().into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The address is known, and not with this method.
#[derive(Debug)]
struct OtherMethods(String);

impl Reject for OtherMethods {}

/// The table as a filter that rejects what it does not know before it touches the body.
fn rest(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    let table = table();
    warp::method()
        .and(warp::path::full())
        .and_then(move |method: Method, path: FullPath| {
            let found = table.find(&method, path.as_str());
            async move {
                match found {
                    Found::Route(matched) => Ok(matched),
                    Found::OtherMethods(methods) => Err(warp::reject::custom(OtherMethods(methods))),
                    Found::Nothing => Err(warp::reject::not_found()),
                }
            }
        })
        .and(warp::query::<HashMap<String, String>>())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Via>())
        .and(warp::body::stream())
        .then(move |matched: Box<Matched>, query, headers, via, body| {
            let api = Arc::clone(&api);
            let routed = Routed(matched.route.pattern);
            async move {
                let mut response = match answer(api, *matched, query, headers, via, body).await {
                    Ok(response) => response,
                    Err(problem) => problem.into_response(),
                };
                response.extensions_mut().insert(routed);
                response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
        })
        .boxed()
}

/// Who asks first; then the body; then the handler.
async fn answer<S, B>(
    api: Arc<Api>,
    matched: Matched,
    query: HashMap<String, String>,
    headers: HeaderMap,
    via: Via,
    body: S,
) -> Result<Response, Problem>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let Matched { route, params, path } = matched;
    let who = api.auth.admit(&route, &headers, via).await?;
    let body = read_body(&headers, body, api.body_bytes, api.body_timeout).await?;
    if route.is_there() {
        check_json(&headers, &body)?;
    }
    let call = Call { api, who, via, params, query, body };
    // A client that goes away ends its connection's task: what it asked for is not to stop halfway.
    let done = correlation::spawn(async move { idempotency::once(&route, &headers, &path, call).await });
    done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not carried out to its end");
        Err(Problem::unavailable(
            "The server could not finish this. Please look whether it was done, and try again.",
        ))
    })
}

async fn recover(rejection: Rejection) -> Result<Response, Infallible> {
    let methods = match (rejection.find(), rejection.find()) {
        (Some(OtherMethods(methods)), _) => methods.as_str(),
        (None, Some(console::ReadOnly)) => console::METHODS,
        (None, None) => return Ok(from_rejection(&rejection).into_response()),
    };
    let mut response = Problem::method_not_allowed().into_response();
    // RFC 9110, 10.2.1.
    if let Ok(allow) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    Ok(response)
}
