//! What admins keep: robots and their credentials, and the lab's rules.

use curfew_domain::{CredentialId, LabRules, MediaMode, RobotId};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;
use warp::Reply;
use warp::reply::Response;

use crate::actors::{NewRobot, Recorded, RobotChange};
use crate::api::accounts;
use crate::api::auth::{new_robot_token, sha256_hex};
use crate::api::dto::{AdminRobot, NotRecorded, Robot};
use crate::api::error::Problem;
use crate::api::request::{Call, Page, ok, with_status};
use crate::api::route::{Access, Answer, Route};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = accounts::admin_routes();
    routes.extend([
        Route::new(Method::GET, "/admin/robots", Access::Admin, robots)
            .about("The registry of robots, the retired ones too")
            .lists::<AdminRobot>(),
        Route::new(Method::POST, "/admin/robots", Access::Admin, register)
            .about("Registers a robot")
            .takes::<Register>()
            .gives::<Robot>(StatusCode::CREATED)
            .repeatable(),
        Route::new(Method::PATCH, "/admin/robots/{id}", Access::Admin, update)
            .about("Changes a robot; what is left out stays")
            .takes::<Update>()
            .gives::<Robot>(StatusCode::OK),
        Route::new(Method::DELETE, "/admin/robots/{id}", Access::Admin, retire)
            .about("Takes a robot out of service for ever")
            .may_take::<WithReason>()
            .gives_nothing()
            .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::POST, "/admin/robots/{id}/credentials", Access::Admin, issue_credential)
            .about("Issues a credential, shown this once")
            .gives::<Credential>(StatusCode::CREATED)
            .repeatable_secret(),
        Route::new(
            Method::DELETE,
            "/admin/robots/{id}/credentials/{credential}",
            Access::Admin,
            revoke_credential,
        )
        .about("Revokes a credential; a robot that is connected with it is cut")
        .gives_nothing()
        .gives::<NotRecorded>(StatusCode::ACCEPTED),
        Route::new(Method::GET, "/admin/rules", Access::Admin, rules)
            .about("The lab's rules")
            .gives::<LabRules>(StatusCode::OK),
        Route::new(Method::PUT, "/admin/rules", Access::Admin, change_rules)
            .about("Changes the lab's rules")
            .takes::<ChangeRules>()
            .gives::<LabRules>(StatusCode::OK),
    ]);
    routes
}

async fn robots(call: Call) -> Answer {
    let limit = call.limit()?;
    let after: Option<RobotId> = call.optional("after")?;
    let mut rows = call.api.reads.fleet().await?;
    rows.sort_by_key(|row| row.robot_id);
    let now = call.api.clock.wall();
    let rows = rows.into_iter().filter(|row| after.is_none_or(|after| row.robot_id > after)).take(limit + 1);
    let reasons = call.api.log.reasons();
    let mut items = Vec::new();
    for row in rows {
        let reason = match &row.emergency_stop {
            Some(stop) => reasons.get(&stop.reason_hash).await?,
            None => None,
        };
        items.push(AdminRobot::of(row, reason, now));
    }
    Ok(ok(&Page::of(items, limit, |item: &AdminRobot| item.robot.id.to_string())))
}

#[derive(Deserialize, JsonSchema)]
struct Register {
    slug: String,
    name: String,
    r#type: String,
    #[serde(default)]
    cameras: Vec<String>,
    #[serde(default)]
    media: MediaMode,
}

