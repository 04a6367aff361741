//! Negotiation over REST: offers of viewers, their trickle, and teardown. The server answers offers itself.

use curfew_domain::{PeerId, Reason, RoomId};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use warp::Reply;

use crate::actors::OfferTarget;
use crate::api::error::Problem;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};
use crate::api::videos::{no_booking, robot_to_watch};
use crate::protocol::{IceCandidateInit, SdpType, millis};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/webrtc/offer", Access::Any, offer)
            .about("Answers a viewer's offer")
            .takes::<Offer>()
            .gives::<Answered>(StatusCode::OK),
        Route::new(Method::POST, "/webrtc/answer", Access::Any, answer)
            .about("Announced for media that does not pass through the server: answers `not_available` in this version")
            .takes::<AnswerBody>(),
        Route::new(Method::POST, "/webrtc/ice-candidate", Access::Any, ice_candidate)
            .about("Adds a candidate to one's own peer connection")
            .takes::<Trickle>()
            .gives::<PeerNamed>(StatusCode::OK),
        Route::new(Method::GET, "/webrtc/candidates/{peer_id}", Access::Any, candidates)
            .about("The server's candidates for one's own peer connection")
            .gives::<Candidates>(StatusCode::OK),
        Route::new(Method::GET, "/webrtc/peers/{peer_id}/stats", Access::Any, stats)
            .about("How one's own peer connection is served, as the server sees it")
            .gives::<Stats>(StatusCode::OK),
        Route::new(Method::DELETE, "/webrtc/peer/{peer_id}", Access::Any, close)
            .about("Closes one's own peer connection")
            .gives_nothing(),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct Offer {
    robot_id: Option<String>,
    robot_type: Option<String>,
    room_id: Option<RoomId>,
    sdp: String,
    r#type: SdpType,
    /// With it, an admin who is neither holder nor guest opens a watch.
    reason: Option<String>,
}

#[derive(JsonSchema, Serialize)]
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
    let who = call.principal()?;
    let robot = match (&robot_id, &robot_type) {
        (Some(id_or_slug), _) => Some(id_or_slug.clone()),
        (None, Some(robot_type)) => {
            let (robot, _) = robot_to_watch(&call, robot_type).await?;
            Some(robot.robot_id.to_string())
        }
        (None, None) if room_id.is_some() => None,
        (None, None) => return Err(Problem::invalid("Either `robot_id` or `robot_type` is needed.")),
    };
    let target = OfferTarget { robot, room: room_id, connection: None };
    let negotiated = call.api.lab.offer(&who, &target, reason.as_deref(), sdp).await;
    let negotiated = negotiated.map_err(|refused| match robot_id.or(robot_type) {
        Some(named) if refused.reason == Reason::NoActiveBooking => no_booking(&named),
        _ => Problem::from(refused),
    })?;
    Ok(ok(&Answered { peer_id: negotiated.peer, sdp: negotiated.sdp, r#type: SdpType::Answer }))
}

#[derive(Deserialize, JsonSchema)]
struct AnswerBody {
    peer_id: String,
    #[serde(rename = "sdp")]
    _sdp: String,
    r#type: SdpType,
}

/// With media relayed the server never offers to a viewer, so there is nothing to answer.
async fn answer(call: Call) -> Answer {
    let AnswerBody { peer_id, r#type, .. } = call.json()?;
    if r#type != SdpType::Answer {
        return Err(Problem::invalid("`type` has to be \"answer\"."));
    }
    call.api.lab.candidates(&call.principal()?, peer(&peer_id)?)?;
    Err(Problem::because(Reason::NotAvailable, "The server answers offers itself; it takes no answer."))
}

#[derive(Deserialize, JsonSchema)]
struct Trickle {
    peer_id: String,
    /// Null says that no further one comes.
    candidate: Option<IceCandidateInit>,
}

#[derive(JsonSchema, Serialize)]
struct PeerNamed {
    peer_id: PeerId,
}

async fn ice_candidate(call: Call) -> Answer {
    let Trickle { peer_id, candidate } = call.json()?;
    let (who, peer) = (call.principal()?, peer(&peer_id)?);
    match candidate {
        Some(candidate) => call.api.lab.candidate(&who, peer, candidate).await?,
        None => drop(call.api.lab.candidates(&who, peer)?),
    }
    Ok(ok(&PeerNamed { peer_id: peer }))
}

#[derive(JsonSchema, Serialize)]
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

/// See [`crate::media::PeerStats`].
#[derive(JsonSchema, Serialize)]
struct Stats {
    peer_id: PeerId,
    packets: u64,
    bytes: u64,
    bitrate_bps: u64,
    lost: u64,
    loss_permille: u16,
    /// Null until a report of the viewer's measured it.
    round_trip_ms: Option<f64>,
    retransmitted: u64,
    keyframe_requests: u64,
    freezes: u64,
    frozen_ms: u64,
    timestamp: String,
}

async fn stats(call: Call) -> Answer {
    let peer_id = call.id(0, "peer")?;
    let stats = call.api.lab.peer_stats(&call.principal()?, peer_id).await?;
    Ok(ok(&Stats {
        peer_id,
        packets: stats.packets,
        bytes: stats.bytes,
        bitrate_bps: stats.bitrate_bps,
        lost: stats.lost,
        loss_permille: stats.loss_permille,
        // Microseconds are what the reports can tell.
        round_trip_ms: stats.round_trip.map(|trip| trip.as_micros() as f64 / 1_000.0),
        retransmitted: stats.retransmitted,
        keyframe_requests: stats.keyframe_requests,
        freezes: stats.freezes,
        frozen_ms: u64::try_from(stats.frozen.as_millis()).unwrap_or(u64::MAX),
        timestamp: millis::to_string(&call.api.clock.wall()),
    }))
}

async fn close(call: Call) -> Answer {
    call.api.lab.close_peer(&call.principal()?, call.id(0, "peer")?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn peer(id: &str) -> Result<PeerId, Problem> {
    id.parse().map_err(|_| Problem::not_found("peer"))
}
