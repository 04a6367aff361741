//! `Idempotency-Key` on requests that create: the same request again gets the first reply again, and creates nothing.
//!
//! Only what was carried out is kept. A refusal changed nothing, so a retry of it is decided anew.

use std::sync::Arc;

use curfew_domain::Reason;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, Response as HttpResponse, StatusCode};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use warp::Reply;
use warp::reply::Response;

use crate::actors::Principal;
use crate::api::Api;
use crate::api::error::Problem;
use crate::api::request::Call;
use crate::api::route::{Answer, Route};
use crate::store::{Claim, KeptReply};

const HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// Carries the request out once for its key; at once where it has none or the route creates nothing that can be told again.
pub(super) async fn once(route: &Route, headers: &HeaderMap, path: &str, call: Call) -> Answer {
    let (Some(key), Some(who)) = (headers.get(HEADER).filter(|_| route.repeatable), call.who) else {
        return (route.handler)(call).await;
    };
    let key = key.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    let key = key.ok_or_else(|| Problem::invalid("`Idempotency-Key` takes 1 to 255 ASCII characters."))?;
    let (who, api) = (name(who), Arc::clone(&call.api));
    let request = sha256_hex(path, &call.body);
    match api.idempotency.claim(&who, key, &request, api.clock.wall()).await? {
        Claim::Answered(reply) => again(reply),
        Claim::Other => conflict("This Idempotency-Key was used for another request."),
        Claim::Pending => {
            conflict("A request with this Idempotency-Key is being carried out, or was interrupted.")
        }
        Claim::New => first(&api, &who, key, (route.handler)(call).await).await,
    }
}

async fn first(api: &Api, who: &str, key: &str, answer: Answer) -> Answer {
    match answer {
        Ok(response) => {
            let (head, body) = response.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let reply = KeptReply {
                status: head.status.as_u16(),
                location: location.map(str::to_owned),
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            // It is carried out: that its reply could not be kept is no reason to say otherwise.
            if let Err(error) = api.idempotency.keep(who, key, reply).await {
                tracing::error!(%error, "a reply was not kept for its idempotency key");
            }
            Ok(HttpResponse::from_parts(head, body).into_response())
        }
        Err(problem) => {
            // A failure may have come after the deed; a refusal has not.
            if !problem.status.is_server_error() {
                api.idempotency.release(who, key).await?;
            }
            Err(problem)
        }
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

fn name(who: Principal) -> String {
    match who {
        Principal::Account { id, .. } => format!("account:{id}"),
        Principal::Robot { id, .. } => format!("robot:{id}"),
        Principal::System => "system".to_owned(),
    }
}

fn sha256_hex(path: &str, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(path).chain_update([0]).chain_update(body).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
