//! A viewer's network is gone for five seconds: the picture comes back by itself, over the same connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use curfew::clock::{Clock, SystemClock};
use curfew::media::{Media, MediaConfig, PeerKind};
use curfew_domain::{RobotId, RoomId};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use uuid::Uuid;

use crate::relay::{publish, some_peer};
use crate::support::Receiver;

const GONE: Duration = Duration::from_secs(5);

/// The way between a viewer and the server, which can be cut.
struct Line {
    near: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Line {
    async fn to(server: SocketAddr) -> Self {
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("binds"));
        let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("binds"));
        far.connect(server).await.expect("an address");
        let (cut, is_cut) = watch::channel(false);
        let (viewer, of_viewer) = watch::channel(None);
        let address = near.local_addr().expect("bound");
        tokio::spawn(pass(Arc::clone(&near), Arc::clone(&far), viewer, is_cut.clone()));
        tokio::spawn(pass_back(far, near, of_viewer, is_cut));
        Self { near: address, cut }
    }
}

async fn pass(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    viewer: watch::Sender<Option<SocketAddr>>,
    is_cut: watch::Receiver<bool>,
) {
    let mut buffer = [0; 2_048];
    while let Ok((len, address)) = from.recv_from(&mut buffer).await {
        viewer.send_replace(Some(address));
        if !*is_cut.borrow() {
            let _ = to.send(&buffer[..len]).await;
        }
    }
}

async fn pass_back(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    viewer: watch::Receiver<Option<SocketAddr>>,
    is_cut: watch::Receiver<bool>,
) {
    let mut buffer = [0; 2_048];
    while let Ok(len) = from.recv(&mut buffer).await {
        let address = *viewer.borrow();
        if let Some(address) = address.filter(|_| !*is_cut.borrow()) {
            let _ = to.send_to(&buffer[..len], address).await;
        }
    }
}

/// The server's UDP address in an answer, and the answer with another one in its place and no other way.
fn through(answer: &str, line: SocketAddr) -> String {
    let is_other = |text: &str| text.starts_with("a=candidate:") && text.contains(" tcp ");
    let server = server_of(answer);
    let kept: Vec<_> = answer.lines().filter(|text| !is_other(text)).collect();
    let from = format!("{} {} typ host", server.ip(), server.port());
    kept.join("\r\n").replace(&from, &format!("{} {} typ host", line.ip(), line.port())) + "\r\n"
}

fn server_of(answer: &str) -> SocketAddr {
    let candidate = answer.lines().find(|text| text.starts_with("a=candidate:") && text.contains(" udp "));
    let words: Vec<_> = candidate.expect("a candidate").split(' ').collect();
    format!("{}:{}", words[4], words[5]).parse().expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewers_picture_comes_back_when_its_network_does() {
    let config = MediaConfig { listen: ([127, 0, 0, 1], 0).into(), ..MediaConfig::default() };
    let (media, mut events) = Media::start(config, SystemClock::shared()).expect("starts");
    let robot = RobotId::from(Uuid::from_u128(7));
    let deadline = SystemClock.boot().saturating_add(Duration::from_secs(120));
    let robot_side = publish(&media, &mut events, robot, deadline).await;
    let mut viewer = Receiver::new().await;
    let spec = some_peer(PeerKind::Viewer { robot, room: RoomId::from(Uuid::from_u128(8)) }, deadline);
    let answer = media.answer(spec, viewer.offer().await).await.expect("answered").sdp;
    let line = Line::to(server_of(&answer)).await;
    viewer.accept_answer(through(&answer, line.near)).await;
    let mut camera = viewer.camera().await;
    camera.picture_since(0).await;

    line.cut.send_replace(true);
    tokio::time::sleep(GONE).await;
    line.cut.send_replace(false);
    let (mended, wall) = (Instant::now(), SystemClock.wall().timestamp_millis());
    camera.picture_since(u64::try_from(wall).expect("after 1970")).await;
    eprintln!("the picture is back {:?} after the network", mended.elapsed());
    robot_side.abort();
    media.shutdown().await;
}
