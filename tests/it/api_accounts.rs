//! Signing in, and what becomes of accounts.

use curfew_domain::Role;
use serde_json::json;

use crate::support::{PASSWORD, Person, Reply, Signaling, TestApp};

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
    assert!(token.starts_with("first-admin."), "whoever opens it is to be asked for a name");
    let body = |token: &str| json!({"token": token, "name": "Ada", "email": "ada@lab.example", "password": PASSWORD});
    for (name, email) in [("Ada", "ada-at-lab"), (" ", "ada@lab.example"), ("Ada", "")] {
        let slip = json!({"token": token, "name": name, "email": email, "password": PASSWORD});
        assert_eq!(app.anyone().post("/auth/redeem", slip).await.refusal(), (422, "invalid"));
    }
    let nobody = app.anyone().post("/auth/redeem", json!({"token": token, "password": PASSWORD})).await;
    assert_eq!(nobody.refusal(), (422, "invalid"), "a slip does not use the link up");
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
async fn of_two_who_would_be_the_first_admin_at_one_instant_one_is() {
    let app = TestApp::start().await;
    // An admin whose record a crash took opens nothing to anybody: somebody else has to be able to come in.
    app.app.core.lab.register_account(None, Role::Admin).await.expect("registered");
    let accounts = app.app.core.accounts();
    let redeem = async |email: &str| {
        let link = accounts.first_admin_link().await.expect("a link");
        let body = json!({"token": token_of(&link.url), "name": "Ada", "email": email, "password": PASSWORD});
        app.anyone().post("/auth/redeem", body).await
    };
    let (one, other) = tokio::join!(redeem("ada@lab.example"), redeem("eve@lab.example"));
    let (winner, loser) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(winner.status, 200, "{winner:?}");
    assert_eq!(loser.refusal(), (401, "bad_token"));
    let admin = app.anyone().with_token(winner.text("access_token"));
    assert_eq!(admin.get("/admin/users").await.body["items"].as_array().map(Vec::len), Some(1));
    app.stop().await;
}

#[tokio::test]
async fn of_those_who_take_one_e_mail_at_one_instant_one_has_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await.client;
    let before = app.app.core.log.head().borrow().to_owned();
    let add = || {
        let new = json!({"name": "Bo", "email": "bo@lab.example", "password": PASSWORD, "role": "viewer"});
        admin.post("/admin/users", new)
    };
    let (one, two, three, four) = tokio::join!(add(), add(), add(), add());
    let mut statuses = [one, two, three, four].map(|reply| reply.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    let facts = app.app.core.log.read_after(before, 100).await.expect("the log is read");
    let accounts = facts.iter().filter(|recorded| recorded.aggregate_type == "account").count();
    assert_eq!(accounts, 1, "no account is left without a person");
    app.stop().await;
}

