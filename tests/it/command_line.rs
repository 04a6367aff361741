//! The built program: administration through a running server and without one, and a server's life as a process.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::outside::server::{Server, tail};
use crate::support::{Client, PASSWORD, TestApp};
use rustix::process::{Pid, Signal};

async fn curfew(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_curfew")).args(args).output().await.expect("runs")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Adds, lists and changes people and robots in a data folder, whether a server runs there or not.
async fn administer(data: &Path) -> (Value, String) {
    let data = data.to_str().expect("text");
    let add = [
        "user",
        "add",
        "--data",
        data,
        "--name",
        "Ada",
        "--email",
        "ada@lab.example",
        "--role",
        "admin",
        "--json",
    ];
    let added: Value = serde_json::from_str(&stdout(&curfew(&add).await)).expect("JSON");
    assert_eq!(added["role"], "admin");
    assert_eq!(added["password"].as_str().expect("a password").len(), 20);
    let twice = curfew(&add).await;
    assert_eq!(twice.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("Another account has this e-mail"));
    let listed: Value =
        serde_json::from_str(&stdout(&curfew(&["user", "list", "--data", data, "--json"]).await))
            .expect("JSON");
    assert_eq!((listed.as_array().expect("a list").len(), &listed[0]["id"]), (1, &added["id"]));
    let suspend = ["user", "suspend", "--data", data, "ada@lab.example", "--reason", "on leave"];
    assert!(stdout(&curfew(&suspend).await).contains("suspended"));
    stdout(&curfew(&["user", "suspend", "--data", data, "ada@lab.example", "--undo"]).await);
    let link = stdout(&curfew(&["user", "reset-password", "--data", data, "ada@lab.example"]).await);
    assert!(link.contains("/#/redeem/"), "{link}");
    let robot = [
        "robot-registry",
        "add",
        "--data",
        data,
        "--slug",
        "turtle",
        "--name",
        "Turtle",
        "--type",
        "turtlebot",
    ];
    assert!(stdout(&curfew(&robot).await).starts_with("added turtle"));
    let token = stdout(&curfew(&["robot-registry", "credential", "--data", data, "turtle", "--json"]).await);
    let token: Value = serde_json::from_str(&token).expect("JSON");
    let list = stdout(&curfew(&["robot-registry", "list", "--data", data]).await);
    assert!(list.contains("turtle") && list.contains("offline"), "{list}");
    (added, token["token"].as_str().expect("a token").to_owned())
}

#[tokio::test]
async fn administration_goes_through_the_running_server() {
    let app = TestApp::start().await;
    let (ada, token) = administer(&app.config.data).await;
    let login = json!({"email": "ada@lab.example", "password": ada["password"]});
    let reply = app.anyone().post("/auth/login", login).await;
    assert_eq!((reply.status, &reply.body["user"]["id"]), (200, &ada["id"]));
    let robot = app.anyone().with_token(&token).get("/robots").await;
    assert_eq!(robot.refusal(), (403, "wrong_role"), "the credential is known");
    app.stop().await;
}

#[tokio::test]
async fn administration_works_on_a_folder_that_no_server_holds() {
    let app = TestApp::start().await;
    let (config, folder) = (app.config.clone(), app.folder);
    app.app.shutdown().await;
    administer(&config.data).await;
    drop(folder);
}

#[tokio::test]
async fn wrong_use_fails_with_2_and_anything_else_with_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none");
    let missing = missing.to_str().expect("text");
    let malformed = folder.path().join("curfew.toml");
    std::fs::write(&malformed, "listne = 1").expect("written");
    let untrusted = folder.path().join("tls.toml");
    let files = format!("listen = \"127.0.0.1:0\"\n[tls]\ncertificate = {missing:?}\nkey = {missing:?}\n");
    std::fs::write(&untrusted, files).expect("written");
    let [malformed, untrusted] = [&malformed, &untrusted].map(|path| path.to_str().expect("text"));
    let cases: [(&[&str], i32); 11] = [
        (&[], 2),
        (&["fly"], 2),
        (&["user", "add", "--data", missing], 2),
        (&["user", "list", "--data", missing], 2),
        (&["user", "list", "--config", malformed], 2),
        (&["serve", "--config", missing], 2),
        (&["serve", "--config", malformed], 2),
        (&["serve", "--config", untrusted, "--data", missing], 2),
        (&["robot", "--server", "http://127.0.0.1:1", "--token-file", missing], 2),
        (&["load", "--server", "http://127.0.0.1:1", "--email", "a@b", "--password-file", missing], 2),
        (&["--help"], 0),
    ];
    for (args, code) in cases {
        assert_eq!(curfew(args).await.status.code(), Some(code), "{args:?}");
    }
    assert!(!Path::new(missing).exists(), "no folder is made by a misspelling");
}

#[tokio::test]
async fn what_cannot_be_used_is_named_in_the_words_of_who_gave_it() {
    let cases = [
        (["serve", "--listen", "localhost:8080"], ("HOME", "/"), "such as 127.0.0.1:8080"),
        (["demo", "--listen", "8080"], ("HOME", "/"), "such as 127.0.0.1:8080"),
        (["demo", "--json", "/nowhere/demo.json"], ("HOME", "/"), "/nowhere/demo.json: its folder"),
        (["serve", "--data", "unused"], ("CURFEW_LISTEN", "x"), "in CURFEW_LISTEN"),
        (["serve", "--data", "unused"], ("CURFEW_LISTEN", "8080"), "found `8080`, expected an address"),
        (["serve", "--data", "unused"], ("CURFEW_MEDIA__GUARD_MS", "x"), "in CURFEW_MEDIA__GUARD_MS"),
    ];
    for (args, (name, value), expected) in cases {
        let run = Command::new(env!("CARGO_BIN_EXE_curfew")).args(args).env(name, value).output().await;
        let run = run.expect("runs");
        let words = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{args:?}: {words}");
        assert!(words.contains(expected), "{args:?}: {words}");
    }
    let elsewhere = curfew(&["demo", "--listen", "192.0.2.1:0"]).await;
    assert_eq!(elsewhere.status.code(), Some(1));
    let words = String::from_utf8_lossy(&elsewhere.stderr);
    assert!(words.contains("192.0.2.1:0") && words.contains("no such address"), "{words}");
}

