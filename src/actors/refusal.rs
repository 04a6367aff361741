//! Why something was not done: the one form in which every refusal and failure leaves this module.

use std::time::Duration;

use curfew_domain::Reason;

use crate::store::StoreError;

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

    pub fn because(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), retry_after: None }
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Unavailable, detail: detail.into(), retry_after: Some(Duration::from_secs(1)) }
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::because(Reason::Invalid, detail)
    }

    pub fn not_found(what: &str) -> Self {
        Self::because(Reason::NotFound, format!("There is no such {what}."))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => {
                Self::because(Reason::Conflict, "Something else changed this at the same time; try again.")
            }
            other => {
                tracing::error!(error = %other, "the log did not answer");
                Self::unavailable("The server cannot record this just now.")
            }
        }
    }
}
