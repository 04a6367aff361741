//! Who caused an event, in which correlation, and what it follows from: kept beside every event.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{AccountId, RobotId};

/// Who acts. Written as `account:<id>`, `robot:<id>` or `system`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Actor {
    Account(AccountId),
    Robot(RobotId),
    System,
}

impl Actor {
    pub const fn account(self) -> Option<AccountId> {
        match self {
            Self::Account(id) => Some(id),
            Self::Robot(_) | Self::System => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Robot(id) => write!(f, "robot:{id}"),
            Self::System => f.write_str("system"),
        }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

impl FromStr for Actor {
    type Err = MetadataError;

    fn from_str(text: &str) -> Result<Self, MetadataError> {
        if text == "system" {
            return Ok(Self::System);
        }
        let account = text.strip_prefix("account:").and_then(|id| id.parse().ok()).map(Self::Account);
        let robot = || text.strip_prefix("robot:").and_then(|id| id.parse().ok()).map(Self::Robot);
        account.or_else(robot).ok_or(MetadataError("actor"))
    }
}

impl TryFrom<String> for Actor {
    type Error = MetadataError;

    fn try_from(text: String) -> Result<Self, MetadataError> {
        text.parse()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event's metadata has no valid {0}")]
pub struct MetadataError(pub &'static str);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    pub actor: Actor,
    /// The same for everything that follows from one request.
    pub correlation_id: Uuid,
    /// The position of the event that this one answers, or the id of a request.
    pub causation_id: Option<String>,
}

impl Metadata {
    pub const fn new(actor: Actor, correlation_id: Uuid) -> Self {
        Self { actor, correlation_id, causation_id: None }
    }

    /// The form in which cqrs-es keeps it.
    pub fn to_map(&self) -> HashMap<String, String> {
        let mut map = HashMap::from([
            ("actor".to_owned(), self.actor.to_string()),
            ("correlation_id".to_owned(), self.correlation_id.to_string()),
        ]);
        if let Some(causation) = &self.causation_id {
            map.insert("causation_id".to_owned(), causation.clone());
        }
        map
    }

    pub fn from_map(map: &HashMap<String, String>) -> Result<Self, MetadataError> {
        let actor = map.get("actor").ok_or(MetadataError("actor"))?.parse()?;
        let correlation_id = map
            .get("correlation_id")
            .and_then(|id| Uuid::try_parse(id).ok())
            .ok_or(MetadataError("correlation_id"))?;
        Ok(Self { actor, correlation_id, causation_id: map.get("causation_id").cloned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_survives_the_form_of_the_store() {
        for actor in [
            Actor::System,
            Actor::Account(Uuid::from_u128(7).into()),
            Actor::Robot(Uuid::from_u128(8).into()),
        ] {
            let mut metadata = Metadata::new(actor, Uuid::from_u128(9));
            assert_eq!(Metadata::from_map(&metadata.to_map()), Ok(metadata.clone()));
            metadata.causation_id = Some("17".into());
            assert_eq!(Metadata::from_map(&metadata.to_map()), Ok(metadata));
        }
    }

    #[test]
    fn an_actor_that_cannot_be_read_is_an_error() {
        assert_eq!("account:x".parse::<Actor>(), Err(MetadataError("actor")));
        assert_eq!("".parse::<Actor>(), Err(MetadataError("actor")));
        assert_eq!(Metadata::from_map(&HashMap::new()), Err(MetadataError("actor")));
    }
}
