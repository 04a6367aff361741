//! The lab's rules about windows, and its local time.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::LabError;
use super::hours::{self, DayHours, OpenHours, WeekdayHours};
use crate::{Reason, Window};

/// The longest window any lab may allow.
const LONGEST: TimeDelta = TimeDelta::days(7);
/// The years in which every zone's local times can be converted.
const DATED_YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;
const MOST_CLOSURES: usize = 1_000;
const MOST_DAYS_AHEAD: u32 = 3_660;
const MOST_VIEWERS: u16 = 64;

/// What windows may be booked. Lengths in minutes unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabRules {
    /// An IANA name, such as `Europe/Berlin`.
    #[serde(with = "zone_name")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub zone: Tz,
    /// Of every day that has no own ones below. `None`: at any hour.
    pub open_hours: Option<OpenHours>,
    /// The days of the week that differ; null: closed all day.
    #[serde(default, skip_serializing_if = "WeekdayHours::is_empty")]
    pub weekday_hours: WeekdayHours,
    /// The length of the slots that are offered.
    pub slot_minutes: u32,
    pub min_minutes: u32,
    pub max_minutes: u32,
    pub days_ahead: u32,
    /// How long before its start a window must be booked; with 0, until its end.
    pub lead_minutes: u32,
    /// What must lie between two slots of one robot.
    pub buffer_s: u32,
    /// Days on which the lab is closed, in its zone.
    pub closures: Vec<NaiveDate>,
    /// Viewer connections a room takes.
    pub viewer_limit: u16,
    /// The length of an admin's watch.
    pub watch_minutes: u32,
    /// Whether the holder is told of an admin's watch.
    pub watch_is_silent: bool,
    /// How long a session waits for its robot before it ends with RobotLost; `None`: the whole window.
    pub no_robot_grace_s: Option<u32>,
    /// After how long a holder who never joined loses the session; `None`: never.
    pub no_show_after_s: Option<u32>,
}

impl Default for LabRules {
    fn default() -> Self {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        Self {
            zone: Tz::UTC,
            open_hours: Some(OpenHours { from: hour(9), to: hour(18) }),
            weekday_hours: WeekdayHours::new(),
            slot_minutes: 60,
            min_minutes: 30,
            max_minutes: 120,
            days_ahead: 30,
            lead_minutes: 0,
            buffer_s: 0,
            closures: vec![],
            viewer_limit: 4,
            watch_minutes: 30,
            watch_is_silent: false,
            no_robot_grace_s: None,
            no_show_after_s: None,
        }
    }
}

/// The rule that a window breaks, with what a person needs to choose another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleBroken {
    #[error("A window must end after it starts.")]
    Empty,
    #[error("This window is already over.")]
    Over,
    #[error("A booking takes at least {min_minutes} minutes.")]
    TooShort { min_minutes: u32 },
    #[error("A booking takes at most {max_minutes} minutes.")]
    TooLong { max_minutes: u32 },
    #[error("A booking must be made at least {lead_minutes} minutes before it starts.")]
    TooLate { lead_minutes: u32 },
    #[error("Bookings are taken at most {days_ahead} days ahead.")]
    TooFarAhead { days_ahead: u32 },
    #[error("The lab is open from {from} to {to} ({zone}).", from = hours.from.format("%H:%M"), to = hours.to.format("%H:%M"))]
    OutsideOpenHours { hours: OpenHours, zone: Tz },
    #[error("The lab is closed on {date}.")]
    ClosedOn { date: NaiveDate },
    #[error("{date} is too far from the present.")]
    DateOutOfRange { date: NaiveDate },
    #[error("{date} {time} does not exist in {zone}: the clocks are set forward over it.")]
    NonexistentLocalTime { date: NaiveDate, time: NaiveTime, zone: Tz },
    #[error(
        "{date} {time} exists twice in {zone}, since the clocks are set back over it: give the time in UTC."
    )]
    AmbiguousLocalTime { date: NaiveDate, time: NaiveTime, zone: Tz },
}

impl RuleBroken {
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Empty => Reason::Invalid,
            Self::Over => Reason::WindowClosed,
            _ => Reason::OutsideRules,
        }
    }
}

impl LabRules {
    /// Any hour, any length from one minute: the rules of `curfew demo`.
    pub fn demo() -> Self {
        Self { open_hours: None, min_minutes: 1, max_minutes: 24 * 60, ..Self::default() }
    }

