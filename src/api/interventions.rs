//! What admins do to sessions and robots while they run: extend, shorten, terminate, watch, maintenance, emergency stop.

use chrono::{DateTime, Utc};
use curfew_domain::{BookingId, RoomId};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actors::Recorded;
use crate::api::admin::{WithReason, recorded, robot};
use crate::api::bookings::current;
use crate::api::dto::{Booking, NotRecorded, Robot};
use crate::api::instant::Instant;
use crate::api::request::{Call, ok, with_status};
use crate::api::route::{Access, Answer, Route};
use crate::protocol::millis;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/admin/bookings/{id}/extend", Access::Admin, extend)
            .about("Extends a booking beyond the rules; bookings in its way are cancelled")
            .takes::<NewEnd>()
            .gives::<Booking>(StatusCode::OK)
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::POST, "/admin/bookings/{id}/shorten", Access::Admin, shorten)
            .about("Moves the end of a booking to an earlier instant, at once")
            .takes::<NewEnd>()
            .gives::<Booking>(StatusCode::OK)
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::POST, "/admin/bookings/{id}/terminate", Access::Admin, terminate)
            .about("Ends a booking at once")
            .takes::<WithReason>()
            .gives::<Booking>(StatusCode::OK)
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::POST, "/admin/robots/{id}/watch", Access::Admin, watch)
            .about("Opens a room in which an admin sees the robot")
            .takes::<WithReason>()
            .gives::<Watch>(StatusCode::CREATED)
            .repeatable(),
        Route::new(Method::POST, "/admin/robots/{id}/maintenance", Access::Admin, start_maintenance)
            .about("Takes a robot out of use for a while")
            .takes::<Maintenance>()
            .gives::<Robot>(StatusCode::OK)
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::DELETE, "/admin/robots/{id}/maintenance", Access::Admin, end_maintenance)
            .about("Ends a robot's maintenance")
            .gives::<Robot>(StatusCode::OK),
        Route::new(Method::POST, "/admin/robots/{id}/emergency-stop", Access::Admin, engage_stop)
            .about("Engages a robot's emergency stop, at once")
            .takes::<WithReason>()
            .gives::<Robot>(StatusCode::OK)
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::POST, "/admin/robots/{id}/clear-stop", Access::Admin, clear_stop)
            .about("Clears a robot's emergency stop")
            .takes::<WithReason>()
            .gives::<Robot>(StatusCode::OK),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct NewEnd {
    ends_at: Instant,
    /// Where a reason is owed, the domain says so when it is empty.
    #[serde(default)]
    reason: String,
}

async fn extend(call: Call) -> Answer {
    let (id, body): (BookingId, NewEnd) = (call.id(0, "booking")?, call.json()?);
    let Instant(ends_at) = body.ends_at;
    let extended = call.api.lab.extend_anyway(&call.principal()?, id, ends_at, &body.reason).await?;
    booking(&call, id, extended).await
}

async fn shorten(call: Call) -> Answer {
    let (id, body): (BookingId, NewEnd) = (call.id(0, "booking")?, call.json()?);
    let Instant(ends_at) = body.ends_at;
    let shortened = call.api.lab.shorten(&call.principal()?, id, ends_at, &body.reason).await?;
    booking(&call, id, shortened).await
}

async fn terminate(call: Call) -> Answer {
    let id: BookingId = call.id(0, "booking")?;
    let terminated = call.api.lab.terminate(&call.principal()?, id, &WithReason::of(&call)?).await?;
    booking(&call, id, terminated).await
}

async fn booking(call: &Call, id: BookingId, durable: Recorded) -> Answer {
    match recorded(durable) {
        Some(response) => Ok(response),
        None => Ok(ok(&current(call, id).await?)),
    }
}

#[derive(JsonSchema, Serialize)]
struct Watch {
    room_id: RoomId,
    #[serde(with = "millis")]
    #[schemars(with = "DateTime<Utc>")]
    ends_at: DateTime<Utc>,
}

async fn watch(call: Call) -> Answer {
    let robot = call.robot(call.param(0)).await?;
    let watch = call.api.lab.watch(&call.principal()?, robot, &WithReason::of(&call)?).await?;
    let crate::actors::Watch { room_id, ends_at } = watch;
    Ok(with_status(StatusCode::CREATED, &Watch { room_id, ends_at }))
}

/// From now where it has no start, and until it is ended where it has no end: so a misspelt one is refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Maintenance {
    starts_at: Option<Instant>,
    ends_at: Option<Instant>,
    #[serde(default)]
    reason: String,
}

async fn start_maintenance(call: Call) -> Answer {
    let id = call.robot(call.param(0)).await?;
    let Maintenance { starts_at, ends_at, reason } = call.json()?;
    let (from, until) = (starts_at.map(|Instant(at)| at), ends_at.map(|Instant(at)| at));
    let started = call.api.lab.start_maintenance(&call.principal()?, id, from, until, &reason).await?;
    match recorded(started) {
        Some(response) => Ok(response),
        None => Ok(ok(&robot(&call, id).await?)),
    }
}

async fn end_maintenance(call: Call) -> Answer {
    let id = call.robot(call.param(0)).await?;
    call.api.lab.end_maintenance(&call.principal()?, id).await?;
    Ok(ok(&robot(&call, id).await?))
}

async fn engage_stop(call: Call) -> Answer {
    let id = call.robot(call.param(0)).await?;
    let engaged = call.api.lab.engage_stop(&call.principal()?, id, &WithReason::of(&call)?).await?;
    match recorded(engaged) {
        Some(response) => Ok(response),
        None => Ok(ok(&robot(&call, id).await?)),
    }
}

async fn clear_stop(call: Call) -> Answer {
    let id = call.robot(call.param(0)).await?;
    call.api.lab.clear_stop(&call.principal()?, id, &WithReason::of(&call)?).await?;
    Ok(ok(&robot(&call, id).await?))
}
