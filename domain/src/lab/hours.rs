//! When the lab is open: the hours of a day, and the days of the week that have their own.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime, Timelike, Weekday};
use serde::{Deserialize, Serialize};

/// When the lab is open on a day, in its zone. `to` 00:00 is the midnight at the day's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenHours {
    pub from: NaiveTime,
    pub to: NaiveTime,
}

impl OpenHours {
    pub(super) fn include(&self, time: NaiveTime) -> bool {
        self.from <= time && (self.to == NaiveTime::MIN || time < self.to)
    }

    pub(super) fn are_whole_minutes(&self) -> bool {
        [self.from, self.to].iter().all(|time| time.second() == 0 && time.nanosecond() == 0)
    }

    pub(super) fn are_in_order(&self) -> bool {
        self.to == NaiveTime::MIN || self.from < self.to
    }
}

/// A day of the week, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Mon => Self::Monday,
            Weekday::Tue => Self::Tuesday,
            Weekday::Wed => Self::Wednesday,
            Weekday::Thu => Self::Thursday,
            Weekday::Fri => Self::Friday,
            Weekday::Sat => Self::Saturday,
            Weekday::Sun => Self::Sunday,
        }
    }
}

/// The days of the week that differ from the others; `None` is closed all day.
pub type WeekdayHours = BTreeMap<Day, Option<OpenHours>>;

/// What holds for one date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayHours {
    Any,
    Between(OpenHours),
    Closed,
}

/// What holds on `date` by the hours of the week; closures are another matter.
pub(super) fn on(usual: Option<OpenHours>, week: &WeekdayHours, date: NaiveDate) -> DayHours {
    use chrono::Datelike;
    match week.get(&date.weekday().into()) {
        Some(None) => DayHours::Closed,
        Some(Some(hours)) => DayHours::Between(*hours),
        None => usual.map_or(DayHours::Any, DayHours::Between),
    }
}
