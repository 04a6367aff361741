//! What an agent is told at its start.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::ffmpeg::CameraInput;
use super::health::Health;
use super::rate::{DEFAULT_MAX_BPS, MIN_BPS};

/// How an agent runs.
#[derive(Clone)]
pub struct AgentConfig {
    /// The server's address: `http://host:port` or `https://host:port`.
    pub server: String,
    /// The robot's credential, as `POST /admin/robots/{id}/credentials` showed it.
    pub token: String,
    /// One source per camera, at least one.
    pub sources: Vec<Source>,
    /// A name for the picture and the logs. The server knows the robot by its credential alone.
    pub name: String,
    /// A file with certificates (PEM) of authorities to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Highest bit rate of a camera, bits per second.
    pub max_bps: u32,
    /// The program that makes the robot stand still in an emergency; its whole path.
    pub on_stop: Option<PathBuf>,
    /// Where the agent tells how it is.
    pub health: Health,
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
    pub fn new(server: String, token: String, sources: Vec<Source>, name: String) -> Self {
        let health = Health::new(&name);
        Self { server, token, sources, name, ca_file: None, max_bps: DEFAULT_MAX_BPS, on_stop: None, health }
    }

    pub(super) fn check(&self) -> Result<(), AgentError> {
        if self.sources.is_empty() {
            return Err(AgentError::NoSource);
        }
        if self.max_bps < MIN_BPS {
            return Err(AgentError::MaxBitrate);
        }
        if let Some(program) = self.on_stop.as_ref().filter(|path| !path.is_absolute() || !path.is_file()) {
            return Err(AgentError::OnStop(program.clone()));
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
    #[error("the highest bit rate is below {} kbit/s, of which no picture can be made", MIN_BPS / 1000)]
    MaxBitrate,
    #[error("{} is no program to stop the robot with: give its whole path, as in /usr/local/bin/halt-robot", .0.display())]
    OnStop(PathBuf),
    #[error(transparent)]
    Endpoint(#[from] super::endpoint::EndpointError),
}

/// Where a camera's picture comes from: `[NAME=]test`, `[NAME=]v4l2:DEVICE` or `[NAME=]rtsp://…`. Without a name the camera is
/// `main`.
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
    /// A camera that `ffmpeg` reads.
    Camera(CameraInput),
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
    #[error(
        "`{0}` is no source: use `test`, `v4l2:/dev/video0` or `rtsp://HOST/PATH`, with `NAME=` in front or without"
    )]
    Unknown(String),
    #[error("this is no address of a camera: use `rtsp://HOST/PATH`, or `rtsp://USER:PASSWORD@HOST/PATH`")]
    Rtsp,
    #[error("`{0}` is no camera's device: use its path, as in `v4l2:/dev/video0`")]
    Device(String),
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
        Ok(Self { camera: camera.to_owned(), kind: kind.parse()? })
    }
}

impl FromStr for SourceKind {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text == "test" {
            return Ok(Self::Test);
        }
        if let Some(device) = text.strip_prefix("v4l2:") {
            // Not a path: could be an option of ffmpeg's.
            return match device.starts_with('/') {
                true => Ok(Self::Camera(CameraInput::V4l2(device.into()))),
                false => Err(SourceError::Device(device.to_owned())),
            };
        }
        // Not shown: it may hold a password.
        if text.starts_with("rtsp:") || text.starts_with("rtsps:") {
            let url = text.parse().map_err(|()| SourceError::Rtsp)?;
            return Ok(Self::Camera(CameraInput::Rtsp(url)));
        }
        Err(SourceError::Unknown(text.to_owned()))
    }
}

impl fmt::Display for SourceKind {
    /// Names the source, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test => f.write_str("test"),
            Self::Camera(input) => input.fmt(f),
            Self::Filler(_) => f.write_str("filler"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, &str), SourceError>) {
        let parsed = text.parse::<Source>().map(|source| (source.camera, source.kind.to_string()));
        assert_eq!(parsed, expected.map(|(camera, kind)| (camera.to_owned(), kind.to_owned())), "{text}");
    }

    #[test]
    fn sources_are_read() {
        check("test", Ok(("main", "test")));
        check("left=test", Ok(("left", "test")));
        check("rtsp://10.0.0.2/stream?a=b", Ok(("main", "rtsp://10.0.0.2/stream")));
        check("front=rtsp://u:p@10.0.0.2/stream", Ok(("front", "rtsp://10.0.0.2/stream")));
        check("v4l2:/dev/video0", Ok(("main", "v4l2:/dev/video0")));
        check("rear=v4l2:/dev/video2", Ok(("rear", "v4l2:/dev/video2")));
        check("v4l2:-i", Err(SourceError::Device("-i".into())));
        check("rtsp:nowhere", Err(SourceError::Rtsp));
        check("webcam", Err(SourceError::Unknown("webcam".into())));
        check("=test", Err(SourceError::Name(String::new())));
        check("a b=test", Err(SourceError::Name("a b".into())));
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let config =
            AgentConfig::new("http://127.0.0.1".into(), "secret-token".into(), vec![], "arm-1".into());
        assert!(!format!("{config:?}").contains("secret-token"));
    }

    #[test]
    fn cameras_need_a_source_and_names_of_their_own() {
        let source = |text: &str| text.parse::<Source>().expect("a source");
        let config = |sources| AgentConfig::new(String::new(), String::new(), sources, String::new());
        assert!(matches!(config(vec![]).check(), Err(AgentError::NoSource)));
        let twice = config(vec![source("test"), source("test")]).check();
        assert!(matches!(twice, Err(AgentError::CameraTwice(name)) if name == "main"));
        assert!(config(vec![source("test"), source("left=test")]).check().is_ok());
    }
}
