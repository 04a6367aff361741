//! The one mapping from refusals, failures and rejections to RFC 9457 problem details.

use std::time::Duration;

use curfew_domain::Reason;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response as HttpResponse, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use warp::Reply;
use warp::reject::Rejection;
use warp::reply::Response;

use crate::actors::Refused;
use crate::store::{PeopleError, StoreError};

/// What a handler answers when it does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, snake case.
    pub code: &'static str,
    /// One sentence for a person; existing clients show it.
    pub detail: String,
    pub retry_after: Option<Duration>,
}

/// RFC 9457, section 3.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Problem")]
pub(super) struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    instance: &'a str,
}

impl Problem {
    /// With the reason's own text.
    pub fn new(reason: Reason) -> Self {
        Self::because(reason, reason.text())
    }

    pub fn because(reason: Reason, detail: impl Into<String>) -> Self {
        Self { status: status_of(reason), code: reason.code(), detail: detail.into(), retry_after: None }
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::because(Reason::Invalid, detail)
    }

    /// `what` as in "There is no such booking."
    pub fn not_found(what: &str) -> Self {
        Self::because(Reason::NotFound, format!("There is no such {what}."))
    }

    pub fn not_available(what: &str) -> Self {
        Self::because(Reason::NotAvailable, format!("{what} is not available in this version."))
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::because(Reason::Unavailable, detail) }
    }

    pub fn method_not_allowed() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: "method_not_allowed",
            detail: "This address does not take this method.".to_owned(),
            retry_after: None,
        }
    }

    pub fn rate_limited(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::because(Reason::RateLimited, detail) }
    }
}

/// Which status goes with a reason.
fn status_of(reason: Reason) -> StatusCode {
    match reason {
        Reason::BadToken => StatusCode::UNAUTHORIZED,
        Reason::NoActiveBooking
        | Reason::NotYourBooking
        | Reason::WindowNotOpen
        | Reason::WindowClosed
        | Reason::Suspended
        | Reason::WrongRole
        | Reason::OriginRefused
        | Reason::NotInControl => StatusCode::FORBIDDEN,
        Reason::NotFound => StatusCode::NOT_FOUND,
        Reason::SlotTaken
        | Reason::UnderMaintenance
        | Reason::AccountBusy
        | Reason::OutsideRules
        | Reason::RoomFull
        | Reason::Conflict
        | Reason::RobotOffline => StatusCode::CONFLICT,
        Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Reason::Invalid | Reason::ReasonRequired | Reason::NotAvailable => StatusCode::UNPROCESSABLE_ENTITY,
        Reason::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Reason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let retry_after = refused.retry_after.or_else(|| {
            matches!(refused.reason, Reason::RateLimited | Reason::Unavailable)
                .then_some(Duration::from_secs(1))
        });
        Self { retry_after, ..Self::because(refused.reason, refused.detail) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::because(
                Reason::Conflict,
                "Something else changed this at the same time. Please try again.",
            ),
            other => {
                tracing::error!(error = %other, "the store did not answer");
                Self::unavailable("The server cannot read or write its records just now.")
            }
        }
    }
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::EmailTaken => Self::because(Reason::Conflict, "Another account has this e-mail."),
            PeopleError::Invalid(fault) => Self::invalid(format!("This cannot be: {fault}.")),
            PeopleError::Unknown => Self::not_found("user"),
            PeopleError::Store(error) => error.into(),
        }
    }
}

/// Turns what no route took into a problem.
pub(super) fn from_rejection(rejection: &Rejection) -> Problem {
    if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        Problem::method_not_allowed()
    } else if rejection.find::<warp::reject::PayloadTooLarge>().is_some() {
        Problem::new(Reason::TooLarge)
    } else if rejection.find::<warp::reject::UnsupportedMediaType>().is_some() {
        Problem::new(Reason::UnsupportedMediaType)
    } else if rejection.is_not_found() {
        Problem::because(Reason::NotFound, "There is nothing at this address.")
    } else {
        // Missing or malformed headers, queries and bodies, and requests to `/ws` that are no WebSocket's.
        Problem::invalid("The request is malformed.")
    }
}

