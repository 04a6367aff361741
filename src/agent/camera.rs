//! A camera that a child process reads: runs while somebody wants its pictures, is started again whenever it ends, fails or
//! stalls. One process for each camera, however many peer connections show it: a device can be opened only once.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::backoff::Backoff;
use super::ffmpeg::{CameraCommand, CameraInput};
use super::health::CameraHealth;
use super::pictures::{CameraPictures, Shot};
use super::y4m::{Y4m, Y4mError};
use crate::clock::SharedClock;

/// How long to wait for what.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For the first picture: a camera on the network negotiates, and waits for a key frame.
    pub(super) first: Duration,
    /// Between pictures.
    pub(super) next: Duration,
    /// Before a camera that nobody wants any more is let go: a new peer connection may come in a moment.
    pub(super) linger: Duration,
    /// Longest wait before it is started again.
    pub(super) restart: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(15),
            next: Duration::from_secs(3),
            linger: Duration::from_secs(3),
            restart: Duration::from_secs(5),
        }
    }
}

/// Of the pictures' pipe, bytes.
const READ_AHEAD: usize = 256 * 1024;
/// What is kept of the words with which the child ends, bytes.
const LAST_WORDS: usize = 2048;
const SAID_WITHIN: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
enum CameraError {
    #[error("`{0}` is not installed: install it, on Debian with `apt install ffmpeg`")]
    NotInstalled(String),
    #[error("`{0}` cannot be started: {1}")]
    NotStarted(String, std::io::Error),
    #[error("no picture within {0:?}: is the camera on, and does it send?")]
    NoPicture(Duration),
    #[error("no picture for {0:?}")]
    Stalled(Duration),
    #[error("it ended")]
    Ended,
    #[error("it ended: {0}")]
    Failed(String),
    #[error(transparent)]
    Pictures(#[from] Y4mError),
}

/// A camera's supervised process. Ends, and its process with it, when the last handle is dropped.
pub(super) struct Camera {
    shots: Arc<watch::Sender<Option<Arc<Shot>>>>,
    wanted: Arc<Notify>,
    supervising: tokio::task::JoinHandle<()>,
}

impl Camera {
    pub(super) fn of(input: &CameraInput, health: CameraHealth, clock: SharedClock) -> Self {
        let secretive = input.clone();
        let hide = move |text: &str| secretive.without_secrets(text);
        Self::start(input.command(), Patience::default(), hide, health, clock)
    }

    fn start(
        command: CameraCommand,
        patience: Patience,
        hide: impl Fn(&str) -> String + Send + 'static,
        health: CameraHealth,
        clock: SharedClock,
    ) -> Self {
        let shots = Arc::new(watch::Sender::new(None));
        let wanted = Arc::new(Notify::new());
        let supervisor = Supervisor {
            command,
            patience,
            hide: Box::new(hide),
            health,
            clock,
            shots: Arc::clone(&shots),
            run: 0,
            lost: None,
        };
        let supervising = tokio::spawn(supervisor.supervise(Arc::clone(&wanted)));
        Self { shots, wanted, supervising }
    }

    /// Its pictures from now on; the camera is started if it is not running.
    pub(super) fn pictures(&self) -> CameraPictures {
        let pictures = CameraPictures::new(self.shots.subscribe());
        self.wanted.notify_one();
        pictures
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.supervising.abort();
    }
}

struct Supervisor {
    command: CameraCommand,
    patience: Patience,
    hide: Box<dyn Fn(&str) -> String + Send>,
    health: CameraHealth,
    clock: SharedClock,
    shots: Arc<watch::Sender<Option<Arc<Shot>>>>,
    run: u64,
    /// Why the camera is lost, as it was told.
    lost: Option<String>,
}

impl Supervisor {
    async fn supervise(mut self, wanted: Arc<Notify>) {
        let mut backoff = Backoff::new(rand::random());
        loop {
            while self.shots.is_closed() {
                wanted.notified().await;
            }
            let shots = Arc::clone(&self.shots);
            let linger = self.patience.linger;
            tokio::select! {
                () = self.keep_running(&mut backoff) => {}
                () = unwanted(&shots, linger) => {
                    // An old picture is shown to nobody of a later session.
                    self.shots.send_replace(None);
                    self.lost = None;
                    self.health.back();
                    backoff.reset();
                }
            }
        }
    }

