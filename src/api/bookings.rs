//! Bookings: making, reading, extending and cancelling them.

use chrono::{NaiveDate, NaiveTime, Timelike};
use curfew_domain::{AccountId, BookingId, LabRules, Reason, RobotChoice, Window};
use http::header::{HeaderValue, LOCATION};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::actors::{NewBooking, Recorded};
use crate::api::admin::recorded;
use crate::api::dto::{Booking, Facts, NotRecorded};
use crate::api::error::Problem;
use crate::api::instant::Instant;
use crate::api::request::{Call, Page, ok, with_status};
use crate::api::route::{Access, Answer, Route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/bookings", Access::Any, create)
            .about("Books a robot, or any robot of a type, for a window")
            .takes::<Create>()
            .gives::<Booking>(StatusCode::CREATED)
            .gives::<Booking>(StatusCode::ACCEPTED)
            .repeatable(),
        Route::new(Method::GET, "/bookings", Access::Any, list)
            .about("The bookings that one holds or is a guest of; for admins, everybody's. With `live`, those that run or are to come")
            .lists::<Booking>()
            .query::<bool>("live", false),
        Route::new(Method::GET, "/my-bookings", Access::Any, list_own)
            .about("The bookings that one holds, and those that one was invited to: `role` tells which, `invited_by` by whom")
            .lists::<Booking>()
            .query::<bool>("live", false),
        Route::new(Method::GET, "/bookings/{id}", Access::Any, read)
            .about("A booking")
            .gives::<Booking>(StatusCode::OK),
        Route::new(Method::DELETE, "/bookings/{id}", Access::Any, cancel)
            .about("Cancels one's own booking; a running session ends at once")
            .gives::<Booking>(StatusCode::OK)
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::POST, "/bookings/{id}/extend", Access::Any, extend)
            .about("Moves the end of one's own booking to a later instant")
            .takes::<Extend>()
            .gives::<Booking>(StatusCode::OK)
            .gives::<Booking>(StatusCode::ACCEPTED),
    ]
}

/// A window is named in UTC, or as a date and two times of the day in the lab's zone.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Create {
    robot_id: Option<String>,
    robot_type: Option<String>,
    starts_at: Option<Instant>,
    ends_at: Option<Instant>,
    date: Option<NaiveDate>,
    start_time: Option<String>,
    end_time: Option<String>,
}

