//! What is free and what is taken, in the lab's local days.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use curfew_domain::{AccountId, LabRules, RobotId, Window};
use curfew_projections::{BookingRow, RobotRow};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::dto::Span;
use crate::api::error::Problem;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};

/// Days that one look at the schedule may take in.
const MOST_DAYS: i64 = 62;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/bookings/available-slots", Access::Any, available_slots)
            .about("The slots of a local day that can be booked")
            .query::<NaiveDate>("date", true)
            .query::<String>("robot_type", true)
            .gives::<AvailableSlots>(StatusCode::OK),
        Route::new(Method::GET, "/bookings/schedule", Access::Any, schedule)
            .about("Which robots are taken when")
            .query::<NaiveDate>("start_date", true)
            .query::<NaiveDate>("end_date", true)
            .gives::<Schedule>(StatusCode::OK),
    ]
}

#[derive(JsonSchema, Serialize)]
struct AvailableSlots {
    date: NaiveDate,
    robot_type: String,
    available_slots: Vec<Slot>,
    working_hours: Hours,
    /// Hours.
    max_session_duration: f64,
    /// Hours.
    min_session_duration: f64,
    /// Hours.
    slot_duration: f64,
    /// How long before its start a window has to be booked, in hours; with 0, until its end.
    lead_time: f64,
    /// How many days of 24 hours before its start a window can be booked at the earliest.
    days_ahead: u32,
    zone: String,
}

/// Local times of the lab; the same in UTC beside them.
#[derive(JsonSchema, Serialize)]
struct Slot {
    date: NaiveDate,
    start_time: String,
    end_time: String,
    robot_type: String,
    /// Which robots of the type are free then.
    robot_ids: Vec<RobotId>,
    duration_hours: f64,
    #[serde(flatten)]
    span: Span,
}

/// Local times; the same twice on a day on which the lab is closed.
#[derive(JsonSchema, Serialize)]
struct Hours {
    start: String,
    end: String,
}

async fn available_slots(call: Call) -> Answer {
    let (date, robot_type): (NaiveDate, String) = (call.query("date")?, call.query("robot_type")?);
    let rules = call.api.lab.rules();
    let robots: Vec<_> = call
        .api
        .reads
        .fleet()
        .await?
        .into_iter()
        .filter(|robot| robot.robot_type == robot_type && !robot.retired)
        .collect();
    // A buffer is a day at most: what is taken on the days beside may reach into this one.
    let (before, after) = (date.pred_opt().unwrap_or(date), date.succ_opt().unwrap_or(date));
    let taken = taken(&call, &rules, before, after).await?;
    let buffer = TimeDelta::seconds(rules.buffer_s.into());
    let is_free = |robot: &RobotRow, window: &Window| {
        let has_slot = |row: &BookingRow| row.robot_id == Some(robot.robot_id);
        !robot.maintenance.is_some_and(|maintenance| maintenance.overlaps(window))
            && !taken.iter().any(|row| has_slot(row) && row.window.is_within(buffer, window))
    };
    let slot = |window: Window| {
        let free = robots.iter().filter(|robot| is_free(robot, &window)).map(|robot| robot.robot_id);
        let robot_ids: Vec<_> = free.collect();
        (!robot_ids.is_empty()).then(|| slot(&rules, &robot_type, robot_ids, window))
    };
    let slots = rules.slots_on(date, call.api.clock.wall());
    let available_slots = slots.into_iter().filter_map(slot).collect();
    Ok(ok(&AvailableSlots {
        date,
        robot_type: robot_type.clone(),
        available_slots,
        working_hours: working_hours(&rules, date),
        max_session_duration: hours(TimeDelta::minutes(rules.max_minutes.into())),
        min_session_duration: hours(TimeDelta::minutes(rules.min_minutes.into())),
        slot_duration: hours(TimeDelta::minutes(rules.slot_minutes.into())),
        lead_time: hours(TimeDelta::minutes(rules.lead_minutes.into())),
        days_ahead: rules.days_ahead,
        zone: rules.zone.name().to_owned(),
    }))
}