/// Starts a demo on `data` and returns it with what it wrote for programs.
async fn demo(data: &Path, file: &Path) -> (Child, Value) {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(["demo", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .arg("--json")
        .arg(file)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    while !lines.next_line().await.expect("text").expect("it greets").contains("Ctrl-C ends") {}
    let written = std::fs::read(file).expect("written before the greeting");
    (demo, serde_json::from_slice(&written).expect("JSON"))
}

#[tokio::test]
async fn a_demo_goes_on_where_it_was_with_the_robot_that_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("demo.json"));
    let (mut first, said) = demo(&data, &file).await;
    assert_eq!(said["booking"]["robot_id"], said["robots"][0]["id"]);
    let (admin, viewer) = (&said["accounts"][0], &said["accounts"][1]);
    assert_eq!((&admin["role"], &viewer["role"]), (&json!("admin"), &json!("viewer")));
    let url = said["url"].as_str().expect("text").trim_start_matches("http://");
    let nobody = Client::new(url.parse().expect("an address"));
    let login = json!({"email": admin["email"], "password": admin["password"]});
    let admin = nobody.with_token(nobody.post("/auth/login", login).await.text("access_token"));
    let cut = format!("/admin/bookings/{}/terminate", said["booking"]["id"].as_str().expect("an id"));
    assert_eq!(admin.post(&cut, json!({"reason": "it is needed"})).await.status, 200);
    let taken = json!({
        "robot_id": said["robots"][0]["id"],
        "starts_at": said["booking"]["starts_at"], "ends_at": said["booking"]["ends_at"],
    });
    assert_eq!(admin.post("/bookings", taken).await.status, 201);
    let stop = async |demo: &mut Child| {
        let pid = demo.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
        rustix::process::kill_process(pid, Signal::INT).expect("told");
        assert!(demo.wait().await.expect("it ends").success());
    };
    stop(&mut first).await;
    let (mut second, again) = demo(&data, &file).await;
    assert_eq!((&again["accounts"], &again["robots"]), (&said["accounts"], &said["robots"]));
    assert_eq!(again["booking"]["robot_id"], said["robots"][1]["id"], "the first is the admin's now");
    stop(&mut second).await;
}

#[tokio::test]
async fn a_server_whose_greeting_nobody_reads_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .env("CURFEW_MEDIA__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    drop(server.stdout.take());
    let mut log = BufReader::new(server.stderr.take().expect("piped")).lines();
    // Said before the greeting.
    while !log.next_line().await.expect("text").expect("it starts").contains("serving http_addr") {}
    let pid = server.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
    rustix::process::kill_process(pid, Signal::INT).expect("told");
    while !log.next_line().await.expect("text").expect("it ended by itself").contains("interrupted; stopping")
    {
    }
    assert!(server.wait().await.expect("it ends").success());
}

#[tokio::test]
async fn a_server_greets_serves_and_leaves_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut server = Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().expect("text")])
        .env("CURFEW_MEDIA__LISTEN", "127.0.0.1:0")
        .env("CURFEW_UNRELATED", "left alone")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let mut url = None;
    let token = loop {
        let line = lines.next_line().await.expect("readable").expect("not over yet");
        if let Some(found) = line.strip_prefix("Serving on http://") {
            url = Some(found.to_owned());
        } else if let Some((_, token)) = line.split_once("/#/redeem/") {
            break token.to_owned();
        }
    };
    let client = Client::new(url.expect("told first").parse().expect("an address"));
    let body = json!({"token": token, "name": "Ada", "email": "ada@lab.example", "password": PASSWORD});
    assert_eq!(client.post("/auth/redeem", body).await.status, 200);
    let second = curfew(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().expect("text")]).await;
    assert_eq!(second.status.code(), Some(1), "one server at a time");
    let words = String::from_utf8_lossy(&second.stderr);
    let holder = format!("in use by process {}", server.id().expect("it runs"));
    assert!(words.contains(&holder), "it says who has the folder: {words}");
    let pid = server
        .id()
        .and_then(|id| rustix::process::Pid::from_raw(id.try_into().expect("a pid")))
        .expect("runs");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told");
    assert!(server.wait().await.expect("ends").success());
    assert!(!data.join("admin.sock").exists());
}

#[tokio::test]
async fn ctrl_c_ends_a_server_as_well_as_it_can_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Server::start(&data, folder.path()).await;
    assert!(server.stop_by(Signal::INT).await, "{}", tail(folder.path()));
    assert!(!data.join("admin.sock").exists(), "nothing is left behind");
    let again = Server::start(&data, folder.path()).await;
    assert!(again.stop().await, "{}", tail(folder.path()));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    std::fs::write(&password, PASSWORD).expect("written");
    // No test takes a port that only root may.
    let url = "http://127.0.0.1:1".to_owned();
    let password = password.to_str().expect("text");
    let load = ["load", "--server", &url, "--email", "ada@lab.example", "--password-file", password];
    let output = curfew(&load).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(&url) && !words.contains("panicked"), "it says whom it could not reach: {words}");
}