    /// Whether `window` may be booked (or extended to) at `now`.
    pub fn check(&self, window: &Window, now: DateTime<Utc>) -> Result<(), RuleBroken> {
        if window.is_empty() {
            return Err(RuleBroken::Empty);
        }
        if window.has_ended(now) {
            return Err(RuleBroken::Over);
        }
        self.check_length(window)?;
        let lead = TimeDelta::minutes(self.lead_minutes.into());
        if self.lead_minutes > 0 && window.starts_at < now + lead {
            return Err(RuleBroken::TooLate { lead_minutes: self.lead_minutes });
        }
        self.check_horizon(window, now)?;
        self.check_days(window)
    }

    /// Whether a session may go on to the end of `window`: as `check`, but a start that is past is no fault.
    pub fn check_extension(&self, window: &Window, now: DateTime<Utc>) -> Result<(), RuleBroken> {
        if window.has_ended(now) {
            return Err(RuleBroken::Over);
        }
        self.check_length(window)?;
        self.check_days(window)
    }

    /// What not even an override may exceed.
    pub fn check_override(window: &Window) -> Result<(), RuleBroken> {
        if window.length() <= LONGEST {
            return Ok(());
        }
        Err(RuleBroken::TooLong { max_minutes: u32::try_from(LONGEST.num_minutes()).unwrap_or(u32::MAX) })
    }

    fn check_horizon(&self, window: &Window, now: DateTime<Utc>) -> Result<(), RuleBroken> {
        if window.starts_at > now + TimeDelta::days(self.days_ahead.into()) {
            return Err(RuleBroken::TooFarAhead { days_ahead: self.days_ahead });
        }
        Ok(())
    }

    fn check_length(&self, window: &Window) -> Result<(), RuleBroken> {
        let length = window.length();
        if length < TimeDelta::minutes(self.min_minutes.into()) {
            return Err(RuleBroken::TooShort { min_minutes: self.min_minutes });
        }
        if length > TimeDelta::minutes(self.max_minutes.into()) {
            return Err(RuleBroken::TooLong { max_minutes: self.max_minutes });
        }
        Ok(())
    }

    /// Whether the lab is open from a window's first instant to its last. What is open changes at whole minutes, in every zone
    /// and however its clocks change, so that the first instant and each whole minute after it say it all.
    fn check_days(&self, window: &Window) -> Result<(), RuleBroken> {
        if self.open_hours.is_none() && self.weekday_hours.is_empty() && self.closures.is_empty() {
            return Ok(());
        }
        let mut seen = None;
        let mut at = window.starts_at;
        while at < window.ends_at {
            let local = at.with_timezone(&self.zone).naive_local();
            if seen.replace(local.date()) != Some(local.date()) && self.closures.contains(&local.date()) {
                return Err(RuleBroken::ClosedOn { date: local.date() });
            }
            match self.hours_on(local.date()) {
                DayHours::Closed => return Err(RuleBroken::ClosedOn { date: local.date() }),
                DayHours::Between(hours) if !hours.include(local.time()) => {
                    return Err(RuleBroken::OutsideOpenHours { hours, zone: self.zone });
                }
                DayHours::Between(_) | DayHours::Any => {}
            }
            let minute = at.timestamp().div_euclid(60) + 1;
            let Some(next) = DateTime::from_timestamp(minute * 60, 0) else { break };
            at = next;
        }
        Ok(())
    }

    /// The open hours of a date; from midnight to midnight where nothing closes the lab, `None` where it is closed.
    pub fn working_hours(&self, date: NaiveDate) -> Option<OpenHours> {
        match self.hours_on(date) {
            _ if self.closures.contains(&date) => None,
            DayHours::Between(hours) => Some(hours),
            DayHours::Any => Some(OpenHours { from: NaiveTime::MIN, to: NaiveTime::MIN }),
            DayHours::Closed => None,
        }
    }

    fn hours_on(&self, date: NaiveDate) -> DayHours {
        hours::on(self.open_hours, &self.weekday_hours, date)
    }