#[tokio::test]
async fn a_reset_link_sets_a_new_password() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let link = admin.client.post(&format!("/admin/users/{}/reset-link", viewer.id()), json!({})).await;
    assert_eq!(link.status, 201);
    let other = admin.client.post(&format!("/admin/users/{}/reset-link", viewer.id()), json!({})).await;
    let body = |link: &Reply| json!({"token": token_of(link.text("url")), "password": "another password"});
    let redeemed = app.anyone().post("/auth/redeem", body(&link)).await;
    assert_eq!(redeemed.status, 200);
    for used_up in [&link, &other] {
        assert_eq!(app.anyone().post("/auth/redeem", body(used_up)).await.refusal(), (401, "bad_token"));
    }
    assert_eq!(viewer.client.get("/auth/me").await.refusal(), (401, "bad_token"), "tokens from before");
    let goes_on = app.anyone().with_token(redeemed.text("access_token"));
    assert_eq!(goes_on.get("/auth/me").await.status, 200);
    let login = |password: &str| json!({"email": viewer.user.email, "password": password});
    assert_eq!(app.anyone().post("/auth/login", login(PASSWORD)).await.status, 401);
    assert_eq!(app.anyone().post("/auth/login", login("another password")).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn who_is_to_come_back_later_still_has_the_link() {
    let app = TestApp::start_with(|config| {
        config.limits.password_hashes = 1;
        config.limits.sign_ins_waiting = 0;
    })
    .await;
    let mut links = Vec::new();
    for _ in 0..6 {
        let viewer = app.viewer().await;
        links.push(app.app.core.accounts().reset_link(viewer.user.id).await.expect("a link").url);
    }
    let redeem = async |link: &String| {
        let body = json!({"token": token_of(link), "password": "another password"});
        app.anyone().post("/auth/redeem", body).await
    };
    let at_once = futures_util::future::join_all(links.iter().map(redeem)).await;
    let is_busy = |reply: &Reply| reply.status == 429;
    assert!(at_once.iter().any(is_busy), "one at a time is hashed: {at_once:?}");
    for (link, first) in links.iter().zip(at_once) {
        let mut reply = first;
        while is_busy(&reply) {
            reply = redeem(link).await;
        }
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_change_that_is_refused_changes_nothing() {
    let app = TestApp::start().await;
    let (admin, viewer) = (app.admin().await, app.viewer().await);
    let path = |person: &Person| format!("/admin/users/{}", person.id());
    let cases = [
        (&viewer, json!({"name": "X", "role": "auditor", "suspended": true}), (422, "reason_required")),
        (
            &viewer,
            json!({"name": "X", "role": "auditor", "suspended": true, "reason": " "}),
            (422, "reason_required"),
        ),
        (&viewer, json!({"name": " ", "role": "auditor"}), (422, "invalid")),
        (&viewer, json!({"name": " ", "suspended": true, "reason": "left"}), (422, "invalid")),
        (&admin, json!({"name": "X", "role": "viewer"}), (409, "conflict")),
        (&admin, json!({"name": "X", "suspended": true, "reason": "left"}), (409, "conflict")),
    ];
    for (person, change, expected) in cases {
        let refused = admin.client.send("PATCH", &path(person), Some(change.clone())).await;
        assert_eq!(refused.refusal(), expected, "{change}");
        let me = person.client.get("/auth/me").await;
        assert_eq!(me.body, serde_json::to_value(&person.user).expect("JSON"), "{change}");
    }
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
    assert_eq!((done.status, done.text("email")), (200, viewer.user.email.as_str()));
    assert_eq!(viewer.client.get("/auth/me").await.refusal(), (401, "bad_token"), "the token from before");
    let goes_on = app.anyone().with_token(done.text("access_token"));
    assert_eq!(goes_on.get("/auth/me").await.status, 200);
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
    let misspelt = admin.client.send("PATCH", &path, Some(json!({"suspend": true}))).await;
    assert_eq!(misspelt.refusal(), (422, "invalid"));
    let suspended = admin.client.send("PATCH", &path, Some(json!({"suspended": true}))).await;
    assert_eq!(suspended.refusal(), (422, "reason_required"));
    let body = json!({"suspended": true, "reason": "left the lab"});
    assert_eq!(admin.client.send("PATCH", &path, Some(body)).await.body["suspended"], true);
    assert_eq!(bo.get("/auth/me").await.refusal(), (403, "suspended"), "the token is worth nothing at once");
    let again =
        app.anyone().post("/auth/login", json!({"email": "bo@lab.example", "password": PASSWORD})).await;
    assert_eq!(again.refusal(), (403, "suspended"));
    admin.client.send("PATCH", &path, Some(json!({"suspended": false}))).await;
    let own = format!("/admin/users/{}", admin.id());
    let demoted = admin.client.send("PATCH", &own, Some(json!({"role": "viewer"}))).await;
    assert_eq!(demoted.refusal(), (409, "conflict"), "the lab keeps its admin");
    assert_eq!(bo.get("/auth/me").await.refusal(), (401, "bad_token"), "and stays so");
    app.stop().await;
}

#[tokio::test]
async fn who_is_signed_out_is_connected_no_more() {
    let app = TestApp::start().await;
    let (admin, viewer, other) = (app.admin().await, app.viewer().await, app.viewer().await);
    let addr = app.app.http_addr;
    let connect = |token: String| async move { Signaling::registered(addr, "viewer", &token).await };
    let mut first = connect(viewer.token.clone()).await;
    let mut beside = connect(other.token.clone()).await;
    let change = json!({"old": PASSWORD, "new": "another password"});
    let changed = viewer.client.post("/auth/password", change).await;
    first.hear_error("bad_token").await;
    assert_eq!(first.hear_close().await, Some(1008));
    let mut second = connect(changed.text("access_token").to_owned()).await;
    let suspend = json!({"suspended": true, "reason": "left the lab"});
    admin.client.send("PATCH", &format!("/admin/users/{}", viewer.id()), Some(suspend)).await;
    second.hear_error("suspended").await;
    assert_eq!(second.hear_close().await, Some(1008));
    beside.say("leave-room", json!({})).await;
    beside.hear("left-room").await;
    app.stop().await;
}

#[tokio::test]
async fn nobody_is_locked_out_by_who_guesses_elsewhere() {
    let app = TestApp::start_with(|config| {
        config.limits.wrong_passwords_per_minute = 1;
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let email = app.viewer().await.user.email;
    let login = |from: u8, password: &str| {
        let client = app.anyone().with_header("x-forwarded-for", &format!("203.0.113.{from}"));
        let body = json!({"email": email, "password": password});
        async move { client.post("/auth/login", body).await }
    };
    for from in 1..=10 {
        assert_eq!(login(from, "guess").await.refusal(), (401, "bad_token"));
        assert_eq!(login(from, PASSWORD).await.refusal(), (429, "rate_limited"));
    }
    assert_eq!(login(99, PASSWORD).await.status, 200);
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
