//! The `session` data channel of a viewer: what is said on it, and its end, which is the media path's own word that the
//! session is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::RTCPeerConnection;

/// Texts that wait for the channel to open; beyond, the oldest is dropped.
const MAX_WAITING: usize = 32;

pub(super) struct Session {
    /// `None` where the offer had no application section.
    channel: Option<RTCDataChannelId>,
    open: bool,
    waiting: VecDeque<Arc<str>>,
}

impl Session {
    pub(super) fn new(channel: Option<RTCDataChannelId>) -> Self {
        Self { channel, open: false, waiting: VecDeque::new() }
    }

    /// Some channel opened; if it is this one, what waited is sent.
    pub(super) fn opened(
        &mut self,
        connection: &mut RTCPeerConnection,
        now: Instant,
        channel: RTCDataChannelId,
    ) {
        if self.channel == Some(channel) {
            self.open = true;
            for text in std::mem::take(&mut self.waiting) {
                self.send(connection, now, &text);
            }
        }
    }

    /// Sends a text, now or once the channel is open.
    pub(super) fn say(&mut self, connection: &mut RTCPeerConnection, now: Instant, text: &Arc<str>) {
        if self.open {
            self.send(connection, now, text);
        } else if self.channel.is_some() {
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(Arc::clone(text));
        }
    }

    /// Sends a text if the channel is open: what cannot be said now need not be said later.
    pub(super) fn send(&self, connection: &mut RTCPeerConnection, now: Instant, text: &str) {
        let channel = self.channel.filter(|_| self.open).and_then(|id| connection.data_channel(id));
        if let Some(mut channel) = channel
            && let Err(error) = channel.send_text(now, text)
        {
            tracing::debug!(%error, "session text not sent");
        }
    }

    pub(super) fn close(&self, connection: &mut RTCPeerConnection) {
        if let Some(mut channel) =
            self.channel.filter(|_| self.open).and_then(|id| connection.data_channel(id))
            && let Err(error) = channel.close()
        {
            tracing::debug!(%error, "session channel not closed");
        }
    }
}
