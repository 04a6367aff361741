//! The facade's methods, as `api` and `signaling` call them. (The bodies follow.)

use chrono::{DateTime, Utc};
use curfew_domain::{AccountId, BookingId, CredentialId, LabRules, PeerId, Reason, RobotId, Role};

use super::lab::*;
use super::refusal::{Answer, Refused};
use crate::protocol::IceCandidateInit;

fn not_yet<T>() -> Answer<T> {
    Err(Refused::new(Reason::NotAvailable))
}

#[expect(unused_variables, reason = "the bodies follow")]
impl Lab {
    /// Waits up to two seconds for the decision; what was decided shows in the read models when this returns.
    pub async fn book(&self, principal: &Principal, new: NewBooking) -> Answer<Booked> {
        not_yet()
    }

    /// The caller's own booking; a session that runs ends at once. Somebody else's: `ReasonRequired` for an admin.
    pub async fn cancel_booking(&self, principal: &Principal, id: BookingId) -> Answer<()> {
        not_yet()
    }

    /// Ends a booking on an admin's word; cut before it is recorded.
    pub async fn terminate(&self, principal: &Principal, id: BookingId, reason: &str) -> Answer<Recorded> {
        not_yet()
    }

    pub async fn invite_guest(&self, principal: &Principal, id: BookingId, guest: AccountId) -> Answer<()> {
        not_yet()
    }

    pub async fn remove_guest(&self, principal: &Principal, id: BookingId, guest: AccountId) -> Answer<()> {
        not_yet()
    }

    pub async fn extend(
        &self,
        principal: &Principal,
        id: BookingId,
        ends_at: DateTime<Utc>,
        reason: Option<&str>,
    ) -> Answer<()> {
        not_yet()
    }

    pub async fn shorten(
        &self,
        principal: &Principal,
        id: BookingId,
        ends_at: DateTime<Utc>,
        reason: &str,
    ) -> Answer<Recorded> {
        not_yet()
    }

    /// The rules in force.
    pub fn rules(&self) -> LabRules {
        LabRules::default()
    }

    pub async fn change_rules(
        &self,
        principal: &Principal,
        rules: LabRules,
        reason: Option<&str>,
    ) -> Answer<()> {
        not_yet()
    }

    /// The rules that the configuration or `curfew demo` sets.
    pub async fn set_initial_rules(&self, rules: LabRules) -> Answer<()> {
        not_yet()
    }

    /// Gives a signaling connection its seat; a connection sits in one room at a time. Until the window begins the state
    /// is `Waiting`, and `session-started` comes through the outbox. All later messages come through it as well.
    pub async fn join(
        &self,
        principal: &Principal,
        hint: &RoomHint,
        connection: ConnectionId,
        outbox: Outbox,
    ) -> Answer<Joined> {
        not_yet()
    }

    /// The connection left its room, or is gone.
    pub async fn leave(&self, connection: ConnectionId) {}

    /// A viewer's offer. The same offer again gets the same answer. `reason` opens a watch for an admin.
    pub async fn offer(
        &self,
        principal: &Principal,
        target: &OfferTarget,
        reason: Option<&str>,
        sdp: String,
    ) -> Answer<Negotiated> {
        not_yet()
    }

    /// A candidate for a peer of the caller's, a viewer's or a robot's.
    pub async fn candidate(
        &self,
        principal: &Principal,
        peer: PeerId,
        candidate: IceCandidateInit,
    ) -> Answer<()> {
        not_yet()
    }

    /// The server's candidates for a peer of the caller's.
    pub fn candidates(&self, principal: &Principal, peer: PeerId) -> Answer<Vec<IceCandidateInit>> {
        not_yet()
    }

    pub async fn close_peer(&self, principal: &Principal, peer: PeerId) -> Answer<()> {
        not_yet()
    }

    /// A robot registered on a signaling connection; it replaces the one before. `publish`, `unpublish` and the room's
    /// messages come through the outbox. The connection ends when the lab drops the last sender: the transport keeps none.
    pub async fn robot_connected(
        &self,
        principal: &Principal,
        connection: ConnectionId,
        outbox: Outbox,
    ) -> Answer<()> {
        not_yet()
    }

    pub async fn robot_offer(
        &self,
        robot: RobotId,
        connection: ConnectionId,
        sdp: String,
    ) -> Answer<Negotiated> {
        not_yet()
    }

    pub async fn robot_disconnected(&self, robot: RobotId, connection: ConnectionId) {}

    /// `token_sha256` in hex, of the whole token.
    pub async fn authenticate_robot(
        &self,
        robot: RobotId,
        credential: CredentialId,
        token_sha256: &str,
    ) -> Answer<Principal> {
        not_yet()
    }

    /// An account's present role and state, whatever its token says; `NotFound` when it was never registered.
    pub async fn account(&self, id: AccountId) -> Answer<AccountState> {
        not_yet()
    }

    /// `by` is `None` for the first admin and for the command line.
    pub async fn register_account(&self, by: Option<&Principal>, role: Role) -> Answer<AccountId> {
        not_yet()
    }

    pub async fn change_role(&self, principal: &Principal, id: AccountId, role: Role) -> Answer<()> {
        not_yet()
    }

    /// Cuts the account's live peers and sessions at once.
    pub async fn suspend(&self, principal: &Principal, id: AccountId, reason: &str) -> Answer<Recorded> {
        not_yet()
    }

    pub async fn reinstate(&self, principal: &Principal, id: AccountId) -> Answer<()> {
        not_yet()
    }

    pub async fn record_signed_in(&self, id: AccountId) -> Answer<()> {
        not_yet()
    }

    pub async fn record_password_changed(&self, by: AccountId, id: AccountId) -> Answer<()> {
        not_yet()
    }

    pub async fn register_robot(&self, principal: &Principal, new: NewRobot) -> Answer<RobotId> {
        not_yet()
    }

    pub async fn update_robot(&self, principal: &Principal, id: RobotId, change: RobotChange) -> Answer<()> {
        not_yet()
    }

    pub async fn retire_robot(&self, principal: &Principal, id: RobotId, reason: &str) -> Answer<()> {
        not_yet()
    }

    /// `token_sha256` in hex; the token itself never comes here.
    pub async fn issue_credential(
        &self,
        principal: &Principal,
        robot: RobotId,
        credential: CredentialId,
        token_sha256: String,
    ) -> Answer<()> {
        not_yet()
    }

    /// Cuts a connection with this credential at once.
    pub async fn revoke_credential(
        &self,
        principal: &Principal,
        robot: RobotId,
        credential: CredentialId,
    ) -> Answer<Recorded> {
        not_yet()
    }

    pub async fn watch(&self, principal: &Principal, robot: RobotId, reason: &str) -> Answer<Watch> {
        not_yet()
    }

    pub fn health(&self) -> LabHealth {
        LabHealth { clock_behind: false, rooms: 0, connections: 0 }
    }
}
