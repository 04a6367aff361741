//! The configuration of a server: defaults, then a TOML file, then `CURFEW_*`, then flags; each may set every key.
//!
//! Only shapes and their validation live here. Whoever uses a part of it is handed that part by `app.rs`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::telemetry::LogFormat;

/// Everything that `curfew serve` may be told. Durations carry their unit in the key's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address of HTTP and WebSocket.
    pub listen: SocketAddr,
    /// The folder of the embedded database.
    pub data: PathBuf,
    /// The lab's IANA time zone, for rules about days and hours.
    pub zone: String,
    /// What people type to get here, such as `https://robots.example.org`; without it, the listen address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Whether people may register themselves.
    pub registration: bool,
    /// Origins of other sites whose pages may call this server, `https://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// Networks of proxies in front of this server, whose `Forwarded` or `X-Forwarded-For` names the client.
    pub trusted_proxies: Vec<IpNet>,
    /// A `tracing` filter, such as `info` or `curfew=debug`.
    pub log: String,
    pub log_format: LogFormat,
    pub metrics: MetricsSection,
    pub tls: TlsSection,
    pub media: MediaSection,
    pub limits: Limits,
    pub sessions: Sessions,
}

/// The keys of [`Config`].
const KEYS: [&str; 14] = [
    "listen",
    "data",
    "zone",
    "public_url",
    "registration",
    "allowed_origins",
    "trusted_proxies",
    "log",
    "log_format",
    "metrics",
    "tls",
    "media",
    "limits",
    "sessions",
];

/// Who reads `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSection {
    /// Networks whose addresses need not sign in for it.
    pub allow: Vec<IpNet>,
}

/// The certificate of `listen`; without one it is plain HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// PEM, its chain after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, its chain after it.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

impl TlsSection {
    pub fn files(&self) -> Option<CertificateFiles> {
        let (certificate, key) = (self.certificate.clone()?, self.key.clone()?);
        Some(CertificateFiles { certificate, key })
    }
}

/// The media port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaSection {
    pub listen: SocketAddr,
    /// The addresses put into candidates; empty takes those of this machine.
    pub advertise: Vec<IpAddr>,
    /// How long before a deadline the gate shuts.
    pub guard_ms: u64,
    /// Packets waiting for one viewer before its oldest is dropped.
    pub queue_packets: usize,
}

/// Bounds on what one client can make the server hold or do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open TCP connections, WebSockets included.
    pub connections: usize,
    /// Those of one address, and requests at a time of one behind a trusted proxy; 0 for no bound.
    pub connections_per_address: usize,
    /// Time for the head of a request to arrive, and for a connection to stay idle.
    pub header_timeout_ms: u64,
    /// Time for the body of a request to arrive.
    pub body_timeout_ms: u64,
    /// How long a client may take nothing of what it is sent.
    pub write_timeout_ms: u64,
    /// Time for a WebSocket to register.
    pub register_timeout_ms: u64,
    /// How long a WebSocket may be silent; it is pinged three times in it.
    pub silence_timeout_ms: u64,
    /// The longest request body.
    pub body_bytes: usize,
    /// The longest signaling message.
    pub message_bytes: usize,
    pub candidates_per_peer: usize,
    pub messages_per_second: u32,
    pub message_burst: u32,
    /// Registered WebSockets of one account or robot at a time.
    pub connections_per_account: usize,
    /// Passwords hashed at the same time; each takes 19 MiB and some tens of milliseconds of a core.
    pub password_hashes: usize,
    /// Sign-ins waiting for their turn, past which the answer is 429.
    pub sign_ins_waiting: usize,
    /// Wrong passwords for one e-mail from one address in a minute, past which the answer is 429.
    pub wrong_passwords_per_minute: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    /// How long a sign-in lasts.
    pub token_minutes: u64,
    /// How long a one-time link may be used.
    pub link_minutes: u64,
    /// How long a shutdown waits for requests that are being answered.
    pub drain_ms: u64,
    /// The wall clock is right although it is behind the log: sessions run without waiting for it to catch up.
    pub confirm_clock: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("configuration: {0}")]
    Malformed(Box<figment::Error>),
    #[error("configuration: `{key}` {problem}")]
    Invalid { key: &'static str, problem: String },
}

/// What the command line says; `None` leaves a key as it is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
}

