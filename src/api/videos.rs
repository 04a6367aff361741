//! What somebody with a session may watch, and where.

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, Reason, RobotId};
use curfew_projections::RobotRow;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::Problem;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};
use crate::protocol::millis;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/videos/{robot_type}", Access::Any, videos)
            .about("What of a robot there is to watch, and where")
            .gives::<Videos>(StatusCode::OK),
    ]
}

#[derive(JsonSchema, Serialize)]
struct Videos {
    robot_id: RobotId,
    /// The end of the caller's window; null for an admin without one.
    ends_at: Option<String>,
    streams: Vec<Stream>,
    signaling: Signaling,
}

#[derive(JsonSchema, Serialize)]
struct Stream {
    r#type: &'static str,
    camera: String,
}

/// Transports that are not there are left out.
#[derive(JsonSchema, Serialize)]
struct Signaling {
    websocket: String,
}

async fn videos(call: Call) -> Answer {
    let (robot, ends_at) = robot_to_watch(&call, call.param(0)).await?;
    let streams = robot.cameras.into_iter().map(|camera| Stream { r#type: "webrtc", camera }).collect();
    let websocket = format!("{}/ws", call.api.base_url.replacen("http", "ws", 1));
    let ends_at = ends_at.map(|at| millis::to_string(&at));
    Ok(ok(&Videos { robot_id: robot.robot_id, ends_at, streams, signaling: Signaling { websocket } }))
}

/// The robot of this type (or id, or slug) that the caller has now, as holder or guest, and until when. An admin without a
/// booking gets the first there is, and no end.
pub(super) async fn robot_to_watch(
    call: &Call,
    wanted: &str,
) -> Result<(RobotRow, Option<DateTime<Utc>>), Problem> {
    let mut fleet = call.api.reads.fleet().await?;
    fleet.retain(|robot| {
        let is_meant =
            robot.robot_type == wanted || robot.slug == wanted || robot.robot_id.to_string() == wanted;
        is_meant && !robot.retired
    });
    if let Ok(account) = call.account()
        && let Some((robot_id, ends_at)) = booked(call, account, &fleet).await?
    {
        let robot = fleet.into_iter().find(|robot| robot.robot_id == robot_id);
        return robot.map(|robot| (robot, Some(ends_at))).ok_or_else(|| Problem::not_found("robot"));
    }
    if call.is_admin() {
        let robot = fleet.into_iter().next().ok_or_else(|| Problem::not_found("robot"))?;
        return Ok((robot, None));
    }
    Err(no_booking(wanted))
}

/// Existing clients show this sentence.
pub(super) fn no_booking(robot: &str) -> Problem {
    Problem::because(Reason::NoActiveBooking, format!("No active booking session for robot {robot}"))
}

/// The robot of `fleet` that `account` has now, as holder or guest, and until when.
async fn booked(
    call: &Call,
    account: AccountId,
    fleet: &[RobotRow],
) -> Result<Option<(RobotId, DateTime<Utc>)>, Problem> {
    let now = call.api.clock.wall();
    let live = call.api.reads.bookings_live_at(now).await?;
    let own = live.into_iter().find_map(|row| {
        let robot = row.robot_id.filter(|id| fleet.iter().any(|robot| robot.robot_id == *id))?;
        let takes_part = row.account_id == account || row.guests.contains(&account);
        takes_part.then_some((robot, row.window.ends_at))
    });
    Ok(own)
}