async fn register(call: Call) -> Answer {
    let Register { slug, name, r#type, cameras, media } = call.json()?;
    relayed(media)?;
    let cameras = if cameras.is_empty() { vec!["main".to_owned()] } else { cameras };
    let new = NewRobot { slug, name, robot_type: r#type, cameras, media };
    let id = call.api.lab.register_robot(&call.principal()?, new).await?;
    Ok(with_status(StatusCode::CREATED, &robot(&call, id).await?))
}

/// Rather a refusal than a robot whose media silently takes another path than its owner chose.
fn relayed(media: MediaMode) -> Result<(), Problem> {
    match media {
        MediaMode::Relay => Ok(()),
        MediaMode::Direct => Err(Problem::not_available("Media that does not pass through the server")),
    }
}

/// What is left out stays as it is: a misspelt member is refused, or it would look as if it had been changed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    name: Option<String>,
    r#type: Option<String>,
    cameras: Option<Vec<String>>,
    media: Option<MediaMode>,
}

async fn update(call: Call) -> Answer {
    let id = call.robot(call.param(0)).await?;
    let Update { name, r#type, cameras, media } = call.json()?;
    relayed(media.unwrap_or_default())?;
    let changes = RobotChange { name, robot_type: r#type, cameras, media };
    call.api.lab.update_robot(&call.principal()?, id, changes).await?;
    Ok(ok(&robot(&call, id).await?))
}

#[derive(Default, Deserialize, JsonSchema)]
pub(super) struct WithReason {
    #[serde(default)]
    reason: String,
}

impl WithReason {
    /// Where a reason is owed, the domain says so when it is empty.
    pub(super) fn of(call: &Call) -> Result<String, Problem> {
        if call.body.is_empty() { Ok(String::new()) } else { Ok(call.json::<Self>()?.reason) }
    }
}

async fn retire(call: Call) -> Answer {
    let id = call.robot(call.param(0)).await?;
    let retired = call.api.lab.retire_robot(&call.principal()?, id, &WithReason::of(&call)?).await?;
    Ok(recorded(retired).unwrap_or_else(|| StatusCode::NO_CONTENT.into_response()))
}

#[derive(JsonSchema, Serialize)]
struct Credential {
    id: CredentialId,
    /// Shown this once: only its hash is kept.
    token: String,
}

async fn issue_credential(call: Call) -> Answer {
    let robot = call.robot(call.param(0)).await?;
    // Granting ids are random, not time-ordered.
    let id = CredentialId::from(Uuid::from_u128(rand::random()));
    let token = new_robot_token(id, robot);
    call.api.lab.issue_credential(&call.principal()?, robot, id, sha256_hex(&token)).await?;
    Ok(with_status(StatusCode::CREATED, &Credential { id, token }))
}

async fn revoke_credential(call: Call) -> Answer {
    let robot = call.robot(call.param(0)).await?;
    let revoked =
        call.api.lab.revoke_credential(&call.principal()?, robot, call.id(1, "credential")?).await?;
    Ok(recorded(revoked).unwrap_or_else(|| StatusCode::NO_CONTENT.into_response()))
}

/// What is answered when something was carried out and is not durable yet.
pub(super) fn recorded(Recorded(durable): Recorded) -> Option<Response> {
    (!durable).then(|| with_status(StatusCode::ACCEPTED, &NotRecorded { recorded: false }))
}

async fn rules(call: Call) -> Answer {
    Ok(ok(&call.api.lab.rules()))
}

#[derive(Deserialize, JsonSchema)]
struct ChangeRules {
    #[serde(flatten)]
    rules: LabRules,
    reason: Option<String>,
}

async fn change_rules(call: Call) -> Answer {
    if let Some(unknown) = unknown_rule(&call) {
        return Err(Problem::invalid(format!("There is no rule named `{unknown}`.")));
    }
    let ChangeRules { rules, reason } = call.json().map_err(|problem| match unreadable_rule(&call) {
        Some(field) => {
            Problem::invalid(format!("`{field}` is not what is expected there. {}", problem.detail))
        }
        None => problem,
    })?;
    if let Some(missing) = missing_rule(&call) {
        return Err(Problem::invalid(format!("`{missing}` is missing; null is allowed there.")));
    }
    call.api.lab.change_rules(&call.principal()?, rules, reason.as_deref()).await?;
    Ok(ok(&call.api.lab.rules()))
}

/// The first member of the body that is no rule: ignored, it would look as if it were in force.
fn unknown_rule(call: &Call) -> Option<String> {
    let members: Map<String, Value> = call.json().ok()?;
    let Ok(Value::Object(known)) = serde_json::to_value(LabRules::default()) else { return None };
    // Left out of the defaults, where no day of the week differs.
    let is_known =
        |name: &String| known.contains_key(name) || ["weekday_hours", "reason"].contains(&name.as_str());
    members
        .into_iter()
        .map(|(name, _)| name)
        .find(|name| !is_known(name))
        .map(|name| name.chars().take(64).collect())
}

/// The first rule that the body does not have though it may be null: whoever does not know it is not to switch it off.
fn missing_rule(call: &Call) -> Option<String> {
    let members: Map<String, Value> = call.json().ok()?;
    let Ok(Value::Object(known)) = serde_json::to_value(LabRules::default()) else { return None };
    known.into_iter().map(|(name, _)| name).find(|name| !members.contains_key(name))
}

/// The first rule in the body that cannot be read even with all others being right: what the reader of all of them together
/// says does not name it.
fn unreadable_rule(call: &Call) -> Option<String> {
    let members: Map<String, Value> = call.json().ok()?;
    let Ok(Value::Object(right)) = serde_json::to_value(LabRules::default()) else { return None };
    let is_unreadable = |(name, value): &(String, Value)| {
        let mut rules = right.clone();
        rules.insert(name.clone(), value.clone());
        serde_json::from_value::<LabRules>(Value::Object(rules)).is_err()
    };
    members.into_iter().find(is_unreadable).map(|(name, _)| name)
}

/// The robot as its aggregate has it: what a command about it is answered with.
pub(super) async fn robot(call: &Call, id: RobotId) -> Result<Robot, Problem> {
    let robot = call.api.lab.robot(id).await?;
    Robot::from_state(&robot, call.api.clock.wall()).ok_or_else(|| Problem::not_found("robot"))
}
