//! The robot's side against a server made for the test: a WebSocket listener and a receiving peer connection on loopback.

use std::time::Duration;

use curfew::agent::{AgentConfig, AgentError, CameraState, Health, run};
use curfew::clock::{Clock, SystemClock};
use curfew::protocol::{ClientMessage, EmergencyStop, Empty, RobotStop, ServerMessage};
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{ReceivedCamera, Receiver, RobotLink, RobotServer, fact, is_key};

/// From one picture of a camera to the next.
const PICTURE_MS: u64 = 33;

/// An agent that runs until told to end.
struct TestAgent {
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), AgentError>>,
    health: Health,
}

impl TestAgent {
    fn start(config: AgentConfig) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let health = config.health.clone();
        let running = tokio::spawn(run(config, SystemClock::shared(), async {
            let _ = stopped.await;
        }));
        Self { stop, running, health }
    }

    async fn stop(self) {
        self.stop.send(()).expect("running");
        fact("end", self.running).await.expect("no panic").expect("a clean end");
    }
}

/// Answers the agent's next offer with a peer connection that receives; so many cameras.
pub(crate) async fn receive<const N: usize>(
    link: &mut RobotLink<TcpStream>,
) -> (Receiver, [ReceivedCamera; N]) {
    let mut receiver = Receiver::new().await;
    let offer = link.offer().await;
    link.answer(receiver.answer(offer).await).await;
    let mut cameras = Vec::new();
    while cameras.len() < N {
        cameras.push(receiver.camera().await);
    }
    cameras.sort_by(|one, other| one.name.cmp(&other.name));
    let cameras = cameras.try_into().unwrap_or_else(|_| panic!("not {N} cameras"));
    (receiver, cameras)
}

/// How many of the next frames of a test picture are key frames, but for those that follow on pictures left out: a machine that
/// does not keep up with the camera leaves some out, and what comes next stands by itself then. Each was drawn after `last`.
async fn unasked_keys(camera: &mut ReceivedCamera, last: &mut u64, frames: usize) -> usize {
    let (mut keys, mut left_out) = (0, 0);
    for _ in 0..frames {
        let frame = camera.next_frame().await;
        keys += usize::from(is_key(&frame));
        let (stamped, now) = (camera.stamp(&frame).expect("a stamp"), unix_ms());
        assert!(stamped > *last && stamped <= now, "{stamped} after {last} at {now}");
        left_out += usize::from(stamped - *last > 2 * PICTURE_MS);
        *last = stamped;
    }
    keys.saturating_sub(left_out)
}

