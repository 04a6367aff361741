use chrono::{NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Europe::Berlin;

use super::*;
use crate::testing::*;
use crate::{Reason, Refusal, Window};

use LabCommand as C;
use LabEvent as E;

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2027, month, day).expect("a date")
}

fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).expect("a time")
}

/// 09:00 to 18:00 in Berlin; `at(0)` is 09:00 there.
fn berlin() -> LabRules {
    LabRules { zone: Berlin, ..LabRules::default() }
}

fn check(rules: &LabRules, from: i64, to: i64, expected: Result<(), RuleBroken>) {
    assert_eq!(rules.check(&window(from, to), at(0)), expected);
}

#[test]
fn a_window_keeps_to_the_open_hours_of_the_labs_zone() {
    let hours = berlin().open_hours.expect("open hours");
    let outside = Err(RuleBroken::OutsideOpenHours { hours, zone: Berlin });
    check(&berlin(), 0, 60, Ok(()));
    check(&berlin(), 8 * 60, 9 * 60, Ok(()));
    check(&berlin(), 9 * 60, 10 * 60, outside.clone());
    check(&berlin(), 8 * 60 + 30, 9 * 60 + 30, outside.clone());
    check(&LabRules::default(), 0, 60, Err(RuleBroken::OutsideOpenHours { hours, zone: chrono_tz::UTC }));
    assert_eq!(outside.map_err(|broken| broken.reason()), Err(Reason::OutsideRules));
}

#[test]
fn a_window_may_end_at_the_midnight_at_which_the_lab_closes() {
    let rules = LabRules { open_hours: Some(OpenHours { from: time(9, 0), to: time(0, 0) }), ..berlin() };
    check(&rules, 14 * 60, 15 * 60, Ok(()));
    let hours = rules.open_hours.expect("open hours");
    check(&rules, 14 * 60 + 30, 15 * 60 + 30, Err(RuleBroken::OutsideOpenHours { hours, zone: Berlin }));
}

#[test]
fn a_window_has_a_shortest_and_a_longest_length() {
    check(&berlin(), 0, 29, Err(RuleBroken::TooShort { min_minutes: 30 }));
    check(&berlin(), 0, 30, Ok(()));
    check(&berlin(), 0, 120, Ok(()));
    check(&berlin(), 0, 121, Err(RuleBroken::TooLong { max_minutes: 120 }));
    check(&berlin(), 30, 30, Err(RuleBroken::Empty));
}

#[test]
fn a_window_may_be_booked_until_its_end_unless_there_is_a_lead_time() {
    let at_noon = at(180);
    let begun = window(150, 210);
    assert_eq!(berlin().check(&begun, at_noon), Ok(()));
    assert_eq!(berlin().check(&begun, at(210)), Err(RuleBroken::Over));
    let rules = LabRules { lead_minutes: 60, ..berlin() };
    assert_eq!(rules.check(&begun, at_noon), Err(RuleBroken::TooLate { lead_minutes: 60 }));
    assert_eq!(rules.check(&window(240, 300), at_noon), Ok(()));
}

#[test]
fn bookings_are_taken_a_number_of_days_ahead() {
    let days = 24 * 60;
    check(&berlin(), 30 * days, 30 * days + 60, Ok(()));
    check(&berlin(), 31 * days, 31 * days + 60, Err(RuleBroken::TooFarAhead { days_ahead: 30 }));
}

#[test]
fn a_closed_day_takes_no_windows_but_its_eve_does() {
    let rules = LabRules { open_hours: None, closures: vec![day(1, 16)], ..berlin() };
    let midnight = 15 * 60;
    check(&rules, midnight - 60, midnight, Ok(()));
    check(&rules, midnight - 30, midnight + 30, Err(RuleBroken::ClosedOn { date: day(1, 16) }));
    check(&rules, midnight + 24 * 60, midnight + 25 * 60, Ok(()));
}

#[test]
fn what_people_are_told_of_a_day_is_what_holds_on_it() {
    let usual = berlin().open_hours;
    // 2027-01-16 is a Saturday.
    let week = [(Day::Saturday, None)].into();
    let rules = LabRules { closures: vec![day(1, 18)], weekday_hours: week, ..berlin() };
    let told = |date| rules.working_hours(date);
    assert_eq!([told(day(1, 15)), told(day(1, 16)), told(day(1, 18))], [usual, None, None]);
    let always = LabRules { open_hours: None, ..rules }.working_hours(day(1, 15));
    assert_eq!(always, Some(OpenHours { from: NaiveTime::MIN, to: NaiveTime::MIN }));
}

#[test]
fn the_demo_takes_any_hour_and_any_length_from_a_minute() {
    check(&LabRules::demo(), 14 * 60, 14 * 60 + 1, Ok(()));
    check(&LabRules::demo(), 0, 24 * 60, Ok(()));
    assert_eq!(LabRules::demo().validate(), Ok(()));
}

#[test]
fn a_local_time_is_converted_by_the_zones_offset_of_that_day() {
    let utc = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
    assert_eq!(berlin().to_utc(day(1, 15), time(9, 0)), Ok(utc("2027-01-15T08:00:00Z")));
    assert_eq!(berlin().to_utc(day(7, 15), time(9, 0)), Ok(utc("2027-07-15T07:00:00Z")));
}

