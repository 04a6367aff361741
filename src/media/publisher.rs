//! The robot's side of the relay: which camera a packet is of, and asking cameras for key frames.

use std::time::{Duration, Instant};

use curfew_domain::PeerId;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;

use super::advice::Advice;
use super::build::BuiltStream;
use super::cameras::SOUND;
use super::codec::Payload;
use super::extensions::{self, Negotiated};
use super::forward::{CameraPacket, Source};
use super::keyframes::Keyframes;
use super::seen::Seen;
use super::sender_reports::Reading;

pub(super) struct Publisher {
    peer: PeerId,
    streams: Vec<Stream>,
    advice: Advice,
}

/// The sender of feedback that sends no media; what it is called means nothing.
const SENDER_SSRC: u32 = 1;

/// What a viewer can be sent.
pub(super) struct Limit {
    /// Bits per second of all that it watches.
    pub(super) bps: u64,
    /// What it watches, as far as the robot has it.
    pub(super) slots: Vec<usize>,
}

/// One of its cameras, or its sound.
struct Stream {
    slot: usize,
    payloads: Vec<Payload>,
    ssrc: Option<u32>,
    remb: bool,
    extensions: Vec<Negotiated>,
    keyframes: Keyframes,
    reading: Option<Reading>,
    seen: Seen,
}

impl Publisher {
    pub(super) fn new(peer: PeerId, streams: Vec<BuiltStream>, keyframe_interval: Duration) -> Self {
        let streams = streams
            .into_iter()
            .map(|built| Stream {
                slot: built.slot,
                payloads: built.payloads,
                ssrc: built.ssrc,
                remb: built.remb,
                extensions: built.extensions,
                keyframes: Keyframes::new(keyframe_interval),
                reading: None,
                seen: Seen::new(),
            })
            .collect();
        Self { peer, streams, advice: Advice::default() }
    }

    /// Assigns a packet to the slot of its camera, or of the sound. `None` for streams that were not declared, for payload types
    /// that are not relayed, and for what came already.
    pub(super) fn sort(&mut self, packet: rtp::Packet) -> Option<(usize, CameraPacket)> {
        let header = packet.header;
        let publisher = self.peer;
        let stream = self.stream_of(header.ssrc, header.payload_type)?;
        let format = stream.payloads.iter().find(|p| p.payload_type == header.payload_type)?.format;
        if !stream.seen.is_first(header.sequence_number) {
            return None;
        }
        let packet = CameraPacket {
            source: Source { publisher, ssrc: header.ssrc },
            format,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            extensions: extensions::read(&header, &stream.extensions),
            payload: packet.payload,
        };
        Some((stream.slot, packet))
    }

    fn stream_of(&mut self, ssrc: u32, payload_type: u8) -> Option<&mut Stream> {
        if !self.streams.iter().any(|stream| stream.ssrc == Some(ssrc)) {
            // A payload type that only one section has need not come with a declared SSRC.
            let has_type =
                |stream: &&mut Stream| stream.payloads.iter().any(|p| p.payload_type == payload_type);
            let mut likely = self.streams.iter_mut().filter(has_type);
            match (likely.next(), likely.next()) {
                (Some(only), None) if only.ssrc.is_none() => only.ssrc = Some(ssrc),
                _ => return None,
            }
        }
        self.streams.iter_mut().find(|stream| stream.ssrc == Some(ssrc))
    }

    /// A viewer needs a key frame of the camera in that slot.
    pub(super) fn want_keyframe(&mut self, slot: usize) {
        for stream in self.streams.iter_mut().filter(|stream| stream.slot == slot && slot != SOUND) {
            stream.keyframes.want();
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.streams.iter().map(|stream| stream.slot)
    }

    /// Reads the clocks of a sender report; which stream's they are.
    pub(super) fn read(&mut self, now: Instant, report: &SenderReport) -> Option<(usize, Reading)> {
        let stream = self.streams.iter_mut().find(|stream| stream.ssrc == Some(report.ssrc))?;
        let source = Source { publisher: self.peer, ssrc: report.ssrc };
        let reading = Reading { source, ntp: report.ntp_time, rtp: report.rtp_time, heard_at: now };
        stream.reading = Some(reading);
        Some((stream.slot, reading))
    }

    /// The clocks of its streams, as far as it has told them.
    pub(super) fn readings(&self) -> impl Iterator<Item = (usize, Reading)> {
        self.streams.iter().filter_map(|stream| Some((stream.slot, stream.reading?)))
    }

    /// The requests that may go to the robot now. A camera whose SSRC is not known yet is asked once it is.
    pub(super) fn requests(&mut self, now: Instant) -> Vec<PictureLossIndication> {
        self.streams
            .iter_mut()
            .filter_map(|camera| {
                let media_ssrc = camera.ssrc?;
                let request = PictureLossIndication { sender_ssrc: SENDER_SSRC, media_ssrc };
                camera.keyframes.ask(now).then_some(request)
            })
            .collect()
    }

    /// What the viewers that count take. The robot shares its rate evenly among its cameras, so the slowest for each camera that
    /// it watches decides.
    pub(super) fn limit(&mut self, viewers: &[Limit]) {
        let cameras = || self.slots().filter(|slot| *slot != SOUND);
        let share = |viewer: &Limit| {
            let watched = cameras().filter(|slot| viewer.slots.contains(slot)).count();
            viewer.bps.checked_div(u64::try_from(watched).ok()?)
        };
        let slowest = viewers.iter().filter_map(share).min();
        self.advice.want(slowest);
    }

    /// What to tell the robot of it now: the sum over all the cameras that take such advice.
    pub(super) fn advice(&mut self, now: Instant) -> Option<ReceiverEstimatedMaximumBitrate> {
        let of_each = self.advice.tell(now)?;
        let advised = self.streams.iter().filter(|camera| camera.remb);
        let ssrcs: Vec<u32> = advised.filter_map(|camera| camera.ssrc).collect();
        let bitrate = of_each.saturating_mul(ssrcs.len() as u64) as f32;
        let advice = ReceiverEstimatedMaximumBitrate { sender_ssrc: SENDER_SSRC, bitrate, ssrcs };
        (!advice.ssrcs.is_empty()).then_some(advice)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        let keyframes = self.streams.iter().filter_map(|camera| camera.keyframes.timeout());
        keyframes.chain(self.advice.timeout()).min()
    }
}
