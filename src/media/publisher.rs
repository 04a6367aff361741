//! The robot's side of the relay: which camera a packet is of, and asking cameras for key frames.

use std::time::{Duration, Instant};

use curfew_domain::PeerId;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtp;

use super::advice::Advice;
use super::build::BuiltCamera;
use super::codec::Payload;
use super::forward::{CameraPacket, Source};
use super::keyframes::Keyframes;

pub(super) struct Publisher {
    peer: PeerId,
    cameras: Vec<Camera>,
    advice: Advice,
}

/// The sender of feedback that sends no media; what it is called means nothing.
const SENDER_SSRC: u32 = 1;

struct Camera {
    slot: usize,
    payloads: Vec<Payload>,
    ssrc: Option<u32>,
    remb: bool,
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
                remb: camera.remb,
                keyframes: Keyframes::new(keyframe_interval),
            })
            .collect();
        Self { peer, cameras, advice: Advice::default() }
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
                let request = PictureLossIndication { sender_ssrc: SENDER_SSRC, media_ssrc };
                camera.keyframes.ask(now).then_some(request)
            })
            .collect()
    }

    /// The slowest viewer that counts takes so much; `None` when none limits the robot.
    pub(super) fn limit(&mut self, bps: Option<u64>) {
        self.advice.want(bps);
    }

    /// What to tell the robot of it now, over all the cameras that take such advice.
    pub(super) fn advice(&mut self, now: Instant) -> Option<ReceiverEstimatedMaximumBitrate> {
        let bitrate = self.advice.tell(now)? as f32;
        let advised = self.cameras.iter().filter(|camera| camera.remb);
        let ssrcs: Vec<u32> = advised.filter_map(|camera| camera.ssrc).collect();
        let advice = ReceiverEstimatedMaximumBitrate { sender_ssrc: SENDER_SSRC, bitrate, ssrcs };
        (!advice.ssrcs.is_empty()).then_some(advice)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        let keyframes = self.cameras.iter().filter_map(|camera| camera.keyframes.timeout());
        keyframes.chain(self.advice.timeout()).min()
    }
}
