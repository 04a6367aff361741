//! The configuration of a server: defaults, then a TOML file, then `CURFEW_*`, then flags; each may set every key.
//!
//! Only shapes and their validation live here. Whoever uses a part of it is handed that part by `app.rs`.

mod sections;
#[cfg(test)]
mod tests;

pub use sections::{CertificateFiles, Limits, MediaSection, MetricsSection, Sessions, TlsSection};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

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

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("configuration: {0}")]
    Malformed(String),
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

/// An error as figment tells it, in the words of who wrote the file or set the variable, not of the program's types.
fn in_words(error: &figment::Error, file: Option<&Path>) -> String {
    const FROM_ENVIRONMENT: &str = " in `CURFEW_` environment variable(s)";
    let file = file.map(|file| file.display().to_string()).unwrap_or_default();
    let mut text = error.to_string().replace("\"default.", "\"").replace("TOML source string", &file);
    if let Some((said, key)) =
        text.strip_suffix(FROM_ENVIRONMENT).and_then(|text| text.strip_suffix('"')?.rsplit_once("for key \""))
    {
        text = format!("{said}in CURFEW_{}", key.replace('.', "__"));
    }
    [
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected a sequence", "expected a list, such as [\"…\", \"…\"]"),
        ("expected socket address", "expected an address, such as \"127.0.0.1:8080\""),
        ("invalid socket address syntax", "an address is an IP address and a port, such as 127.0.0.1:8080"),
        ("found unsigned int", "found"),
        ("found signed int", "found"),
        ("unsigned int", "number"),
        ("signed int", "number"),
        ("expected `one of `", "expected one of `"),
        ("expected ``", "expected `"),
        ("`` ", "` "),
    ]
    .into_iter()
    .fold(text, |text, (words, better)| text.replace(words, better))
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
            .map_err(|error| ConfigError::Malformed(in_words(&error, file)))?;
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
        let at_most = [
            ("media.guard_ms", self.media.guard_ms, 1_000),
            // What is computed of greater ones would overflow.
            ("limits.message_bytes", self.limits.message_bytes as u64, 16 * 1024 * 1024),
            ("limits.password_hashes", self.limits.password_hashes as u64, 1_000),
            ("limits.sign_ins_waiting", self.limits.sign_ins_waiting as u64, 1_000_000),
            ("sessions.token_minutes", self.sessions.token_minutes, 366 * 24 * 60),
            ("sessions.link_minutes", self.sessions.link_minutes, 366 * 24 * 60),
        ];
        if let Some((key, _, most)) = at_most.iter().find(|(_, value, most)| value > most) {
            return invalid(key, &format!("is at most {most}"));
        }
        let positive = [
            ("media.queue_packets", self.media.queue_packets),
            ("limits.connections", self.limits.connections),
            ("limits.media_connections", self.limits.media_connections),
            ("limits.media_connections_per_address", self.limits.media_connections_per_address),
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
            ("sessions.answer_ms", clamp(self.sessions.answer_ms)),
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
            media: MediaSection::default(),
            limits: Limits::default(),
            sessions: Sessions::default(),
        }
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
