//! The robot agent, the relay and a viewer on loopback: a real picture goes through, and stops at the deadline.

use std::time::Duration;

use chrono::{DateTime, Utc};
use curfew::agent::{self, AgentError};
use curfew::clock::{BootInstant, Clock, SystemClock};
use curfew::media::{ClosedWhy, Media, MediaConfig, MediaEvent, PeerKind, PeerSpec};
use curfew_domain::{PeerId, RobotId, RoomId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{ReceivedCamera, Receiver, RobotServer, fact};

pub(crate) fn some_peer(kind: PeerKind, deadline: BootInstant) -> PeerSpec {
    PeerSpec { peer: PeerId::from(Uuid::from_u128(rand::random())), kind, deadline, decides: false }
}

pub(crate) fn some_viewer(robot: RobotId, deadline: BootInstant) -> PeerSpec {
    let room = RoomId::from(Uuid::from_u128(rand::random()));
    some_peer(PeerKind::Viewer { robot, room }, deadline)
}

/// Runs a robot's agent that publishes the test picture; returns when its media has come in.
pub(crate) async fn publish(
    media: &Media,
    events: &mut mpsc::Receiver<MediaEvent>,
    robot: RobotId,
    deadline: BootInstant,
) -> JoinHandle<Result<(), AgentError>> {
    publish_through(media, events, robot, deadline, |answer| answer).await
}

/// As [`publish`], `edit` being what becomes of the answer on its way.
pub(crate) async fn publish_through(
    media: &Media,
    events: &mut mpsc::Receiver<MediaEvent>,
    robot: RobotId,
    deadline: BootInstant,
    edit: impl FnOnce(String) -> String,
) -> JoinHandle<Result<(), AgentError>> {
    let server = RobotServer::start().await;
    let running =
        tokio::spawn(agent::run(server.agent(&["test"]), SystemClock::shared(), std::future::pending()));
    let mut link = server.accept().await;
    let left = deadline.saturating_since(SystemClock.boot());
    link.publish(None, u64::try_from(left.as_millis()).expect("short")).await;
    let offer = link.offer().await;
    let spec = some_peer(PeerKind::Publisher { robot }, deadline);
    link.answer(edit(media.answer(spec, offer).await.expect("answered").sdp)).await;
    fact("robot's media", async {
        while !matches!(events.recv().await, Some(MediaEvent::FirstMedia { .. })) {}
    })
    .await;
    running
}

pub(crate) async fn watch(
    media: &Media,
    robot: RobotId,
    deadline: BootInstant,
) -> (Receiver, ReceivedCamera) {
    watch_as(media, some_viewer(robot, deadline)).await
}

async fn watch_as(media: &Media, spec: PeerSpec) -> (Receiver, ReceivedCamera) {
    let mut viewer = Receiver::new().await;
    let offer = viewer.offer().await;
    let answer = media.answer(spec, offer).await.expect("answered");
    viewer.accept_answer(answer.sdp).await;
    let camera = viewer.camera().await;
    (viewer, camera)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robots_picture_reaches_its_viewers_until_the_deadline() {
    let config = MediaConfig { listen: ([127, 0, 0, 1], 0).into(), ..MediaConfig::default() };
    let (media, mut events) = Media::start(config, SystemClock::shared()).expect("starts");
    let robot = RobotId::from(Uuid::from_u128(7));
    let hour = SystemClock.boot().saturating_add(Duration::from_secs(3_600));
    let robot_side = publish(&media, &mut events, robot, hour).await;

    // The second comes in the middle of a stream: without a key frame of its own it would see nothing.
    for _ in 0..2 {
        let (_viewer, mut camera) = watch(&media, robot, hour).await;
        let mut stamps = Vec::new();
        while stamps.len() < 20 {
            let frame = camera.next_frame().await;
            stamps.extend(camera.stamp(&frame));
        }
        assert!(stamps.is_sorted(), "{stamps:?}");
    }

    let spec = some_viewer(robot, hour);
    let (peer, PeerKind::Viewer { room, .. }) = (spec.peer, spec.kind) else { unreachable!("a viewer") };
    let (_viewer, mut camera) = watch_as(&media, spec).await;
    let deadline = SystemClock.boot().saturating_add(Duration::from_secs(2));
    let (moved_at, ends_at) = (SystemClock.wall(), SystemClock.wall_at(deadline));
    media.set_room_deadline(room, deadline);
    let closed = async {
        loop {
            match events.recv().await.expect("the media plane lives") {
                MediaEvent::Closed { report, why } if report.peer == peer => return why,
                _ => {}
            }
        }
    };
    let mut last = 0;
    let pictures = async {
        while let Some(frame) = camera.frame().await {
            last = last.max(camera.stamp(&frame).unwrap_or_default());
        }
        // The viewer may know of its end before this test is told of it.
        std::future::pending::<()>().await;
    };
    let why = tokio::select! {
        why = fact("end", closed) => why,
        () = pictures => unreachable!("it is pending"),
    };
    assert_eq!(why, ClosedWhy::Deadline);
    // What is on its way still: a closed connection is not noticed at once by its far end.
    while let Ok(Some(frame)) = timeout(Duration::from_millis(500), camera.frame()).await {
        last = last.max(camera.stamp(&frame).unwrap_or_default());
    }
    let ms = |at: DateTime<Utc>| u64::try_from(at.timestamp_millis()).expect("after 1970");
    assert!(last > ms(moved_at), "the last picture was stamped {last}, the end was moved at {moved_at}");
    assert!(last <= ms(ends_at), "the last picture was stamped {last}, the end is {ends_at}");
    robot_side.abort();
    media.shutdown().await;
}
