//! Guests of a booking: inviting them, and taking the invitation back.

use curfew_domain::{AccountId, BookingId};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use warp::Reply;

use crate::api::admin::recorded;
use crate::api::bookings::current;
use crate::api::dto::{Booking, NotRecorded};
use crate::api::error::Problem;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/bookings/{id}/guests", Access::Any, invite)
            .about("Invites a guest into one's own booking")
            .takes::<Invite>()
            .gives::<Booking>(StatusCode::OK)
            .repeatable(),
        Route::new(Method::DELETE, "/bookings/{id}/guests/{account_id}", Access::Any, remove)
            .about("Takes an invitation back: the holder any guest's, a guest their own; a running session ends for the guest at once")
            .gives_nothing()
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
    ]
}

/// By id or by e-mail.
#[derive(Deserialize, JsonSchema)]
struct Invite {
    user_id: Option<AccountId>,
    email: Option<String>,
}

async fn invite(call: Call) -> Answer {
    let id: BookingId = call.id(0, "booking")?;
    let guest = match call.json()? {
        Invite { user_id: Some(id), email: None } => Some(id),
        Invite { user_id: None, email: Some(email) } => call.api.accounts.by_email(&email).await?,
        Invite { .. } => {
            return Err(Problem::invalid("Either `user_id` or `email` is needed, and not both."));
        }
    };
    let guest = guest.ok_or_else(|| Problem::not_found("person"))?;
    call.api.lab.invite_guest(&call.principal()?, id, guest).await?;
    Ok(ok(&current(&call, id).await?))
}

async fn remove(call: Call) -> Answer {
    let (booking, guest) = (call.id(0, "booking")?, call.id(1, "guest")?);
    let removed = call.api.lab.remove_guest(&call.principal()?, booking, guest).await?;
    Ok(recorded(removed).unwrap_or_else(|| StatusCode::NO_CONTENT.into_response()))
}
