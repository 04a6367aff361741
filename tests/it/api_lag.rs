//! What was done is answered as done, while the read models cannot follow.

use chrono::{TimeDelta, Utc};
use curfew::protocol::millis;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Client, PASSWORD, Reply, TestApp};

/// Every command waits half of an answer's time for the read models, here in vain.
async fn start() -> TestApp {
    TestApp::start_with(|config| config.sessions.answer_ms = 2_000).await
}

/// The booking that a request was answered with. On a machine that is busy the answer may come before the decision (202): then
/// as it is once `member` is `value`. The read models, which stand still, are not what that waits for.
async fn decided(client: &Client, mut reply: Reply, member: &str, value: &str) -> Reply {
    assert!((200..=202).contains(&reply.status), "{reply:?}");
    while reply.status == 202 && reply.text(member) != value {
        reply = Reply { status: 202, ..client.get(&format!("/bookings/{}", reply.text("id"))).await };
    }
    assert_eq!(reply.text(member), value, "{reply:?}");
    reply
}

#[tokio::test]
async fn what_was_decided_is_answered_while_the_read_models_stand_still() {
    let app = start().await;
    let (admin, viewer, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let file = app.config.data.join("projections.db");
    let mut lock = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.expect("opens");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.expect("locked");

    let at = |minutes| millis::to_string(&(Utc::now() + TimeDelta::minutes(minutes)));
    let body = json!({"robot_id": "turtle", "starts_at": at(60), "ends_at": at(90)});
    let made = viewer.client.post("/bookings", body).await;
    let made = decided(&viewer.client, made, "status", "confirmed").await;
    let path = format!("/bookings/{}", made.text("id"));
    assert_eq!(viewer.client.get(&path).await.body, made.body);
    let invited = viewer.client.post(&format!("{path}/guests"), json!({"user_id": guest.id()})).await;
    assert_eq!((invited.status, &invited.body["guests"][0]["user_id"]), (200, &json!(guest.id())));
    let ends_at = at(100);
    let extended = viewer.client.post(&format!("{path}/extend"), json!({"ends_at": ends_at})).await;
    decided(&viewer.client, extended, "ends_at", &ends_at).await;

    let robot = admin.robot("rover", "rover").await;
    let one = format!("/admin/robots/{}", robot["id"].as_str().expect("an id"));
    let renamed = admin.client.send("PATCH", &one, Some(json!({"name": "Rex"}))).await;
    assert_eq!((renamed.status, renamed.text("name")), (200, "Rex"), "{renamed:?}");
    let issued = admin.client.post(&format!("{one}/credentials"), json!({})).await;
    assert_eq!(issued.status, 201, "{issued:?}");
    let role = json!({"role": "auditor"});
    let changed = admin.client.send("PATCH", &format!("/admin/users/{}", guest.id()), Some(role)).await;
    assert_eq!((changed.status, changed.text("role")), (200, "auditor"), "{changed:?}");

    sqlx::query("ROLLBACK").execute(&mut lock).await.expect("unlocked");
    app.stop().await;
}

#[tokio::test]
async fn there_is_one_first_admin_while_the_read_models_stand_still() {
    let app = start().await;
    let file = app.config.data.join("projections.db");
    let mut lock = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.expect("opens");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.expect("locked");

    let redeem = async |email: &str| {
        let link = app.app.core.accounts().first_admin_link().await.expect("a link");
        let token = link.url.rsplit('/').next().expect("a token").to_owned();
        let body = json!({"token": token, "name": "Ada", "email": email, "password": PASSWORD});
        app.anyone().post("/auth/redeem", body).await
    };
    let first = redeem("ada@lab.example").await;
    assert_eq!((first.status, &first.body["user"]["role"]), (200, &json!("admin")), "{first:?}");
    assert_eq!(redeem("eve@lab.example").await.refusal(), (401, "bad_token"), "there is one");

    sqlx::query("ROLLBACK").execute(&mut lock).await.expect("unlocked");
    app.stop().await;
}
