use super::*;

fn load(toml: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("curfew.toml");
    std::fs::write(&file, toml).expect("written");
    Config::load(Some(&file), &Flags::default())
}

fn refused(toml: &str, expected: &str) {
    let error = load(toml).expect_err(toml).to_string();
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(load("").expect("loads"), Config::default());
}

#[test]
fn the_sample_holds_the_defaults() {
    let sample = include_str!("../../deploy/curfew.toml");
    assert_eq!(load(sample).expect("loads"), Config::default());
    // Each key that is commented out is one that exists.
    let all: String = sample.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        },
    );
    load(&all).expect("loads with every key set");
}

#[test]
fn the_file_is_overridden_by_the_flags() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("curfew.toml");
    std::fs::write(&file, "zone = \"Europe/Berlin\"\nlisten = \"127.0.0.1:1\"\n[media]\nguard_ms = 3\n")
        .expect("written");
    let flags = Flags { listen: Some(([127, 0, 0, 1], 2).into()), ..Flags::default() };
    let config = Config::load(Some(&file), &flags).expect("loads");
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.media.guard_ms, 3);
    assert_eq!(config.time_zone(), chrono_tz::Europe::Berlin);
    assert_eq!(config.limits, Config::default().limits);
}

#[test]
fn every_key_may_come_from_the_environment_and_nothing_else_does() {
    let config = Config { public_url: Some("https://x".into()), ..Config::default() };
    let json = serde_json::to_value(&config).expect("serialises");
    let keys: Vec<_> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys.len(), KEYS.len());
    assert!(keys.iter().all(|key| is_known(&key.to_uppercase())));
    assert!(is_known("MEDIA__GUARD_MS") && !is_known("BIN") && !is_known("MEDIAN__X"));
}

#[test]
fn errors_name_the_key() {
    refused("listen = \"nowhere\"", "listen");
    refused("[media]\nguard_ms = \"two\"", "media.guard_ms");
    refused("[media]\nguard_ms = 5000", "`media.guard_ms` is at most 1000");
    refused("lisen = \"127.0.0.1:1\"", "lisen");
    refused("zone = \"Mars/Olympus\"", "`zone`");
    refused("public_url = \"robots.example\"", "`public_url`");
    refused("allowed_origins = [\"https://a.example/x\"]", "`allowed_origins`");
    refused("[media]\nadvertise = [\"0.0.0.0\"]", "`media.advertise`");
    refused("[tls]\nkey = \"key.pem\"", "`tls` needs both");
    refused("[limits]\nconnections = 0", "`limits.connections`");
    let endless = i64::MAX;
    for (section, key) in [
        ("limits", "message_bytes"),
        ("limits", "password_hashes"),
        ("limits", "sign_ins_waiting"),
        ("sessions", "token_minutes"),
        ("sessions", "link_minutes"),
    ] {
        refused(&format!("[{section}]\n{key} = {endless}"), &format!("`{section}.{key}` is at most"));
    }
}

#[test]
fn errors_are_in_the_words_of_who_wrote_the_file() {
    refused("listen = 8080", "expected an address, such as \"127.0.0.1:8080\" for key \"listen\"");
    refused("[limits]\nconnections = \"many\"", "expected a whole number, 0 or more for key");
    refused("trusted_proxies = \"10.0.0.0/8\"", "expected a list, such as");
    refused("log_format = \"xml\"", "found `xml`, expected `text` or `json` for key");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/curfew.toml")), &Flags::default()).expect_err("fails");
    assert!(error.to_string().contains("/nowhere/curfew.toml"));
}

#[test]
fn links_begin_with_what_people_can_type() {
    let mut config = Config::default();
    assert_eq!(config.base_url(([0, 0, 0, 0], 8080).into()), "http://localhost:8080");
    assert_eq!(config.base_url(([10, 0, 0, 1], 80).into()), "http://10.0.0.1:80");
    config.public_url = Some("https://robots.example/".into());
    assert_eq!(config.base_url(([0, 0, 0, 0], 8080).into()), "https://robots.example");
}
