//! Who may call what: every route denies by default.

use curfew_domain::Role;
use serde_json::json;

use crate::support::TestApp;

const ID: &str = "0190a0b0-0000-7000-8000-000000000001";

/// Routes by who may call them; `{id}` stands for an id that names nothing.
const PUBLIC: [(&str, &str); 4] =
    [("GET", "/health"), ("GET", "/config"), ("GET", "/openapi.json"), ("POST", "/auth/login")];
const ANY: [(&str, &str); 21] = [
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
    ("POST", "/bookings/{id}/extend"),
    ("GET", "/bookings/available-slots"),
    ("GET", "/bookings/schedule"),
    ("POST", "/webrtc/offer"),
    ("POST", "/webrtc/answer"),
    ("POST", "/webrtc/ice-candidate"),
    ("GET", "/webrtc/candidates/{id}"),
    ("DELETE", "/webrtc/peer/{id}"),
    ("GET", "/videos/none"),
    ("POST", "/whep/{id}"),
    ("GET", "/bookings/{id}"),
];
const ADMIN: [(&str, &str); 22] = [
    ("GET", "/metrics"),
    ("GET", "/admin/robots"),
    ("POST", "/admin/robots"),
    ("PATCH", "/admin/robots/{id}"),
    ("DELETE", "/admin/robots/{id}"),
    ("POST", "/admin/robots/{id}/credentials"),
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
    ("DELETE", "/admin/robots/{id}/credentials/{id}"),
    ("GET", "/admin/robots"),
];
const AUDIT: [(&str, &str); 6] = [
    ("GET", "/audit/events"),
    ("GET", "/audit/sessions"),
    ("GET", "/audit/sessions/{id}"),
    ("GET", "/audit/state"),
    ("GET", "/audit/checkpoint"),
    ("GET", "/audit/export"),
];

#[tokio::test]
async fn without_a_valid_token_nothing_answers_but_what_is_public() {
    let app = TestApp::start().await;
    for (method, path) in ANY.iter().chain(&ADMIN).chain(&AUDIT) {
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
    let admin = app.admin().await.client;
    let viewer = app.viewer().await.client;
    let auditor = app.somebody(Role::Auditor).await.client;
    let denied = (403, "wrong_role");
    for (method, path) in ANY.iter().chain(&ADMIN).chain(&AUDIT) {
        let is = |routes: &[(&str, &str)]| routes.contains(&(method, path));
        let path = path.replace("{id}", ID);
        let asked = [
            ("admin", &admin, true),
            ("viewer", &viewer, is(&ANY)),
            ("auditor", &auditor, is(&AUDIT) || (is(&ANY) && *method == "GET")),
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
async fn what_is_announced_and_not_there_yet_says_so_to_those_who_may_call_it() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await.client, app.viewer().await.client);
    for (method, path) in AUDIT {
        let reply = admin.send(method, &path.replace("{id}", ID), None).await;
        assert_eq!(reply.refusal(), (422, "not_available"), "{path}");
    }
    assert_eq!(viewer.post("/whep/x", json!({})).await.refusal(), (422, "not_available"));
    app.stop().await;
}

#[tokio::test]
async fn a_robots_credential_opens_nothing_of_peoples() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.robot("turtle", "turtlebot").await;
    let issued = admin.client.post("/admin/robots/turtle/credentials", json!({})).await;
    let robot = app.anyone().with_token(issued.text("token"));
    for path in ["/robots", "/auth/me", "/admin/robots", "/audit/events"] {
        assert_eq!(robot.get(path).await.refusal(), (403, "wrong_role"), "{path}");
    }
    assert_eq!(robot.post("/whip/turtle", json!({})).await.refusal(), (422, "not_available"));
    let viewer = app.viewer().await.client;
    assert_eq!(viewer.post("/whip/turtle", json!({})).await.refusal(), (403, "wrong_role"));
    app.stop().await;
}

#[tokio::test]
async fn what_is_announced_only_says_so() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await.client);
    admin.robot("turtle", "turtlebot").await;
    let offered = viewer.send_raw("POST", "/whep/turtle", "application/sdp", b"v=0\r\n".to_vec()).await;
    assert_eq!(offered.refusal(), (422, "not_available"), "whatever kind of body it has");
    for path in ["/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3&transport=polling"] {
        assert_eq!(app.anyone().get(path).await.refusal(), (422, "not_available"), "{path}");
    }
    assert_eq!(admin.client.get("/audit/proof/event/7").await.refusal(), (422, "not_available"));
    let direct = json!({"slug": "d", "name": "D", "type": "turtlebot", "media": "direct"});
    assert_eq!(admin.client.post("/admin/robots", direct).await.refusal(), (422, "not_available"));
    let direct = Some(json!({"media": "direct"}));
    let changed = admin.client.send("PATCH", "/admin/robots/turtle", direct).await;
    assert_eq!(changed.refusal(), (422, "not_available"));
    app.stop().await;
}