impl Reply for Problem {
    /// Without a body as yet: `render` writes it once it is known which address was asked.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: a client that comes back a moment early is refused again.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a problem that was met at `path`; leaves every other response as it is.
pub(super) fn render(mut response: Response, path: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    if problem.status.is_server_error() {
        tracing::warn!(request_id = ?crate::correlation::current(), detail = problem.detail, "answered {}", problem.status.as_u16());
    }
    let body = Body {
        r#type: format!("urn:curfew:error:{}", problem.code),
        title: problem.status.canonical_reason().unwrap_or("Error"),
        status: problem.status.as_u16(),
        detail: &problem.detail,
        code: problem.code,
        instance: path,
    };
    let (head, _) = response.into_parts();
    // Text and a number: serialising cannot fail.
    let text = serde_json::to_string(&body).unwrap_or_default();
    HttpResponse::from_parts(head, text).into_response()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn check(problem: impl Into<Problem>, status: u16, code: &str) {
        let problem = problem.into();
        assert_eq!((problem.status.as_u16(), problem.code), (status, code), "{problem:?}");
        assert!(problem.detail.ends_with('.'), "one sentence: {:?}", problem.detail);
    }

    #[test]
    fn every_reason_has_its_status_and_its_code() {
        let cases = [
            (Reason::BadToken, 401, "bad_token"),
            (Reason::NoActiveBooking, 403, "no_active_booking"),
            (Reason::NotYourBooking, 403, "not_your_booking"),
            (Reason::WindowNotOpen, 403, "window_not_open"),
            (Reason::WindowClosed, 403, "window_closed"),
            (Reason::Suspended, 403, "suspended"),
            (Reason::WrongRole, 403, "wrong_role"),
            (Reason::OriginRefused, 403, "origin_refused"),
            (Reason::NotFound, 404, "not_found"),
            (Reason::SlotTaken, 409, "slot_taken"),
            (Reason::UnderMaintenance, 409, "slot_taken"),
            (Reason::AccountBusy, 409, "account_busy"),
            (Reason::OutsideRules, 409, "outside_rules"),
            (Reason::RoomFull, 409, "room_full"),
            (Reason::Conflict, 409, "conflict"),
            (Reason::TooLarge, 413, "too_large"),
            (Reason::UnsupportedMediaType, 415, "unsupported_media_type"),
            (Reason::Invalid, 422, "invalid"),
            (Reason::ReasonRequired, 422, "reason_required"),
            (Reason::NotAvailable, 422, "not_available"),
            (Reason::RateLimited, 429, "rate_limited"),
            (Reason::Unavailable, 503, "unavailable"),
        ];
        for (reason, status, code) in cases {
            check(Refused::new(reason), status, code);
        }
    }

    #[test]
    fn what_the_store_cannot_do_is_told_without_its_words() {
        check(StoreError::Conflict, 409, "conflict");
        for error in [StoreError::Unavailable("disk".into()), StoreError::Corrupt("page 7".into())] {
            let problem = Problem::from(error);
            assert!(!problem.detail.contains("disk") && !problem.detail.contains("page"));
            check(problem, 503, "unavailable");
        }
        check(PeopleError::EmailTaken, 409, "conflict");
        check(PeopleError::Invalid("a name has 1 to 254 characters"), 422, "invalid");
        check(PeopleError::Unknown, 404, "not_found");
        check(PeopleError::Store(StoreError::Conflict), 409, "conflict");
    }

    #[test]
    fn what_no_route_took_is_a_problem_too() {
        check(from_rejection(&warp::reject::not_found()), 404, "not_found");
        #[derive(Debug)]
        struct Unknown;
        impl warp::reject::Reject for Unknown {}
        check(from_rejection(&warp::reject::custom(Unknown)), 422, "invalid");
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457() {
        let problem = Problem::rate_limited("Please wait.", Duration::from_millis(1_200));
        let response = render(problem.into_response(), "/auth/login");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let expected = json!({
            "type": "urn:curfew:error:rate_limited", "title": "Too Many Requests", "status": 429,
            "detail": "Please wait.", "code": "rate_limited", "instance": "/auth/login",
        });
        assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), expected);
        let unauthorised = render(Problem::new(Reason::BadToken).into_response(), "/");
        assert_eq!(unauthorised.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}
