//! How an agent is doing: told by its parts, read by whoever shows it or watches over it. Holds no token and no camera's address.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::stop::StopStatus;

/// Failures that are remembered.
const FAILURES: usize = 5;
/// Longest text of a failure, bytes.
const TEXT_MAX: usize = 300;
/// Frames and bytes are counted over at least this long.
const WINDOW: Duration = Duration::from_secs(1);
/// After so long without a frame a camera's counts say nothing any more.
const SILENT: Duration = Duration::from_secs(3);

/// The whole of it, as `curfew robot status` shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The robot's name, as the command line gave it.
    pub name: String,
    pub server: ServerStatus,
    /// When the open session ends; none outside one.
    pub session_ends_at: Option<DateTime<Utc>>,
    /// Why no media reaches the server in the open session; none where it does.
    #[serde(default)]
    pub media_failure: Option<String>,
    /// The emergency stop that is engaged, if one is.
    #[serde(default)]
    pub emergency_stop: Option<StopStatus>,
    pub cameras: Vec<CameraStatus>,
    /// The last failures, the oldest first.
    pub failures: Vec<Failure>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    pub is_connected: bool,
    /// Since when it is so.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CameraStatus {
    pub name: String,
    /// What kind of source it is, without its address' secrets.
    pub source: String,
    pub state: CameraState,
    /// Why it is lost.
    pub reason: Option<String>,
    /// Frames sent in the last second.
    pub frames_per_second: u32,
    /// Bits sent in the last second, without RTP headers.
    pub bits_per_second: u32,
    /// What the encoder is set to.
    pub target_bps: u32,
    /// Since the last picture that the camera took.
    pub last_picture_age_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// Nobody is watching.
    #[default]
    Idle,
    /// Asked for, no picture yet.
    Starting,
    Sending,
    /// No pictures come; started again and again.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub at: DateTime<Utc>,
    pub what: String,
}

impl Status {
    /// Whether everything that should work does.
    pub fn is_healthy(&self) -> bool {
        let stop_failed = self.emergency_stop.as_ref().is_some_and(|stop| stop.failure.is_some());
        let is_lost = |camera: &CameraStatus| camera.state == CameraState::Lost;
        let media_flows = self.media_failure.is_none();
        self.server.is_connected && media_flows && !stop_failed && !self.cameras.iter().any(is_lost)
    }
}

/// Where an agent's parts tell how they are.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    started: Instant,
    told: Mutex<Told>,
    beats: Mutex<Vec<(String, Weak<AtomicU64>)>>,
}

struct Told {
    name: String,
    server: ServerStatus,
    session_ends_at: Option<DateTime<Utc>>,
    media_failure: Option<String>,
    emergency_stop: Option<StopStatus>,
    cameras: Vec<CameraHealth>,
    failures: VecDeque<Failure>,
}

impl Health {
    pub fn new(name: &str) -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            told: Mutex::new(Told {
                name: name.to_owned(),
                server: ServerStatus::default(),
                session_ends_at: None,
                media_failure: None,
                emergency_stop: None,
                cameras: Vec::new(),
                failures: VecDeque::new(),
            }),
            beats: Mutex::default(),
        }))
    }

    pub fn status(&self) -> Status {
        let told = lock(&self.0.told);
        Status {
            name: told.name.clone(),
            server: told.server.clone(),
            session_ends_at: told.session_ends_at,
            media_failure: told.media_failure.clone(),
            emergency_stop: told.emergency_stop.clone(),
            cameras: told.cameras.iter().map(CameraHealth::status).collect(),
            failures: told.failures.iter().cloned().collect(),
        }
    }

    /// The part that made no progress for longer than `limit`, and for how long.
    pub fn stuck(&self, limit: Duration) -> Option<(String, Duration)> {
        let now = self.now_ms();
        let mut beats = lock(&self.0.beats);
        beats.retain(|(_, beat)| beat.strong_count() > 0);
        let ages = beats.iter().filter_map(|(part, beat)| {
            let last = beat.upgrade()?.load(Ordering::Relaxed);
            Some((part, Duration::from_millis(now.saturating_sub(last))))
        });
        let (part, age) = ages.max_by_key(|(_, age)| *age)?;
        (age > limit).then(|| (part.clone(), age))
    }

    pub(super) fn camera(&self, name: &str, source: &str) -> CameraHealth {
        let camera = CameraHealth {
            health: Arc::downgrade(&self.0),
            name: name.to_owned(),
            source: source.to_owned(),
            meter: Arc::default(),
        };
        lock(&self.0.told).cameras.push(camera.clone());
        camera
    }

    pub(super) fn connected(&self, is_connected: bool, at: DateTime<Utc>) {
        let mut told = lock(&self.0.told);
        if told.server.is_connected != is_connected || told.server.since.is_none() {
            told.server = ServerStatus { is_connected, since: Some(at) };
        }
    }

    pub(super) fn session(&self, ends_at: Option<DateTime<Utc>>) {
        let mut told = lock(&self.0.told);
        told.session_ends_at = ends_at;
        // Outside a session nothing is sent.
        told.media_failure.take_if(|_| ends_at.is_none());
    }

    /// No media reaches the server; whether that is new.
    pub(super) fn media_failed(&self, at: DateTime<Utc>, why: &str) -> bool {
        self.0.failed(at, format!("media: {why}"));
        let why = Some(short(why.to_owned()));
        let before = std::mem::replace(&mut lock(&self.0.told).media_failure, why.clone());
        before != why
    }

    pub(super) fn media_is_back(&self) {
        lock(&self.0.told).media_failure = None;
    }

    pub(super) fn stopped(&self, stop: Option<StopStatus>) {
        lock(&self.0.told).emergency_stop = stop;
    }

    pub(super) fn failed(&self, at: DateTime<Utc>, what: String) {
        self.0.failed(at, what);
    }

    /// A part that must make progress as long as it holds the beat.
    pub fn beat(&self, part: &str) -> Beat {
        let beat = Beat { started: self.0.started, at: Arc::new(AtomicU64::new(self.now_ms())) };
        lock(&self.0.beats).push((part.to_owned(), Arc::downgrade(&beat.at)));
        beat
    }

    fn now_ms(&self) -> u64 {
        millis(self.0.started.elapsed())
    }
}