    async fn keep_running(&mut self, backoff: &mut Backoff) {
        loop {
            self.run += 1;
            let run_before = self.shots.borrow().as_ref().map(|shot| shot.run);
            let Err(error) = self.run_once().await;
            let brought_pictures = self.shots.borrow().as_ref().map(|shot| shot.run) != run_before;
            if brought_pictures {
                backoff.reset();
            }
            let reason = (self.hide)(&error.to_string());
            if self.lost.as_ref() != Some(&reason) {
                tracing::warn!(
                    camera = self.health.name(),
                    reason,
                    "camera lost: viewers see its last picture; it is started again until it comes back"
                );
            }
            self.health.lost(self.clock.wall(), &reason);
            self.lost = Some(reason);
            tokio::time::sleep(backoff.next(self.patience.restart)).await;
        }
    }

    /// Pictures until the process ends or says nothing for too long. It is killed when this future is dropped.
    async fn run_once(&mut self) -> Result<std::convert::Infallible, CameraError> {
        let mut child = self.spawn()?;
        let stderr = child.stderr.take();
        let stdin = child.stdin.take().zip(Some(self.command.stdin.0.clone()));
        let Some(stdout) = child.stdout.take() else { return Err(CameraError::Ended) };
        // Read as it comes: a child blocks when nobody takes what it says.
        let words = tokio::spawn(last_words(stderr));
        if let Some((mut stdin, text)) = stdin {
            // A child that does not read says why on its stderr.
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        let ended = self.read(BufReader::with_capacity(READ_AHEAD, stdout)).await;
        if !matches!(ended, Err(CameraError::Ended)) {
            return ended;
        }
        match timeout(SAID_WITHIN, words).await {
            Ok(Ok(said)) if !said.is_empty() => Err(CameraError::Failed(said)),
            _ => ended,
        }
    }

    fn spawn(&self) -> Result<Child, CameraError> {
        let name = || self.command.program.to_string_lossy().into_owned();
        Command::new(&self.command.program)
            .args(&self.command.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => CameraError::NotInstalled(name()),
                _ => CameraError::NotStarted(name(), error),
            })
    }

    async fn read(
        &mut self,
        stdout: BufReader<tokio::process::ChildStdout>,
    ) -> Result<std::convert::Infallible, CameraError> {
        let Patience { first, next, .. } = self.patience;
        let opened = timeout(first, Y4m::open(stdout)).await;
        let mut stream = opened.map_err(|_| CameraError::NoPicture(first))??.ok_or(CameraError::Ended)?;
        let mut patience = first;
        loop {
            let image = timeout(patience, stream.picture()).await;
            let image = image.map_err(|_| CameraError::Stalled(patience))??.ok_or(CameraError::Ended)?;
            patience = next;
            self.came(image, stream.size());
        }
    }

    fn came(&mut self, image: super::image::Image, size: (usize, usize)) {
        let is_first = self.shots.borrow().as_ref().is_none_or(|shot| shot.run != self.run);
        if is_first {
            let what = if self.lost.take().is_some() { "camera back" } else { "camera on" };
            tracing::info!(camera = self.health.name(), width = size.0, height = size.1, "{what}");
            self.health.back();
        }
        self.shots.send_replace(Some(Arc::new(Shot { run: self.run, image })));
    }
}

/// Ends when nobody has wanted pictures for a while.
async fn unwanted(shots: &watch::Sender<Option<Arc<Shot>>>, linger: Duration) {
    loop {
        shots.closed().await;
        tokio::time::sleep(linger).await;
        if shots.is_closed() {
            return;
        }
    }
}

/// The last line of what a child says, once it says no more.
pub(super) async fn last_words(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut said = Vec::new();
    let mut chunk = [0; 512];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        said.extend_from_slice(chunk.get(..count).unwrap_or_default());
        said.drain(..said.len().saturating_sub(LAST_WORDS));
    }
    let said = String::from_utf8_lossy(&said);
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