    /// The instant of a local date and time; a time that the zone skips or repeats is refused.
    pub fn to_utc(&self, date: NaiveDate, time: NaiveTime) -> Result<DateTime<Utc>, RuleBroken> {
        if !DATED_YEARS.contains(&date.year()) {
            return Err(RuleBroken::DateOutOfRange { date });
        }
        match self.zone.from_local_datetime(&date.and_time(time)) {
            LocalResult::Single(at) => Ok(at.with_timezone(&Utc)),
            LocalResult::None => Err(RuleBroken::NonexistentLocalTime { date, time, zone: self.zone }),
            LocalResult::Ambiguous(..) => Err(RuleBroken::AmbiguousLocalTime { date, time, zone: self.zone }),
        }
    }

    /// The window of a local date between two local times; `end` 00:00 is the midnight at the day's end.
    pub fn window_on(&self, date: NaiveDate, start: NaiveTime, end: NaiveTime) -> Result<Window, RuleBroken> {
        let next_day = || date.checked_add_days(Days::new(1)).ok_or(RuleBroken::DateOutOfRange { date });
        let end_date = if end == NaiveTime::MIN { next_day()? } else { date };
        let (starts_at, ends_at) = (self.to_utc(date, start)?, self.to_utc(end_date, end)?);
        Window::new(starts_at, ends_at).map_err(|_| RuleBroken::Empty)
    }

    /// The slots offered on a local date, in order: slot by slot through the open hours, without those that the rules
    /// refuse at `now` and those whose local times do not exist or exist twice.
    pub fn slots_on(&self, date: NaiveDate, now: DateTime<Utc>) -> Vec<Window> {
        let Some(hours) = self.working_hours(date) else { return vec![] };
        let minutes = |time: NaiveTime| time.signed_duration_since(NaiveTime::MIN).num_minutes();
        let closes = if hours.to == NaiveTime::MIN { 24 * 60 } else { minutes(hours.to) };
        let step = i64::from(self.slot_minutes.max(1));
        let time = |minute: i64| NaiveTime::MIN + TimeDelta::minutes(minute);
        std::iter::successors(Some(minutes(hours.from)), |start| Some(start + step))
            .take_while(|start| start + step <= closes)
            .filter_map(|start| self.window_on(date, time(start), time(start + step)).ok())
            .filter(|window| self.check(window, now).is_ok())
            .collect()
    }

    /// Whether these rules can be kept at all.
    pub fn validate(&self) -> Result<(), LabError> {
        let hours = || self.open_hours.iter().chain(self.weekday_hours.values().flatten());
        let (in_order, whole) =
            (hours().all(OpenHours::are_in_order), hours().all(OpenHours::are_whole_minutes));
        let faults = [
            (self.min_minutes == 0, "`min_minutes` is 1 or more"),
            (self.min_minutes > self.max_minutes, "`min_minutes` is at most `max_minutes`"),
            (
                TimeDelta::minutes(self.max_minutes.into()) > LONGEST,
                "`max_minutes` is at most 10080, seven days",
            ),
            (
                self.slot_minutes == 0 || self.slot_minutes > 24 * 60,
                "`slot_minutes` is from 1 to 1440, a day",
            ),
            (self.days_ahead > MOST_DAYS_AHEAD, "`days_ahead` is at most 3660"),
            (self.lead_minutes > 60 * 24 * 365, "`lead_minutes` is at most 525600, a year"),
            (
                self.lead_minutes > 0 && self.lead_minutes >= self.days_ahead.saturating_mul(60 * 24),
                "`lead_minutes` are less than `days_ahead` have: else nothing could be booked",
            ),
            (self.buffer_s > 24 * 3600, "`buffer_s` is at most 86400, a day"),
            (self.closures.len() > MOST_CLOSURES, "`closures` are at most 1000"),
            (self.viewer_limit == 0 || self.viewer_limit > MOST_VIEWERS, "`viewer_limit` is from 1 to 64"),
            (
                self.watch_minutes == 0 || self.watch_minutes > 24 * 60,
                "`watch_minutes` is from 1 to 1440, a day",
            ),
            (!in_order, "`open_hours` and `weekday_hours` have `from` before `to`"),
            (!whole, "`open_hours` and `weekday_hours` are whole minutes"),
        ];
        match faults.iter().find(|(is_fault, _)| *is_fault) {
            Some((_, fault)) => Err(LabError::InvalidRules(fault)),
            None => Ok(()),
        }
    }
}

mod zone_name {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|_| D::Error::custom("not the name of a time zone"))
    }
}
