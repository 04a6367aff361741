//! Signing in, and what becomes of accounts.

use curfew_domain::Role;
use serde_json::json;

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn a_person_signs_in_and_is_who_they_are() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await;
    let reply =
        app.anyone().post("/auth/login", json!({"email": viewer.user.email, "password": PASSWORD})).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text("token_type"), "bearer");
    assert_eq!(reply.body["user"]["id"], viewer.id());
    assert_eq!(reply.body["user"]["role"], "viewer");
    let me = viewer.client.get("/auth/me").await;
    assert_eq!((me.status, me.text("email")), (200, viewer.user.email.as_str()));
    assert!(me.text("created_at").ends_with('Z'));
    assert!(me.body.get("password_hash").is_none() && me.header("cache-control") == Some("no-store"));
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_person_get_the_same_answer() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await;
    let wrong =
        app.anyone().post("/auth/login", json!({"email": viewer.user.email, "password": "guess"})).await;
    let unknown =
        app.anyone().post("/auth/login", json!({"email": "nobody@x.example", "password": "guess"})).await;
    assert_eq!(wrong.refusal(), (401, "bad_token"));
    assert_eq!(wrong.body, unknown.body);
    app.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let app = TestApp::start_with(|config| config.limits.wrong_passwords_per_minute = 2).await;
    let viewer = app.viewer().await;
    for _ in 0..2 {
        let body = json!({"email": viewer.user.email, "password": "guess"});
        assert_eq!(app.anyone().post("/auth/login", body).await.refusal(), (401, "bad_token"));
    }
    let right =
        app.anyone().post("/auth/login", json!({"email": viewer.user.email, "password": PASSWORD})).await;
    assert_eq!(right.refusal(), (429, "rate_limited"));
    assert!(right.header("retry-after").is_some());
    app.stop().await;
}

#[tokio::test]
async fn the_first_admin_comes_by_a_link_that_works_once() {
    let app = TestApp::start().await;
    let accounts = app.app.core.accounts();
    assert!(!accounts.has_admin().await.expect("known"));
    let link = accounts.first_admin_link().await.expect("a link");
    let (other, token) = (accounts.first_admin_link().await.expect("a link"), token_of(&link.url));
    let body = |token: &str| json!({"token": token, "name": "Ada", "email": "ada@lab.example", "password": PASSWORD});
    let short = app.anyone().post("/auth/redeem", json!({"token": token, "password": "short"})).await;
    assert_eq!(short.refusal(), (422, "invalid"), "a link is not used up by a password that will not do");
    let reply = app.anyone().post("/auth/redeem", body(token)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.body["user"]["role"], "admin");
    let admin = app.anyone().with_token(reply.text("access_token"));
    assert_eq!(admin.get("/admin/users").await.status, 200);
    assert_eq!(app.anyone().post("/auth/redeem", body(token)).await.refusal(), (401, "bad_token"));
    let late = app.anyone().post("/auth/redeem", body(token_of(&other.url))).await;
    assert_eq!(late.refusal(), (401, "bad_token"), "there is an admin already");
    app.stop().await;
}

#[tokio::test]
async fn a_reset_link_sets_a_new_password() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let link = admin.client.post(&format!("/admin/users/{}/reset-link", viewer.id()), json!({})).await;
    assert_eq!(link.status, 201);
    let body = json!({"token": token_of(link.text("url")), "password": "another password"});
    assert_eq!(app.anyone().post("/auth/redeem", body).await.status, 200);
    let login = |password: &str| json!({"email": viewer.user.email, "password": password});
    assert_eq!(app.anyone().post("/auth/login", login(PASSWORD)).await.status, 401);
    assert_eq!(app.anyone().post("/auth/login", login("another password")).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn a_person_changes_their_password_knowing_the_old_one() {
    let app = TestApp::start().await;
    let viewer = app.viewer().await;
    let wrong =
        viewer.client.post("/auth/password", json!({"old": "guess", "new": "another password"})).await;
    assert_eq!(wrong.refusal(), (422, "invalid"));
    let done =
        viewer.client.post("/auth/password", json!({"old": PASSWORD, "new": "another password"})).await;
    assert_eq!(done.status, 200);
    let body = json!({"email": viewer.user.email, "password": "another password"});
    assert_eq!(app.anyone().post("/auth/login", body).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn admins_add_people_change_their_role_and_suspend_them() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let new = json!({"name": "Bo", "email": "Bo@Lab.example", "password": PASSWORD, "role": "viewer"});
    let added = admin.client.post("/admin/users", new.clone()).await;
    assert_eq!((added.status, added.text("email")), (201, "bo@lab.example"));
    assert_eq!(admin.client.post("/admin/users", new).await.refusal(), (409, "conflict"));
    let path = format!("/admin/users/{}", added.text("id"));
    let promoted = admin.client.send("PATCH", &path, Some(json!({"role": "auditor", "name": "Bob"}))).await;
    assert_eq!((promoted.text("role"), promoted.text("name")), ("auditor", "Bob"));
    let login =
        app.anyone().post("/auth/login", json!({"email": "bo@lab.example", "password": PASSWORD})).await;
    let bo = app.anyone().with_token(login.text("access_token"));
    let suspended = admin.client.send("PATCH", &path, Some(json!({"suspended": true}))).await;
    assert_eq!(suspended.refusal(), (422, "reason_required"));
    let body = json!({"suspended": true, "reason": "left the lab"});
    assert_eq!(admin.client.send("PATCH", &path, Some(body)).await.body["suspended"], true);
    assert_eq!(bo.get("/auth/me").await.refusal(), (403, "suspended"), "the token is worth nothing at once");
    let again =
        app.anyone().post("/auth/login", json!({"email": "bo@lab.example", "password": PASSWORD})).await;
    assert_eq!(again.refusal(), (403, "suspended"));
    admin.client.send("PATCH", &path, Some(json!({"suspended": false}))).await;
    assert_eq!(bo.get("/auth/me").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn people_register_themselves_only_where_that_is_open() {
    let body = json!({"name": "Cy", "email": "cy@lab.example", "password": PASSWORD});
    let closed = TestApp::start().await;
    assert_eq!(closed.anyone().post("/auth/register", body.clone()).await.refusal(), (422, "not_available"));
    closed.stop().await;
    let open = TestApp::start_with(|config| config.registration = true).await;
    let reply = open.anyone().post("/auth/register", body).await;
    assert_eq!((reply.status, reply.text("role")), (201, "viewer"));
    open.stop().await;
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for _ in 0..4 {
        app.somebody(Role::Viewer).await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = admin.client.get(&format!("/admin/users?limit=2{after}")).await;
        let items = page.body["items"].as_array().expect("items").clone();
        assert!(items.len() <= 2);
        seen.extend(items.into_iter().map(|user| user["id"].as_str().expect("an id").to_owned()));
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (5, 5));
    for limit in ["0", "1001", "x"] {
        let reply = admin.client.get(&format!("/admin/users?limit={limit}")).await;
        assert_eq!(reply.refusal(), (422, "invalid"), "{limit}");
    }
    app.stop().await;
}

fn token_of(url: &str) -> &str {
    url.rsplit_once("/#/redeem/").expect("a link whose token is in the fragment").1
}
