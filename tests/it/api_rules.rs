//! The lab's rules over REST: what is offered by them is what can be booked, and what cannot be kept is refused by name.

use std::collections::HashSet;

use chrono::{Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

async fn put(admin: &Client, change: &Value) -> crate::support::Reply {
    let mut rules = admin.get("/admin/rules").await.body;
    let members = rules.as_object_mut().expect("an object");
    members.extend(change.as_object().expect("an object").clone());
    admin.send("PUT", "/admin/rules", Some(rules)).await
}

fn weekday(date: NaiveDate) -> String {
    date.format("%A").to_string().to_lowercase()
}

#[tokio::test]
async fn what_is_offered_can_be_booked_and_nothing_else_can() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let zone = chrono_tz::Europe::Berlin;
    let first = Utc::now().with_timezone(&zone).date_naive() + Days::new(1);
    let dates: Vec<NaiveDate> = (0..3).map(|day| first + TimeDelta::days(day)).collect();
    let rules = json!({
        "zone": zone.name(), "open_hours": {"from": "09:00:00", "to": "12:00:00"}, "slot_minutes": 60,
        "min_minutes": 60, "max_minutes": 60, "reason": "a new term",
        "weekday_hours": {weekday(dates[1]): {"from": "10:00:00", "to": "00:00:00"}, weekday(dates[2]): null},
    });
    let changed = put(&admin.client, &rules).await;
    assert_eq!(
        (changed.status, &changed.body["weekday_hours"]),
        (200, &rules["weekday_hours"]),
        "{changed:?}"
    );
    let mut offered = Vec::new();
    for date in &dates {
        let slots = format!("/bookings/available-slots?date={date}&robot_type=turtlebot");
        let slots = viewer.client.get(&slots).await.body["available_slots"].clone();
        let starts: Vec<String> = slots
            .as_array()
            .expect("a list")
            .iter()
            .map(|slot| slot["start_time"].as_str().expect("a time").to_owned())
            .collect();
        for hour in 0..24 {
            let (start, end) = (format!("{hour:02}:00"), format!("{:02}:00", (hour + 1) % 24));
            let body = json!({"robot_id": "turtle", "date": date, "start_time": start, "end_time": end});
            let reply = viewer.client.post("/bookings", body).await;
            if starts.contains(&start) {
                assert_eq!(reply.status, 201, "{date} {start} was offered: {reply:?}");
            } else {
                assert_eq!(reply.refusal(), (409, "outside_rules"), "{date} {start} was not offered");
            }
        }
        offered.push(starts.len());
    }

    assert_eq!(offered, [3, 14, 0], "from {first} on");
    app.stop().await;
}

#[tokio::test]
async fn a_slot_names_the_robots_that_have_it_also_where_a_buffer_reaches_over_midnight() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let (turtle, tortoise) =
        (admin.robot("turtle", "turtlebot").await, admin.robot("tortoise", "turtlebot").await);
    let rules = json!({"buffer_s": 1800, "min_minutes": 30, "lead_minutes": 90, "days_ahead": 9, "reason": "cleaning"});
    assert_eq!(put(&admin.client, &rules).await.status, 200);
    let date = Utc::now().date_naive() + Days::new(1);
    let body = json!({"robot_id": "turtle", "date": date, "start_time": "23:00", "end_time": "00:00"});
    assert_eq!(viewer.client.post("/bookings", body).await.status, 201);

    let next = date + Days::new(1);
    let slots = format!("/bookings/available-slots?date={next}&robot_type=turtlebot");
    let offered = viewer.client.get(&slots).await.body;
    assert_eq!((&offered["min_session_duration"], &offered["lead_time"]), (&json!(0.5), &json!(1.5)));
    assert_eq!(offered["days_ahead"], 9);
    let robots = |slot: usize| {
        let ids = offered["available_slots"][slot]["robot_ids"].as_array().expect("robots").clone();
        ids.into_iter().map(|id| id.as_str().expect("an id").to_owned()).collect::<HashSet<_>>()
    };
    let id = |robot: &Value| robot["id"].as_str().expect("an id").to_owned();
    assert_eq!(robots(0), HashSet::from([id(&tortoise)]), "the buffer after the turtle's is kept");
    assert_eq!(robots(1), HashSet::from([id(&turtle), id(&tortoise)]));
    app.stop().await;
}

#[tokio::test]
async fn rules_that_cannot_be_kept_are_refused_by_the_name_of_their_field() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let before = admin.client.get("/admin/rules").await.body;
    let early = json!({"from": "18:00:00", "to": "09:00:00"});
    let seconds = json!({"from": "09:00:30", "to": "18:00:00"});
    let cases = [
        ("zone", json!("Mars/Olympus")),
        ("open_hours", early.clone()),
        ("open_hours", seconds),
        ("weekday_hours", json!({ "monday": early })),
        ("weekday_hours", json!({"someday": null})),
        ("slot_minutes", json!(0)),
        ("slot_minutes", json!(1_441)),
        ("min_minutes", json!(0)),
        ("min_minutes", json!(100_000)),
        ("max_minutes", json!(10_081)),
        ("days_ahead", json!(3_661)),
        ("days_ahead", json!(-1)),
        ("lead_minutes", json!(525_601)),
        ("lead_minutes", json!(60 * 24 * 30)),
        ("buffer_s", json!(86_401)),
        ("closures", json!(["someday"])),
        ("closures", json!(vec!["2027-01-01"; 1_001])),
        ("viewer_limit", json!(0)),
        ("viewer_limit", json!(65)),
        ("watch_minutes", json!(0)),
        ("watch_is_silent", json!("no")),
        ("no_robot_grace_s", json!("never")),
    ];
    for (field, value) in cases {
        let refused = put(&admin.client, &json!({ field: value })).await;
        assert_eq!(refused.refusal(), (422, "invalid"), "{field}: {value}");
        assert!(refused.text("detail").contains(field), "{field} is not named in {refused:?}");
    }
    assert_eq!(admin.client.get("/admin/rules").await.body, before);
    app.stop().await;
}
