//! A lab on a server of its own process: its admin, its robots, its people.

use std::path::Path;

use chrono::{DateTime, Utc};
use curfew::protocol::millis;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Client, Gone, Reply};
use super::server::{Server, tail};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A server with an admin and rules that allow windows of any hour.
pub(crate) struct Lab {
    pub(crate) server: Server,
    pub(crate) admin: Client,
}

/// A robot with a credential.
pub(crate) struct Robot {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// The body of a reply that has to have this status.
pub(crate) fn expect(reply: Result<Reply, Gone>, status: StatusCode) -> Value {
    let reply = reply.expect("the server answers");
    assert_eq!(reply.status, status, "{}", reply.body);
    reply.body
}

pub(crate) fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {body}")).to_owned()
}

impl Lab {
    /// The first admin comes by the link that the server prints.
    pub(crate) async fn start(data: &Path, logs: &Path, settings: &[(&str, &str)]) -> Self {
        let mut server = Server::start_with(data, logs, settings).await;
        let token = server.first_admin_token().await;
        let nobody = Client::new(&server.url, "");
        let redeem =
            json!({ "token": token, "name": "Root", "email": "root@lab.example", "password": PASSWORD });
        let redeemed = expect(nobody.post("/auth/redeem", redeem).await, StatusCode::OK);
        let admin = Client::new(&server.url, &text(&redeemed, "access_token"));
        let mut rules = expect(admin.get("/admin/rules").await, StatusCode::OK);
        rules["open_hours"] = Value::Null;
        rules["min_minutes"] = 1.into();
        expect(admin.send(Method::PUT, "/admin/rules", Some(rules)).await, StatusCode::OK);
        Self { server, admin }
    }

    pub(crate) async fn robot(&self, slug: &str) -> Robot {
        let body = json!({ "slug": slug, "name": slug, "type": "rover" });
        let robot = expect(self.admin.post("/admin/robots", body).await, StatusCode::CREATED);
        let id = text(&robot, "id");
        let path = format!("/admin/robots/{id}/credentials");
        let credential = expect(self.admin.post(&path, json!({})).await, StatusCode::CREATED);
        Robot { id, token: text(&credential, "token") }
    }

    /// Somebody new, signed in, and their account's id.
    pub(crate) async fn person(&self, name: &str) -> (Client, String) {
        let email = format!("{name}@lab.example");
        let body = json!({ "name": name, "email": email, "password": PASSWORD, "role": "viewer" });
        let user = expect(self.admin.post("/admin/users", body).await, StatusCode::CREATED);
        let token = self.admin.with_token("").sign_in(&email, PASSWORD).await.expect("the server answers");
        (self.admin.with_token(&token), text(&user, "id"))
    }

    /// Asks the server to stop, which has to go well.
    pub(crate) async fn stop(self, logs: &Path) {
        assert!(self.server.stop().await, "a server that is told to stop ends well:\n{}", tail(logs));
    }
}

/// Asks for a window of a robot.
pub(crate) async fn book(person: &Client, robot: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Reply {
    let body = json!({
        "robot_id": robot, "starts_at": millis::to_string(&from), "ends_at": millis::to_string(&to),
    });
    person.post("/bookings", body).await.expect("the server answers")
}
