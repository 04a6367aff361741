//! What admins do to sessions and robots over REST, and a holder's own extension.

use chrono::{DateTime, TimeDelta, Utc};
use curfew::protocol::millis;
use serde_json::{Value, json};

use crate::support::{Person, Reply, Signaling, TestApp, fact};

fn text(at: DateTime<Utc>) -> String {
    millis::to_string(&at)
}

async fn book(person: &Person, starts_at: DateTime<Utc>, minutes: i64) -> Reply {
    let ends_at = text(starts_at + TimeDelta::minutes(minutes));
    let body = json!({"robot_id": "turtle", "starts_at": text(starts_at), "ends_at": ends_at});
    let made = person.client.post("/bookings", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made
}

#[tokio::test]
async fn a_holder_extends_until_the_next_booking_and_an_admin_beyond() {
    let app = TestApp::start().await;
    let (admin, holder, next) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let now = Utc::now();
    let minutes = |minutes| text(now + TimeDelta::minutes(minutes));
    let made = book(&holder, now, 10).await;
    let theirs = book(&next, now + TimeDelta::minutes(20), 10).await;
    let path = format!("/bookings/{}/extend", made.text("id"));
    let longer = json!({"ends_at": minutes(20)});
    assert_eq!(next.client.post(&path, longer.clone()).await.refusal(), (403, "not_your_booking"));
    assert_eq!(admin.client.post(&path, longer.clone()).await.refusal(), (422, "reason_required"));
    assert_eq!(holder.client.post(&path, json!({})).await.refusal(), (422, "invalid"));
    let taken = holder.client.post(&path, json!({"ends_at": minutes(21)})).await;
    assert_eq!(taken.refusal(), (409, "slot_taken"));
    assert!(taken.text("detail").contains("at the latest"), "{taken:?}");
    let long = json!({"ends_at": text(now + TimeDelta::days(2))});
    assert_eq!(holder.client.post(&path, long).await.refusal(), (409, "outside_rules"));
    let extended = holder.client.post(&path, longer.clone()).await;
    assert_eq!((extended.status, extended.text("ends_at")), (200, minutes(20).as_str()), "{extended:?}");
    assert_eq!(extended.text("status"), "active");

    let path = format!("/admin{path}");
    let longer = json!({"ends_at": minutes(25)});
    assert_eq!(admin.client.post(&path, longer).await.refusal(), (422, "reason_required"));
    let longer = json!({"ends_at": minutes(25), "reason": "an exam"});
    assert_eq!(holder.client.post(&path, longer.clone()).await.refusal(), (403, "wrong_role"));
    let extended = admin.client.post(&path, longer).await;
    assert_eq!((extended.status, extended.text("ends_at")), (200, minutes(25).as_str()), "{extended:?}");
    let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &next.token).await;
    signaling.say("join-room", json!({"roomId": theirs.text("id")})).await;
    signaling.hear_error("window_closed").await;

    let path = path.replace("extend", "shorten");
    assert_eq!(admin.client.post(&path, json!({"ends_at": minutes(5)})).await.refusal().1, "reason_required");
    let late = json!({"ends_at": minutes(30), "reason": "x"});
    assert_eq!(admin.client.post(&path, late).await.refusal(), (422, "invalid"));
    let shorter = json!({"ends_at": minutes(5), "reason": "a visit"});
    let shortened = admin.client.post(&path, shorter).await;
    assert_eq!((shortened.status, shortened.text("ends_at")), (200, minutes(5).as_str()), "{shortened:?}");
    app.stop().await;
}