impl Config {
    /// Reads the configuration of this process. A `file` that is named has to exist.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
            figment = figment.merge(Toml::string(&text));
        }
        let config: Self = figment
            .merge(Env::prefixed("CURFEW_").filter(|name| is_known(name.as_str())).split("__"))
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| ConfigError::Malformed(Box::new(error)))?;
        config.validate()?;
        Ok(config)
    }

    /// The lab's zone. `load` has checked that it exists.
    pub fn time_zone(&self) -> chrono_tz::Tz {
        self.zone.parse().unwrap_or(chrono_tz::UTC)
    }

    /// The base of links for people, without a slash at the end. `bound` stands in where nothing is configured.
    pub fn base_url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.files().is_some() { "https" } else { "http" };
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if bound.ip().is_unspecified() => format!("{scheme}://localhost:{}", bound.port()),
            None => format!("{scheme}://{bound}"),
        }
    }

    /// Checks what types alone do not say.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key, problem: &str| Err(ConfigError::Invalid { key, problem: problem.to_owned() });
        if self.zone.parse::<chrono_tz::Tz>().is_err() {
            return invalid(
                "zone",
                &format!("has to be an IANA time zone; there is none named {:?}", self.zone),
            );
        }
        if self.public_url.as_deref().is_some_and(|url| origin_of(url).is_none()) {
            return invalid("public_url", "has to begin with http:// or https:// and name a host");
        }
        if self.allowed_origins.iter().any(|origin| origin_of(origin) != Some(origin.as_str())) {
            return invalid("allowed_origins", "takes origins, https://host[:port] with no path");
        }
        if self.media.advertise.iter().any(IpAddr::is_unspecified) {
            return invalid("media.advertise", "takes addresses that clients can reach, not 0.0.0.0 or ::");
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return invalid("tls", "needs both `certificate` and `key`, or neither");
        }
        if self.media.guard_ms > 1_000 {
            return invalid("media.guard_ms", "is at most 1000");
        }
        let positive = [
            ("media.queue_packets", self.media.queue_packets),
            ("limits.connections", self.limits.connections),
            ("limits.body_bytes", self.limits.body_bytes),
            ("limits.message_bytes", self.limits.message_bytes),
            ("limits.candidates_per_peer", self.limits.candidates_per_peer),
            ("limits.connections_per_account", self.limits.connections_per_account),
            ("limits.password_hashes", self.limits.password_hashes),
            ("limits.messages_per_second", self.limits.messages_per_second as usize),
            ("limits.message_burst", self.limits.message_burst as usize),
            ("limits.header_timeout_ms", clamp(self.limits.header_timeout_ms)),
            ("limits.body_timeout_ms", clamp(self.limits.body_timeout_ms)),
            ("limits.write_timeout_ms", clamp(self.limits.write_timeout_ms)),
            ("limits.register_timeout_ms", clamp(self.limits.register_timeout_ms)),
            // A third of it is how often pings go out.
            ("limits.silence_timeout_ms", clamp(self.limits.silence_timeout_ms / 3)),
            ("sessions.token_minutes", clamp(self.sessions.token_minutes)),
            ("sessions.link_minutes", clamp(self.sessions.link_minutes)),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => invalid(key, "has to be more than 0"),
            None => Ok(()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data: PathBuf::from("curfew-data"),
            zone: "UTC".to_owned(),
            public_url: None,
            registration: false,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            metrics: MetricsSection::default(),
            tls: TlsSection::default(),
            media: MediaSection {
                listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8189)),
                advertise: Vec::new(),
                guard_ms: 2,
                queue_packets: 512,
            },
            limits: Limits {
                connections: 4_096,
                connections_per_address: 512,
                header_timeout_ms: 10_000,
                body_timeout_ms: 10_000,
                write_timeout_ms: 30_000,
                register_timeout_ms: 10_000,
                silence_timeout_ms: 30_000,
                body_bytes: 256 * 1024,
                message_bytes: 64 * 1024,
                candidates_per_peer: 64,
                messages_per_second: 100,
                message_burst: 200,
                connections_per_account: 16,
                password_hashes: 2,
                sign_ins_waiting: 64,
                wrong_passwords_per_minute: 10,
            },
            sessions: Sessions {
                token_minutes: 12 * 60,
                link_minutes: 15,
                drain_ms: 5_000,
                confirm_clock: false,
            },
        }
    }
}

impl Limits {
    pub fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }
}

/// The origin (RFC 6454) at the head of a URL: scheme, host and port. None where it is no http(s) URL.
pub fn origin_of(url: &str) -> Option<&str> {
    let authority_at = ["https://", "http://"].iter().find(|scheme| url.starts_with(**scheme))?.len();
    let authority = &url[authority_at..];
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let plausible =
        end > 0 && authority[..end].bytes().all(|b| b.is_ascii_graphic() && b != b'@' && b != b'\\');
    plausible.then(|| &url[..authority_at + end])
}

/// Whether a variable's name, without its prefix, begins with a key. Others that happen to begin with `CURFEW_` are somebody
/// else's; one that names a section and then nothing in it is still refused.
fn is_known(name: &str) -> bool {
    let first = name.split("__").next().unwrap_or_default();
    KEYS.iter().any(|key| first.eq_ignore_ascii_case(key))
}

fn clamp(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
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
        let sample = include_str!("../deploy/curfew.toml");
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
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error =
            Config::load(Some(Path::new("/nowhere/curfew.toml")), &Flags::default()).expect_err("fails");
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
}
