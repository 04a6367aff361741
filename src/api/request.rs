//! A request as handlers see it: who asks, what the address says, and the body, read within its bounds.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use curfew_domain::{AccountId, Reason, RobotId, Role};
use futures_util::{Stream, StreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use warp::Reply;
use warp::reply::Response;

use crate::actors::Principal;
use crate::api::Api;
use crate::api::error::Problem;
use crate::api::listener::Via;
use crate::protocol::in_few_words;

/// How many items a list has unless the request says so, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1_000;

/// What stood where the route's pattern has `{…}`.
#[derive(Clone, Debug)]
pub(super) struct Params(pub(super) Vec<String>);

/// One request, authenticated and authorised for its route.
pub(super) struct Call {
    pub(super) api: Arc<Api>,
    /// Nobody on public routes.
    pub(super) who: Option<Principal>,
    pub(super) via: Via,
    pub(super) params: Params,
    pub(super) query: HashMap<String, String>,
    pub(super) body: Bytes,
}

impl Call {
    /// Who asks. Routes that are not public always have somebody.
    pub(super) fn principal(&self) -> Result<Principal, Problem> {
        self.who.ok_or_else(|| Problem::new(Reason::BadToken))
    }

    /// The person who asks; not the operator at the data folder, who is no person.
    pub(super) fn account(&self) -> Result<AccountId, Problem> {
        match self.principal()? {
            Principal::Account { id, .. } => Ok(id),
            Principal::System => Err(Problem::invalid("This is for people who signed in.")),
            Principal::Robot { .. } => Err(Problem::new(Reason::WrongRole)),
        }
    }

    pub(super) fn is_admin(&self) -> bool {
        matches!(self.who, Some(Principal::Account { role: Role::Admin, .. } | Principal::System))
    }

    pub(super) fn param(&self, index: usize) -> &str {
        self.params.0.get(index).map_or("", String::as_str)
    }

    /// An id in the address; one that cannot be an id names nothing. `what` as in "There is no such booking."
    pub(super) fn id<T: FromStr>(&self, index: usize, what: &str) -> Result<T, Problem> {
        self.param(index).parse().map_err(|_| Problem::not_found(what))
    }

    /// The body, a JSON object. What is wrong is said with the member that it is in.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => {}
            // Members have names, not places.
            Some(_) => return Err(Problem::invalid("The body has to be a JSON object: {…}.")),
            None => return Err(Problem::invalid("The body is missing: a JSON object is needed.")),
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path: String = error.path().to_string().chars().take(64).collect();
            // Its text says what is expected where, and nothing of the server.
            let words = in_few_words(error.inner());
            match path.as_str() {
                "." => Problem::invalid(format!("The body is not what is expected here: {words}.")),
                member => Problem::invalid(format!("`{member}` is not what is expected there: {words}.")),
            }
        })?;
        let rest = reader.end().map_err(|error| in_few_words(&error));
        rest.map_err(|words| Problem::invalid(format!("The body is not one JSON object: {words}.")))?;
        Ok(read)
    }

    /// A query parameter that has to be there and readable.
    pub(super) fn query<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.optional(name)?.ok_or_else(|| Problem::invalid(format!("`{name}` is missing.")))
    }

    pub(super) fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.query.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::invalid(format!("`{name}` cannot be read.")))
    }

    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.optional("limit")?.unwrap_or(PAGE);
        if (1..=LONGEST_PAGE).contains(&limit) {
            Ok(limit)
        } else {
            Err(Problem::invalid(format!("`limit` is from 1 to {LONGEST_PAGE}.")))
        }
    }

    /// The robot of an id or a slug.
    pub(super) async fn robot(&self, id_or_slug: &str) -> Result<RobotId, Problem> {
        if let Ok(id) = id_or_slug.parse() {
            self.api.lab.robot(id).await?;
            return Ok(id);
        }
        let robot = self.api.reads.robot(id_or_slug).await?;
        robot.map(|robot| robot.robot_id).ok_or_else(|| Problem::not_found("robot"))
    }
}

/// `?limit=` as it is described.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) struct Limit(#[schemars(range(min = 1, max = 1_000))] u32);

/// A list and where it goes on.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "{T}Page")]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The `after` of the next page; null at the end.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// From up to one item more than `limit`, which then only shows that there is more.
    pub(super) fn of(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

/// 200 with a JSON body.
pub(super) fn ok<T: Serialize>(body: &T) -> Response {
    with_status(StatusCode::OK, body)
}

pub(super) fn with_status<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = warp::reply::json(body).into_response();
    // `json` itself answers 500 when the body cannot be serialised.
    if response.status().is_success() {
        *response.status_mut() = status;
    }
    response
}

/// Reads the body, at most `longest` bytes within `timeout`; what comes beyond is not read.
pub(super) async fn read_body<S, B>(
    headers: &HeaderMap,
    body: S,
    longest: usize,
    timeout: Duration,
) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let announced =
        headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > longest) {
        return Err(Problem::new(Reason::TooLarge));
    }
    let collect = async {
        let mut body = std::pin::pin!(body);
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let mut chunk = chunk.map_err(|_| Problem::invalid("The body ended early."))?;
            if bytes.len() + chunk.remaining() > longest {
                return Err(Problem::new(Reason::TooLarge));
            }
            bytes.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
        }
        Ok(bytes.freeze())
    };
    tokio::time::timeout(timeout, collect).await.map_err(|_| Problem {
        status: StatusCode::REQUEST_TIMEOUT,
        ..Problem::invalid("The body did not arrive in time.")
    })?
}

/// Refuses a body that says of itself that it is something else.
pub(super) fn check_json(headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    if body.is_empty() || is_json(headers) {
        return Ok(());
    }
    Err(Problem::because(Reason::UnsupportedMediaType, "Bodies are JSON here: application/json."))
}

/// Whether the body may be JSON; where nothing is said, it may.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().ok().and_then(|text| text.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}
