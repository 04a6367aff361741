//! What is asked and answered, held against what `/openapi.json` says of it.

use chrono::{TimeDelta, Utc};
use curfew::protocol::millis;
use serde_json::{Value, json};

use crate::support::{Client, Reply, TestApp};

struct Description(Value);

impl Description {
    async fn of(app: &TestApp) -> Self {
        let reply = app.anyone().get("/openapi.json").await;
        assert_eq!((reply.status, &reply.body["openapi"]), (200, &json!("3.1.0")));
        assert_eq!(reply.body["info"]["version"], env!("CARGO_PKG_VERSION"));
        Self(reply.body)
    }

    /// Sends a request to `path`, which fits `pattern`; what is sent, if it is accepted, and what comes back have to be as
    /// described.
    async fn call(
        &self,
        who: &Client,
        method: &str,
        pattern: &str,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        let operation = &self.0["paths"][pattern][method.to_ascii_lowercase()];
        assert!(operation.is_object(), "{method} {pattern} is not described");
        let reply = who.send(method, path, body.clone()).await;
        let described = &operation["responses"][reply.status.to_string()];
        assert!(described.is_object(), "{method} {pattern} answered an undescribed {reply:?}");
        if (200..300).contains(&reply.status)
            && let Some(body) = body
        {
            self.judge(&operation["requestBody"]["content"]["application/json"]["schema"], &body, pattern);
        }
        let content = described["content"].as_object();
        let Some((media_type, content)) = content.and_then(|content| content.iter().next()) else {
            assert_eq!(reply.body, Value::Null, "{method} {pattern} answers no body");
            return reply;
        };
        assert_eq!(reply.header("content-type"), Some(media_type.as_str()), "{method} {pattern}");
        self.judge(&content["schema"], &reply.body, pattern);
        reply
    }

    fn judge(&self, schema: &Value, value: &Value, pattern: &str) {
        assert!(!schema.is_null(), "{pattern} has no schema");
        let whole = json!({"allOf": [schema], "components": self.0["components"]});
        let judge = jsonschema::options().should_validate_formats(true).build(&whole).expect("a schema");
        let faults: Vec<_> =
            judge.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path)).collect();
        assert!(faults.is_empty(), "{pattern}: {faults:?} in {value}");
    }
}

