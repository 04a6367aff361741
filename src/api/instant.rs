//! Instants as requests give them.

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// RFC 3339, in the years that it has. Milliseconds are what the wire has: what is asked for is what is read back. No leap second: hardly
/// any clock knows one, and what could not read it back would not show the rest either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, transparent)]
pub(super) struct Instant(pub(super) DateTime<Utc>);

impl Instant {
    fn read(text: &str) -> Option<Self> {
        let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
        let is_leap = at.timestamp_subsec_nanos() >= 1_000_000_000;
        ((0..=9999).contains(&at.year()) && !is_leap).then(|| Self(at.trunc_subsecs(3)))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text)
            .ok_or_else(|| D::Error::custom("a time with its zone, such as 2026-11-22T14:00:00Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_can_read_back_is_taken_and_nothing_else() {
        let said =
            |text: &str| Instant::read(text).map(|Instant(at)| crate::protocol::millis::to_string(&at));
        assert_eq!(said("2026-11-22T14:00:00Z").as_deref(), Some("2026-11-22T14:00:00.000Z"));
        assert_eq!(said("2026-11-22T15:00:00.1239+01:00").as_deref(), Some("2026-11-22T14:00:00.123Z"));
        let refused = [
            "2026-11-22T14:00:60Z",
            "2026-12-31T23:59:60.5Z",
            "+262142-12-31T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "2026-11-22T14:00:00",
            "2026-11-22",
            "",
        ];
        for text in refused {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
