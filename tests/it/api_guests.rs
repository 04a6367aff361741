//! Guests of a booking over REST: what they see, and how an invitation ends.

use chrono::{TimeDelta, Utc};
use curfew::protocol::millis;
use curfew_domain::Role;
use serde_json::{Value, json};

use crate::support::{Person, Reply, Signaling, TestApp};

/// A booking of ten minutes that begins so many minutes from now, with a guest.
async fn shared(holder: &Person, guest: &Person, after: i64) -> Reply {
    let starts_at = Utc::now() + TimeDelta::minutes(after);
    let (starts_at, ends_at) =
        (millis::to_string(&starts_at), millis::to_string(&(starts_at + TimeDelta::minutes(10))));
    let body = json!({"robot_id": "turtle", "starts_at": starts_at, "ends_at": ends_at});
    let made = holder.client.post("/bookings", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/bookings/{}/guests", made.text("id"));
    let invited = holder.client.post(&path, json!({"user_id": guest.id()})).await;
    assert_eq!(invited.status, 200, "{invited:?}");
    invited
}

fn member(person: &Person) -> Value {
    json!({"user_id": person.id(), "name": person.user.name})
}

#[tokio::test]
async fn a_guest_sees_the_booking_among_the_own_ones_and_who_invited() {
    let app = TestApp::start().await;
    let (admin, holder, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let booking = shared(&holder, &guest, 60).await;
    assert_eq!((&booking.body["role"], &booking.body["invited_by"]), (&json!("holder"), &Value::Null));
    assert_eq!(booking.body["guests"], json!([member(&guest)]));
    for list in ["/my-bookings", "/bookings"] {
        let seen = guest.client.get(list).await.body["items"][0].clone();
        assert_eq!(seen["id"], booking.body["id"], "{list}");
        assert_eq!((&seen["role"], &seen["invited_by"]), (&json!("guest"), &member(&holder)), "{list}");
    }
    let own = holder.client.get("/my-bookings").await.body["items"][0].clone();
    assert_eq!((&own["role"], &own["invited_by"]), (&json!("holder"), &Value::Null));
    let others = admin.client.get("/bookings").await.body["items"][0].clone();
    assert_eq!((&others["role"], &others["invited_by"]), (&Value::Null, &Value::Null));
    assert_eq!(admin.client.get("/my-bookings").await.body["items"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn who_cannot_watch_is_not_invited() {
    let app = TestApp::start().await;
    let (admin, holder, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    let (auditor, suspended) = (app.somebody(Role::Auditor).await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let booking = shared(&holder, &guest, 60).await;
    let body = json!({"suspended": true, "reason": "left the lab"});
    let path = format!("/admin/users/{}", suspended.id());
    assert_eq!(admin.client.send("PATCH", &path, Some(body)).await.status, 200);
    let guests = format!("/bookings/{}/guests", booking.text("id"));
    for nobody in [&auditor, &suspended] {
        let refused = holder.client.post(&guests, json!({"user_id": nobody.id()})).await;
        assert_eq!(refused.refusal(), (409, "conflict"));
    }
    let two = json!({"user_id": guest.id(), "email": "somebody@lab.example"});
    assert_eq!(holder.client.post(&guests, two).await.refusal(), (422, "invalid"));
    app.stop().await;
}

#[tokio::test]
async fn an_invitation_is_taken_back_by_the_holder_or_given_back_by_the_guest() {
    let app = TestApp::start().await;
    let (admin, holder, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    let (second, stranger) = (app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let booking = shared(&holder, &guest, 60).await;
    let guests = format!("/bookings/{}/guests", booking.text("id"));
    assert_eq!(holder.client.post(&guests, json!({"user_id": second.id()})).await.status, 200);
    let (guest_path, second_path) = (format!("{guests}/{}", guest.id()), format!("{guests}/{}", second.id()));
    let remove = async |who: &Person, path: &str| who.client.send("DELETE", path, None).await;
    assert_eq!(remove(&stranger, &guest_path).await.refusal(), (403, "not_your_booking"));
    let own = format!("{guests}/{}", stranger.id());
    assert_eq!(remove(&stranger, &own).await.refusal(), (403, "not_your_booking"), "no guest's to leave");
    assert_eq!(remove(&guest, &second_path).await.refusal(), (403, "not_your_booking"), "not their guest");
    assert_eq!(remove(&admin, &guest_path).await.refusal(), (403, "not_your_booking"));
    assert_eq!(remove(&holder, &own).await.refusal(), (404, "not_found"));
    assert_eq!(remove(&holder, &format!("{guests}/x")).await.refusal(), (404, "not_found"));
    assert_eq!(remove(&guest, &guest_path).await.status, 204);
    assert_eq!(remove(&holder, &second_path).await.status, 204);
    assert_eq!(remove(&holder, &second_path).await.refusal(), (404, "not_found"), "gone already");
    for gone in [&guest, &second] {
        assert_eq!(gone.client.get("/my-bookings").await.body["items"], json!([]));
        let path = format!("/bookings/{}", booking.text("id"));
        assert_eq!(gone.client.get(&path).await.refusal(), (403, "not_your_booking"));
    }
    assert_eq!(holder.client.get("/my-bookings").await.body["items"][0]["guests"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn a_running_session_ends_for_a_guest_who_is_sent_away_and_for_nobody_else() {
    let app = TestApp::start().await;
    let (admin, holder, guest) = (app.admin().await, app.viewer().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let booking = shared(&holder, &guest, 0).await;
    let addr = app.app.http_addr;
    let join = json!({"roomId": booking.text("room_id")});
    let mut sides = Vec::new();
    for person in [&holder, &guest] {
        let mut side = Signaling::registered(addr, "viewer", &person.token).await;
        side.say("join-room", join.clone()).await;
        assert_eq!(side.hear_at_last("joined-room").await["state"], "open");
        sides.push(side);
    }
    let path = format!("/bookings/{}/guests/{}", booking.text("id"), guest.id());
    assert_eq!(holder.client.send("DELETE", &path, None).await.status, 204);
    let ended = sides[1].hear_at_last("session-ended").await;
    assert_eq!((&ended["roomId"], &ended["cause"]), (&booking.body["room_id"], &json!("cancelled")));
    sides[1].say("join-room", join.clone()).await;
    sides[1].hear_error("not_your_booking").await;
    sides[0].say("join-room", join).await;
    assert_eq!(sides[0].hear_at_last("joined-room").await["state"], "open", "the holder goes on");
    app.stop().await;
}
