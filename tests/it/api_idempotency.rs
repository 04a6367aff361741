//! `Idempotency-Key` on what creates: once for all who ask with it, whatever happens in between.

use std::net::SocketAddr;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::outside::lab::Lab;
use crate::outside::server::Server;
use crate::support::{Client, PASSWORD, TestApp};

const KEY: &str = "6f1c2a52-3f0b-4f0e-9a52-0d9a3c1f7b11";

fn person(name: &str) -> Value {
    json!({"name": name, "email": format!("{name}@keys.example"), "password": PASSWORD, "role": "viewer"})
}

#[tokio::test]
async fn requests_at_the_same_time_are_one() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let keyed = admin.client.with_header("idempotency-key", KEY);
    let replies = join_all((0..6).map(|_| keyed.post("/admin/users", person("ada")))).await;
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (201, &replies[0].body), "{reply:?}");
    }
    let users = admin.client.get("/admin/users").await.body["items"].clone();
    let named = |user: &&Value| user["name"] == "ada";
    assert_eq!(users.as_array().expect("a list").iter().filter(named).count(), 1);
    assert_eq!(keyed.post("/admin/users", person("bob")).await.refusal(), (409, "conflict"));
    let robot = json!({"slug": "a", "name": "a", "type": "a"});
    assert_eq!(keyed.post("/admin/robots", robot).await.refusal(), (409, "conflict"), "elsewhere");
    app.stop().await;
}

#[tokio::test]
async fn what_is_shown_once_is_given_again_and_kept_for_nobody_else() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    admin.robot("turtle", "turtlebot").await;
    let link = format!("/admin/users/{}/reset-link", viewer.id());
    let credential = "/admin/robots/turtle/credentials";
    let short = admin.client.with_header("idempotency-key", "k-1");
    let keyed = admin.client.with_header("idempotency-key", KEY);
    let other = admin.client.with_header("idempotency-key", "another key that is long enough");
    assert_eq!(short.post(credential, json!({})).await.refusal(), (422, "invalid"));
    let issued = keyed.post(credential, json!({})).await;
    assert_eq!(issued.status, 201, "{issued:?}");
    assert_eq!(keyed.post(credential, json!({})).await.body, issued.body);
    let made = other.post(&link, json!({})).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(other.post(&link, json!({})).await.body, made.body);
    let secret = made.text("url").rsplit('/').next().expect("a token").to_owned();
    let secrets = [issued.text("token").to_owned(), secret, KEY.to_owned()];
    let TestApp { app, folder: _folder, config } = app;
    app.shutdown().await;
    for file in
        std::fs::read_dir(config.data).expect("the folder").flatten().filter(|file| file.path().is_file())
    {
        let bytes = std::fs::read(file.path()).expect("read");
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {:?}", file.path());
        }
    }
}

#[tokio::test]
async fn a_reply_outlives_the_server_that_gave_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, logs) = (folder.path().join("data"), folder.path());
    let lab = Lab::start(&data, logs, &[]).await;
    let token = lab.admin.token.clone();
    let client = |url: &str| {
        let addr: SocketAddr = url.trim_start_matches("http://").parse().expect("an address");
        Client::new(addr).with_token(&token).with_header("idempotency-key", KEY)
    };
    let robot = json!({"slug": "turtle", "name": "Turtle", "type": "turtlebot"});
    let made = client(&lab.server.url).post("/admin/robots", robot.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    lab.server.kill().await;
    let server = Server::start(&data, logs).await;
    let again = client(&server.url).post("/admin/robots", robot).await;
    assert_eq!((again.status, &again.body), (201, &made.body));
    assert!(server.stop().await, "it stops well");
}