impl Inner {
    fn failed(&self, at: DateTime<Utc>, what: String) {
        let what = short(what);
        let mut told = lock(&self.told);
        // The same over and over is one failure, the last time it happened.
        told.failures.retain(|failure| failure.what != what);
        if told.failures.len() >= FAILURES {
            told.failures.pop_front();
        }
        told.failures.push_back(Failure { at, what });
    }
}

/// As much of a text as a status has room for.
pub(super) fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().find(|(index, _)| *index >= TEXT_MAX) {
        text.truncate(end);
    }
    text
}

/// Shows that a part makes progress. The monotonic clock stands still while the machine is suspended, as the part does.
pub struct Beat {
    started: Instant,
    at: Arc<AtomicU64>,
}

impl Beat {
    pub fn beat(&self) {
        self.at.store(millis(self.started.elapsed()), Ordering::Relaxed);
    }
}

/// Where one camera and its encoder tell how they are.
#[derive(Clone)]
pub(super) struct CameraHealth {
    health: Weak<Inner>,
    name: String,
    source: String,
    meter: Arc<Mutex<Meter>>,
}

#[derive(Default)]
struct Meter {
    is_streaming: bool,
    lost: Option<String>,
    target_bps: u32,
    last_picture: Option<Instant>,
    window: Option<Window>,
    /// Frames and bits per second of the last whole window.
    measured: (u32, u32),
}

struct Window {
    since: Instant,
    frames: u32,
    bytes: usize,
}

impl CameraHealth {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A stream of this camera begins or ends.
    pub(super) fn streaming(&self, is_streaming: bool) {
        let mut meter = lock(&self.meter);
        meter.is_streaming = is_streaming;
        meter.window = None;
        meter.measured = (0, 0);
    }

    /// The camera took a picture.
    pub(super) fn pictured(&self) {
        lock(&self.meter).last_picture = Some(Instant::now());
    }

    pub(super) fn back(&self) {
        lock(&self.meter).lost = None;
    }

    pub(super) fn lost(&self, at: DateTime<Utc>, reason: &str) {
        lock(&self.meter).lost = Some(reason.to_owned());
        if let Some(health) = self.health.upgrade() {
            health.failed(at, format!("camera {}: {reason}", self.name));
        }
    }

    pub(super) fn targets(&self, bits_per_second: u32) {
        lock(&self.meter).target_bps = bits_per_second;
    }

    /// A frame of so many bytes goes out.
    pub(super) fn encoded(&self, bytes: usize) {
        let now = Instant::now();
        let mut meter = lock(&self.meter);
        let window = meter.window.get_or_insert(Window { since: now, frames: 0, bytes: 0 });
        window.frames = window.frames.saturating_add(1);
        window.bytes = window.bytes.saturating_add(bytes);
        let passed = now.saturating_duration_since(window.since);
        if passed >= WINDOW {
            let per_second = |count: f64| (count / passed.as_secs_f64()) as u32;
            meter.measured = (per_second(f64::from(window.frames)), per_second(window.bytes as f64 * 8.0));
            meter.window = None;
        }
    }

    /// A beat for this camera's encoder; none where nobody watches over it.
    pub(super) fn beat(&self) -> Beat {
        match self.health.upgrade() {
            Some(inner) => Health(inner).beat(&format!("the encoder of camera {}", self.name)),
            None => Beat { started: Instant::now(), at: Arc::default() },
        }
    }

