//! Who sends and who watches: the peers of each robot.

use std::collections::{HashMap, VecDeque};

use curfew_domain::{PeerId, RobotId};

use super::build::BuiltStream;
use super::cameras::Cameras;
use super::forward::CameraPacket;
use super::track::{Tracks, Unread};
use super::types::PeerKind;

pub(super) struct Robots {
    robots: HashMap<RobotId, Robot>,
    /// Packets that may wait for a viewer.
    queue_packets: usize,
    /// Of a robot that is not there.
    nothing: Tracks,
}

struct Robot {
    publisher: Option<PeerId>,
    viewers: Vec<PeerId>,
    cameras: Cameras,
    tracks: Tracks,
    /// Whether packets came since [`Robots::take_news`].
    has_news: bool,
}

impl Robots {
    pub(super) fn new(queue_packets: usize) -> Self {
        Self { robots: HashMap::new(), queue_packets, nothing: Tracks::new(queue_packets) }
    }

    /// Adds a peer and gives its cameras their slots; the robot's earlier publisher, where this one takes its place.
    pub(super) fn add(
        &mut self,
        peer: PeerId,
        kind: PeerKind,
        streams: &mut [BuiltStream],
    ) -> Option<PeerId> {
        let robot = self.robots.entry(kind.robot()).or_insert_with(|| Robot {
            publisher: None,
            viewers: Vec::new(),
            cameras: Cameras::default(),
            tracks: Tracks::new(self.queue_packets),
            has_news: false,
        });
        match kind {
            PeerKind::Publisher { .. } => {
                robot.cameras.publish(streams);
                robot.publisher.replace(peer)
            }
            PeerKind::Viewer { .. } => {
                robot.cameras.watch(streams);
                robot.viewers.push(peer);
                None
            }
        }
    }

    /// Removes a peer, and with the last viewer what was kept for viewers.
    pub(super) fn remove(&mut self, peer: PeerId, kind: PeerKind) -> Unread {
        let Some(robot) = self.robots.get_mut(&kind.robot()) else { return Unread::default() };
        robot.viewers.retain(|viewer| *viewer != peer);
        // A replaced publisher leaves its successor in place.
        robot.publisher.take_if(|publisher| *publisher == peer);
        let unread = if robot.viewers.is_empty() { robot.tracks.clear() } else { Unread::default() };
        if robot.publisher.is_none() && robot.viewers.is_empty() {
            self.robots.remove(&kind.robot());
        }
        unread
    }

    /// Keeps a robot's packet for its viewers. How many they are, where it is the first since [`Self::take_news`].
    pub(super) fn push(&mut self, robot: RobotId, slot: usize, packet: CameraPacket) -> Option<usize> {
        let robot = self.robots.get_mut(&robot).filter(|robot| !robot.viewers.is_empty())?;
        robot.tracks.push(slot, packet);
        (!std::mem::replace(&mut robot.has_news, true)).then_some(robot.viewers.len())
    }

    /// Puts a robot's viewers behind `viewers`.
    pub(super) fn take_news(&mut self, robot: RobotId, viewers: &mut VecDeque<PeerId>) {
        if let Some(robot) = self.robots.get_mut(&robot) {
            robot.has_news = false;
            viewers.extend(&robot.viewers);
        }
    }

    /// What a robot sent lately.
    pub(super) fn tracks(&self, robot: RobotId) -> &Tracks {
        self.robots.get(&robot).map_or(&self.nothing, |robot| &robot.tracks)
    }

    pub(super) fn publisher(&self, robot: RobotId) -> Option<PeerId> {
        self.robots.get(&robot)?.publisher
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.robots.len()
    }

    pub(super) fn viewers(&self, robot: RobotId) -> &[PeerId] {
        self.robots.get(&robot).map_or(&[], |robot| &robot.viewers)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use curfew_domain::RoomId;
    use uuid::Uuid;

    use super::super::codec::Format;
    use super::super::forward::Source;
    use super::*;

    #[test]
    fn what_the_last_viewer_leaves_behind_is_freed_by_whoever_takes_it() {
        let id = Uuid::from_u128;
        let robot = RobotId::from(id(1));
        let viewer = PeerKind::Viewer { robot, room: RoomId::from(id(2)) };
        let mut robots = Robots::new(1);
        let (first, last) = (PeerId::from(id(4)), PeerId::from(id(5)));
        robots.add(first, viewer, &mut []);
        robots.add(last, viewer, &mut []);
        let kept = Arc::new([0; 8]);
        let packet = CameraPacket {
            source: Source { publisher: PeerId::from(id(6)), ssrc: 1 },
            format: Format::Vp8,
            sequence_number: 0,
            timestamp: 0,
            marker: false,
            extensions: None,
            payload: Bytes::from_owner(Held(Arc::clone(&kept))),
        };
        robots.push(robot, 0, packet);

        drop(robots.remove(first, viewer));
        assert_eq!(Arc::strong_count(&kept), 2, "somebody still watches");
        let unread = robots.remove(last, viewer);
        assert_eq!(
            (robots.len(), Arc::strong_count(&kept)),
            (0, 2),
            "not freed while the tables are put right"
        );
        drop(unread);
        assert_eq!(Arc::strong_count(&kept), 1);
    }

    struct Held(Arc<[u8; 8]>);

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            self.0.as_ref()
        }
    }
}
