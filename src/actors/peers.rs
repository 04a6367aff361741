//! Whose peer connections there are, for trickle and teardown, and the answers that were given for an offer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use curfew_domain::{AccountId, ConnectionId, CredentialId, PeerId, RobotId, RoomId};

use tokio::sync::OwnedMutexGuard;

use super::lab::Negotiated;
use super::turns::TurnsBy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Viewer {
        account: AccountId,
        room: RoomId,
        /// The signaling connection that it was negotiated by, if it was.
        connection: Option<ConnectionId>,
    },
    Robot {
        robot: RobotId,
        /// With which it was negotiated.
        credential: CredentialId,
    },
}

#[derive(Clone, Debug)]
struct Known {
    owner: Owner,
    key: OfferKey,
    answer: Negotiated,
}

/// What tells one offer from another: a repeated one, over whatever transport, gets the same answer.
#[derive(Clone, Debug)]
pub(crate) struct OfferKey {
    ufrag: String,
    fingerprint: String,
    /// What its peer connection calls itself in all its offers (RFC 8866, 5.2: `sess-id`).
    session: Option<String>,
}

impl OfferKey {
    /// Of an SDP offer: its first `ice-ufrag` and `fingerprint` (RFC 8839 section 5.4, RFC 8122 section 5). `None` when it
    /// lacks either, and then it is no offer of a peer connection.
    pub(crate) fn of(sdp: &str) -> Option<Self> {
        let attribute = |name: &str| {
            sdp.lines().find_map(|line| {
                line.trim_end().strip_prefix(name).map(|value| value.trim().to_ascii_lowercase())
            })
        };
        let ufrag =
            sdp.lines().find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:").map(str::to_owned))?;
        let origin = sdp.lines().find_map(|line| line.strip_prefix("o="));
        let session = origin.and_then(|origin| origin.split(' ').nth(1)).map(str::to_owned);
        Some(Self { ufrag, fingerprint: attribute("a=fingerprint:")?, session })
    }

    fn is_repeated_by(&self, other: &Self) -> bool {
        (&self.ufrag, &self.fingerprint) == (&other.ufrag, &other.fingerprint)
    }

    /// Whether `other` restarts ICE of the connection that made this offer (RFC 8839, 4.4.1.1.1). Pages may use one certificate
    /// for several connections, so its fingerprint alone does not say so.
    fn is_restarted_by(&self, other: &Self) -> bool {
        self.ufrag != other.ufrag
            && self.session.is_some()
            && (&self.session, &self.fingerprint) == (&other.session, &other.fingerprint)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Peers {
    known: Mutex<HashMap<PeerId, Known>>,
    turns: TurnsBy<(AccountId, RoomId)>,
    publishing: TurnsBy<RobotId>,
}

impl Peers {
    pub(crate) fn insert(&self, owner: Owner, key: OfferKey, answer: Negotiated) {
        self.known().insert(answer.peer, Known { owner, key, answer });
    }

    pub(crate) fn remove(&self, peer: PeerId) -> Option<Owner> {
        self.known().remove(&peer).map(|known| known.owner)
    }

    pub(crate) fn owner(&self, peer: PeerId) -> Option<Owner> {
        self.known().get(&peer).map(|known| known.owner)
    }

    pub(crate) fn answer(&self, peer: PeerId) -> Option<Negotiated> {
        self.known().get(&peer).map(|known| known.answer.clone())
    }

    /// The answer that this viewer was given for the same offer, as long as the peer lives.
    pub(crate) fn repeated(&self, account: AccountId, room: RoomId, key: &OfferKey) -> Option<Negotiated> {
        self.of_viewer(account, room, |known| known.is_repeated_by(key))
    }

    /// What this viewer was answered before, where the offer restarts ICE of that connection.
    pub(crate) fn restarted(&self, account: AccountId, room: RoomId, key: &OfferKey) -> Option<Negotiated> {
        self.of_viewer(account, room, |known| known.is_restarted_by(key))
    }

    fn of_viewer(
        &self,
        account: AccountId,
        room: RoomId,
        is_meant: impl Fn(&OfferKey) -> bool,
    ) -> Option<Negotiated> {
        let is_theirs = |owner: &Owner| match owner {
            Owner::Viewer { account: whose, room: place, .. } => *whose == account && *place == room,
            Owner::Robot { .. } => false,
        };
        let known = self.known();
        known
            .values()
            .find(|known| is_theirs(&known.owner) && is_meant(&known.key))
            .map(|known| known.answer.clone())
    }

    /// The viewers' peers that were negotiated by a signaling connection.
    pub(crate) fn of_connection(&self, by: ConnectionId) -> Vec<PeerId> {
        let is_by =
            |owner: &Owner| matches!(owner, Owner::Viewer { connection, .. } if *connection == Some(by));
        self.known().iter().filter(|(_, known)| is_by(&known.owner)).map(|(peer, _)| *peer).collect()
    }

    /// Whether a robot publishes by a connection that was negotiated with this credential, whatever its line is now.
    pub(crate) fn is_by(&self, id: RobotId, by: CredentialId) -> bool {
        self.known().values().any(
            |known| matches!(known.owner, Owner::Robot { robot, credential } if (robot, credential) == (id, by)),
        )
    }

    /// Held while an account is let into a room, negotiates there or is recorded as gone: one at a time.
    pub(crate) async fn turn(&self, account: AccountId, room: RoomId) -> OwnedMutexGuard<()> {
        self.turns.turn((account, room)).await
    }

    /// Held while it is recorded that a connection of a robot's began or ended: one at a time, in the order in which that happened.
    pub(crate) async fn publishing(&self, robot: RobotId) -> OwnedMutexGuard<()> {
        self.publishing.turn(robot).await
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PeerId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_known_by_its_ufrag_and_fingerprint() {
        let sdp =
            "v=0\r\na=fingerprint:sha-256 AB:CD\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:Uf4\r\n";
        let again = sdp.replace("AB:CD", "ab:cd");
        let key = |sdp: &str| OfferKey::of(sdp).expect("an offer");
        assert!(key(sdp).is_repeated_by(&key(&again)));
        assert!(!key(sdp).is_repeated_by(&key(&sdp.replace("Uf4", "uf4"))));
        assert!(OfferKey::of("v=0\r\n").is_none());
    }

    #[test]
    fn a_restart_is_the_same_connection_with_another_ufrag() {
        let offer = |session: &str, fingerprint: &str, ufrag: &str| {
            let sdp = format!(
                "v=0\r\no=- {session} 2 IN IP4 0.0.0.0\r\na=fingerprint:{fingerprint}\r\na=ice-ufrag:{ufrag}\r\n"
            );
            OfferKey::of(&sdp).expect("an offer")
        };
        let first = offer("17", "sha-256 AB", "one");
        assert!(first.is_restarted_by(&offer("17", "sha-256 AB", "two")));
        assert!(!first.is_restarted_by(&offer("17", "sha-256 AB", "one")), "that is a repetition");
        assert!(
            !first.is_restarted_by(&offer("18", "sha-256 AB", "two")),
            "another connection, the same certificate"
        );
        assert!(!first.is_restarted_by(&offer("17", "sha-256 CD", "two")));
    }
}
