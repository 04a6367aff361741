//! Stored facts are a contract: every event has a golden file, which is what it is written as and what it is read from.
//!
//! With `CURFEW_WRITE_GOLDEN` set, missing files are written; an existing one is never changed, since logs that hold the
//! event in that form exist.

mod golden_samples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use curfew_domain::{AccountEvent, BookingEvent, Fact, LabEvent, RobotEvent, RoomEvent};

fn folder(stream: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(stream)
}

fn check(stream: &str, names: &[&str], samples: Vec<Fact>) {
    let sampled: BTreeSet<String> = samples.iter().map(Fact::event_type).collect();
    let known: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(sampled, known, "every event of {stream} needs a sample in golden_samples/{stream}.rs");
    let mut forms: BTreeMap<String, usize> = BTreeMap::new();
    for fact in samples {
        assert_eq!(fact.aggregate_type(), stream);
        let form = forms.entry(fact.event_type()).or_default();
        *form += 1;
        // An event that grew has one file for each form that logs hold.
        let suffix = if *form == 1 { String::new() } else { format!(".{form}") };
        check_sample(&fact, &folder(stream).join(format!("{}{suffix}.json", fact.event_type())));
    }
    let files: BTreeSet<String> = std::fs::read_dir(folder(stream))
        .expect("the folder of golden files")
        .map(|entry| {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            name.split('.').next().unwrap_or_default().to_owned()
        })
        .collect();
    assert_eq!(files, known, "a golden file without an event: logs that hold it could not be read");
}

fn check_sample(fact: &Fact, path: &Path) {
    let payload = golden_samples::payload(fact);
    if !path.exists() && std::env::var_os("CURFEW_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        let text = serde_json::to_string_pretty(&payload).expect("serialises");
        std::fs::write(path, text + "\n").expect("the golden file is written");
    }
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    let golden: serde_json::Value = serde_json::from_str(&text).expect("a golden file is JSON");
    assert_eq!(payload, golden, "{} is not what the event is written as", path.display());
    let read = Fact::decode(fact.aggregate_type(), &fact.event_type(), "1", golden).expect("decodes");
    assert_eq!(&read, fact, "{} is not read as what it was", path.display());
}

#[test]
fn robot_events_are_stored_as_in_their_golden_files() {
    check("robot", RobotEvent::NAMES, golden_samples::robot::samples());
}

#[test]
fn booking_events_are_stored_as_in_their_golden_files() {
    check("booking", BookingEvent::NAMES, golden_samples::booking::samples());
}

#[test]
fn room_events_are_stored_as_in_their_golden_files() {
    check("room", RoomEvent::NAMES, golden_samples::room::samples());
}

#[test]
fn account_events_are_stored_as_in_their_golden_files() {
    check("account", AccountEvent::NAMES, golden_samples::account::samples());
}

#[test]
fn lab_events_are_stored_as_in_their_golden_files() {
    check("lab", LabEvent::NAMES, golden_samples::lab::samples());
}

#[test]
fn what_a_newer_version_wrote_is_refused_by_name() {
    let refused = |stream, event, version| {
        Fact::decode(stream, event, version, serde_json::Value::Null).expect_err("is refused").to_string()
    };
    assert!(refused("booking", "Teleported", "1").contains("booking.Teleported in version 1"));
    assert!(refused("booking", "Requested", "2").contains("booking.Requested in version 2"));
    assert!(refused("garden", "Requested", "1").contains("garden"));
    assert!(refused("booking", "Requested", "1").contains("cannot be read"));
}
