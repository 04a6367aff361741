//! Who may call what: every route denies by default.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use curfew::protocol::millis;
use curfew_domain::Role;
use serde_json::json;

use crate::support::{Client, TestApp};

const ID: &str = "0190a0b0-0000-7000-8000-000000000001";

/// Routes by who may call them; `{id}` stands for an id that names nothing.
const PUBLIC: [(&str, &str); 8] = [
    ("GET", "/health"),
    ("GET", "/config"),
    ("GET", "/openapi.json"),
    ("POST", "/auth/login"),
    ("POST", "/auth/register"),
    ("POST", "/auth/redeem"),
    ("GET", "/socket.io/"),
    ("POST", "/socket.io/"),
];
const ANY: [(&str, &str); 22] = [
    ("GET", "/auth/me"),
    ("POST", "/auth/password"),
    ("GET", "/webrtc/config"),
    ("GET", "/robots"),
    ("GET", "/bookings"),
    ("POST", "/bookings"),
    ("GET", "/my-bookings"),
    ("GET", "/bookings/{id}"),
    ("DELETE", "/bookings/{id}"),
    ("POST", "/bookings/{id}/guests"),
    ("DELETE", "/bookings/{id}/guests/{id}"),
    ("POST", "/bookings/{id}/extend"),
    ("GET", "/bookings/available-slots"),
    ("GET", "/bookings/schedule"),
    ("POST", "/webrtc/offer"),
    ("POST", "/webrtc/answer"),
    ("POST", "/webrtc/ice-candidate"),
    ("GET", "/webrtc/candidates/{id}"),
    ("GET", "/webrtc/peers/{id}/stats"),
    ("DELETE", "/webrtc/peer/{id}"),
    ("GET", "/videos/{id}"),
    ("POST", "/whep/{id}"),
];
const ADMIN: [(&str, &str); 20] = [
    ("GET", "/admin/robots"),
    ("POST", "/admin/robots"),
    ("PATCH", "/admin/robots/{id}"),
    ("DELETE", "/admin/robots/{id}"),
    ("POST", "/admin/robots/{id}/credentials"),
    ("DELETE", "/admin/robots/{id}/credentials/{id}"),
    ("POST", "/admin/robots/{id}/watch"),
    ("POST", "/admin/robots/{id}/maintenance"),
    ("DELETE", "/admin/robots/{id}/maintenance"),
    ("POST", "/admin/robots/{id}/emergency-stop"),
    ("POST", "/admin/robots/{id}/clear-stop"),
    ("POST", "/admin/bookings/{id}/terminate"),
    ("POST", "/admin/bookings/{id}/extend"),
    ("POST", "/admin/bookings/{id}/shorten"),
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("PATCH", "/admin/users/{id}"),
    ("POST", "/admin/users/{id}/reset-link"),
    ("GET", "/admin/rules"),
    ("PUT", "/admin/rules"),
];
const MONITOR: [(&str, &str); 1] = [("GET", "/metrics")];
const AUDIT: [(&str, &str); 8] = [
    ("GET", "/audit/events"),
    ("GET", "/audit/sessions"),
    ("GET", "/audit/sessions/{id}"),
    ("GET", "/audit/state"),
    ("GET", "/audit/checkpoint"),
    ("GET", "/audit/proof/{id}"),
    ("GET", "/audit/proof/{id}/{id}"),
    ("GET", "/audit/export"),
];
const ROBOT: [(&str, &str); 1] = [("POST", "/whip/{id}")];

/// All that want a token.
fn closed() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    ANY.iter().chain(&ADMIN).chain(&MONITOR).chain(&AUDIT).chain(&ROBOT)
}

/// A pattern with `{id}` for every parameter.
fn with_ids(pattern: &str) -> String {
    let of = |part: &str| if part.starts_with('{') { "{id}".to_owned() } else { part.to_owned() };
    pattern.split('/').map(of).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_is_tried_and_described_with_who_may_call_it() {
    let app = TestApp::start().await;
    let description = app.anyone().get("/openapi.json").await.body;
    let mut described = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let access = operation["x-access"].as_str().expect("text").to_owned();
            assert!(described.insert((access, method.to_uppercase(), with_ids(path))), "{method} {path}");
        }
    }
    let lists: [(&str, &[(&str, &str)]); 6] = [
        ("public", &PUBLIC),
        ("viewers and admins; auditors where it only reads", &ANY),
        ("admins", &ADMIN),
        ("admins, and configured addresses", &MONITOR),
        ("auditors and admins", &AUDIT),
        ("the robot, with its credential", &ROBOT),
    ];
    let tried = lists.iter().flat_map(|(access, routes)| {
        let routes = routes.iter();
        routes.map(|(method, path)| ((*access).to_owned(), (*method).to_owned(), (*path).to_owned()))
    });
    assert_eq!(tried.collect::<BTreeSet<_>>(), described);
    app.stop().await;
}

