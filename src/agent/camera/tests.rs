//! Cameras that are shell scripts: real child processes, killed and stalled.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::*;
use crate::agent::health::{CameraState, Health};
use crate::agent::pictures::{Fresh, Pictures};
use crate::clock::SystemClock;

const LONG: Duration = Duration::from_secs(20);
/// Writes its id to `pid`, holds the pipe `alive` open, and sends a picture now and then.
const SENDS: &str = r#"cd "$0"; exec 9>alive; echo $$ >pid
printf 'YUV4MPEG2 W16 H16 F30:1\n'
while :; do printf 'FRAME\n'; head -c 384 /dev/zero; sleep 0.02; done"#;

const SHORT: Patience = Patience {
    first: Duration::from_secs(10),
    next: Duration::from_secs(10),
    linger: Duration::ZERO,
    restart: Duration::from_millis(20),
};

struct Scripted {
    camera: Camera,
    health: Health,
    folder: TempDir,
}

impl Scripted {
    fn start(script: &str, patience: Patience) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let args = ["-c".into(), script.into(), folder.path().into()];
        let command = CameraCommand { program: "sh".into(), args: args.into(), ..command() };
        Self::start_command(command, patience, folder)
    }

    fn start_command(command: CameraCommand, patience: Patience, folder: TempDir) -> Self {
        let health = Health::new("arm-1");
        let of_camera = health.camera("main", "script");
        let hide = |text: &str| text.replace("s3cret", "***");
        let camera = Camera::start(command, patience, hide, of_camera, SystemClock::shared());
        Self { camera, health, folder }
    }

    fn pictures(&self) -> (Pictures, watch::Receiver<Option<Arc<Shot>>>) {
        (Pictures::Camera(self.camera.pictures()), self.camera.shots.subscribe())
    }

    fn failures(&self) -> Vec<String> {
        self.health.status().failures.into_iter().map(|failure| failure.what).collect()
    }
}

fn command() -> CameraCommand {
    CameraCommand { program: "sh".into(), args: Vec::new(), stdin: crate::agent::ffmpeg::Stdin::default() }
}

/// Waits for a picture of another run than `run`; its run.
async fn run_after(run: u64, shots: &mut watch::Receiver<Option<Arc<Shot>>>) -> u64 {
    let is_later = |shot: &Option<Arc<Shot>>| shot.as_ref().is_some_and(|shot| shot.run > run);
    let shot = timeout(LONG, shots.wait_for(is_later)).await.expect("a picture").expect("supervised");
    shot.as_ref().map_or(0, |shot| shot.run)
}

fn pid(folder: &Path) -> Pid {
    let text = std::fs::read_to_string(folder.join("pid")).expect("its id");
    Pid::from_raw(text.trim().parse().expect("a number")).expect("not 0")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_killed_comes_back_with_a_picture_to_start_from() {
    let scripted = Scripted::start(SENDS, SHORT);
    let (mut pictures, mut shots) = scripted.pictures();
    let first = run_after(0, &mut shots).await;
    assert_eq!(pictures.next(), Fresh::First);
    kill_process(pid(scripted.folder.path()), Signal::KILL).expect("killed");
    assert!(run_after(first, &mut shots).await > first);
    assert_eq!(pictures.next(), Fresh::First, "the encoder starts from a key frame again");
    assert_eq!(scripted.failures(), ["camera main: it ended"]);
    assert_ne!(scripted.health.status().cameras[0].state, CameraState::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_stalls_is_started_again() {
    let once = r"printf 'YUV4MPEG2 W16 H16\nFRAME\n'; head -c 384 /dev/zero; exec sleep 600";
    let scripted = Scripted::start(once, Patience { next: Duration::from_millis(50), ..SHORT });
    let (_pictures, mut shots) = scripted.pictures();
    let first = run_after(0, &mut shots).await;
    run_after(first, &mut shots).await;
    assert_eq!(scripted.failures(), ["camera main: no picture for 50ms"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_runs_only_while_somebody_wants_its_pictures() {
    let scripted = Scripted::start(SENDS, SHORT);
    let alive = scripted.folder.path().join("alive");
    let made = std::process::Command::new("mkfifo").arg(&alive).status().expect("runs");
    assert!(made.success());
    // Ends when the last process that holds the pipe's other end does.
    let ended = tokio::fs::read(alive.clone());
    let (pictures, mut shots) = scripted.pictures();
    let ended = tokio::spawn(ended);
    let first = run_after(0, &mut shots).await;
    drop((pictures, shots));
    timeout(LONG, ended).await.expect("the process ended").expect("read").expect("read");
    // Read by the next one's end.
    let ended = tokio::spawn(tokio::fs::read(alive));
    let (mut pictures, mut shots) = scripted.pictures();
    run_after(first, &mut shots).await;
    assert_eq!(pictures.next(), Fresh::First);
    assert_eq!(scripted.failures(), Vec::<String>::new());
    drop(scripted);
    timeout(LONG, ended).await.expect("no process outlives its camera").expect("read").expect("read");
}

/// Waits until a failure is told; the first.
async fn failure(scripted: &Scripted) -> String {
    let (_pictures, _shots) = scripted.pictures();
    let told = async {
        loop {
            if let Some(failure) = scripted.failures().into_iter().next() {
                return failure;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, told).await.expect("a failure")
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_camera_is_lost_is_told_in_its_own_last_words_without_secrets() {
    let scripted = Scripted::start("echo first >&2; echo 'user s3cret: 401 Unauthorized' >&2; exit 1", SHORT);
    // A camera of which nobody wants pictures is not lost.
    let _wanted = scripted.pictures();
    assert_eq!(failure(&scripted).await, "camera main: it ended: user ***: 401 Unauthorized");
    assert_eq!(scripted.health.status().cameras[0].state, CameraState::Lost);
    let folder = tempfile::tempdir().expect("a folder");
    let missing = CameraCommand { program: "curfew-no-such-program".into(), ..command() };
    let scripted = Scripted::start_command(missing, SHORT, folder);
    assert!(failure(&scripted).await.contains("apt install ffmpeg"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_sends_something_else_is_a_failure_like_any() {
    let scripted = Scripted::start("echo hello; exec sleep 600", SHORT);
    assert_eq!(failure(&scripted).await, "camera main: this is no YUV4MPEG2 stream: `hello`");
}
