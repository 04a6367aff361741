//! What passes between a robot's peer and its viewers' peers: packets one way, wishes and limits the other.

use super::super::publisher::Limit;
use super::{Now, Peer, Reading, Role, write_rtcp};

impl Peer {
    /// Asks the robot's camera for a key frame.
    pub(in crate::media) fn want_keyframe(&mut self, slot: usize) {
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.want_keyframe(slot);
        }
    }

    /// The slots of the cameras that the peer sends or is to see.
    pub(in crate::media) fn slots(&self) -> Vec<usize> {
        match &self.role {
            Role::Publisher(publisher) => publisher.slots().collect(),
            Role::Viewer(viewer) => viewer.slots().collect(),
        }
    }

    /// The robot's clocks, for a viewer of the stream in that slot.
    pub(in crate::media) fn take_clocks(&mut self, slot: usize, reading: Reading) {
        if let Role::Viewer(viewer) = &mut self.role {
            viewer.read(slot, reading);
        }
    }

    /// The clocks that a robot has told.
    pub(in crate::media) fn clocks(&self) -> Vec<(usize, Reading)> {
        match &self.role {
            Role::Publisher(publisher) => publisher.readings().collect(),
            Role::Viewer(_) => Vec::new(),
        }
    }

    /// Writes the sender reports that are due to a viewer.
    pub(super) fn report_to_viewer(&mut self, now: Now) {
        if let Role::Viewer(viewer) = &mut self.role
            && viewer.reports_at().is_some_and(|at| at <= now.mono)
        {
            for report in viewer.reports(now.mono) {
                write_rtcp(&mut self.connection, now.mono, Box::new(report));
            }
        }
    }

    /// What a viewer can be sent; `None` while nothing limits it.
    pub(in crate::media) fn limit(&self) -> Option<Limit> {
        match &self.role {
            Role::Viewer(viewer) => Some(Limit { bps: viewer.limit()?, slots: viewer.slots().collect() }),
            Role::Publisher(_) => None,
        }
    }

    /// What the viewers that decide can be sent: the robot keeps to the slowest.
    pub(in crate::media) fn set_limits(&mut self, viewers: &[Limit]) {
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.limit(viewers);
        }
    }

    /// Writes what is due to be asked of the robot; the number of key frames in it.
    pub(in crate::media) fn ask_robot(&mut self, now: Now) -> usize {
        let Role::Publisher(publisher) = &mut self.role else { return 0 };
        if self.connect_by.is_some() {
            return 0;
        }
        let requests = publisher.requests(now.mono);
        let count = requests.len();
        for request in requests {
            write_rtcp(&mut self.connection, now.mono, Box::new(request));
        }
        if let Some(advice) = publisher.advice(now.mono) {
            write_rtcp(&mut self.connection, now.mono, Box::new(advice));
        }
        count
    }
}
