//! Restarts of ICE, as a peer lives through them.

use rtc::shared::TaggedBytesMut;

use super::super::restart::{Credentials, Generation};
use super::super::stun::Message;
use super::{Path, Peer};

/// Credentials that count at a time: those of a restart, and the ones before while its path is not proven.
const MAX_GENERATIONS: usize = 2;

impl Peer {
    /// Adds the credentials of a restart of ICE; the ufrag that counts no longer.
    pub(in crate::media) fn restart(&mut self, credentials: &Credentials) -> Option<String> {
        if self.generations.len() == MAX_GENERATIONS {
            self.generations.remove(0);
        }
        self.generations.push(Generation::new(credentials));
        self.ufrags.push(credentials.ufrag.clone());
        (self.ufrags.len() > MAX_GENERATIONS).then(|| self.ufrags.remove(0))
    }

    /// Answers a check that was made with credentials of a restart, and checks its path; `false` when it is not one.
    pub(super) fn answer_check(&mut self, message: &TaggedBytesMut) -> bool {
        let Some(check) = Message::parse(&message.message) else { return false };
        let Some(generation) = self.generations.iter().find(|known| known.is_checked_by(&check)) else {
            return false;
        };
        let path = Path::of(&message.transport);
        let mut replies = vec![generation.answer(&check, path.remote)];
        if !self.paths.is_proven(path) {
            let check = generation.check();
            self.paths.sending(path, &check);
            replies.push(check);
        }
        for reply in replies {
            self.outbox.push(TaggedBytesMut {
                now: message.now,
                transport: message.transport,
                message: reply,
            });
        }
        true
    }
}
