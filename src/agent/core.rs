//! What the agent does when: a pure state machine. **Events and the boot clock's reading in, actions out; no I/O.**
//!
//! Two things live here, on purpose apart: the *link* (the signaling connection, which comes and goes) and the *stream* (the
//! peer connection that publishes, which lives to the deadline that the last `publish` set, link or not).

use std::time::Duration;

use super::backoff::{Backoff, LONGEST, LONGEST_IN_SESSION};
use crate::clock::BootInstant;

/// A link that lasted this long was a good one: the next wait is short again.
const SETTLED: Duration = Duration::from_secs(10);
/// An offer that got no answer by then is made anew.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Between a stream that failed and the next offer.
const OFFER_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Numbers the links, so that what an earlier one still says is told apart.
pub(super) type LinkId = u64;
/// Numbers the peer connections.
pub(super) type StreamId = u64;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Time passed.
    Tick,
    /// The server said `registered`.
    Registered(LinkId),
    /// The link ended, or was never made.
    LinkLost(LinkId),
    /// `publish`, with its deadline.
    Publish { link: LinkId, in_ms: u64 },
    /// `unpublish`.
    Unpublish(LinkId),
    /// The server answered the current offer.
    Answered(StreamId),
    /// The peer connection failed, or could not be made.
    StreamFailed(StreamId),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Connect(LinkId),
    /// Make a peer connection that ends at the deadline, and offer it over the link.
    Offer {
        stream: StreamId,
        link: LinkId,
        deadline: BootInstant,
    },
    MoveDeadline {
        stream: StreamId,
        deadline: BootInstant,
    },
    Close {
        stream: StreamId,
        why: CloseWhy,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseWhy {
    Deadline,
    Unpublished,
    Failed,
    /// The server did not answer the offer.
    Unanswered,
    Replaced,
}

#[derive(Debug)]
enum Link {
    Waiting { until: BootInstant },
    Connecting { id: LinkId },
    Up { id: LinkId, since: BootInstant },
}

#[derive(Debug)]
struct Session {
    deadline: BootInstant,
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Offered {
        id: StreamId,
        link: LinkId,
        since: BootInstant,
    },
    Live {
        id: StreamId,
        link: LinkId,
    },
    /// Nothing is sent; offered again then, if the link is up.
    Broken {
        retry_at: BootInstant,
    },
}

/// The state machine. Starts without a link, due to connect at once.
pub(super) struct Core {
    link: Link,
    session: Option<Session>,
    backoff: Backoff,
    last_id: u64,
}

impl Core {
    pub(super) fn new(now: BootInstant, seed: u64) -> Self {
        Self { link: Link::Waiting { until: now }, session: None, backoff: Backoff::new(seed), last_id: 0 }
    }

    /// Takes an event at `now` and says what to do. What is due is done before the event is looked at, so a `publish`
    /// that comes after the deadline finds the old stream closed.
    pub(super) fn handle(&mut self, now: BootInstant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.pass_time(now, &mut actions);
        match event {
            Event::Tick => {}
            Event::Registered(id) => self.registered(now, id),
            Event::LinkLost(id) => self.link_lost(now, id),
            Event::Publish { link, in_ms } if self.is_up(link) => {
                self.publish(now, link, in_ms, &mut actions)
            }
            Event::Unpublish(link) if self.is_up(link) => self.end(CloseWhy::Unpublished, &mut actions),
            Event::Publish { .. } | Event::Unpublish(_) => {}
            Event::Answered(id) => self.answered(id),
            Event::StreamFailed(id) => self.break_stream(now, id, CloseWhy::Failed, &mut actions),
        }
        actions
    }

    /// When `handle` wants a `Tick` at the latest; `None` when only an event can change anything.
    pub(super) fn next_due(&self) -> Option<BootInstant> {
        let link = match self.link {
            Link::Waiting { until } => Some(until),
            Link::Connecting { .. } | Link::Up { .. } => None,
        };
        let session = self.session.as_ref().map(|session| {
            let stream = match session.stream {
                Stream::Offered { since, .. } => since.saturating_add(ANSWER_WITHIN),
                Stream::Broken { retry_at } if matches!(self.link, Link::Up { .. }) => retry_at,
                Stream::Broken { .. } | Stream::Live { .. } => BootInstant::FAR_FUTURE,
            };
            session.deadline.min(stream)
        });
        link.into_iter().chain(session).min()
    }

    /// The stream that is offered or live.
    pub(super) fn stream(&self) -> Option<StreamId> {
        self.session.as_ref().and_then(|session| session.stream.id())
    }

    /// When the session ends; `None` outside one.
    pub(super) fn deadline(&self) -> Option<BootInstant> {
        self.session.as_ref().map(|session| session.deadline)
    }

    fn pass_time(&mut self, now: BootInstant, actions: &mut Vec<Action>) {
        if self.session.as_ref().is_some_and(|session| session.deadline <= now) {
            self.end(CloseWhy::Deadline, actions);
        }
        if let Link::Waiting { until } = self.link
            && until <= now
        {
            let id = self.next_id();
            self.link = Link::Connecting { id };
            actions.push(Action::Connect(id));
        }
        match self.session.as_ref().map(|session| &session.stream) {
            Some(&Stream::Offered { id, since, .. }) if since.saturating_add(ANSWER_WITHIN) <= now => {
                self.break_stream(now, id, CloseWhy::Unanswered, actions);
            }
            Some(&Stream::Broken { retry_at }) if retry_at <= now => {
                if let Link::Up { id: link, .. } = self.link {
                    self.offer(now, link, actions);
                }
            }
            _ => {}
        }
    }

    fn registered(&mut self, now: BootInstant, id: LinkId) {
        if matches!(self.link, Link::Connecting { id: current } if current == id) {
            self.link = Link::Up { id, since: now };
        }
    }

    fn link_lost(&mut self, now: BootInstant, id: LinkId) {
        let settled = match self.link {
            Link::Up { id: current, since } if current == id => now.saturating_since(since) >= SETTLED,
            Link::Connecting { id: current } if current == id => false,
            _ => return,
        };
        if settled {
            self.backoff.reset();
        }
        let longest = if self.session.is_some() { LONGEST_IN_SESSION } else { LONGEST };
        let wait = self.backoff.next(longest);
        self.link = Link::Waiting { until: now.saturating_add(wait) };
    }

    /// The first `publish` of a link makes a new offer, whatever is live: the server behind the link may be another process,
    /// and media of the earlier one is gone or about to be.
    fn publish(&mut self, now: BootInstant, link: LinkId, in_ms: u64, actions: &mut Vec<Action>) {
        let deadline = now.saturating_add(Duration::from_millis(in_ms));
        if deadline <= now {
            return self.end(CloseWhy::Unpublished, actions);
        }
        match &mut self.session {
            Some(session) if session.stream.link() == Some(link) => {
                session.deadline = deadline;
                if let Some(stream) = session.stream.id() {
                    actions.push(Action::MoveDeadline { stream, deadline });
                }
            }
            Some(Session { stream: Stream::Broken { .. }, deadline: current }) => {
                *current = deadline;
                self.offer(now, link, actions);
            }
            _ => {
                self.end(CloseWhy::Replaced, actions);
                self.session = Some(Session { deadline, stream: Stream::Broken { retry_at: now } });
                self.offer(now, link, actions);
            }
        }
    }

    fn offer(&mut self, now: BootInstant, link: LinkId, actions: &mut Vec<Action>) {
        let id = self.next_id();
        if let Some(session) = &mut self.session {
            session.stream = Stream::Offered { id, link, since: now };
            actions.push(Action::Offer { stream: id, link, deadline: session.deadline });
        }
    }

    fn answered(&mut self, id: StreamId) {
        if let Some(session) = &mut self.session
            && let Stream::Offered { id: current, link, .. } = session.stream
            && current == id
        {
            session.stream = Stream::Live { id, link };
        }
    }

    fn break_stream(&mut self, now: BootInstant, id: StreamId, why: CloseWhy, actions: &mut Vec<Action>) {
        if let Some(session) = &mut self.session
            && session.stream.id() == Some(id)
        {
            session.stream = Stream::Broken { retry_at: now.saturating_add(OFFER_AGAIN_AFTER) };
            actions.push(Action::Close { stream: id, why });
        }
    }

    fn end(&mut self, why: CloseWhy, actions: &mut Vec<Action>) {
        if let Some(stream) = self.session.take().and_then(|session| session.stream.id()) {
            actions.push(Action::Close { stream, why });
        }
    }

    fn is_up(&self, link: LinkId) -> bool {
        matches!(self.link, Link::Up { id, .. } if id == link)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Stream {
    fn id(&self) -> Option<StreamId> {
        match *self {
            Self::Offered { id, .. } | Self::Live { id, .. } => Some(id),
            Self::Broken { .. } => None,
        }
    }

    fn link(&self) -> Option<LinkId> {
        match *self {
            Self::Offered { link, .. } | Self::Live { link, .. } => Some(link),
            Self::Broken { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
