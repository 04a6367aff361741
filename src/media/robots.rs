//! Who sends and who watches: the peers of each robot.

use std::collections::HashMap;

use curfew_domain::{PeerId, RobotId};

use super::build::BuiltStream;
use super::cameras::Cameras;
use super::types::PeerKind;

#[derive(Default)]
pub(super) struct Robots {
    robots: HashMap<RobotId, Robot>,
}

#[derive(Default)]
struct Robot {
    publisher: Option<PeerId>,
    viewers: Vec<PeerId>,
    cameras: Cameras,
}

impl Robots {
    /// Adds a peer and gives its cameras their slots; the robot's earlier publisher, where this one takes its place.
    pub(super) fn add(
        &mut self,
        peer: PeerId,
        kind: PeerKind,
        streams: &mut [BuiltStream],
    ) -> Option<PeerId> {
        let robot = self.robots.entry(kind.robot()).or_default();
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
        if robot.publisher.is_none() && robot.viewers.is_empty() {
            self.robots.remove(&kind.robot());
        }
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
