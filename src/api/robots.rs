//! The robots as everybody may see them.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::dto::Robot;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/robots", Access::Any, list)
            .about("The robots there are")
            .gives::<Robots>(StatusCode::OK),
    ]
}

#[derive(JsonSchema, Serialize)]
struct Robots {
    /// The types there are.
    robots: Vec<String>,
    registry: Vec<Robot>,
    /// By type.
    details: BTreeMap<String, Details>,
}

#[derive(Default, JsonSchema, Serialize)]
#[schemars(rename = "RobotTypeDetails")]
struct Details {
    count: usize,
    online: usize,
}

async fn list(call: Call) -> Answer {
    let now = call.api.clock.wall();
    let in_service = call.api.reads.fleet().await?.into_iter().filter(|row| !row.retired);
    let registry: Vec<Robot> = in_service.map(|row| Robot::of(row, now)).collect();
    let mut details = BTreeMap::<String, Details>::new();
    for robot in &registry {
        let entry = details.entry(robot.r#type.clone()).or_default();
        entry.count += 1;
        entry.online += usize::from(robot.online);
    }
    Ok(ok(&Robots { robots: details.keys().cloned().collect(), registry, details }))
}
