//! Negotiation over REST: offers of viewers, their trickle, and teardown. The server answers offers itself.

use curfew_domain::{PeerId, Reason, RoomId};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use warp::Reply;

use crate::actors::{OfferTarget, Refused};
use crate::api::error::Problem;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};
use crate::protocol::{IceCandidateInit, SdpType, millis};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/webrtc/offer", Access::Any, offer),
        Route::new(Method::POST, "/webrtc/answer", Access::Any, answer),
        Route::new(Method::POST, "/webrtc/ice-candidate", Access::Any, ice_candidate),
        Route::new(Method::GET, "/webrtc/candidates/{peer_id}", Access::Any, candidates),
        Route::new(Method::DELETE, "/webrtc/peer/{peer_id}", Access::Any, close),
    ]
}

#[derive(Deserialize)]
struct Offer {
    robot_id: Option<String>,
    robot_type: Option<String>,
    room_id: Option<RoomId>,
    sdp: String,
    r#type: SdpType,
    /// With it, an admin who is neither holder nor guest opens a watch.
    reason: Option<String>,
}

#[derive(Serialize)]
struct Answered {
    peer_id: PeerId,
    sdp: String,
    r#type: SdpType,
}

async fn offer(call: Call) -> Answer {
    let Offer { robot_id, robot_type, room_id, sdp, r#type, reason } = call.json()?;
    if r#type != SdpType::Offer {
        return Err(Problem::invalid("`type` has to be \"offer\"."));
    }
    let robot = robot_id.or(robot_type);
    if robot.is_none() && room_id.is_none() {
        return Err(Problem::invalid("Either `robot_id` or `robot_type` is needed."));
    }
    let named = robot.clone();
    let target = OfferTarget { robot, room: room_id, connection: None };
    let negotiated = call
        .api
        .lab
        .offer(&call.principal()?, &target, reason.as_deref(), sdp)
        .await
        .map_err(|refused| no_booking_by_name(refused, named.as_deref()))?;
    Ok(ok(&Answered { peer_id: negotiated.peer, sdp: negotiated.sdp, r#type: SdpType::Answer }))
}

/// Existing clients show this sentence.
pub(super) fn no_booking_by_name(refused: Refused, robot: Option<&str>) -> Problem {
    match robot {
        Some(robot) if refused.reason == Reason::NoActiveBooking => {
            Problem::because(refused.reason, format!("No active booking session for robot {robot}"))
        }
        _ => refused.into(),
    }
}

#[derive(Deserialize)]
struct AnswerBody {
    peer_id: String,
}

/// With media relayed the server never offers to a viewer, so there is nothing to answer.
async fn answer(call: Call) -> Answer {
    let AnswerBody { peer_id } = call.json()?;
    call.api.lab.candidates(&call.principal()?, peer(&peer_id)?)?;
    Err(Problem::because(Reason::NotAvailable, "The server answers offers itself; it takes no answer."))
}

#[derive(Deserialize)]
struct Trickle {
    peer_id: String,
    /// Null says that no further one comes.
    candidate: Option<IceCandidateInit>,
}

async fn ice_candidate(call: Call) -> Answer {
    let Trickle { peer_id, candidate } = call.json()?;
    let (who, peer) = (call.principal()?, peer(&peer_id)?);
    match candidate {
        Some(candidate) => call.api.lab.candidate(&who, peer, candidate).await?,
        None => drop(call.api.lab.candidates(&who, peer)?),
    }
    Ok(ok(&json!({ "peer_id": peer })))
}

#[derive(Serialize)]
struct Candidates {
    peer_id: PeerId,
    candidates: Vec<IceCandidateInit>,
    count: usize,
    timestamp: String,
}

async fn candidates(call: Call) -> Answer {
    let peer_id = call.id(0, "peer")?;
    let candidates = call.api.lab.candidates(&call.principal()?, peer_id)?;
    let timestamp = millis::to_string(&call.api.clock.wall());
    Ok(ok(&Candidates { peer_id, count: candidates.len(), candidates, timestamp }))
}

async fn close(call: Call) -> Answer {
    call.api.lab.close_peer(&call.principal()?, call.id(0, "peer")?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn peer(id: &str) -> Result<PeerId, Problem> {
    id.parse().map_err(|_| Problem::not_found("peer"))
}
