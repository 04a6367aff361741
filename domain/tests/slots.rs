//! Slots and windows under random rules, in zones whose clocks change, against an oracle that looks at every minute.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use curfew_domain::{Day, LabRules, OpenHours, RuleBroken, Window};
use proptest::prelude::*;

/// Clocks that change at two, at midnight, by half an hour, in the south, and never.
const ZONES: [Tz; 7] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::America__Havana,
    Tz::Australia__Lord_Howe,
    Tz::America__Santiago,
    Tz::Asia__Kolkata,
];

/// Days around the changes of 2026 in those zones, and one without any.
const DAYS: [(i32, u32, u32); 9] = [
    (2026, 3, 8),
    (2026, 3, 29),
    (2026, 4, 5),
    (2026, 4, 4),
    (2026, 7, 15),
    (2026, 9, 6),
    (2026, 10, 4),
    (2026, 10, 25),
    (2026, 11, 1),
];

fn time(minute: u32) -> NaiveTime {
    NaiveTime::MIN + TimeDelta::minutes(i64::from(minute % 1_440))
}

prop_compose! {
    fn hours()(from in 0_u32..1_380, length in 15_u32..1_440) -> OpenHours {
        OpenHours { from: time(from), to: time((from + length).min(1_440)) }
    }
}

prop_compose! {
    fn rules()(
        zone in prop::sample::select(ZONES.to_vec()),
        open_hours in prop::option::weighted(0.8, hours()),
        slot_minutes in prop::sample::select(vec![15_u32, 30, 45, 60, 90, 240]),
        (min_minutes, more) in (1_u32..90, 0_u32..300),
        days_ahead in 0_u32..40,
        lead in prop::sample::select(vec![0_u32, 30, 1_440]),
        closed in prop::option::weighted(0.2, day()),
        week in prop::collection::btree_map(weekday(), prop::option::weighted(0.7, hours()), 0..4),
    ) -> LabRules {
        // Rules that leave nothing to be booked are refused.
        let lead_minutes = if lead < days_ahead * 1_440 { lead } else { 0 };
        LabRules {
            zone, open_hours, slot_minutes, min_minutes, max_minutes: min_minutes + more, days_ahead,
            lead_minutes, closures: closed.into_iter().collect(), weekday_hours: week, ..LabRules::default()
        }
    }
}

fn weekday() -> impl Strategy<Value = Day> {
    use Day::*;
    prop::sample::select(vec![Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday])
}

fn day() -> impl Strategy<Value = NaiveDate> {
    (prop::sample::select(DAYS.to_vec()), -1_i64..=1).prop_map(|((year, month, day), off)| {
        NaiveDate::from_ymd_opt(year, month, day).expect("a date") + TimeDelta::days(off)
    })
}

/// Whether the lab is open at an instant.
fn is_open(rules: &LabRules, at: DateTime<Utc>) -> bool {
    let local = at.with_timezone(&rules.zone).naive_local();
    let minute = local.time().hour() * 60 + local.time().minute();
    let of_day = rules.weekday_hours.iter().find(|(day, _)| {
        // As chrono writes it, in another way than the rules find it.
        format!("{day:?}") == local.format("%A").to_string()
    });
    if of_day.is_some_and(|(_, hours)| hours.is_none()) {
        return false;
    }
    let is_within = of_day.map_or(rules.open_hours, |(_, hours)| *hours).is_none_or(|hours| {
        let of = |time: NaiveTime| time.hour() * 60 + time.minute();
        let to = if hours.to == NaiveTime::MIN { 1_440 } else { of(hours.to) };
        of(hours.from) <= minute && minute < to
    });
    is_within && !rules.closures.contains(&local.date())
}

/// Whether the rules allow a window of whole minutes, said in another way than theirs.
fn allows(rules: &LabRules, window: &Window, now: DateTime<Utc>) -> bool {
    let minutes = u32::try_from(window.length().num_minutes()).unwrap_or_default();
    let starts_in = window.starts_at - now;
    let in_time = rules.lead_minutes == 0 || starts_in >= TimeDelta::minutes(rules.lead_minutes.into());
    (rules.min_minutes..=rules.max_minutes).contains(&minutes)
        && window.ends_at > now
        && in_time
        && starts_in <= TimeDelta::days(rules.days_ahead.into())
        && (0..minutes).all(|minute| is_open(rules, window.starts_at + TimeDelta::minutes(minute.into())))
}