#[tokio::test]
async fn without_a_valid_token_nothing_answers_but_what_is_public() {
    let app = TestApp::start().await;
    for (method, path) in closed() {
        let path = path.replace("{id}", ID);
        let nobody = app.anyone().send(method, &path, None).await;
        assert_eq!(nobody.refusal(), (401, "bad_token"), "{method} {path}");
        assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
        for token in ["x", "a.b.c", "curfew_robot_x", &format!("curfew_robot_{}_x", "0".repeat(64))] {
            let forged = app.anyone().with_token(token).send(method, &path, None).await;
            assert_eq!(forged.refusal(), (401, "bad_token"), "{method} {path} {token}");
        }
    }
    for (method, path) in PUBLIC {
        assert_ne!(app.anyone().send(method, path, None).await.status, 401, "{method} {path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_role_opens_its_own_routes_only() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.robot("turtle", "turtlebot").await;
    let issued = admin.client.post("/admin/robots/turtle/credentials", json!({})).await;
    let robot = app.anyone().with_token(issued.text("token"));
    let admin = admin.client;
    let viewer = app.viewer().await.client;
    let auditor = app.somebody(Role::Auditor).await.client;
    let denied = (403, "wrong_role");
    for (method, path) in closed() {
        let is = |routes: &[(&str, &str)]| routes.contains(&(method, path));
        let path = path.replace("{id}", ID);
        let asked = [
            ("admin", &admin, !is(&ROBOT)),
            ("viewer", &viewer, is(&ANY)),
            ("auditor", &auditor, is(&AUDIT) || (is(&ANY) && *method == "GET")),
            ("robot", &robot, is(&ROBOT)),
        ];
        for (who, client, may) in asked {
            let reply = client.send(method, &path, Some(json!({}))).await;
            if may {
                assert!(reply.status == 200 || reply.refusal() != denied, "{who}: {method} {path}");
            } else {
                assert_eq!(reply.refusal(), denied, "{who}: {method} {path}");
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn auditors_see_nobodys_bookings_but_those_they_are_guests_of() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let auditor = app.somebody(Role::Auditor).await;
    admin.robot("turtle", "turtlebot").await;
    let at = |minutes| millis::to_string(&(Utc::now() + TimeDelta::minutes(minutes)));
    let body = json!({"robot_id": "turtle", "starts_at": at(60), "ends_at": at(90)});
    let made = holder.client.post("/bookings", body).await;
    let one = format!("/bookings/{}", made.text("id"));
    for (who, count, expected) in [(&admin, 1, 200), (&holder, 1, 200), (&auditor, 0, 403)] {
        let listed = who.client.get("/bookings").await;
        assert_eq!((listed.status, listed.body["items"].as_array().map(Vec::len)), (200, Some(count)));
        assert_eq!(who.client.get(&one).await.status, expected);
    }
    assert_eq!(auditor.client.get(&one).await.refusal(), (403, "not_your_booking"));
    app.stop().await;
}

/// After who asks and what they may, so that nobody learns more by a route that is not there yet.
#[tokio::test]
async fn what_is_announced_and_not_there_yet_says_so_to_those_who_may_call_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.robot("turtle", "turtlebot").await;
    let issued = admin.client.post("/admin/robots/turtle/credentials", json!({})).await;
    let robot = app.anyone().with_token(issued.text("token"));
    let auditor = app.somebody(Role::Auditor).await.client;
    let description = app.anyone().get("/openapi.json").await.body;
    let mut announced = Vec::new();
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if operation["summary"].as_str().is_some_and(|summary| summary.contains("`not_available`")) {
                announced.push((method.to_uppercase(), with_ids(path)));
                assert!(operation["responses"]["422"].is_object() && operation["responses"]["200"].is_null());
            }
        }
    }
    let expected: BTreeSet<_> = AUDIT
        .iter()
        .chain(&ROBOT)
        .chain(&PUBLIC[6..])
        .chain(&[("POST", "/whep/{id}"), ("POST", "/webrtc/answer")])
        .collect();
    assert_eq!(
        announced.iter().map(|(method, path)| (method.as_str(), path.as_str())).collect::<BTreeSet<_>>(),
        expected.into_iter().copied().collect()
    );
    for (method, path) in announced.iter().filter(|(_, path)| path != "/webrtc/answer") {
        let route = (method.as_str(), path.as_str());
        let clients: &[&Client] = match () {
            () if AUDIT.contains(&route) => &[&admin.client, &auditor],
            () if ROBOT.contains(&route) => &[&robot],
            () if PUBLIC.contains(&route) => &[&app.anyone(), &auditor],
            () => &[&admin.client],
        };
        for client in clients {
            let path = path.replace("{id}", "turtle");
            for (kind, body) in [("application/json", "{}"), ("application/sdp", "v=0\r\n")] {
                let reply = client.send_raw(method, &path, kind, body.into()).await;
                assert_eq!(reply.refusal(), (422, "not_available"), "{method} {path} {kind}");
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn media_past_the_server_and_the_other_transport_are_announced_only() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.robot("turtle", "turtlebot").await;
    for path in ["/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3&transport=websocket"] {
        assert_eq!(app.anyone().get(path).await.refusal(), (422, "not_available"), "{path}");
    }
    let direct = json!({"slug": "d", "name": "D", "type": "turtlebot", "media": "direct"});
    assert_eq!(admin.client.post("/admin/robots", direct).await.refusal(), (422, "not_available"));
    let direct = Some(json!({"media": "direct"}));
    let changed = admin.client.send("PATCH", "/admin/robots/turtle", direct).await;
    assert_eq!(changed.refusal(), (422, "not_available"));
    app.stop().await;
}
