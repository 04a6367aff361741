//! What an agent is told at its start.

use std::fmt;
use std::str::FromStr;

/// How an agent runs.
#[derive(Clone)]
pub struct AgentConfig {
    /// The server's address: `http://host:port`.
    pub server: String,
    /// The robot's credential, as `POST /admin/robots/{id}/credentials` showed it.
    pub token: String,
    /// One source per camera, at least one.
    pub sources: Vec<Source>,
    /// A name for the picture and the logs. The server knows the robot by its credential alone.
    pub name: String,
}

impl fmt::Debug for AgentConfig {
    /// Leaves the token out, so that no log can show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentConfig")
            .field("server", &self.server)
            .field("sources", &self.sources)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl AgentConfig {
    pub(super) fn check(&self) -> Result<(), AgentError> {
        if self.sources.is_empty() {
            return Err(AgentError::NoSource);
        }
        for (index, source) in self.sources.iter().enumerate() {
            if self.sources[..index].iter().any(|earlier| earlier.camera == source.camera) {
                return Err(AgentError::CameraTwice(source.camera.clone()));
            }
        }
        Ok(())
    }
}

/// Why an agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("no source: give at least one, such as `test`")]
    NoSource,
    #[error("two sources are named `{0}`: name them, as in `left=test`")]
    CameraTwice(String),
    #[error(transparent)]
    Endpoint(#[from] super::client::EndpointError),
}

/// Where a camera's picture comes from: `[NAME=]test`. Without a name the camera is `main`.
#[derive(Clone, Debug)]
pub struct Source {
    /// The camera's name, the id of its track.
    pub camera: String,
    pub kind: SourceKind,
}

#[derive(Clone, Debug)]
pub enum SourceKind {
    /// A drawn picture that moves, with a clock and the stamp of `protocol::stamp`.
    Test,
    /// Packets without a picture, for measuring what relays them. Not for the command line.
    Filler(Filler),
}

/// What a filler source sends, and a place to see that it does.
#[derive(Clone, Debug)]
pub struct Filler {
    /// Packets of 1,100 bytes, RTP header included.
    pub packets_per_second: u32,
    /// Counts the packets handed to the peer connection.
    pub sent: tokio::sync::watch::Sender<u64>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("{0} sources are not available yet in this version: use `test`")]
    NotAvailable(&'static str),
    #[error("`{0}` is no source: use `test` or `NAME=test`")]
    Unknown(String),
    #[error("`{0}` is no camera name: up to 32 letters, digits, `-` and `_`")]
    Name(String),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        // A URL may hold `=` too, but only behind its colon.
        let (camera, kind) = match text.split_once('=') {
            Some((name, kind)) if !name.contains(':') => (name, kind),
            _ => ("main", text),
        };
        let is_name = !camera.is_empty()
            && camera.len() <= 32
            && camera.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_name {
            return Err(SourceError::Name(camera.to_owned()));
        }
        match kind {
            "test" => Ok(Self { camera: camera.to_owned(), kind: SourceKind::Test }),
            _ if kind.starts_with("rtsp:") || kind.starts_with("rtsps:") => {
                Err(SourceError::NotAvailable("rtsp"))
            }
            _ if kind.starts_with("v4l2:") => Err(SourceError::NotAvailable("v4l2")),
            _ => Err(SourceError::Unknown(kind.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, SourceError>) {
        let parsed = text.parse::<Source>().map(|source| source.camera);
        assert_eq!(parsed, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn sources_are_read() {
        check("test", Ok("main"));
        check("left=test", Ok("left"));
        check("rtsp://10.0.0.2/stream?a=b", Err(SourceError::NotAvailable("rtsp")));
        check("front=rtsp://10.0.0.2/stream", Err(SourceError::NotAvailable("rtsp")));
        check("v4l2:/dev/video0", Err(SourceError::NotAvailable("v4l2")));
        check("webcam", Err(SourceError::Unknown("webcam".into())));
        check("=test", Err(SourceError::Name(String::new())));
        check("a b=test", Err(SourceError::Name("a b".into())));
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let config = AgentConfig {
            server: "http://127.0.0.1:8080".into(),
            token: "secret-token".into(),
            sources: vec![],
            name: "arm-1".into(),
        };
        assert!(!format!("{config:?}").contains("secret-token"));
    }

    #[test]
    fn cameras_need_a_source_and_names_of_their_own() {
        let source = |text: &str| text.parse::<Source>().expect("a source");
        let config = |sources| AgentConfig {
            server: String::new(),
            token: String::new(),
            sources,
            name: String::new(),
        };
        assert!(matches!(config(vec![]).check(), Err(AgentError::NoSource)));
        let twice = config(vec![source("test"), source("test")]).check();
        assert!(matches!(twice, Err(AgentError::CameraTwice(name)) if name == "main"));
        assert!(config(vec![source("test"), source("left=test")]).check().is_ok());
    }
}