async fn create(call: Call) -> Answer {
    let body: Create = call.json()?;
    let window = window(&call.api.lab.rules(), &body)?;
    let robot = match (body.robot_id, body.robot_type) {
        (Some(id_or_slug), None) => RobotChoice::Id(call.robot(&id_or_slug).await?),
        (None, Some(robot_type)) => RobotChoice::Type(robot_type),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Problem::invalid("Either `robot_id` or `robot_type` is needed, and not both."));
        }
    };
    call.account()?;
    let booked = call.api.lab.book(&call.principal()?, NewBooking { robot, window }).await?;
    let booking = load(&call, booked.id).await?;
    if let Some(reason) = booking.rejected() {
        return Err(Problem::new(reason));
    }
    let status = if booking.is_undecided() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    let mut response = with_status(status, &shown(&call, booking).await?);
    if let Ok(location) = HeaderValue::from_str(&format!("/bookings/{}", booked.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

pub(super) fn window(rules: &LabRules, body: &Create) -> Result<Window, Problem> {
    match (body.starts_at, body.ends_at, body.date, &body.start_time, &body.end_time) {
        (Some(Instant(starts_at)), Some(Instant(ends_at)), None, None, None) => {
            Window::new(starts_at, ends_at)
                .map_err(|_| Problem::invalid("`ends_at` has to be later than `starts_at`."))
        }
        (None, None, Some(date), Some(start), Some(end)) => {
            let (start, end) = (time_of_day("start_time", start)?, time_of_day("end_time", end)?);
            rules
                .window_on(date, start, end)
                .map_err(|broken| Problem::because(broken.reason(), broken.to_string()))
        }
        _ => Err(Problem::invalid(
            "A window is needed: either `starts_at` and `ends_at`, or `date`, `start_time` and `end_time`.",
        )),
    }
}

fn time_of_day(field: &str, text: &str) -> Result<NaiveTime, Problem> {
    NaiveTime::parse_from_str(text, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
        .ok()
        // No leap second, as in an instant.
        .filter(|time| time.nanosecond() < 1_000_000_000)
        .ok_or_else(|| Problem::invalid(format!("`{field}` is a time of the day, HH:MM.")))
}

async fn list(call: Call) -> Answer {
    let owner = if call.is_admin() { None } else { Some(call.account()?) };
    page(&call, owner).await
}

async fn list_own(call: Call) -> Answer {
    page(&call, Some(call.account()?)).await
}

async fn page(call: &Call, owner: Option<AccountId>) -> Answer {
    let (limit, after) = (call.limit()?, call.optional("after")?);
    let rows = if call.optional("live")?.unwrap_or(false) {
        call.api.reads.bookings_live(owner, after, limit + 1).await?
    } else {
        call.api.reads.bookings(owner, after, limit + 1).await?
    };
    let bookings: Vec<Facts> = rows.into_iter().map(Facts::from).collect();
    let names = call.api.accounts.names(bookings.iter().flat_map(Facts::people)).await?;
    let viewer = call.account().ok();
    let bookings = bookings.into_iter().map(|booking| booking.seen_by(viewer, &names)).collect();
    Ok(ok(&Page::of(bookings, limit, |booking: &Booking| booking.id.to_string())))
}

async fn read(call: Call) -> Answer {
    let booking = load(&call, call.id(0, "booking")?).await?;
    let own = call.account().is_ok_and(|account| booking.concerns(account));
    if own || call.is_admin() {
        Ok(ok(&shown(&call, booking).await?))
    } else {
        Err(Problem::new(Reason::NotYourBooking))
    }
}

async fn cancel(call: Call) -> Answer {
    let id: BookingId = call.id(0, "booking")?;
    let booking = load(&call, id).await?;
    if call.is_admin() && !call.account().is_ok_and(|account| booking.is_of(account)) {
        let detail = "To end somebody else's booking, terminate it and give the reason.";
        return Err(Problem::because(Reason::ReasonRequired, detail));
    }
    let cancelled = call.api.lab.cancel_booking(&call.principal()?, id).await?;
    match recorded(cancelled) {
        Some(response) => Ok(response),
        None => Ok(ok(&current(&call, id).await?)),
    }
}

#[derive(Deserialize, JsonSchema)]
struct Extend {
    ends_at: Instant,
}

/// 202 with the booking as it is when nothing was decided in time.
async fn extend(call: Call) -> Answer {
    let (id, Extend { ends_at: Instant(ends_at) }): (BookingId, _) = (call.id(0, "booking")?, call.json()?);
    let Recorded(decided) = call.api.lab.extend(&call.principal()?, id, ends_at).await?;
    let booking = load(&call, id).await?;
    let status = if decided || booking.ends_at() == ends_at { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(with_status(status, &shown(&call, booking).await?))
}

/// A booking as its aggregate has it. What was just decided is in there, however far behind the read models are.
async fn load(call: &Call, id: BookingId) -> Result<Facts, Problem> {
    Ok(call.api.lab.booking(id).await?.into())
}

async fn shown(call: &Call, booking: Facts) -> Result<Booking, Problem> {
    let names = call.api.accounts.names(booking.people()).await?;
    Ok(booking.seen_by(call.account().ok(), &names))
}

/// The booking as it is now, for whoever asks: what a command about it is answered with.
pub(super) async fn current(call: &Call, id: BookingId) -> Result<Booking, Problem> {
    shown(call, load(call, id).await?).await
}