#[tokio::test]
async fn a_judge_that_accepts_everything_would_be_none() {
    let app = TestApp::start().await;
    let description = Description::of(&app).await;
    let booking = json!({"$ref": "#/components/schemas/Booking", "components": description.0["components"]});
    let judge = jsonschema::options().should_validate_formats(true).build(&booking).expect("a schema");
    for wrong in [json!({}), json!(null), json!({"id": 7})] {
        assert!(!judge.is_valid(&wrong), "{wrong}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_people_ask_and_get_is_as_described() {
    let app = TestApp::start().await;
    let said = Description::of(&app).await;
    let (admin, viewer, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let (anyone, admin, viewer) = (&app.anyone(), &admin.client, &viewer.client);
    for path in ["/health", "/config", "/openapi.json"] {
        assert_eq!(said.call(anyone, "GET", path, path, None).await.status, 200, "{path}");
    }
    for path in ["/auth/me", "/robots", "/webrtc/config", "/bookings", "/my-bookings"] {
        assert_eq!(said.call(viewer, "GET", path, path, None).await.status, 200, "{path}");
        assert_eq!(said.call(anyone, "GET", path, path, None).await.status, 401, "{path}");
    }
    let login = json!({"email": guest.user.email, "password": crate::support::PASSWORD});
    assert_eq!(said.call(anyone, "POST", "/auth/login", "/auth/login", Some(login)).await.status, 200);
    let wrong = json!({"email": guest.user.email, "password": "no"});
    assert_eq!(said.call(anyone, "POST", "/auth/login", "/auth/login", Some(wrong)).await.status, 401);
    let now = Utc::now();
    let at = |minutes| millis::to_string(&(now + TimeDelta::minutes(minutes)));
    let body = json!({"robot_id": "turtle", "starts_at": at(0), "ends_at": at(10)});
    let made = said.call(viewer, "POST", "/bookings", "/bookings", Some(body.clone())).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(said.call(viewer, "POST", "/bookings", "/bookings", Some(body)).await.status, 409);
    assert_eq!(said.call(viewer, "POST", "/bookings", "/bookings", Some(json!({}))).await.status, 422);
    let one = format!("/bookings/{}", made.text("id"));
    assert_eq!(said.call(viewer, "GET", "/bookings/{id}", &one, None).await.status, 200);
    assert_eq!(said.call(viewer, "GET", "/bookings/{id}", "/bookings/x", None).await.status, 404);
    let invite = Some(json!({"user_id": guest.id()}));
    let (path, pattern) = (format!("{one}/guests"), "/bookings/{id}/guests");
    assert_eq!(said.call(viewer, "POST", pattern, &path, invite).await.status, 200);
    let (path, pattern) = (format!("{path}/{}", guest.id()), format!("{pattern}/{{account_id}}"));
    assert_eq!(said.call(&guest.client, "GET", "/my-bookings", "/my-bookings", None).await.status, 200);
    assert_eq!(said.call(viewer, "DELETE", &pattern, &path, None).await.status, 204);
    assert_eq!(said.call(viewer, "DELETE", &pattern, &path, None).await.status, 404);
    let longer = Some(json!({"ends_at": at(15)}));
    let (path, pattern) = (format!("{one}/extend"), "/bookings/{id}/extend");
    assert_eq!(said.call(viewer, "POST", pattern, &path, longer).await.status, 200);
    let date = now.format("%Y-%m-%d");
    let slots = format!("/bookings/available-slots?date={date}&robot_type=turtlebot");
    assert_eq!(said.call(viewer, "GET", "/bookings/available-slots", &slots, None).await.status, 200);
    let schedule = format!("/bookings/schedule?start_date={date}&end_date={date}");
    for who in [viewer, admin] {
        assert_eq!(said.call(who, "GET", "/bookings/schedule", &schedule, None).await.status, 200);
    }
    let videos = said.call(viewer, "GET", "/videos/{robot_type}", "/videos/turtlebot", None).await;
    assert_eq!(videos.status, 200);
    let offer = json!({"robot_id": "turtle", "sdp": "v=0", "type": "offer"});
    assert_eq!(said.call(viewer, "POST", "/webrtc/offer", "/webrtc/offer", Some(offer)).await.status, 422);
    assert_eq!(said.call(viewer, "DELETE", "/bookings/{id}", &one, None).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn what_admins_ask_and_get_is_as_described() {
    let app = TestApp::start().await;
    let said = Description::of(&app).await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let id = viewer.id();
    let (admin, viewer) = (&admin.client, &viewer.client);
    let robot = json!({"slug": "turtle", "name": "Turtle", "type": "turtlebot", "cameras": ["front"]});
    let made = said.call(admin, "POST", "/admin/robots", "/admin/robots", Some(robot)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let why = || Some(json!({"reason": "because"}));
    let one = "/admin/robots/turtle";
    let rename = Some(json!({"name": "Tortoise"}));
    let issued =
        said.call(admin, "POST", "/admin/robots/{id}/credentials", &format!("{one}/credentials"), None).await;
    let credential = format!("{one}/credentials/{}", issued.text("id"));
    let calls = [
        ("PATCH", "/admin/robots/{id}", one.to_owned(), rename, 200),
        ("GET", "/admin/robots", "/admin/robots?limit=1".to_owned(), None, 200),
        ("GET", "/admin/robots", "/admin/robots?limit=0".to_owned(), None, 422),
        ("POST", "/admin/robots/{id}/watch", format!("{one}/watch"), why(), 201),
        ("POST", "/admin/robots/{id}/maintenance", format!("{one}/maintenance"), why(), 200),
        ("DELETE", "/admin/robots/{id}/maintenance", format!("{one}/maintenance"), None, 200),
        ("POST", "/admin/robots/{id}/emergency-stop", format!("{one}/emergency-stop"), why(), 200),
        ("POST", "/admin/robots/{id}/clear-stop", format!("{one}/clear-stop"), why(), 200),
        ("DELETE", "/admin/robots/{id}/credentials/{credential}", credential, None, 204),
        ("GET", "/admin/users", "/admin/users".to_owned(), None, 200),
        ("PATCH", "/admin/users/{id}", format!("/admin/users/{id}"), Some(json!({"name": "Ada"})), 200),
        ("POST", "/admin/users/{id}/reset-link", format!("/admin/users/{id}/reset-link"), None, 201),
        ("GET", "/audit/events", "/audit/events".to_owned(), None, 422),
    ];
    for (method, pattern, path, body, status) in calls {
        let reply = said.call(admin, method, pattern, &path, body.clone()).await;
        assert_eq!(reply.status, status, "{method} {path} {reply:?}");
        if pattern.starts_with("/admin") {
            assert_eq!(said.call(viewer, method, pattern, &path, body).await.status, 403, "{method} {path}");
        }
    }
    let rules = said.call(admin, "GET", "/admin/rules", "/admin/rules", None).await;
    let put = said.call(admin, "PUT", "/admin/rules", "/admin/rules", Some(rules.body)).await;
    assert_eq!(put.status, 200, "{put:?}");
    let user =
        json!({"name": "B", "email": "b@lab.example", "password": "a long password", "role": "auditor"});
    assert_eq!(said.call(admin, "POST", "/admin/users", "/admin/users", Some(user)).await.status, 201);
    let now = Utc::now();
    let at = |minutes| millis::to_string(&(now + TimeDelta::minutes(minutes)));
    let body = json!({"robot_type": "turtlebot", "starts_at": at(60), "ends_at": at(80)});
    let made = viewer.post("/bookings", body).await;
    let one = format!("/admin/bookings/{}", made.text("id"));
    for (what, body) in [
        ("extend", json!({"ends_at": at(90), "reason": "more"})),
        ("shorten", json!({"ends_at": at(70), "reason": "less"})),
        ("terminate", json!({"reason": "enough"})),
    ] {
        let (pattern, path) = (format!("/admin/bookings/{{id}}/{what}"), format!("{one}/{what}"));
        assert_eq!(said.call(admin, "POST", &pattern, &path, Some(body)).await.status, 200, "{what}");
    }
    let retired = said.call(admin, "DELETE", "/admin/robots/{id}", "/admin/robots/turtle", why()).await;
    assert_eq!(retired.status, 204, "{retired:?}");
    app.stop().await;
}