fn unix_ms() -> u64 {
    u64::try_from(SystemClock.wall().timestamp_millis()).expect("after 1970")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_picture_arrives_with_its_stamps_and_a_key_frame_when_asked() {
    let began = unix_ms();
    let server = RobotServer::start().await;
    let agent = TestAgent::start(server.agent(&["test"]));
    let mut link = server.accept().await;
    link.publish(None, 60_000).await;
    let (_receiver, [mut camera]) = receive(&mut link).await;
    let first = camera.begin().await;
    let mut last = camera.stamp(&first).expect("a stamp");
    assert!(began <= last, "{last} is older than {began}");
    let before = unasked_keys(&mut camera, &mut last, 16).await;
    assert_eq!(before, 0, "nobody asked for one");
    camera.ask_for_key_frame().await;
    let after = unasked_keys(&mut camera, &mut last, 24).await;
    assert_eq!(after, 1, "the one that was asked for");
    let status = agent.health.status();
    assert_eq!(status.cameras[0].state, CameraState::Sending);
    assert!(status.is_healthy() && status.session_ends_at.is_some(), "{status:?}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_camera_has_a_stream_of_its_own_and_publish_chooses_among_them() {
    let server = RobotServer::start().await;
    let agent = TestAgent::start(server.agent(&["left=test", "mid=test", "right=test"]));
    let mut link = server.accept().await;
    link.publish(Some(&["right", "left", "unknown"]), 60_000).await;
    let (_receiver, [mut left, mut right]) = receive(&mut link).await;
    assert_eq!((left.name.as_str(), right.name.as_str()), ("left", "right"));
    let first = left.begin().await;
    let mut seen = left.stamp(&first).expect("a stamp");
    right.begin().await;
    right.ask_for_key_frame().await;
    while !is_key(&fact("key frame", right.frame()).await.expect("media")) {}
    // As many frames of the other as went by meanwhile: none of them is a key frame.
    assert_eq!(unasked_keys(&mut left, &mut seen, 10).await, 0, "only the one that was asked");
    link.send(&ServerMessage::Unpublish(Empty {})).await;
    link.publish(None, 60_000).await;
    let offer = link.offer().await;
    assert_eq!(offer.matches("m=video").count(), 3, "all cameras where none is named: {offer}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_encoder_follows_what_the_receiver_can_take() {
    let server = RobotServer::start().await;
    let agent = TestAgent::start(server.agent(&["test"]));
    let mut link = server.accept().await;
    link.publish(None, 60_000).await;
    let (_receiver, [mut camera]) = receive(&mut link).await;
    let estimate = async |camera: &ReceivedCamera, bitrate| {
        let ssrcs = vec![camera.ssrc().await];
        camera.report(ReceiverEstimatedMaximumBitrate { sender_ssrc: 0, bitrate, ssrcs }).await;
    };
    fact("frame", camera.frame()).await.expect("media");
    estimate(&camera, 220_000.0).await;
    let target = || agent.health.status().cameras[0].target_bps;
    while target() != 198_000 {
        fact("frame", camera.frame()).await.expect("media");
    }
    // What is on its way still, up to the key frame with which the new setting begins.
    let mut frame = Vec::new();
    while !is_key(&frame) {
        frame = fact("frame", camera.frame()).await.expect("media");
    }
    let first = camera.stamp(&frame).expect("a stamp");
    let (mut bytes, mut last, mut frames) = (0, first, 0);
    while last < first + 3_000 {
        let frame = fact("frame", camera.frame()).await.expect("media");
        bytes += frame.len();
        frames += 1;
        last = camera.stamp(&frame).unwrap_or(last);
    }
    let kbit_s = bytes as u64 * 8 / (last - first);
    assert!(kbit_s < 400, "{kbit_s} kbit/s after an estimate of 220");
    assert!(frames <= 50, "{frames} frames in three seconds, where 15 a second were due");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_ends_at_its_deadline_though_the_server_is_gone() {
    let server = RobotServer::start().await;
    let agent = TestAgent::start(server.agent(&["test"]));
    let mut link = server.accept().await;
    link.publish(None, 4_000).await;
    let (_receiver, [mut camera]) = receive(&mut link).await;
    // It was asked before it offered, so its time is over by then.
    let end = unix_ms() + 4_000;
    let first = camera.begin().await;
    let mut last = camera.stamp(&first).expect("a stamp");
    let gone = unix_ms();
    drop(link);
    drop(server);
    // Silence of half a second after the end is what tells it: a closed connection is not noticed at once by its far end.
    loop {
        match timeout(Duration::from_millis(500), camera.frame()).await {
            Ok(Some(frame)) => last = camera.stamp(&frame).unwrap_or(last),
            Ok(None) => break,
            Err(_) if unix_ms() > end => break,
            Err(_) => {}
        }
    }
    assert!(last > gone, "media went on without the server: {last} after {gone}");
    assert!(last <= end, "but not past the deadline: {last} after {end}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_link_media_goes_on_and_the_next_publish_gets_a_new_offer() {
    let server = RobotServer::start().await;
    let agent = TestAgent::start(server.agent(&["test"]));
    let mut link = server.accept().await;
    link.publish(None, 60_000).await;
    let (_first, [mut first]) = receive(&mut link).await;
    fact("frame", first.frame()).await.expect("media");
    drop(link);
    let mut link = server.accept().await;
    fact("frame", first.frame()).await.expect("media went on");
    link.publish(None, 60_000).await;
    let (_second, [mut second]) = receive(&mut link).await;
    fact("frame", second.frame()).await.expect("media of the new connection");
    // A repeated `publish` brings no offer: the next message after it is the one that `unpublish` and a new `publish` bring.
    link.publish(None, 50_000).await;
    link.send(&ServerMessage::Unpublish(Empty {})).await;
    link.publish(None, 60_000).await;
    let (_third, [mut third]) = receive(&mut link).await;
    fact("frame", third.frame()).await.expect("media of the third connection");
    let failures = agent.health.status().failures;
    assert!(failures.iter().any(|failure| failure.what.starts_with("server: ")), "{failures:?}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_connection_whose_path_is_cut_is_offered_anew_over_the_same_link() {
    let server = RobotServer::start().await;
    let agent = TestAgent::start(server.agent(&["test"]));
    let mut link = server.accept().await;
    link.publish(None, 120_000).await;
    let (first, [mut camera]) = receive(&mut link).await;
    fact("frame", camera.frame()).await.expect("media");
    // As if the path were gone: nobody answers there any more.
    first.close().await;
    let (_second, [mut camera]) = receive(&mut link).await;
    fact("frame", camera.frame()).await.expect("media of the new connection");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_way_leads_to_the_media_port_the_status_says_what_to_do_until_one_does() {
    let server = RobotServer::start().await;
    let agent = TestAgent::start(server.agent(&["test"]));
    let mut link = server.accept().await;
    link.publish(None, 120_000).await;
    // Whatever is sent there is never read, and nobody listens there over TCP.
    let hole = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let port = hole.local_addr().expect("bound").port();
    let candidates = format!(
        "a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n\
         a=candidate:2 1 tcp 1520435199 127.0.0.1 {port} typ host tcptype passive\r\n"
    );
    let mut nobody = Receiver::new().await;
    let answer = nobody.answer(link.offer().await).await;
    nobody.close().await;
    let lines = answer.lines().filter(|line| !line.starts_with("a=candidate:"));
    link.answer(lines.map(|line| format!("{line}\r\n")).collect::<String>() + &candidates).await;
    let offer = link.offer().await;
    let status = agent.health.status();
    let why = status.media_failure.clone().unwrap_or_default();
    let address = format!("no way leads to the server's media port (127.0.0.1:{port}): ");
    assert!(why.starts_with(&address) && why.contains("firewall"), "{status:?}");
    assert!(status.server.is_connected && !status.is_healthy());
    let mut receiver = Receiver::new().await;
    link.answer(receiver.answer(offer).await).await;
    let mut camera = receiver.camera().await;
    fact("frame", camera.frame()).await.expect("media");
    let status = agent.health.status();
    assert!(status.media_failure.is_none() && status.is_healthy(), "{status:?}");
    agent.stop().await;
}

/// A program that succeeds from its second start on and counts them.
fn stop_program(folder: &std::path::Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join("halt");
    let script = "#!/bin/sh\necho run >> \"$0.runs\"\n[ $(wc -l < \"$0.runs\") -gt 1 ] || { echo 'no brake' >&2; exit 3; }\n";
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    program
}

async fn stop(link: &mut RobotLink<TcpStream>, engaged: bool) {
    let (robot_id, reason, stop_id) =
        ("robot".to_owned(), "smoke".to_owned(), engaged.then(|| "the stop".to_owned()));
    link.send(&ServerMessage::EmergencyStop(EmergencyStop { robot_id, engaged, reason, stop_id })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_stop_is_acknowledged_once_the_robots_program_succeeded_and_the_picture_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = RobotServer::start().await;
    let mut config = server.agent(&["test"]);
    config.on_stop = Some(stop_program(folder.path()));
    let agent = TestAgent::start(config);
    let mut link = server.accept().await;
    link.publish(None, 60_000).await;
    let (_receiver, [mut camera]) = receive(&mut link).await;
    fact("frame", camera.frame()).await.expect("media");
    stop(&mut link, true).await;
    let stop_id = Some("the stop".to_owned());
    let acknowledged = ClientMessage::EmergencyStop(RobotStop { engaged: true, reason: None, stop_id });
    assert_eq!(link.next().await, acknowledged);
    let runs = || std::fs::read_to_string(folder.path().join("halt.runs")).expect("it ran").lines().count();
    assert_eq!(runs(), 2, "it failed first");
    let status = agent.health.status();
    assert!(status.failures.iter().any(|failure| failure.what.ends_with("no brake")), "{status:?}");
    let told = status.emergency_stop.clone().expect("engaged");
    assert!(told.reason == "smoke" && told.acknowledged_at.is_some() && status.is_healthy(), "{status:?}");
    fact("frame", camera.frame()).await.expect("people see what the robot does");
    drop(link);
    let mut link = server.accept().await;
    stop(&mut link, true).await;
    assert_eq!(link.next().await, acknowledged, "every connection hears it");
    assert_eq!(runs(), 2, "the robot stood still already");
    stop(&mut link, false).await;
    link.publish(None, 60_000).await;
    link.offer().await;
    assert_eq!(agent.health.status().emergency_stop, None, "cleared");
    agent.stop().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_at_once() {
    let run = async |config| run(config, SystemClock::shared(), std::future::pending()).await;
    let mut config = RobotServer::start().await.agent(&["test"]);
    config.server = "lab.example".into();
    assert!(matches!(run(config.clone()).await, Err(AgentError::Endpoint(_))));
    let unfit =
        AgentConfig { on_stop: Some("halt".into()), server: "http://127.0.0.1:1".into(), ..config.clone() };
    assert!(matches!(run(unfit).await, Err(AgentError::OnStop(_))));
    config.max_bps = 1;
    assert!(matches!(run(config).await, Err(AgentError::MaxBitrate)));
}