fn noon_before(date: NaiveDate, hours: i64) -> DateTime<Utc> {
    date.and_hms_opt(12, 0, 0).expect("a time").and_utc() - TimeDelta::hours(hours)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_slot_that_is_offered_can_be_booked_by_its_local_times(
        rules in rules(), date in day(), hours_before in 0_i64..200,
    ) {
        prop_assert_eq!(rules.validate(), Ok(()));
        let now = noon_before(date, hours_before);
        let mut last: Option<Window> = None;
        for slot in rules.slots_on(date, now) {
            prop_assert!(allows(&rules, &slot, now), "{slot:?}");
            let local = |at: DateTime<Utc>| at.with_timezone(&rules.zone).naive_local();
            prop_assert_eq!(local(slot.starts_at).date(), date);
            let again = rules.window_on(date, local(slot.starts_at).time(), local(slot.ends_at).time());
            prop_assert_eq!(again, Ok(slot));
            prop_assert!(last.is_none_or(|last| last.ends_at <= slot.starts_at), "in order, one after another");
            last = Some(slot);
        }
    }

    #[test]
    fn nothing_outside_the_rules_can_be_booked_and_all_within_can(
        rules in rules(), date in day(), hours_before in 0_i64..200,
        start in -1_440_i64..2_880, minutes in 0_i64..400,
    ) {
        let now = noon_before(date, hours_before);
        let starts_at = date.and_time(NaiveTime::MIN).and_utc() + TimeDelta::minutes(start);
        let window = Window { starts_at, ends_at: starts_at + TimeDelta::minutes(minutes) };
        let verdict = rules.check(&window, now);
        prop_assert_eq!(verdict.is_ok(), allows(&rules, &window, now), "{:?}", verdict);
        if let Err(broken) = verdict {
            prop_assert!(broken.to_string().ends_with('.'), "a sentence: {broken}");
        }
    }

    #[test]
    fn a_local_time_is_one_instant_or_refused_with_its_reason(
        rules in rules(), date in day(), minute in 0_u32..1_440,
    ) {
        let local = date.and_time(time(minute));
        // Every instant whose local time this is, found by looking at each.
        let around = local.and_utc() - TimeDelta::hours(26);
        let found = (0..52 * 60).map(|minute| around + TimeDelta::minutes(minute));
        let found: Vec<_> =
            found.filter(|at| at.with_timezone(&rules.zone).naive_local() == local).collect();
        match (rules.to_utc(date, time(minute)), found.as_slice()) {
            (Ok(at), [one]) => prop_assert_eq!(at, *one),
            (Err(RuleBroken::NonexistentLocalTime { .. }), []) => {}
            (Err(RuleBroken::AmbiguousLocalTime { .. }), [_, _]) => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

fn berlin(slot_minutes: u32) -> LabRules {
    let zone = Tz::Europe__Berlin;
    LabRules {
        zone,
        open_hours: None,
        slot_minutes,
        min_minutes: 15,
        days_ahead: 3_000,
        ..LabRules::default()
    }
}

fn count(rules: &LabRules, month: u32, day: u32) -> usize {
    let now = DateTime::from_timestamp(1_767_225_600, 0).expect("the first of January 2026");
    rules.slots_on(NaiveDate::from_ymd_opt(2026, month, day).expect("a date"), now).len()
}

#[test]
fn days_of_twenty_three_and_twenty_five_hours_offer_what_their_local_times_can_name() {
    assert_eq!(count(&berlin(60), 7, 15), 24);
    // 02:00 does not exist: neither does the slot that begins then, nor the one that ends then.
    assert_eq!(count(&berlin(60), 3, 29), 22);
    // 02:00 to 03:00 exists twice: nor can the slots that begin or end within it be named.
    assert_eq!(count(&berlin(60), 10, 25), 22);
}

#[test]
fn a_window_may_cross_midnight_where_the_lab_is_open_around_it() {
    let midnight = NaiveTime::MIN;
    let whole_day = OpenHours { from: midnight, to: midnight };
    let now = DateTime::from_timestamp(1_783_900_800, 0).expect("2026-07-13");
    let starts_at = DateTime::from_timestamp(1_784_062_800, 0).expect("2026-07-14T21:00Z, 23:00 in Berlin");
    let window = Window { starts_at, ends_at: starts_at + TimeDelta::hours(2) };
    let open = |hours| LabRules { open_hours: hours, ..berlin(60) };
    assert_eq!(open(None).check(&window, now), Ok(()));
    assert_eq!(open(Some(whole_day)).check(&window, now), Ok(()));
    let evening = OpenHours { from: time(8 * 60), to: midnight };
    assert!(matches!(open(Some(evening)).check(&window, now), Err(RuleBroken::OutsideOpenHours { .. })));
    let closed =
        LabRules { closures: vec![NaiveDate::from_ymd_opt(2026, 7, 15).expect("a date")], ..open(None) };
    assert!(matches!(closed.check(&window, now), Err(RuleBroken::ClosedOn { .. })));
    let until_midnight = Window { ends_at: starts_at + TimeDelta::hours(1), ..window };
    assert_eq!(closed.check(&until_midnight, now), Ok(()), "the midnight at a day's end is not the next day");
}
