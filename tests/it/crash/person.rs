//! Somebody who books, joins and ends sessions until the server is gone, and writes down what was acknowledged.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use curfew::protocol::{RoomState, ServerMessage, millis};
use curfew_domain::{AccountId, Cause, Window};
use http::StatusCode;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::ledger::{Ending, Ledger, Promise};
use crate::outside::client::{Client, Gone, Reply};
use crate::outside::signaling::Signaling;

/// A booking takes a minute at least, so those that are to end soon have begun before they are made.
const LENGTH: TimeDelta = TimeDelta::seconds(61);
/// How late somebody who is connected may hear that the session is over, on a machine that does much else.
const TOLD_WITHIN: TimeDelta = TimeDelta::seconds(2);
/// Between two attempts at something that was refused, as a person would wait.
const PAUSE: Duration = Duration::from_millis(40);

#[derive(Clone)]
pub(super) struct Person {
    pub(super) account: AccountId,
    pub(super) token: String,
    pub(super) admin_token: String,
    /// What to book: `robot_id` or `robot_type`.
    pub(super) robot: Value,
}

impl Person {
    /// Goes on until the server does not answer any more.
    pub(super) async fn live(self, url: String, ledger: &Ledger, mut rng: StdRng) -> Gone {
        let api = Client::new(&url, &self.token);
        let mut is_first = true;
        loop {
            let promise = match ledger.live_of(self.account, Utc::now()) {
                Some(promise) => promise,
                None => match self.book(&api, ledger, &mut rng).await {
                    Ok(Some(promise)) => promise,
                    Ok(None) => {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    Err(gone) => return gone,
                },
            };
            if let Err(gone) = self.attend(&api, ledger, promise, is_first, &mut rng).await {
                return gone;
            }
            is_first = false;
        }
    }

    async fn book(&self, api: &Client, ledger: &Ledger, rng: &mut StdRng) -> Result<Option<Promise>, Gone> {
        let now = Utc::now().trunc_subsecs(3);
        let window = if rng.random_bool(0.7) {
            let ends_at = now + TimeDelta::milliseconds(rng.random_range(400..2500));
            Window { starts_at: ends_at - LENGTH, ends_at }
        } else {
            let starts_at = now + TimeDelta::milliseconds(rng.random_range(100..1200));
            Window { starts_at, ends_at: starts_at + LENGTH }
        };
        let mut body = self.robot.clone();
        body["starts_at"] = millis::to_string(&window.starts_at).into();
        body["ends_at"] = millis::to_string(&window.ends_at).into();
        let reply = api.post("/bookings", body).await?;
        match reply.status {
            StatusCode::CREATED => {}
            // Not decided in time: no promise yet, and whatever it becomes must be whole.
            StatusCode::ACCEPTED => return Ok(None),
            _ => {
                self.refused(ledger, "booking", &reply, &["slot_taken", "account_busy", "window_closed"]);
                if reply.code() == "account_busy" {
                    self.cancel_unanswered(api, ledger).await?;
                }
                return Ok(None);
            }
        }
        let id = |member: &str| reply.body[member].as_str().unwrap_or_default().to_owned();
        let promise = Promise {
            booking: id("id").parse().expect("a booking's id"),
            room: id("room_id").parse().expect("a room's id"),
            holder: self.account,
            window,
            admitted: false,
            ending: Ending::NotAsked,
            told_over_at: None,
        };
        ledger.promise(promise.clone());
        Ok(Some(promise))
    }

    /// Cancels what a crash left in doubt: bookings whose making or ending was never answered.
    async fn cancel_unanswered(&self, api: &Client, ledger: &Ledger) -> Result<(), Gone> {
        let reply = api.get("/my-bookings?limit=1000").await?;
        for booking in reply.body["items"].as_array().into_iter().flatten() {
            let id = booking["id"].as_str().unwrap_or_default();
            if matches!(booking["status"].as_str(), Some("confirmed" | "active")) {
                ledger.amend(id.parse().expect("a booking's id"), |one| one.ending = Ending::Asked);
                let reply = api.delete(&format!("/bookings/{id}")).await?;
                if !reply.status.is_success() {
                    self.refused(ledger, "cancelling", &reply, &["window_closed", "conflict"]);
                }
            }
        }
        Ok(())
    }

    /// Joins and stays until the session is over, or ends it.
    async fn attend(
        &self,
        api: &Client,
        ledger: &Ledger,
        promise: Promise,
        is_first: bool,
        rng: &mut StdRng,
    ) -> Result<(), Gone> {
        let mut signaling = Signaling::connect(&api.url, &self.token).await?;
        let joined = match signaling.join(&promise.booking.to_string()).await? {
            Ok(joined) => joined,
            Err(code) => {
                if !promise.window.has_ended(Utc::now()) {
                    ledger.violation(format!("joining {promise:?} was refused with {code}"));
                }
                // So that it is not tried again at once.
                ledger.amend(promise.booking, |one| one.told_over_at = Some(Utc::now()));
                return Ok(());
            }
        };
        if joined.state == RoomState::Open {
            ledger.amend(promise.booking, |one| one.admitted = true);
            ledger.entries().resumed += usize::from(is_first && promise.admitted);
        }
        let ends_soon = promise.window.ends_at - Utc::now() < TimeDelta::seconds(4);
        let over_by = promise.window.ends_at + TOLD_WITHIN;
        if ends_soon && rng.random_bool(0.7) {
            return self
                .await_end(&mut signaling, ledger, &promise, over_by, Some(Cause::WindowClosed))
                .await;
        }
        if !ends_soon && rng.random_bool(0.4) {
            // Stays until the crash, to be found open again.
            return self.await_end(&mut signaling, ledger, &promise, over_by, None).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        let cause = self.end_early(api, ledger, &promise, rng.random_bool(0.5)).await?;
        let over_by = Utc::now() + TOLD_WITHIN;
        self.await_end(&mut signaling, ledger, &promise, over_by, cause).await
    }

    /// Cancels as the holder or terminates as an admin; the cause that was acknowledged.
    async fn end_early(
        &self,
        api: &Client,
        ledger: &Ledger,
        promise: &Promise,
        as_admin: bool,
    ) -> Result<Option<Cause>, Gone> {
        let id = promise.booking;
        ledger.amend(id, |one| one.ending = Ending::Asked);
        let (reply, cause) = if as_admin {
            let admin = api.with_token(&self.admin_token);
            let path = format!("/admin/bookings/{id}/terminate");
            (admin.post(&path, json!({ "reason": "the crash test" })).await?, Cause::TerminatedByAdmin)
        } else {
            (api.delete(&format!("/bookings/{id}")).await?, Cause::Cancelled)
        };
        match reply.status {
            StatusCode::OK => {
                // It may as well have ended by itself while it was asked.
                let status = reply.body["status"].as_str().unwrap_or_default().to_owned();
                if matches!(status.as_str(), "requested" | "confirmed" | "active") {
                    ledger.violation(format!("{id} was ended early, and is {status}"));
                }
                ledger.amend(id, |one| one.ending = Ending::Acknowledged(cause));
                Ok(Some(cause))
            }
            StatusCode::ACCEPTED => Ok(None),
            _ => {
                self.refused(ledger, "ending early", &reply, &["window_closed", "conflict"]);
                Ok(None)
            }
        }
    }

    /// Waits to be told that the session is over, `by` then at the latest.
    async fn await_end(
        &self,
        signaling: &mut Signaling,
        ledger: &Ledger,
        promise: &Promise,
        by: DateTime<Utc>,
        cause: Option<Cause>,
    ) -> Result<(), Gone> {
        loop {
            let left = (by - Utc::now()).to_std().unwrap_or_default();
            match tokio::time::timeout(left, signaling.next()).await {
                Err(_) => {
                    ledger.violation(format!("nobody was told by {by} that {promise:?} is over"));
                    ledger.amend(promise.booking, |one| one.told_over_at = Some(by));
                    return Ok(());
                }
                Ok(message) => match message? {
                    ServerMessage::SessionStarted(_) => {
                        ledger.amend(promise.booking, |one| one.admitted = true);
                    }
                    ServerMessage::SessionEnded(ended) => {
                        let now = Utc::now();
                        let early = promise.window.ends_at - now;
                        if cause == Some(Cause::WindowClosed) && early > TimeDelta::milliseconds(5) {
                            let cause = ended.cause;
                            ledger.violation(format!("{promise:?} was over {early} early: {cause}"));
                        }
                        ledger.amend(promise.booking, |one| one.told_over_at = Some(now));
                        return Ok(());
                    }
                    _ => {}
                },
            }
        }
    }

    fn refused(&self, ledger: &Ledger, what: &str, reply: &Reply, expected: &[&str]) {
        ledger.refused(reply.code());
        if !expected.contains(&reply.code()) {
            ledger.violation(format!("{what}: {} {}", reply.status, reply.body));
        }
    }
}
