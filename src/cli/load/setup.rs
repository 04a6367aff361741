//! Makes what a load run needs, as an admin and as the people it makes.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, StatusCode};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::{Value, json};

use super::LoadArgs;
use crate::cli::http::{HttpClient, Reply, text};
use crate::protocol::millis;

/// Requests at the same time. Password hashing, which takes most of the setup, is the server's to bound.
const AT_ONCE: usize = 8;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
const TRIES: usize = 120;

/// What a run plays with.
pub(super) struct Stage {
    pub(super) robots: Vec<Robot>,
    /// Per room: the holder first.
    people: Vec<Vec<Person>>,
}

pub(super) struct Robot {
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) token: String,
}

#[derive(Clone)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) token: String,
}

/// A booked session.
pub(super) struct Session {
    pub(super) booking: String,
    /// The holder first.
    pub(super) viewers: Vec<Person>,
}

/// The client as the one who signs in.
pub(super) async fn sign_in(client: &HttpClient, email: &str, password: &str) -> anyhow::Result<HttpClient> {
    let reply = patiently(client, "/auth/login", &json!({ "email": email, "password": password })).await;
    let reply = reply.with_context(|| format!("cannot sign in as {email}"))?;
    client.with_token(text(&reply, "access_token")?)
}

/// Makes robots with credentials, and accounts that are signed in.
pub(super) async fn prepare(admin: &HttpClient, args: &LoadArgs) -> anyhow::Result<Stage> {
    let run = word(6);
    let robots = stream::iter(0..args.rooms)
        .map(|room| robot(admin, format!("load-{run}-{room}")))
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    tracing::info!(robots = robots.len(), "robots are registered");
    let count = usize::from(args.rooms) * usize::from(args.viewers);
    let run = &run;
    let people = stream::iter(0..count)
        .map(|index| async move {
            let person = person(admin, &format!("load-{run}-{index}")).await?;
            if (index + 1) % 50 == 0 {
                tracing::info!(accounts = index + 1, of = count, "accounts are made and signed in");
            }
            Ok::<_, anyhow::Error>(person)
        })
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let people = people.chunks(args.viewers.into()).map(<[Person]>::to_vec).collect();
    Ok(Stage { robots, people })
}

/// Books each room's robot for its holder until `ends_at`, and invites the guests.
pub(super) async fn book(
    admin: &HttpClient,
    stage: &Stage,
    ends_at: DateTime<Utc>,
) -> anyhow::Result<Vec<Session>> {
    let rules = admin.get("/admin/rules").await?.success()?;
    // A window may have begun when it is booked, so the shortest length is no reason to wait.
    let shortest = TimeDelta::minutes(rules["min_minutes"].as_i64().unwrap_or(1).clamp(1, 24 * 60));
    let starts_at = Utc::now().min(ends_at - shortest);
    let window = &(millis::to_string(&starts_at), millis::to_string(&ends_at));
    stream::iter(stage.robots.iter().zip(&stage.people))
        .map(|(robot, people)| session(admin, robot, people, window))
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn session(
    client: &HttpClient,
    robot: &Robot,
    people: &[Person],
    (starts_at, ends_at): &(String, String),
) -> anyhow::Result<Session> {
    let (holder, guests) = people.split_first().context("a room without people")?;
    let holder = client.with_token(&holder.token)?;
    let body = json!({ "robot_id": robot.id, "starts_at": starts_at, "ends_at": ends_at });
    let booking = patiently(&holder, "/bookings", &body).await.context(
        "no booking (`--relax-rules` lets windows of any hour and length be booked while this runs)",
    )?;
    let booking = text(&booking, "id")?.to_owned();
    for guest in guests {
        let path = format!("/bookings/{booking}/guests");
        patiently(&holder, &path, &json!({ "user_id": guest.id }))
            .await
            .context("a guest was not invited")?;
    }
    Ok(Session { booking, viewers: people.to_vec() })
}

/// Takes the robots out of service again. Accounts stay: the log names them.
pub(super) async fn retire(admin: &HttpClient, stage: &Stage) {
    let body = Bytes::from_static(br#"{"reason":"load run over"}"#);
    let retired = stream::iter(&stage.robots)
        .map(|robot| {
            let path = format!("/admin/robots/{}", robot.id);
            let body = body.clone();
            async move { admin.send(Method::DELETE, &path, body).await.and_then(Reply::success) }
        })
        .buffer_unordered(AT_ONCE)
        .filter(|retired| std::future::ready(retired.is_ok()))
        .count()
        .await;
    tracing::info!(retired, "robots are retired");
}

/// Lets windows of any hour and length be booked; gives the rules as they were.
pub(super) async fn relax_rules(admin: &HttpClient) -> anyhow::Result<Value> {
    let former = admin.get("/admin/rules").await?.success()?;
    ensure!(former.is_object(), "the server's rules are no object");
    let mut relaxed = former.clone();
    relaxed["open_hours"] = Value::Null;
    relaxed["closures"] = json!([]);
    relaxed["min_minutes"] = json!(1);
    relaxed["max_minutes"] = json!(24 * 60);
    relaxed["lead_minutes"] = json!(0);
    put_rules(admin, &relaxed).await.context("the rules could not be relaxed")?;
    Ok(former)
}

pub(super) async fn put_rules(admin: &HttpClient, rules: &Value) -> anyhow::Result<()> {
    admin.send(Method::PUT, "/admin/rules", serde_json::to_vec(rules)?.into()).await?.success()?;
    Ok(())
}

async fn robot(admin: &HttpClient, slug: String) -> anyhow::Result<Robot> {
    let body = json!({ "slug": slug, "name": slug, "type": "load" });
    let robot = patiently(admin, "/admin/robots", &body).await.context("no robot")?;
    let id = text(&robot, "id")?.to_owned();
    let credential = patiently(admin, &format!("/admin/robots/{id}/credentials"), &json!({})).await?;
    Ok(Robot { id, slug, token: text(&credential, "token")?.to_owned() })
}

async fn person(admin: &HttpClient, name: &str) -> anyhow::Result<Person> {
    let (email, password) = (format!("{name}@load.invalid"), word(24));
    let body = json!({ "name": name, "email": email, "password": password, "role": "viewer" });
    let user = patiently(admin, "/admin/users", &body).await.context("no account")?;
    let body = json!({ "email": email, "password": password });
    let login = patiently(admin, "/auth/login", &body).await.context("no sign-in")?;
    Ok(Person { id: text(&user, "id")?.to_owned(), token: text(&login, "access_token")?.to_owned() })
}

/// A POST that waits where the server asks for patience.
async fn patiently(client: &HttpClient, path: &str, body: &Value) -> anyhow::Result<Value> {
    for _ in 1..TRIES {
        let reply = client.post(path, body).await?;
        if !matches!(reply.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return reply.success();
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
    client.post(path, body).await?.success()
}

fn word(length: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(|byte| char::from(byte).to_ascii_lowercase())
        .collect()
}
