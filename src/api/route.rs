//! The table of routes and how a request finds its handler: address and method first, then who asks, then the body.
//!
//! Nothing of a body is read for somebody who may not call.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use warp::reply::Response;

use crate::api::error::Problem;
use crate::api::request::{Call, Limit, Page, Params};

pub(super) type Answer = Result<Response, Problem>;

/// Who may call a route. Everything else is refused before its handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Public,
    /// Viewers and admins; auditors where it only reads.
    Any,
    Admin,
    /// Admins, and whoever asks from a configured address.
    Monitor,
    /// Auditors and admins.
    Audit,
    /// Robots with their credential, and nobody else.
    Robot,
}

type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A route: a method, an address in which `{…}` stands for any one segment, and what answers there.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) pattern: &'static str,
    pub(super) access: Access,
    /// Whether a reply is kept, sealed, and given again.
    pub(super) repeatable: bool,
    /// Whether the reply holds what is shown this once.
    pub(super) is_secret: bool,
    pub(super) handler: Handler,
    pub(super) about: About,
}

/// The JSON Schema of a type.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What `/openapi.json` says of a route and the table does not need.
#[derive(Clone, Default)]
pub(super) struct About {
    /// One sentence; none for what is announced and not there yet.
    pub(super) summary: &'static str,
    /// The body's shape, and whether there has to be one.
    pub(super) takes: Option<(Shape, bool)>,
    /// Statuses of success, with the media type and shape of their bodies.
    pub(super) gives: Vec<(u16, Option<(&'static str, Shape)>)>,
    /// Query parameters, and whether they have to be there.
    pub(super) query: Vec<(&'static str, Shape, bool)>,
}

impl Route {
    pub(super) fn new<F, A>(method: Method, pattern: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        Self {
            method,
            pattern,
            access,
            repeatable: false,
            is_secret: false,
            handler: Arc::new(move |call| Box::pin(handler(call))),
            about: About::default(),
        }
    }

    /// Takes an `Idempotency-Key`.
    pub(super) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// Takes an `Idempotency-Key` that nobody guesses, and answers with what is shown this once.
    pub(super) fn repeatable_secret(self) -> Self {
        Self { repeatable: true, is_secret: true, ..self }
    }

    pub(super) fn about(mut self, summary: &'static str) -> Self {
        self.about.summary = summary;
        self
    }

    /// Takes this body.
    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.about.takes = Some((SchemaGenerator::subschema_for::<T>, true));
        self
    }

    /// Takes this body or none.
    pub(super) fn may_take<T: JsonSchema>(mut self) -> Self {
        self.about.takes = Some((SchemaGenerator::subschema_for::<T>, false));
        self
    }

    /// Answers with this status and body.
    pub(super) fn gives<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        let body = ("application/json", SchemaGenerator::subschema_for::<T> as Shape);
        self.about.gives.push((status.as_u16(), Some(body)));
        self
    }

    /// Answers with text of this media type.
    pub(super) fn gives_text(mut self, media_type: &'static str) -> Self {
        let body = (media_type, SchemaGenerator::subschema_for::<String> as Shape);
        self.about.gives.push((StatusCode::OK.as_u16(), Some(body)));
        self
    }

    /// Answers without a body.
    pub(super) fn gives_nothing(mut self) -> Self {
        self.about.gives.push((StatusCode::NO_CONTENT.as_u16(), None));
        self
    }

    /// Answers a page of a list, and takes `limit` and `after`.
    pub(super) fn lists<T: JsonSchema>(self) -> Self {
        self.gives::<Page<T>>(StatusCode::OK).query::<Limit>("limit", false).query::<String>("after", false)
    }

    pub(super) fn query<T: JsonSchema>(mut self, name: &'static str, is_needed: bool) -> Self {
        self.about.query.push((name, SchemaGenerator::subschema_for::<T>, is_needed));
        self
    }

    /// False for what is announced only.
    pub(super) fn is_there(&self) -> bool {
        !self.about.summary.is_empty()
    }

    /// Whether it changes nothing, so that auditors may call it.
    pub(super) fn reads(&self) -> bool {
        self.method == Method::GET
    }
}

/// All routes. The first whose address fits is taken.
#[derive(Clone)]
pub(super) struct Table(Arc<[Route]>);

/// A route and the address that fits it.
pub(super) struct Matched {
    pub(super) route: Route,
    pub(super) params: Params,
    pub(super) path: String,
}

/// What became of looking for a route.
pub(super) enum Found {
    Route(Box<Matched>),
    /// The address is known, with these methods.
    OtherMethods(String),
    Nothing,
}

impl Table {
    pub(super) fn new(routes: Vec<Route>) -> Self {
        Self(routes.into())
    }

