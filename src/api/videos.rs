//! What somebody with a session may watch, and where.

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, Reason, RobotId};
use curfew_projections::RobotRow;
use http::Method;
use serde::Serialize;

use crate::api::error::Problem;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};
use crate::protocol::millis;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Method::GET, "/videos/{robot_type}", Access::Any, videos)]
}

#[derive(Serialize)]
struct Videos {
    robot_id: RobotId,
    /// The end of the caller's window; null for an admin without one.
    ends_at: Option<String>,
    streams: Vec<Stream>,
    signaling: Signaling,
}

#[derive(Serialize)]
struct Stream {
    r#type: &'static str,
    camera: String,
}

/// Transports that are not there are left out.
#[derive(Serialize)]
struct Signaling {
    websocket: String,
}

async fn videos(call: Call) -> Answer {
    let wanted = call.param(0);
    let fits = |robot: &RobotRow| {
        robot.robot_type == wanted || robot.slug == wanted || robot.robot_id.to_string() == wanted
    };
    let fleet: Vec<_> =
        call.api.reads.fleet().await?.into_iter().filter(|robot| !robot.retired && fits(robot)).collect();
    let booked = match call.account() {
        Ok(account) => booked(&call, account, &fleet).await?,
        Err(_) => None,
    };
    let (robot_id, ends_at) = match (booked, fleet.first()) {
        (Some((robot, ends_at)), _) => (robot, Some(ends_at)),
        (None, Some(robot)) if call.is_admin() => (robot.robot_id, None),
        (None, None) if call.is_admin() => return Err(Problem::not_found("robot")),
        _ => {
            let detail = format!("No active booking session for robot {wanted}");
            return Err(Problem::because(Reason::NoActiveBooking, detail));
        }
    };
    let cameras = fleet.into_iter().find(|robot| robot.robot_id == robot_id).map(|robot| robot.cameras);
    let streams =
        cameras.unwrap_or_default().into_iter().map(|camera| Stream { r#type: "webrtc", camera }).collect();
    let websocket = format!("{}/ws", call.api.base_url.replacen("http", "ws", 1));
    let ends_at = ends_at.map(|at| millis::to_string(&at));
    Ok(ok(&Videos { robot_id, ends_at, streams, signaling: Signaling { websocket } }))
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
        (takes_part && row.status.is_live()).then_some((robot, row.window.ends_at))
    });
    Ok(own)
}