#[tokio::test]
async fn maintenance_takes_a_robot_out_of_use_and_back() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let now = Utc::now();
    let made = book(&holder, now, 10).await;
    let mut signaling = Signaling::registered(app.app.http_addr, "viewer", &holder.token).await;
    signaling.say("join-room", json!({"roomId": made.text("room_id")})).await;
    signaling.hear("joined-room").await;
    let path = "/admin/robots/turtle/maintenance";
    assert_eq!(admin.client.post(path, json!({})).await.refusal(), (422, "reason_required"));
    let backwards = json!({"starts_at": text(now), "ends_at": text(now), "reason": "x"});
    assert_eq!(admin.client.post(path, backwards).await.refusal(), (422, "invalid"));
    let ends_at = text(now + TimeDelta::minutes(30));
    let body = json!({"ends_at": ends_at, "reason": "a new wheel"});
    let started = admin.client.post(path, body).await;
    assert_eq!((started.status, &started.body["maintenance"]), (200, &json!(true)), "{started:?}");
    assert_eq!(started.body["next_maintenance"]["ends_at"], ends_at);
    let ended = signaling.hear_at_last("session-ended").await;
    assert_eq!((&ended["cause"], &ended["reason"]), (&json!("maintenance"), &json!("a new wheel")));
    let apart = json!({"starts_at": text(now + TimeDelta::hours(2)), "reason": "paint"});
    assert_eq!(admin.client.post(path, apart).await.refusal(), (409, "conflict"));
    let over = admin.client.send("DELETE", path, None).await;
    assert_eq!((over.status, &over.body["maintenance"]), (200, &json!(false)), "{over:?}");
    assert_eq!(over.body["next_maintenance"], Value::Null);
    for (misspelt, named) in [("start_at", "start_at"), ("starts_at", "`starts_at`")] {
        let body =
            json!({misspelt: "2027-01-01T00:00:60Z", "ends_at": "2027-01-02T00:00:00Z", "reason": "x"});
        let refused = admin.client.post(path, body).await;
        assert_eq!(refused.refusal(), (422, "invalid"));
        assert!(refused.text("detail").contains(named), "{refused:?}");
    }
    assert_eq!(admin.client.get("/admin/robots").await.body["items"][0]["next_maintenance"], Value::Null);
    let tomorrow = (now + TimeDelta::days(1)).format("%Y-%m-%d");
    let slots = format!("/bookings/available-slots?date={tomorrow}&robot_type=turtlebot");
    let offered = async || holder.client.get(&slots).await.body["available_slots"].clone();
    assert_ne!(offered().await, json!([]));
    assert_eq!(admin.client.post(path, json!({"reason": "for good"})).await.status, 200);
    assert_eq!(offered().await, json!([]), "nothing is offered that cannot be booked");
    let nowhere = admin.client.post("/admin/robots/none/maintenance", json!({"reason": "x"})).await;
    assert_eq!(nowhere.refusal(), (404, "not_found"));
    app.stop().await;
}

/// Waits for the first fact of this name; its position.
async fn recorded(app: &TestApp, name: &str) -> u64 {
    let log = &app.app.core.log;
    let mut head = log.head();
    fact(name, async {
        loop {
            head.borrow_and_update();
            let facts = log.read_after(0, 10_000).await.expect("the log is read");
            if let Some(found) = facts.iter().find(|recorded| recorded.fact.event_type() == name) {
                return found.position;
            }
            head.changed().await.expect("the log is open");
        }
    })
    .await
}

