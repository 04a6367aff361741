//! Which pages may call: those this server serves itself and those of configured origins. And what no URL may carry.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use warp::Reply;
use warp::reply::Response;

use crate::api::error::Problem;
use crate::api::route::percent_decode;
use curfew_domain::Reason;

/// Query parameters that would put a credential where proxies and histories keep it.
const CREDENTIALS: [&str; 5] = ["token", "access_token", "id_token", "bearer", "authorization"];

/// The origins whose pages may call, besides the one the request itself was sent to.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    allowed: Vec<String>,
}

/// What to do with a request before any route sees it.
pub(super) enum Verdict {
    /// Pass it on; the answer may be read by a page of this origin, if one is given.
    Pass(Option<HeaderValue>),
    Answer(Response),
}

impl Origins {
    pub(super) fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.to_vec() }
    }

    pub(super) fn judge<B>(&self, request: &Request<B>) -> Verdict {
        if request.uri().query().is_some_and(carries_credential) {
            let detail = "A token does not belong into an address. Send it in the Authorization header.";
            return Verdict::Answer(Problem::because(Reason::BadToken, detail).into_response());
        }
        let Some(origin) = request.headers().get(header::ORIGIN) else { return Verdict::Pass(None) };
        let own_page = is_own(origin, request.headers());
        let known = own_page || self.allowed.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes());
        if !known {
            return Verdict::Answer(Problem::new(Reason::OriginRefused).into_response());
        }
        let preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        match (preflight, own_page) {
            (true, _) => Verdict::Answer(preflight_answer(origin)),
            (false, true) => Verdict::Pass(None),
            (false, false) => Verdict::Pass(Some(origin.clone())),
        }
    }
}

/// Lets a page of another origin read the answer.
pub(super) fn expose(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let exposed = HeaderValue::from_static("Location, ETag, Link, Retry-After, X-Request-Id");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

fn preflight_answer(origin: &HeaderValue) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    expose(headers, origin.clone());
    let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let names = HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key, If-Match");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn carries_credential(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_decode(name).unwrap_or_else(|| name.to_owned());
        CREDENTIALS.iter().any(|credential| name.eq_ignore_ascii_case(credential))
    })
}

/// Whether the page came from the host that it calls. The scheme is left out: behind a TLS proxy it is not known here.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, rest)| rest);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (authority, host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(method: &str, uri: &str, headers: &[(&str, &str)]) -> String {
        let origins = Origins::new(&["https://robots.example".to_owned(), "https://lab.example".to_owned()]);
        let mut request = Request::builder().method(method).uri(uri).header("host", "10.0.0.1:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match origins.judge(&request.body(()).expect("a request")) {
            Verdict::Pass(None) => "pass".to_owned(),
            Verdict::Pass(Some(origin)) => format!("pass, readable by {}", origin.to_str().expect("text")),
            Verdict::Answer(response) => response.status().as_u16().to_string(),
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_configured() {
        let cases = [
            (vec![], "pass"),
            (vec![("origin", "http://10.0.0.1:8080")], "pass"),
            (vec![("origin", "https://robots.example")], "pass, readable by https://robots.example"),
            (vec![("origin", "https://lab.example")], "pass, readable by https://lab.example"),
            (vec![("origin", "https://lab.example.evil.example")], "403"),
            (vec![("origin", "http://10.0.0.1")], "403"),
            (vec![("origin", "null")], "403"),
        ];
        for (headers, expected) in cases {
            assert_eq!(judge("POST", "/bookings", &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_preflight_is_answered_for_known_origins_only() {
        let asks = |origin| vec![("origin", origin), ("access-control-request-method", "POST")];
        assert_eq!(judge("OPTIONS", "/bookings", &asks("https://lab.example")), "204");
        assert_eq!(judge("OPTIONS", "/bookings", &asks("https://evil.example")), "403");
    }

    #[test]
    fn a_token_in_the_query_is_refused() {
        for uri in
            ["/ws?token=a", "/robots?x=1&access_token=a", "/?TOKEN=a", "/robots?bearer", "/ws?%74oken=a"]
        {
            assert_eq!(judge("GET", uri, &[]), "401", "{uri}");
        }
        assert_eq!(judge("GET", "/robots?after=token", &[]), "pass");
    }
}
