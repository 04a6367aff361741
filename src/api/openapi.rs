//! `/openapi.json`: the description of REST (OpenAPI 3.1), made from the table of routes and the types of their bodies.
//!
//! Nothing is written here by hand that a route or a type says of itself.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use http::{Method, StatusCode};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::api::error::Body;
use crate::api::idempotency;
use crate::api::request::{Call, ok};
use crate::api::route::{Access, Answer, Route};
use crate::api::table;

const JSON: &str = "application/json";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/openapi.json", Access::Public, serve)
            .about("This description")
            .gives::<Value>(StatusCode::OK),
    ]
}

async fn serve(_: Call) -> Answer {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Ok(ok(DOCUMENT.get_or_init(|| document(table().routes()))))
}

/// Replies share their shapes, as components; those of requests stand where they are taken, since what may be left out of a
/// request is not what is left out of a reply.
struct Shapes {
    given: SchemaGenerator,
    taken: SchemaGenerator,
}

impl Shapes {
    fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
        let given = settings().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
        });
        let taken = settings().for_deserialize().with(|settings| settings.inline_subschemas = true);
        Self { given: given.into_generator(), taken: taken.into_generator() }
    }
}

fn document(routes: &[Route]) -> Value {
    let mut shapes = Shapes::new();
    let problem = shapes.given.subschema_for::<Body<'static>>().to_value();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &problem, &mut shapes);
        let path = paths.entry(route.pattern).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let bearer = json!({
        "type": "http", "scheme": "bearer",
        "description": "What `/auth/login` gives; for robots, the credential that an admin issued.",
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Curfew",
            "summary": "Timed, live access to robots over WebRTC",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": shapes.given.take_definitions(true),
            "securitySchemes": { "bearer": bearer },
        },
    })
}

fn operation(route: &Route, problem: &Value, shapes: &mut Shapes) -> Value {
    let about = &route.about;
    let mut operation = Map::new();
    let id = format!("{}{}", route.method.as_str().to_ascii_lowercase(), route.pattern);
    operation.insert("operationId".into(), json!(id.replace(['/', '-', '.'], "_").replace(['{', '}'], "")));
    let announced = "Announced: answers `not_available` in this version";
    let summary = if about.summary.is_empty() { announced } else { about.summary };
    operation.insert("summary".into(), json!(summary));
    operation.insert("tags".into(), json!([tag(route.pattern)]));
    operation.insert("x-access".into(), json!(access(route)));
    let security = if route.access == Access::Public { json!([]) } else { json!([{ "bearer": [] }]) };
    operation.insert("security".into(), security);
    operation.insert("parameters".into(), parameters(route, shapes));
    if let Some((shape, is_needed)) = about.takes {
        let schema = shape(&mut shapes.taken);
        let content = json!({ JSON: { "schema": schema } });
        operation.insert("requestBody".into(), json!({ "required": is_needed, "content": content }));
    }
    operation.insert("responses".into(), responses(route, problem, shapes));
    Value::Object(operation)
}

fn parameters(route: &Route, shapes: &mut Shapes) -> Value {
    let in_path = route.pattern.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    for (name, shape, is_needed) in &route.about.query {
        let schema = shape(&mut shapes.taken);
        parameters.push(json!({ "name": name, "in": "query", "required": is_needed, "schema": schema }));
    }
    if route.repeatable {
        let shortest = idempotency::shortest(route);
        let schema =
            json!({ "type": "string", "minLength": shortest, "maxLength": idempotency::LONGEST_KEY });
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "schema": schema }));
    }
    Value::Array(parameters)
}

fn responses(route: &Route, problem: &Value, shapes: &mut Shapes) -> Value {
    let mut responses = Map::new();
    for status in refusals(route) {
        let content = json!({ "application/problem+json": { "schema": problem } });
        responses.insert(status.to_string(), described(status, Some(content)));
    }
    for (status, body) in &route.about.gives {
        let content = body.map(|(media_type, shape)| {
            let schema = shape(&mut shapes.given);
            json!({ media_type: { "schema": schema } })
        });
        responses.insert(status.to_string(), described(*status, content));
    }
    Value::Object(responses)
}

fn described(status: u16, content: Option<Value>) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut response = json!({ "description": reason.unwrap_or("Answered") });
    if let (Some(content), Some(members)) = (content, response.as_object_mut()) {
        members.insert("content".into(), content);
    }
    response
}

/// The statuses with which a route may refuse; `docs/PROTOCOL.md` says with which codes.
fn refusals(route: &Route) -> BTreeSet<u16> {
    // A token in the query is refused everywhere, and so are pages of other sites.
    let mut statuses = BTreeSet::from([401, 403, 422, 429, 503]);
    if !route.reads() {
        statuses.extend([404, 408, 409, 413, 415]);
    } else if route.pattern.contains('{') || !route.about.query.is_empty() {
        statuses.insert(404);
    }
    statuses
}

fn tag(pattern: &str) -> &str {
    match pattern.split('/').nth(1) {
        Some("my-bookings") => "bookings",
        Some("health" | "config" | "metrics" | "openapi.json") | None => "server",
        Some(first) => first,
    }
}

const fn access(route: &Route) -> &'static str {
    match route.access {
        Access::Public => "public",
        Access::Any => "viewers and admins; auditors where it only reads",
        Access::Admin => "admins",
        Access::Monitor => "admins, and configured addresses",
        Access::Audit => "auditors and admins",
        Access::Robot => "the robot, with its credential",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in `value`.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.push(reference.clone());
                }
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_and_everything_described_is_a_route() {
        let table = table();
        let document = document(table.routes());
        let mut described = 0;
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys() {
                let is_it = |route: &&Route| {
                    route.pattern == path && route.method.as_str().eq_ignore_ascii_case(method)
                };
                assert_eq!(table.routes().iter().filter(is_it).count(), 1, "{method} {path}");
                described += 1;
            }
        }
        assert_eq!(described, table.routes().len());
    }

    #[test]
    fn what_is_there_says_what_it_is_and_what_it_gives_and_what_writes_says_what_it_takes() {
        // These take nothing, or answer nothing but refusals in this version.
        let takes_nothing = ["/admin/robots/{id}/credentials", "/admin/users/{id}/reset-link"];
        for route in table().routes().iter().filter(|route| !route.about.summary.is_empty()) {
            let name = format!("{} {}", route.method, route.pattern);
            let answers = !route.about.gives.is_empty() || route.pattern == "/webrtc/answer";
            assert!(answers, "{name} does not say what it gives");
            let writes = [Method::POST, Method::PUT, Method::PATCH].contains(&route.method);
            let takes = route.about.takes.is_some() || takes_nothing.contains(&route.pattern);
            assert!(!writes || takes, "{name} does not say what it takes");
        }
    }

    #[test]
    fn only_what_is_announced_lacks_a_summary() {
        let announced = crate::api::later();
        for route in table().routes().iter().filter(|route| route.about.summary.is_empty()) {
            assert!(announced.iter().any(|later| later.pattern == route.pattern), "{}", route.pattern);
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_no_two_operations_share_a_name() {
        let document = document(table().routes());
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let mut names = BTreeSet::new();
        for operations in document["paths"].as_object().expect("paths").values() {
            for operation in operations.as_object().expect("operations").values() {
                assert!(names.insert(operation["operationId"].to_string()), "{operation}");
            }
        }
    }
}
