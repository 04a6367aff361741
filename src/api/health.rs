//! What anybody may know: whether the server works, and how a client reaches media.

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::Problem;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};
use crate::protocol::millis;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/health", Access::Public, health)
            .about("Whether the server works")
            .gives::<Health>(StatusCode::OK),
        Route::new(Method::GET, "/config", Access::Public, config)
            .about("How a client reaches media, and whether people may register")
            .gives::<PublicConfig>(StatusCode::OK),
        Route::new(Method::GET, "/webrtc/config", Access::Any, webrtc_config)
            .about("How a client reaches media")
            .gives::<WebrtcConfig>(StatusCode::OK),
    ]
}

#[derive(JsonSchema, Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    timestamp: String,
    /// Signaling connections.
    connections: usize,
    /// Open rooms.
    rooms: usize,
    /// The last position of the log.
    position: u64,
}

async fn health(call: Call) -> Answer {
    let api = &call.api;
    let position = api.log.head().borrow().to_owned();
    let reading = api.log.read_after(position.saturating_sub(1), 1);
    if !matches!(tokio::time::timeout(api.patience, reading).await, Ok(Ok(_))) {
        return Err(Problem::unavailable("The log does not answer."));
    }
    // The heartbeat writes every second, so this is no older.
    if api.log.write_fault().is_some() {
        return Err(Problem::unavailable("The log cannot be written: its disk may be full."));
    }
    if api.projector.progress().borrow().fault.is_some() {
        return Err(Problem::unavailable("The read models cannot be written: their disk may be full."));
    }
    let media = tokio::time::timeout(api.patience, api.media.stats());
    media.await.map_err(|_| Problem::unavailable("The media port does not answer.")).map(drop)?;
    let lab = api.lab.health();
    if lab.clock_behind {
        return Err(Problem::unavailable(
            "The clock is behind the log; no session runs until it has caught up.",
        ));
    }
    Ok(ok(&Health {
        status: "healthy",
        service: "curfew",
        version: env!("CARGO_PKG_VERSION"),
        timestamp: millis::to_string(&api.clock.wall()),
        connections: lab.connections,
        rooms: lab.rooms,
        position,
    }))
}

/// An `RTCIceServer` of the WebRTC specification.
#[derive(JsonSchema, Serialize)]
struct IceServer {
    urls: Vec<String>,
    username: Option<String>,
    credential: Option<String>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicConfig {
    #[schemars(with = "Vec<IceServer>")]
    ice_servers: [IceServer; 0],
    /// Whether people may make themselves an account; absent where they may not.
    #[schemars(default)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    registration: bool,
}

#[derive(JsonSchema, Serialize)]
struct WebrtcConfig {
    #[schemars(with = "Vec<IceServer>")]
    ice_servers: [IceServer; 0],
    ice_transport_policy: &'static str,
    bundle_policy: &'static str,
}

/// No STUN or TURN server is needed: the server is ICE-lite, at an address that clients can reach.
async fn config(call: Call) -> Answer {
    Ok(ok(&PublicConfig { ice_servers: [], registration: call.api.registration }))
}

async fn webrtc_config(_: Call) -> Answer {
    Ok(ok(&WebrtcConfig { ice_servers: [], ice_transport_policy: "all", bundle_policy: "max-bundle" }))
}