    pub(super) fn routes(&self) -> &[Route] {
        &self.0
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Found {
        let fitting: Vec<_> =
            self.0.iter().filter_map(|route| Some((route, fit(route.pattern, path)?))).collect();
        // A HEAD is answered like a GET, and hyper leaves the body out.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        if let Some((route, params)) = fitting.iter().find(|(route, _)| route.method == *method) {
            let params = Params(params.clone());
            return Found::Route(Box::new(Matched {
                route: (*route).clone(),
                params,
                path: path.to_owned(),
            }));
        }
        if fitting.is_empty() {
            return Found::Nothing;
        }
        let mut methods: Vec<_> = fitting.iter().map(|(route, _)| route.method.as_str()).collect();
        if methods.contains(&Method::GET.as_str()) {
            methods.push(Method::HEAD.as_str());
        }
        methods.sort_unstable();
        methods.dedup();
        Found::OtherMethods(methods.join(", "))
    }
}

/// The segments that stand where the pattern has `{…}`, percent-decoded; None where the path does not fit.
fn fit(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return Some(params),
            (Some(pattern), Some(segment)) if pattern.starts_with('{') && !segment.is_empty() => {
                params.push(percent_decode(segment)?);
            }
            (Some(pattern), Some(segment)) if pattern == segment => {}
            _ => return None,
        }
    }
}

/// RFC 3986, section 2.1. None where it is malformed or no UTF-8.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let (high, low) = (char::from(bytes.next()?), char::from(bytes.next()?));
                u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()?
            }
            plain => plain,
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::Reply;

    fn table() -> Table {
        let route = |method, pattern| {
            Route::new(method, pattern, Access::Public, |_| async { Ok(warp::reply().into_response()) })
        };
        Table::new(vec![
            route(Method::GET, "/bookings"),
            route(Method::POST, "/bookings"),
            route(Method::GET, "/bookings/schedule"),
            route(Method::GET, "/bookings/{id}"),
            route(Method::DELETE, "/bookings/{id}"),
            route(Method::POST, "/bookings/{id}/guests"),
        ])
    }

    fn find(method: Method, path: &str) -> String {
        match table().find(&method, path) {
            Found::Route(found) => format!("{} {:?}", found.route.pattern, found.params.0),
            Found::OtherMethods(allow) => allow,
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_request_finds_its_route() {
        let cases = [
            (Method::GET, "/bookings", "/bookings []"),
            (Method::GET, "/bookings/schedule", "/bookings/schedule []"),
            (Method::GET, "/bookings/7", r#"/bookings/{id} ["7"]"#),
            (Method::GET, "/bookings/a%20b%2Fc", r#"/bookings/{id} ["a b/c"]"#),
            (Method::GET, "/bookings/%zz", "nothing"),
            (Method::GET, "/bookings/%ff", "nothing"),
            (Method::GET, "/bookings/", "nothing"),
            (Method::GET, "/bookings/7/guests/8", "nothing"),
            (Method::HEAD, "/bookings", "/bookings []"),
            (Method::PUT, "/bookings", "GET, HEAD, POST"),
            (Method::PUT, "/bookings/7", "DELETE, GET, HEAD"),
            (Method::GET, "/", "nothing"),
        ];
        for (method, path, expected) in cases {
            assert_eq!(find(method.clone(), path), expected, "{method} {path}");
        }
    }
}