    pub(super) fn status(&self) -> CameraStatus {
        let meter = lock(&self.meter);
        let age = meter.last_picture.map(|at| at.elapsed());
        let is_fresh = age.is_some_and(|age| age < SILENT);
        let state = match (&meter.lost, meter.is_streaming) {
            (Some(_), _) => CameraState::Lost,
            (None, false) => CameraState::Idle,
            (None, true) if is_fresh => CameraState::Sending,
            (None, true) => CameraState::Starting,
        };
        let (frames_per_second, bits_per_second) = if is_fresh { meter.measured } else { (0, 0) };
        CameraStatus {
            name: self.name.clone(),
            source: self.source.clone(),
            state,
            reason: meter.lost.clone(),
            frames_per_second,
            bits_per_second,
            target_bps: meter.target_bps,
            last_picture_age_ms: age.map(millis),
        }
    }
}

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    #[test]
    fn an_agent_is_healthy_with_its_server_and_its_cameras() {
        let health = Health::new("arm-1");
        let camera = health.camera("main", "test");
        assert!(!health.status().is_healthy(), "not connected yet");
        health.connected(true, at(0));
        assert!(health.status().is_healthy());
        camera.streaming(true);
        assert_eq!(camera.status().state, CameraState::Starting);
        camera.pictured();
        assert_eq!(camera.status().state, CameraState::Sending);
        camera.lost(at(5), "unplugged");
        let status = health.status();
        assert!(!status.is_healthy());
        assert_eq!(status.cameras[0].reason.as_deref(), Some("unplugged"));
        assert_eq!(status.failures, [Failure { at: at(5), what: "camera main: unplugged".into() }]);
        camera.back();
        camera.streaming(false);
        assert_eq!(camera.status().state, CameraState::Idle);
        health.connected(false, at(9));
        assert!(!health.status().is_healthy());
    }

    #[test]
    fn a_session_whose_media_does_not_reach_the_server_is_not_healthy() {
        let health = Health::new("arm-1");
        health.connected(true, at(0));
        health.session(Some(at(60)));
        assert!(health.media_failed(at(1), "no way") && !health.media_failed(at(2), "no way"), "told once");
        let status = health.status();
        assert_eq!((status.is_healthy(), status.media_failure.as_deref()), (false, Some("no way")));
        assert_eq!(status.failures, [Failure { at: at(2), what: "media: no way".into() }]);
        health.media_is_back();
        assert!(health.status().is_healthy());
        health.media_failed(at(3), "no way");
        health.session(Some(at(90)));
        assert!(!health.status().is_healthy(), "a longer session mends nothing");
        health.session(None);
        assert!(health.status().is_healthy(), "nothing is to be sent");
    }

    #[test]
    fn since_when_is_the_first_time_that_it_was_told() {
        let health = Health::new("arm-1");
        for second in 3..6 {
            health.connected(false, at(second));
        }
        assert_eq!(health.status().server, ServerStatus { is_connected: false, since: Some(at(3)) });
    }

    #[test]
    fn few_failures_are_kept_the_same_one_once_and_none_is_long() {
        let health = Health::new("arm-1");
        for second in 0..20 {
            health.failed(at(second), format!("failure {}", second % 10));
        }
        health.failed(at(20), "ä".repeat(1_000));
        health.failed(at(21), "failure 9".into());
        let failures = health.status().failures;
        assert_eq!(failures.len(), FAILURES);
        assert!(failures.is_sorted_by_key(|failure| failure.at));
        assert!(failures.iter().all(|failure| failure.what.len() <= TEXT_MAX + 4));
        assert_eq!(failures.iter().filter(|failure| failure.what == "failure 9").count(), 1);
    }

    #[test]
    fn a_part_that_makes_no_progress_is_named_until_it_ends() {
        let health = Health::new("arm-1");
        assert_eq!(health.stuck(Duration::ZERO), None, "nobody to watch");
        let (lazy, busy) = (health.beat("lazy"), health.beat("busy"));
        let long = Duration::from_secs(60);
        assert_eq!(health.stuck(long), None);
        // As if a minute and more had passed for the one.
        let later = Instant::now().checked_sub(Duration::from_secs(90)).expect("uptime");
        let health = Health(Arc::new(Inner {
            started: later,
            told: Mutex::new(Told {
                name: String::new(),
                server: ServerStatus::default(),
                session_ends_at: None,
                media_failure: None,
                emergency_stop: None,
                cameras: Vec::new(),
                failures: VecDeque::new(),
            }),
            beats: Mutex::new(vec![
                ("lazy".into(), Arc::downgrade(&lazy.at)),
                ("busy".into(), Arc::downgrade(&busy.at)),
            ]),
        }));
        busy.at.store(health.now_ms(), Ordering::Relaxed);
        let (part, age) = health.stuck(long).expect("stuck");
        assert!(part == "lazy" && age > long, "{part} {age:?}");
        drop(lazy);
        assert_eq!(health.stuck(long), None);
    }

    #[test]
    fn a_status_survives_its_json() {
        let health = Health::new("arm-1");
        health.camera("main", "v4l2:/dev/video0").lost(at(1), "unplugged");
        health.session(Some(at(60)));
        let status = health.status();
        let json = serde_json::to_string(&status).expect("serialises");
        assert_eq!(serde_json::from_str::<Status>(&json).expect("parses"), status);
    }
}