#[tokio::test]
async fn an_emergency_stop_reaches_the_room_and_the_robot() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let issued = admin.client.post("/admin/robots/turtle/credentials", json!({})).await;
    let made = book(&holder, Utc::now(), 10).await;
    let addr = app.app.http_addr;
    let mut turtle = Signaling::registered(addr, "robot", issued.text("token")).await;
    let mut viewer = Signaling::registered(addr, "viewer", &holder.token).await;
    viewer.say("join-room", json!({"roomId": made.text("room_id")})).await;
    viewer.hear("joined-room").await;
    let path = "/admin/robots/turtle/emergency-stop";
    assert_eq!(admin.client.post(path, json!({})).await.refusal(), (422, "reason_required"));
    let stopped = admin.client.post(path, json!({"reason": "smoke"})).await;
    assert_eq!((stopped.status, &stopped.body["emergency_stop"]), (200, &json!(true)), "{stopped:?}");
    let told = json!({"robotId": robot["id"], "engaged": true, "reason": "smoke"});
    assert_eq!(viewer.hear_at_last("emergency-stop").await, told);
    let asked = turtle.hear_at_last("emergency-stop").await;
    assert_eq!((&asked["engaged"], &asked["reason"]), (&json!(true), &json!("smoke")));
    let listed = async || admin.client.get("/admin/robots").await.body["items"][0]["stop"].clone();
    let stop = listed().await;
    assert_eq!((&stop["acknowledged_at"], &stop["reason"]), (&json!(null), &json!("smoke")), "{stop}");
    turtle.say("emergency-stop", json!({"engaged": true, "stopId": asked["stopId"]})).await;
    let position = recorded(&app, "EmergencyStopAcknowledged").await;
    app.app.core.projector.caught_up(position).await.expect("it shows");
    assert!(listed().await["acknowledged_at"].is_string());
    let mut late = Signaling::registered(addr, "viewer", &holder.token).await;
    late.say("join-room", json!({"roomId": made.text("room_id")})).await;
    assert_eq!(late.hear_at_last("emergency-stop").await, told);
    let path = "/admin/robots/turtle/clear-stop";
    assert_eq!(admin.client.post(path, json!({})).await.refusal(), (422, "reason_required"));
    let cleared = admin.client.post(path, json!({"reason": "put out"})).await;
    assert_eq!((cleared.status, &cleared.body["emergency_stop"]), (200, &json!(false)), "{cleared:?}");
    assert_eq!(listed().await, json!(null));
    // An answer that comes late engages nothing.
    turtle.say("emergency-stop", json!({"engaged": true, "stopId": asked["stopId"]})).await;
    let told = json!({"robotId": robot["id"], "engaged": false, "reason": ""});
    for side in [&mut viewer, &mut turtle, &mut late] {
        assert_eq!(side.hear_at_last("emergency-stop").await, told);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_watch_is_seen_by_the_holder_unless_it_is_silent_and_a_robot_says_where_it_is() {
    let app = TestApp::start().await;
    let (admin, holder) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let issued = admin.client.post("/admin/robots/turtle/credentials", json!({})).await;
    let addr = app.app.http_addr;
    let mut turtle = Signaling::registered(addr, "robot", issued.text("token")).await;
    turtle.say("join-room", json!({"roomId": "robot_turtlebot_x"})).await;
    turtle.hear_error("no_active_booking").await;
    let made = book(&holder, Utc::now(), 10).await;
    turtle.hear_at_last("session-started").await;
    turtle.say("join-room", json!({"roomId": "anything"})).await;
    let joined = turtle.hear_at_last("joined-room").await;
    assert_eq!((&joined["roomId"], &joined["role"]), (&made.body["room_id"], &json!("robot")));
    assert_eq!((&joined["endsAt"], &joined["state"]), (&made.body["ends_at"], &json!("open")));

    let mut viewer = Signaling::registered(addr, "viewer", &holder.token).await;
    viewer.say("join-room", json!({"roomId": made.text("room_id")})).await;
    viewer.hear("joined-room").await;
    let path = "/admin/robots/turtle/watch";
    let watch = admin.client.post(path, json!({"reason": "a complaint"})).await;
    assert_eq!(watch.status, 201, "{watch:?}");
    let seen = json!({"userId": admin.id(), "userType": "viewer", "watch": true});
    assert_eq!(viewer.hear_at_last("user-joined").await, seen);
    let again = admin.client.post(path, json!({"reason": "a complaint"})).await;
    assert_eq!(again.body, watch.body, "one's own open watch");
    let mut late = Signaling::registered(addr, "viewer", &holder.token).await;
    late.say("join-room", json!({"roomId": made.text("room_id")})).await;
    assert_eq!(late.hear_at_last("user-joined").await, seen);

    viewer.say("emergency-stop", json!({"engaged": true})).await;
    viewer.hear_error("wrong_role").await;
    turtle.say("emergency-stop", json!({"engaged": true, "reason": "its own button"})).await;
    assert_eq!(late.hear_at_last("emergency-stop").await["reason"], "its own button");
    turtle.say("emergency-stop", json!({"engaged": false})).await;
    turtle.hear_at_last("emergency-stop").await;
    turtle.hear_error("wrong_role").await;
    app.stop().await;
}
