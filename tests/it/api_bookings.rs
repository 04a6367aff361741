//! Bookings over REST: made, read, cancelled, shared and terminated.

use chrono::{DateTime, TimeDelta, Utc};
use curfew::protocol::millis;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Person, TestApp};

/// From now for this many minutes, after this many.
fn window(after: i64, minutes: i64) -> (String, String) {
    let starts_at: DateTime<Utc> = Utc::now() + TimeDelta::minutes(after);
    (millis::to_string(&starts_at), millis::to_string(&(starts_at + TimeDelta::minutes(minutes))))
}

async fn book(person: &Person, robot: Value, window: &(String, String)) -> crate::support::Reply {
    let mut body = json!({"starts_at": window.0, "ends_at": window.1});
    body.as_object_mut().expect("an object").extend(robot.as_object().expect("an object").clone());
    person.client.post("/bookings", body).await
}

#[tokio::test]
async fn a_booking_is_made_and_read_back() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let window = window(60, 30);
    let made = book(&viewer, json!({"robot_id": "turtle"}), &window).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["robot_id"], robot["id"]);
    assert_eq!(made.body["user_id"], viewer.id());
    assert_eq!(made.text("robot_type"), "turtlebot");
    assert_eq!((made.text("starts_at"), made.text("ends_at")), (window.0.as_str(), window.1.as_str()));
    assert_eq!(made.text("status"), "confirmed");
    assert!(made.body["room_id"].is_string());
    let path = format!("/bookings/{}", made.text("id"));
    assert_eq!(made.header("location"), Some(path.as_str()));
    assert_eq!(viewer.client.get(&path).await.body, made.body);
    for list in ["/bookings", "/my-bookings"] {
        assert_eq!(viewer.client.get(list).await.body["items"][0]["id"], made.body["id"], "{list}");
    }
    assert_eq!(admin.client.get("/bookings").await.body["items"][0]["id"], made.body["id"]);
    assert_eq!(admin.client.get("/my-bookings").await.body["items"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_the_name_of_its_member() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let (from, to) = window(60, 30);
    let of = |change: Value| {
        let mut body = json!({"robot_id": "turtle", "starts_at": from, "ends_at": to});
        body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        body
    };
    let leap = format!("{}:60Z", &to[..16]);
    let cases = [
        (of(json!({"ends_at": leap})), "`ends_at`"),
        (
            of(json!({"starts_at": &from[..19]})),
            "`starts_at` is not what is expected there: a time with its zone",
        ),
        (of(json!({"ends_at": "+262142-12-31T00:00:00Z"})), "`ends_at`"),
        (of(json!({"robot_type": "turtlebot"})), "not both"),
        (of(json!({"date": "2027-01-01"})), "either"),
        (
            json!({"robot_id": "turtle", "date": "2027-01-01", "start_time": "10:00:60", "end_time": "11:00"}),
            "`start_time`",
        ),
        (json!(["turtle", null, from, to, null, null, null]), "JSON object"),
        (json!([]), "JSON object"),
        (json!({"robot_id": 7, "starts_at": from, "ends_at": to}), "`robot_id`"),
    ];
    for (body, named) in cases {
        let refused = viewer.client.post("/bookings", body.clone()).await;
        assert_eq!(refused.refusal(), (422, "invalid"), "{body}");
        assert!(refused.text("detail").contains(named), "{body}: {refused:?}");
    }
    let json = "application/json";
    for (body, named) in
        [(&b" "[..], "missing"), (b"{} {}", "one JSON object"), (b"{", "not what is expected")]
    {
        let refused = viewer.client.send_raw("POST", "/bookings", json, body.to_vec()).await;
        assert_eq!(refused.refusal(), (422, "invalid"));
        assert!(refused.text("detail").contains(named), "{refused:?}");
    }
    assert_eq!(viewer.client.get("/my-bookings").await.body["items"], json!([]));
    let booked = viewer.client.post("/bookings", of(json!({}))).await;
    for (who, way) in [(&viewer, "/bookings"), (&admin, "/admin/bookings")] {
        let path = format!("{way}/{}/extend", booked.text("id"));
        let refused = who.client.post(&path, json!({"ends_at": leap, "reason": "x"})).await;
        assert_eq!(refused.refusal(), (422, "invalid"), "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_request_that_is_sent_again_with_its_key_is_carried_out_once() {
    let app = TestApp::start().await;
    let (admin, viewer, other) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    admin.robot("rover", "rover").await;
    let (starts_at, ends_at) = window(60, 30);
    let body = json!({"robot_id": "turtle", "starts_at": starts_at, "ends_at": ends_at});
    let keyed = viewer.client.with_header("idempotency-key", "k-1");
    let first = keyed.post("/bookings", body.clone()).await;
    let second = keyed.post("/bookings", body.clone()).await;
    assert_eq!((first.status, second.status), (201, 201), "{second:?}");
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("location"), second.header("location"));
    let changed = json!({"robot_id": "rover", "starts_at": starts_at, "ends_at": ends_at});
    assert_eq!(keyed.post("/bookings", changed.clone()).await.refusal(), (409, "conflict"));
    // The key of one is nothing to another.
    let others = other.client.with_header("idempotency-key", "k-1");
    assert_eq!(others.post("/bookings", body).await.refusal(), (409, "slot_taken"));
    assert_eq!(others.post("/bookings", changed).await.status, 201, "a refusal does not use a key up");
    let long = viewer.client.with_header("idempotency-key", &"k".repeat(256));
    assert_eq!(long.post("/bookings", json!({})).await.refusal(), (422, "invalid"));
    assert_eq!(viewer.client.get("/my-bookings").await.body["items"].as_array().expect("a list").len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_window_that_cannot_be_had_is_refused_with_its_code() {
    let app = TestApp::start().await;
    let (admin, first, second) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("one", "turtlebot").await;
    admin.robot("two", "rover").await;
    let (hour, past) = (window(60, 60), window(-60, 30));
    assert_eq!(book(&first, json!({"robot_id": "one"}), &hour).await.status, 201);
    let cases = [
        (&second, json!({"robot_id": "one"}), &hour, (409, "slot_taken")),
        (&second, json!({"robot_type": "turtlebot"}), &hour, (409, "slot_taken")),
        (&first, json!({"robot_id": "two"}), &hour, (409, "account_busy")),
        (&second, json!({"robot_id": "two"}), &past, (403, "window_closed")),
        (&second, json!({"robot_id": "none"}), &hour, (404, "not_found")),
        (&second, json!({"robot_type": "none"}), &hour, (404, "not_found")),
        (&second, json!({}), &hour, (422, "invalid")),
    ];
    for (who, robot, window, expected) in cases {
        assert_eq!(book(who, robot.clone(), window).await.refusal(), expected, "{robot}");
    }
    let backwards = (hour.1.clone(), hour.0.clone());
    assert_eq!(book(&second, json!({"robot_id": "two"}), &backwards).await.refusal(), (422, "invalid"));
    let long = window(60, 25 * 60);
    assert_eq!(book(&second, json!({"robot_id": "two"}), &long).await.refusal(), (409, "outside_rules"));
    app.stop().await;
}

#[tokio::test]
async fn a_window_may_be_named_in_the_labs_own_time() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let mut rules = admin.client.get("/admin/rules").await.body;
    rules["zone"] = json!("Europe/Berlin");
    assert_eq!(admin.client.send("PUT", "/admin/rules", Some(rules)).await.status, 200);
    let tomorrow = (Utc::now() + TimeDelta::days(1)).format("%Y-%m-%d").to_string();
    let body =
        json!({"robot_type": "turtlebot", "date": tomorrow, "start_time": "10:00", "end_time": "11:00"});
    let made = viewer.client.post("/bookings", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let starts_at: DateTime<Utc> = made.text("starts_at").parse().expect("a time");
    let local = starts_at.with_timezone(&chrono_tz::Europe::Berlin);
    assert_eq!(local.format("%Y-%m-%d %H:%M").to_string(), format!("{tomorrow} 10:00"));
    let body = json!({"robot_type": "turtlebot", "date": tomorrow, "start_time": "ten", "end_time": "11:00"});
    assert_eq!(viewer.client.post("/bookings", body).await.refusal(), (422, "invalid"));
    app.stop().await;
}

#[tokio::test]
async fn what_is_free_is_offered_and_what_is_taken_shown_without_names() {
    let app = TestApp::start().await;
    let (admin, viewer, other) = (app.admin().await, app.viewer().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    let tomorrow = (Utc::now() + TimeDelta::days(1)).format("%Y-%m-%d").to_string();
    let slots = format!("/bookings/available-slots?date={tomorrow}&robot_type=turtlebot");
    let before = viewer.client.get(&slots).await;
    let count =
        |reply: &crate::support::Reply| reply.body["available_slots"].as_array().expect("slots").len();
    assert_eq!((before.status, count(&before)), (200, 24));
    assert_eq!(before.body["available_slots"][10]["start_time"], "10:00");
    assert_eq!(before.body["available_slots"][10]["duration_hours"], 1.0);
    let body = json!({"robot_id": "turtle", "date": tomorrow, "start_time": "10:00", "end_time": "11:00"});
    assert_eq!(viewer.client.post("/bookings", body).await.status, 201);
    assert_eq!(count(&viewer.client.get(&slots).await), 23);
    let schedule = format!("/bookings/schedule?start_date={tomorrow}&end_date={tomorrow}");
    let seen = |reply: &crate::support::Reply| reply.body["items"][0].clone();
    let (own, others, all) = (
        seen(&viewer.client.get(&schedule).await),
        seen(&other.client.get(&schedule).await),
        seen(&admin.client.get(&schedule).await),
    );
    assert_eq!((&own["robot_id"], &own["mine"]), (&robot["id"], &json!(true)));
    assert_eq!((&others["mine"], others.get("name")), (&json!(false), None));
    assert_eq!(all["name"], viewer.user.name);
    for bad in
        ["/bookings/schedule?start_date=2026-01-01&end_date=2026-12-31", "/bookings/schedule?start_date=x"]
    {
        assert_eq!(viewer.client.get(bad).await.refusal(), (422, "invalid"), "{bad}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_booking_is_its_holders_guests_may_look_and_admins_owe_a_reason() {
    let app = TestApp::start().await;
    let (admin, holder, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let made = book(&holder, json!({"robot_id": "turtle"}), &window(60, 30)).await;
    let path = format!("/bookings/{}", made.text("id"));
    assert_eq!(guest.client.get(&path).await.refusal(), (403, "not_your_booking"));
    assert_eq!(guest.client.send("DELETE", &path, None).await.refusal(), (403, "not_your_booking"));
    let invite = format!("{path}/guests");
    let refused = guest.client.post(&invite, json!({"user_id": guest.id()})).await;
    assert_eq!(refused.refusal(), (403, "not_your_booking"));
    let invited = holder.client.post(&invite, json!({"email": guest.user.email})).await;
    assert_eq!(
        (invited.status, &invited.body["guests"]),
        (200, &json!([{"user_id": guest.id(), "name": guest.user.name}]))
    );
    assert_eq!(holder.client.post(&invite, json!({"email": "x@x"})).await.refusal(), (404, "not_found"));
    assert_eq!(guest.client.get(&path).await.status, 200);
    assert_eq!(admin.client.get(&path).await.status, 200);
    assert_eq!(admin.client.send("DELETE", &path, None).await.refusal(), (422, "reason_required"));
    let cancelled = holder.client.send("DELETE", &path, None).await;
    assert_eq!((cancelled.status, cancelled.text("status")), (200, "cancelled"));
    let again = book(&guest, json!({"robot_id": "turtle"}), &window(60, 30)).await;
    assert_eq!(again.status, 201, "the slot is free again: {again:?}");
    app.stop().await;
}

#[tokio::test]
async fn what_runs_or_is_to_come_is_listed_without_what_is_over() {
    let app = TestApp::start().await;
    let (admin, holder, other) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let over = book(&holder, json!({"robot_id": "turtle"}), &window(60, 30)).await;
    let gone = holder.client.send("DELETE", &format!("/bookings/{}", over.text("id")), None).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    let kept = book(&holder, json!({"robot_id": "turtle"}), &window(60, 30)).await;
    let theirs = book(&other, json!({"robot_id": "turtle"}), &window(120, 30)).await;
    let listed = async |person: &Person, path: &str| {
        let items = person.client.get(path).await.body["items"].clone();
        let ids = items.as_array().expect("a list").iter().map(|item| item["id"].as_str().map(str::to_owned));
        ids.collect::<Option<Vec<_>>>().expect("ids")
    };
    let [over, kept, theirs] = [&over, &kept, &theirs].map(|booking| booking.text("id"));
    assert_eq!(listed(&holder, "/my-bookings").await, [over, kept]);
    assert_eq!(listed(&holder, "/my-bookings?live=true").await, [kept]);
    assert_eq!(listed(&holder, "/bookings?live=true").await, [kept], "one's own, however it is asked");
    assert_eq!(listed(&admin, "/bookings?live=false").await, [over, kept, theirs]);
    assert_eq!(listed(&admin, "/bookings?live=true").await, [kept, theirs]);
    assert_eq!(admin.client.get("/bookings?live=perhaps").await.refusal(), (422, "invalid"));
    app.stop().await;
}

#[tokio::test]
async fn an_admin_terminates_with_a_reason() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let made = book(&viewer, json!({"robot_type": "turtlebot"}), &window(60, 30)).await;
    let path = format!("/admin/bookings/{}/terminate", made.text("id"));
    assert_eq!(admin.client.post(&path, json!({})).await.refusal(), (422, "reason_required"));
    assert_eq!(admin.client.post(&path, json!({"reason": "  "})).await.refusal(), (422, "reason_required"));
    let done = admin.client.post(&path, json!({"reason": "the robot has to leave"})).await;
    assert_eq!((done.status, done.text("cause")), (200, "terminated_by_admin"), "{done:?}");
    app.stop().await;
}

#[tokio::test]
async fn ids_that_name_nothing_are_not_found() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await.client;
    for id in ["x", "0190a0b0-0000-7000-8000-000000000001", "..%2Fadmin", "%00"] {
        assert_eq!(viewer.get(&format!("/bookings/{id}")).await.refusal(), (404, "not_found"), "{id}");
        assert_eq!(
            viewer.get(&format!("/webrtc/candidates/{id}")).await.refusal(),
            (404, "not_found"),
            "{id}"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_asked_for_by_who_goes_away_is_done_and_told_again() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let window = window(60, 30);
    let body = json!({"robot_id": "turtle", "starts_at": window.0, "ends_at": window.1});
    let text = body.to_string();
    let head = format!(
        "POST /bookings HTTP/1.1\r\nhost: curfew\r\nauthorization: Bearer {}\r\nidempotency-key: gone\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        viewer.token,
        text.len(),
    );
    let mut gone = TcpStream::connect(app.app.http_addr).await.expect("connected");
    gone.write_all((head + &text).as_bytes()).await.expect("sent");
    drop(gone);
    let again = viewer.client.with_header("idempotency-key", "gone");
    let mut told = again.post("/bookings", body.clone()).await;
    // While it is being carried out, that is the answer.
    for _ in 0..500 {
        if told.status == 201 {
            break;
        }
        assert_eq!(told.refusal(), (409, "conflict"));
        told = again.post("/bookings", body.clone()).await;
    }
    assert_eq!((told.status, told.text("status")), (201, "confirmed"));
    let all = viewer.client.get("/bookings").await;
    assert_eq!(all.body["items"].as_array().map(Vec::len), Some(1), "and no second one");
    app.stop().await;
}
