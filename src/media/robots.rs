//! Who sends and who watches: the peers of each robot.

use std::collections::HashMap;

use curfew_domain::{PeerId, RobotId};

use super::build::BuiltStream;
use super::cameras::Cameras;
use super::forward::CameraPacket;
use super::track::Tracks;
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

    pub(super) fn remove(&mut self, peer: PeerId, kind: PeerKind) {
        let Some(robot) = self.robots.get_mut(&kind.robot()) else { return };
        robot.viewers.retain(|viewer| *viewer != peer);
        // A replaced publisher leaves its successor in place.
        robot.publisher.take_if(|publisher| *publisher == peer);
        if robot.viewers.is_empty() {
            robot.tracks.clear();
        }
        if robot.publisher.is_none() && robot.viewers.is_empty() {
            self.robots.remove(&kind.robot());
        }
    }

    /// Keeps a robot's packet for its viewers. How many they are, where it is the first since [`Self::take_news`].
    pub(super) fn push(&mut self, robot: RobotId, slot: usize, packet: CameraPacket) -> Option<usize> {
        let robot = self.robots.get_mut(&robot).filter(|robot| !robot.viewers.is_empty())?;
        robot.tracks.push(slot, packet);
        (!std::mem::replace(&mut robot.has_news, true)).then_some(robot.viewers.len())
    }

    /// Puts a robot's viewers behind `viewers`.
    pub(super) fn take_news(&mut self, robot: RobotId, viewers: &mut Vec<PeerId>) {
        if let Some(robot) = self.robots.get_mut(&robot) {
            robot.has_news = false;
            viewers.extend_from_slice(&robot.viewers);
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
