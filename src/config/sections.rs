//! The sections: each a table of the file, with its keys, their defaults and their units.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

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
    /// Whether peers may connect to the port over TCP as well, where their network lets no UDP through.
    pub tcp: bool,
    /// How long before a deadline the gate shuts.
    pub guard_ms: u64,
    /// Packets of one stream waiting for one viewer before its oldest is dropped.
    pub queue_packets: usize,
}

impl Default for MediaSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8189)),
            advertise: Vec::new(),
            tcp: true,
            guard_ms: 2,
            queue_packets: 512,
        }
    }
}

/// Bounds on what one client can make the server hold or do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open TCP connections, WebSockets included.
    pub connections: usize,
    /// Those of one address, and requests at a time of one behind a trusted proxy; 0 for no bound.
    pub connections_per_address: usize,
    /// Open TCP connections on the media port, and those of one address.
    pub media_connections: usize,
    pub media_connections_per_address: usize,
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

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_per_address: 512,
            media_connections: 1_024,
            media_connections_per_address: 256,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    /// How long a sign-in lasts.
    pub token_minutes: u64,
    /// How long a one-time link may be used.
    pub link_minutes: u64,
    /// How long a request waits to be decided, or recorded, before the answer is 202.
    pub answer_ms: u64,
    /// How long a shutdown waits for requests that are being answered.
    pub drain_ms: u64,
    /// The wall clock is right although it is behind the log: sessions run without waiting for it to catch up.
    pub confirm_clock: bool,
}

impl Sessions {
    pub fn answer_within(&self) -> Duration {
        Duration::from_millis(self.answer_ms)
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            token_minutes: 12 * 60,
            link_minutes: 15,
            answer_ms: 2_000,
            drain_ms: 5_000,
            confirm_clock: false,
        }
    }
}