#[test]
fn a_local_time_that_does_not_exist_or_exists_twice_is_refused() {
    let (spring, autumn) = (day(3, 28), day(10, 31));
    let nonexistent = RuleBroken::NonexistentLocalTime { date: spring, time: time(2, 30), zone: Berlin };
    assert_eq!(berlin().to_utc(spring, time(2, 30)), Err(nonexistent.clone()));
    let ambiguous = RuleBroken::AmbiguousLocalTime { date: autumn, time: time(2, 30), zone: Berlin };
    assert_eq!(berlin().to_utc(autumn, time(2, 30)), Err(ambiguous.clone()));
    assert!(LabError::from(nonexistent).detail().contains("does not exist in Europe/Berlin"));
    assert!(LabError::from(ambiguous).detail().contains("exists twice"));
}

#[test]
fn a_window_over_a_change_of_the_clocks_has_its_true_length() {
    let window = berlin().window_on(day(3, 28), time(1, 0), time(4, 0)).expect("both times exist");
    assert_eq!(window.length(), TimeDelta::hours(2));
    let until_midnight = berlin().window_on(day(1, 15), time(23, 0), time(0, 0)).expect("a window");
    assert_eq!(until_midnight.length(), TimeDelta::hours(1));
    assert_eq!(berlin().window_on(day(1, 15), time(10, 0), time(9, 0)), Err(RuleBroken::Empty));
}

#[test]
fn the_slots_of_a_day_fill_the_open_hours() {
    let slots = berlin().slots_on(day(1, 15), at(0));
    assert_eq!(slots.len(), 9);
    assert_eq!(slots[0], window(0, 60));
    assert_eq!(slots[8], window(480, 540));
    assert_eq!(berlin().slots_on(day(1, 15), at(60)).len(), 8, "what is over is not offered");
    assert!(berlin().slots_on(day(3, 15), at(0)).is_empty(), "too far ahead");
    let all_day = LabRules { open_hours: None, ..berlin() };
    assert_eq!(all_day.slots_on(day(1, 20), at(0)).len(), 24);
}

#[test]
fn slots_that_meet_a_change_of_the_clocks_are_left_out() {
    let rules = LabRules { open_hours: None, days_ahead: 400, ..berlin() };
    let starts =
        |date| rules.slots_on(date, at(0)).iter().map(|slot: &Window| slot.length()).collect::<Vec<_>>();
    assert!(starts(day(3, 28)).iter().all(|length| *length == TimeDelta::hours(1)));
    assert_eq!(starts(day(3, 28)).len(), 22, "01:00-02:00 and 02:00-03:00 have an end that does not exist");
}

#[test]
fn rules_that_cannot_be_kept_are_refused() {
    let refused = |rules: LabRules| rules.validate().is_err();
    assert!(refused(LabRules { min_minutes: 0, ..berlin() }));
    assert!(refused(LabRules { min_minutes: 121, ..berlin() }));
    assert!(refused(LabRules { max_minutes: u32::MAX, ..berlin() }));
    assert!(refused(LabRules { slot_minutes: 0, ..berlin() }));
    assert!(refused(LabRules { viewer_limit: 0, ..berlin() }));
    assert!(refused(LabRules { days_ahead: u32::MAX, ..berlin() }));
    assert!(refused(LabRules {
        open_hours: Some(OpenHours { from: time(9, 0), to: time(9, 0) }),
        ..berlin()
    }));
}

#[test]
fn changed_rules_are_a_fact_and_the_same_rules_are_none() {
    let change = C::ChangeRules { rules: Box::new(berlin()), by: admin(), reason_hash: None };
    let lab = nothing::<Lab>()
        .when(change.clone())
        .then(&[E::RulesChanged { rules: Box::new(berlin()), by: Some(admin()), reason_hash: None }])
        .when(change)
        .then_nothing();
    assert_eq!(lab.state().rules(), &berlin());
}

#[test]
fn the_servers_life_and_the_clocks_steps_are_facts() {
    let start = C::RecordServerStarted { version: "0.1.0".into(), stopped_between: None, now: at(0) };
    nothing::<Lab>()
        .when(C::RecordServerStopped { now: at(0) })
        .then_nothing()
        .and(start)
        .when(C::RecordClockStepped { from: at(1), to: at(1) })
        .then_nothing()
        .when(C::RecordClockStepped { from: at(1), to: at(0) })
        .then(&[E::ClockStepped { from: at(1), to: at(0), by_us: -60_000_000 }])
        .when(C::RecordServerStopped { now: at(2) })
        .then(&[E::ServerStopped { stopped_at: at(2) }]);
}

#[test]
fn dates_far_out_are_refused_and_never_a_panic() {
    for date in [NaiveDate::MIN, NaiveDate::MAX] {
        let out_of_range = Err(RuleBroken::DateOutOfRange { date });
        assert_eq!(berlin().window_on(date, time(10, 0), time(11, 0)), out_of_range);
        assert!(berlin().window_on(date, time(23, 0), time(0, 0)).is_err());
        assert!(berlin().slots_on(date, at(0)).is_empty());
    }
    let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    for (starts_at, ends_at) in
        [(first, last), (last, last), (last - TimeDelta::hours(1), last), (first, at(0))]
    {
        assert!(berlin().check(&Window { starts_at, ends_at }, at(0)).is_err());
    }
}
