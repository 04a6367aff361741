//! How `ffmpeg` is called for a camera, and what it says without the camera's secrets. It is found by its name in `PATH`.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

/// Fits the picture into what H.264 level 3.1 allows (1280 × 720), with even sides, without ever enlarging it.
const FIT: &str =
    "scale=w='min(1280,iw)':h='min(720,ih)':force_original_aspect_ratio=decrease:force_divisible_by=2";
/// Asked of a local camera: what nearly every one does at 30 frames a second, compressed or not.
const V4L2_SIZE: &str = "640x480";

/// Over TCP, since cameras sit behind anything; 5 s without a word from the camera are a failure; and half a second of looking
/// at the stream, where ffmpeg's default makes the first picture come after 2.5 s instead of 1.2.
const RTSP_OPTIONS: &str =
    "option rtsp_transport tcp\noption timeout 5000000\noption analyzeduration 500000\n";

/// A camera that `ffmpeg` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraInput {
    /// A local camera's device.
    V4l2(PathBuf),
    Rtsp(RtspUrl),
}

/// `rtsp://…`, with the user and password that it may hold; shown without.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspUrl {
    url: String,
    shown: String,
    secrets: Vec<String>,
}

/// A child process that writes YUV4MPEG2 to its stdout.
#[derive(Clone, Debug)]
pub(super) struct CameraCommand {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    /// What it reads. Other processes see a command line, but not this.
    pub(super) stdin: Stdin,
}

#[derive(Clone, Default)]
pub(super) struct Stdin(pub(super) String);

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl CameraInput {
    pub(super) fn command(&self) -> CameraCommand {
        let before: &[&str] = match self {
            Self::V4l2(_) => &["-f", "v4l2", "-video_size", V4L2_SIZE, "-i"],
            // A list with one entry: the only way to give ffmpeg an address that is not on its command line.
            Self::Rtsp(_) => &[
                "-protocol_whitelist",
                "pipe,rtsp,rtsps,tls,tcp,udp,rtp,srtp,crypto",
                "-f",
                "concat",
                "-safe",
                "0",
                "-i",
            ],
        };
        let (input, stdin) = match self {
            Self::V4l2(device) => (device.clone().into_os_string(), String::new()),
            Self::Rtsp(url) => ("pipe:0".into(), url.playlist()),
        };
        let quiet = ["-hide_banner", "-loglevel", "error", "-fflags", "nobuffer", "-flags", "low_delay"];
        let after = ["-an", "-sn", "-dn", "-vf", FIT, "-fps_mode", "passthrough", "-pix_fmt", "yuv420p"];
        let mut args: Vec<OsString> = quiet.iter().chain(before).map(OsString::from).collect();
        args.push(input);
        args.extend(after.iter().chain(&["-f", "yuv4mpegpipe", "pipe:1"]).map(OsString::from));
        CameraCommand { program: "ffmpeg".into(), args, stdin: Stdin(stdin) }
    }

    /// The text without what the address holds of secrets.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        match self {
            Self::V4l2(_) => text.to_owned(),
            Self::Rtsp(url) => {
                let text = text.replace(&url.url, &url.shown);
                url.secrets.iter().fold(text, |text, secret| text.replace(secret, "***"))
            }
        }
    }
}

impl fmt::Display for CameraInput {
    /// Names the camera, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4l2(device) => write!(f, "v4l2:{}", device.display()),
            Self::Rtsp(url) => f.write_str(&url.shown),
        }
    }
}

impl RtspUrl {
    fn playlist(&self) -> String {
        let quoted = self.url.replace('\'', r"'\''");
        format!("ffconcat version 1.0\nfile '{quoted}'\n{RTSP_OPTIONS}")
    }
}

impl FromStr for RtspUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // A line break would be another line of the playlist.
        if text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(());
        }
        let uri: Uri = text.parse().map_err(|_| ())?;
        let (Some(scheme @ ("rtsp" | "rtsps")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(());
        };
        let (user, host) = authority.as_str().rsplit_once('@').unwrap_or(("", authority.as_str()));
        let password = user.split_once(':').map_or("", |(_, password)| password);
        let secrets = [user, password, uri.query().unwrap_or_default()];
        Ok(Self {
            url: text.to_owned(),
            shown: format!("{scheme}://{host}{}", uri.path()),
            secrets: secrets.into_iter().filter(|secret| !secret.is_empty()).map(str::to_owned).collect(),
        })
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtsp(text: &str) -> CameraInput {
        CameraInput::Rtsp(text.parse().unwrap_or_else(|()| panic!("{text}")))
    }

    #[test]
    fn an_address_secrets_are_on_no_command_line_and_in_no_text() {
        let input = rtsp("rtsp://admin:s3cret@10.0.0.2:554/stream?token=abc");
        assert_eq!(input.to_string(), "rtsp://10.0.0.2:554/stream");
        let command = input.command();
        assert!(command.stdin.0.contains("s3cret"));
        for text in [format!("{command:?}"), format!("{input:?}"), format!("{:?}", command.args)] {
            assert!(!text.contains("s3cret") && !text.contains("token=abc"), "{text}");
        }
        let said =
            "rtsp://admin:s3cret@10.0.0.2:554/stream?token=abc: 401, user admin:s3cret, password s3cret";
        assert_eq!(input.without_secrets(said), "rtsp://10.0.0.2:554/stream: 401, user ***, password ***");
    }

    #[test]
    fn an_address_stays_one_entry_of_the_list() {
        let input = rtsp("rtsp://cam/a'b");
        assert!(input.command().stdin.0.contains("file 'rtsp://cam/a'\\''b'\n"));
        for text in ["rtsp://cam/a\nfile 'x'", "rtsp://cam/a b", "rtsp:", "rtsp:///x", "http://cam/", ""] {
            assert_eq!(text.parse::<RtspUrl>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn a_local_camera_is_read_by_its_device() {
        let command = CameraInput::V4l2("/dev/video0".into()).command();
        let at = command.args.iter().position(|arg| arg == "-i").expect("an input");
        assert_eq!(command.args[at + 1], "/dev/video0");
    }
}
