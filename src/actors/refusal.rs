//! Why something was not done: the one form in which every refusal and failure leaves this module.

use std::time::Duration;

use curfew_domain::Reason;

/// A refusal. `reason` carries the stable code, `detail` is one sentence for a person.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    pub reason: Reason,
    pub detail: String,
    /// When trying again may help, where that is known.
    pub retry_after: Option<Duration>,
}

pub type Answer<T> = Result<T, Refused>;

impl Refused {
    pub fn new(reason: Reason) -> Self {
        Self { detail: reason.text().to_owned(), reason, retry_after: None }
    }
}