#[derive(JsonSchema, Serialize)]
struct Schedule {
    items: Vec<Taken>,
}

/// A slot of a robot that somebody has. Who, only admins learn.
#[derive(JsonSchema, Serialize)]
struct Taken {
    robot_id: RobotId,
    #[serde(flatten)]
    span: Span,
    mine: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

async fn schedule(call: Call) -> Answer {
    let (first, last): (NaiveDate, NaiveDate) = (call.query("start_date")?, call.query("end_date")?);
    if last < first || (last - first).num_days() >= MOST_DAYS {
        return Err(Problem::invalid(format!("`end_date` is up to {MOST_DAYS} days from `start_date`.")));
    }
    let rules = call.api.lab.rules();
    let mine = call.account().ok();
    let rows = taken(&call, &rules, first, last).await?;
    let is_named = call.is_admin();
    let names = call.api.accounts.names(rows.iter().filter(|_| is_named).map(|row| row.account_id)).await?;
    let item = |row: BookingRow| {
        Some(Taken {
            robot_id: row.robot_id?,
            span: row.window.into(),
            mine: mine == Some(row.account_id),
            user_id: is_named.then_some(row.account_id),
            name: names.get(&row.account_id).cloned(),
        })
    };
    Ok(ok(&Schedule { items: rows.into_iter().filter_map(item).collect() }))
}

/// The bookings that hold a slot on the lab's days from `first` to `last`.
async fn taken(
    call: &Call,
    rules: &LabRules,
    first: NaiveDate,
    last: NaiveDate,
) -> Result<Vec<BookingRow>, Problem> {
    // No zone is further from UTC than a day; what this takes in too much is dropped below, by local date.
    let utc = |date: Option<NaiveDate>| date.map(|date| date.and_time(NaiveTime::MIN).and_utc());
    let span = utc(first.checked_sub_days(Days::new(1))).zip(utc(last.checked_add_days(Days::new(2))));
    let (from, to) = span.ok_or_else(|| Problem::invalid("There is no such date."))?;
    let local = |at: DateTime<Utc>| at.with_timezone(&rules.zone).date_naive();
    let mut rows = call.api.reads.bookings_between(from, to).await?;
    rows.retain(|row| {
        let last_instant = row.window.ends_at - TimeDelta::microseconds(1);
        row.status.is_live() && local(row.window.starts_at) <= last && local(last_instant) >= first
    });
    Ok(rows)
}

fn slot(rules: &LabRules, robot_type: &str, robot_ids: Vec<RobotId>, window: Window) -> Slot {
    let local = |at: DateTime<Utc>| at.with_timezone(&rules.zone);
    Slot {
        date: local(window.starts_at).date_naive(),
        start_time: local(window.starts_at).format("%H:%M").to_string(),
        end_time: local(window.ends_at).format("%H:%M").to_string(),
        robot_type: robot_type.to_owned(),
        robot_ids,
        duration_hours: hours(window.length()),
        span: window.into(),
    }
}

/// From 00:00 to 24:00 where the lab does not close, from 00:00 to 00:00 where it is closed.
fn working_hours(rules: &LabRules, date: NaiveDate) -> Hours {
    let text = |time: NaiveTime| time.format("%H:%M").to_string();
    match rules.working_hours(date) {
        Some(hours) => Hours {
            start: text(hours.from),
            end: if hours.to == NaiveTime::MIN { "24:00".to_owned() } else { text(hours.to) },
        },
        None => Hours { start: text(NaiveTime::MIN), end: text(NaiveTime::MIN) },
    }
}

fn hours(length: TimeDelta) -> f64 {
    // Lengths are days at most: exact in a float.
    length.num_seconds() as f64 / 3_600.0
}
