//! When a room ends, and how that is moved: on the boot clock from its opening on, by what was decided or, earlier, at once.

use std::sync::PoisonError;

use chrono::{DateTime, Utc};

use super::{Inner, LiveRoom, Phase};
use crate::clock::BootInstant;

impl LiveRoom {
    /// Carries the end that an open room has now to those who keep it. Ends that are moved at once may be carried out of order;
    /// one at a time, and with what is true then, the last of them is right.
    pub(crate) fn settle(&self, carry: impl FnOnce(BootInstant)) {
        let _alone = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deadline) = self.deadline() {
            carry(deadline);
        }
    }

    /// What the window's own time is at a boot instant: in a session that has begun it passes as the boot clock does, however
    /// the wall clock steps. `None` before that.
    pub(crate) fn at(&self, boot: BootInstant) -> Option<DateTime<Utc>> {
        let inner = self.inner();
        let (deadline, ends_at) = (inner.deadline?, inner.place.window.ends_at);
        Some(if boot >= deadline {
            ends_at + boot.saturating_since(deadline)
        } else {
            ends_at - deadline.saturating_since(boot)
        })
    }

    /// Moves the end of an open room to what was recorded, by as much as the two differ: the time that is left stays on the
    /// boot clock. `None` when it is not open, ends then already, or is to end earlier by what is being recorded.
    pub(crate) fn move_end(&self, to: DateTime<Utc>) -> Option<BootInstant> {
        let mut inner = self.inner();
        if let Some(earliest) = inner.brought_forward {
            if to <= earliest {
                inner.brought_forward = None;
            } else {
                return None;
            }
        }
        inner.move_end(to)
    }

    /// Gives a window that has not begun its new end. False when it has begun.
    pub(crate) fn reschedule(&self, ends_at: DateTime<Utc>) -> bool {
        let mut inner = self.inner();
        let is_ahead = inner.phase == Phase::Waiting;
        if is_ahead {
            inner.place.window.ends_at = ends_at;
        }
        is_ahead
    }

    /// Keeps an admin's words until the end that they are about is recorded.
    pub(crate) fn explain(&self, to: DateTime<Utc>, reason: &str) {
        self.inner().explained = Some((to, reason.to_owned()));
    }

    /// An admin's words about the end that the room was moved to just now.
    pub(crate) fn explanation(&self, to: DateTime<Utc>) -> Option<String> {
        self.inner().explained.take_if(|(end, _)| *end == to).map(|(_, reason)| reason)
    }

    /// Brings the end forward before that is recorded. `None` when the room is not open or ends no later already.
    pub(crate) fn bring_forward(&self, to: DateTime<Utc>) -> Option<BootInstant> {
        let mut inner = self.inner();
        if to >= inner.place.window.ends_at {
            return None;
        }
        let deadline = inner.move_end(to)?;
        inner.brought_forward = Some(to);
        Some(deadline)
    }

    /// What was brought forward was refused by the record, which has this end.
    pub(crate) fn take_back(&self, ends_at: DateTime<Utc>) -> Option<BootInstant> {
        let mut inner = self.inner();
        inner.brought_forward = None;
        inner.move_end(ends_at)
    }
}

impl Inner {
    fn move_end(&mut self, to: DateTime<Utc>) -> Option<BootInstant> {
        let Phase::Open { deadline } = self.phase else { return None };
        let from = self.place.window.ends_at;
        let deadline = match (to - from).to_std() {
            Ok(later) if later.is_zero() => return None,
            Ok(later) => deadline.saturating_add(later),
            Err(_) => deadline.saturating_sub((from - to).to_std().unwrap_or_default()),
        };
        self.phase = Phase::Open { deadline };
        self.deadline = Some(deadline);
        self.place.window.ends_at = to;
        Some(deadline)
    }
}
