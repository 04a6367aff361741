//! The robot's side of the relay: which camera a packet is of, and asking cameras for key frames.

use std::time::{Duration, Instant};

use curfew_domain::PeerId;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;

use super::build::BuiltCamera;
use super::codec::Payload;
use super::forward::{CameraPacket, Source};
use super::keyframes::Keyframes;

pub(super) struct Publisher {
    peer: PeerId,
    cameras: Vec<Camera>,
}

struct Camera {
    slot: usize,
    payloads: Vec<Payload>,
    ssrc: Option<u32>,
    keyframes: Keyframes,
}

impl Publisher {
    pub(super) fn new(peer: PeerId, cameras: Vec<BuiltCamera>, keyframe_interval: Duration) -> Self {
        let cameras = cameras
            .into_iter()
            .map(|camera| Camera {
                slot: camera.slot,
                payloads: camera.payloads,
                ssrc: camera.ssrc,
                keyframes: Keyframes::new(keyframe_interval),
            })
            .collect();
        Self { peer, cameras }
    }

    /// Assigns a packet to the slot of its camera. `None` for streams that were not declared, and for payload types that
    /// are not relayed.
    pub(super) fn sort(&mut self, packet: rtp::Packet) -> Option<(usize, CameraPacket)> {
        let header = packet.header;
        let publisher = self.peer;
        let camera = self.camera_of(header.ssrc)?;
        let format = camera.payloads.iter().find(|p| p.payload_type == header.payload_type)?.format;
        let packet = CameraPacket {
            source: Source { publisher, ssrc: header.ssrc },
            format,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: packet.payload,
        };
        Some((camera.slot, packet))
    }

    fn camera_of(&mut self, ssrc: u32) -> Option<&Camera> {
        // A single camera need not declare its SSRC: the first that comes is its own.
        if let [only] = &mut self.cameras[..]
            && only.ssrc.is_none()
        {
            only.ssrc = Some(ssrc);
        }
        self.cameras.iter().find(|camera| camera.ssrc == Some(ssrc))
    }

    /// A viewer needs a key frame of the camera in that slot.
    pub(super) fn want_keyframe(&mut self, slot: usize) {
        for camera in self.cameras.iter_mut().filter(|camera| camera.slot == slot) {
            camera.keyframes.want();
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.cameras.iter().map(|camera| camera.slot)
    }

    /// The requests that may go to the robot now. A camera whose SSRC is not known yet is asked once it is.
    pub(super) fn requests(&mut self, now: Instant) -> Vec<PictureLossIndication> {
        self.cameras
            .iter_mut()
            .filter_map(|camera| {
                let media_ssrc = camera.ssrc?;
                // The sender of this feedback sends no media, so its SSRC means nothing.
                camera.keyframes.ask(now).then_some(PictureLossIndication { sender_ssrc: 1, media_ssrc })
            })
            .collect()
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.cameras.iter().filter_map(|camera| camera.keyframes.timeout()).min()
    }
}
