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
    payloads: Vec<Payload>,
    ssrc: Option<u32>,
    keyframes: Keyframes,
}

impl Publisher {
    pub(super) fn new(peer: PeerId, cameras: Vec<BuiltCamera>, keyframe_interval: Duration) -> Self {
        let cameras = cameras
            .into_iter()
            .map(|camera| Camera {
                payloads: camera.payloads,
                ssrc: camera.ssrc,
                keyframes: Keyframes::new(keyframe_interval),
            })
            .collect();
        Self { peer, cameras }
    }

    /// Assigns a packet to a camera, counted in the order of the offer. `None` for streams that were not declared, and
    /// for payload types that are not relayed.
    pub(super) fn sort(&mut self, packet: rtp::Packet) -> Option<(usize, CameraPacket)> {
        let header = packet.header;
        let index = self.camera_of(header.ssrc)?;
        let payloads = &self.cameras[index].payloads;
        let format = payloads.iter().find(|p| p.payload_type == header.payload_type)?.format;
        let packet = CameraPacket {
            source: Source { publisher: self.peer, ssrc: header.ssrc },
            format,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: packet.payload,
        };
        Some((index, packet))
    }

    fn camera_of(&mut self, ssrc: u32) -> Option<usize> {
        if let Some(index) = self.cameras.iter().position(|camera| camera.ssrc == Some(ssrc)) {
            return Some(index);
        }
        // A single camera need not declare its SSRC: the first that comes is its own.
        match &mut self.cameras[..] {
            [only] if only.ssrc.is_none() => {
                only.ssrc = Some(ssrc);
                Some(0)
            }
            _ => None,
        }
    }

    /// A viewer needs a key frame of a camera.
    pub(super) fn want_keyframe(&mut self, camera: usize) {
        if let Some(camera) = self.cameras.get_mut(camera) {
            camera.keyframes.want();
        }
    }

    pub(super) fn want_all_keyframes(&mut self) {
        for camera in &mut self.cameras {
            camera.keyframes.want();
        }
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
