//! A server of its own for each test, and clients of it; and what stands on the other side of a robot's agent.

mod client;
mod receiver;
mod robot_link;
mod signaling;
mod tcp_path;

pub(crate) use client::{Client, Reply};
pub(crate) use receiver::{ReceivedCamera, Receiver, is_key};
pub(crate) use robot_link::{RobotLink, RobotServer, fact};
pub(crate) use signaling::Signaling;
pub(crate) use tcp_path::{TcpPath, Weather};

use std::sync::Arc;

use curfew::actors::Principal;
use curfew::api::{NewAccount, User};
use curfew::app::{App, RunningApp};
use curfew::clock::{SharedClock, SystemClock};
use curfew::config::Config;
use curfew_domain::{LabRules, Role};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server on free ports of loopback with a data folder that goes when the test does, and rules under which any hour will
/// do.
pub(crate) struct TestApp {
    pub(crate) app: RunningApp,
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_at(SystemClock::shared(), change).await
    }

    pub(crate) async fn start_at(clock: SharedClock, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config { data: folder.path().join("data"), ..Config::default() };
        config.listen = ([127, 0, 0, 1], 0).into();
        config.media.listen = ([127, 0, 0, 1], 0).into();
        // However slow the machine, what is asked for is decided before it is answered.
        config.sessions.answer_ms = 60_000;
        change(&mut config);
        let app = App::start(config.clone(), Arc::clone(&clock)).await.expect("the app starts");
        app.core.lab.set_initial_rules(LabRules::demo()).await.expect("the rules are set");
        Self { app, folder, config }
    }

    /// Nobody in particular.
    pub(crate) fn anyone(&self) -> Client {
        Client::new(self.app.http_addr)
    }

    /// Somebody new with this role, signed in.
    pub(crate) async fn somebody(&self, role: Role) -> Person {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let new = NewAccount {
            name: format!("Person {number}"),
            email: format!("person-{number}@lab.example"),
            password: PASSWORD.to_owned(),
            role,
        };
        let user = self.app.core.accounts().create(&Principal::System, new).await.expect("created");
        let reply =
            self.anyone().post("/auth/login", json!({"email": user.email, "password": PASSWORD})).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let token = reply.text("access_token").to_owned();
        Person { client: self.anyone().with_token(&token), token, user }
    }

    pub(crate) async fn admin(&self) -> Person {
        self.somebody(Role::Admin).await
    }

    pub(crate) async fn viewer(&self) -> Person {
        self.somebody(Role::Viewer).await
    }

    pub(crate) async fn stop(self) {
        self.app.shutdown().await;
    }
}

pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) token: String,
    pub(crate) user: User,
}

impl Person {
    pub(crate) fn id(&self) -> String {
        self.user.id.to_string()
    }

    /// As an admin: a new robot of this type, and its registry item.
    pub(crate) async fn robot(&self, slug: &str, robot_type: &str) -> Value {
        let body = json!({"slug": slug, "name": format!("Robot {slug}"), "type": robot_type});
        let reply = self.client.post("/admin/robots", body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body
    }
}
