//! What is recorded of a robot's peer connections.

use std::time::Duration;

use curfew_domain::{Cause, Fact, PeerId, RobotEvent};
use tokio::sync::mpsc;

use super::standing::ROBOT_OFFER;
use super::world::World;
use crate::actors::dispatch;
use crate::actors::peers::{OfferKey, Owner};
use crate::actors::shell::Shell;
use crate::actors::{Negotiated, Principal};
use crate::clock::BootInstant;
use crate::media::{ClosedWhy, MediaEvent, PeerKind, PeerReport};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_follows_at_once_leaves_the_one_before_its_own_end() {
    let world = World::new().await;
    let robot = world.robot("one").await;
    let (principal, _line) = world.connect(robot).await;
    let Principal::Robot { credential, .. } = principal else { panic!("a robot") };
    let (shell, kind) = (&world.lab.shell, PeerKind::Publisher { robot });
    let (events, reported) = mpsc::channel(8);
    tokio::spawn(dispatch::media(shell.clone(), reported));
    let connects = async || -> PeerId {
        let peer = Shell::random_peer();
        let key = OfferKey::of(ROBOT_OFFER).expect("an offer");
        let answer = Negotiated { peer, robot, sdp: String::new(), candidates: vec![] };
        shell.peers.insert(Owner::Robot { robot, credential }, key, answer);
        let connected = MediaEvent::Connected { peer, kind, at: world.lab.shell.clock.boot() };
        events.send(connected).await.expect("they are followed");
        peer
    };
    let begun = |meant: PeerId| {
        move |fact: &Fact| match fact {
            Fact::Robot(RobotEvent::PublishingStarted { peer_id, .. }) => (*peer_id == meant).then_some(()),
            _ => None,
        }
    };
    let first = connects().await;
    world.until(begun(first)).await;
    let report = PeerReport {
        peer: first,
        kind,
        deadline: BootInstant::from_nanos(2_000_000_000),
        last_media_sent: None,
        lateness: Duration::ZERO,
        packets: 7,
        bytes: 700,
        dropped: 0,
        stats: None,
    };
    events.send(MediaEvent::Closed { report, why: ClosedWhy::Deadline }).await.expect("they are followed");
    let second = connects().await;
    world.until(begun(second)).await;
    let ended = world.facts().await.into_iter().filter_map(|fact| match fact {
        Fact::Robot(RobotEvent::PublishingEnded { peer_id, cause, packets, .. }) => {
            Some((peer_id, cause, packets))
        }
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [(first, Cause::WindowClosed, Some(7))]);
}
