//! Hands a viewer's feedback and a robot's sender reports to the application.
//!
//! Inbound RTCP ends in the peer connection's interceptor chain unless an interceptor marks it. What is marked here comes
//! out one packet at a time, since the chain routes a compound packet by its first part, which may name no stream at all.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Attribute, AttributedPacket, Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// What a viewer says of what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Feedback {
    /// Send these sequence numbers again (RFC 4585, 6.2.1).
    Again { ssrc: u32, lost: Vec<u16> },
    /// A key frame: PLI or FIR (RFC 4585, 6.3.1; RFC 5104, 4.3.1).
    KeyFrame { ssrc: u32 },
    /// It can receive so much, all streams together (draft-alvestrand-rmcat-remb-03).
    Receives { bps: u64 },
    /// How one stream arrives (RFC 3550, 6.4.1).
    Report(ReceptionReport),
}

/// Sequence numbers taken from one NACK; a datagram could name thousands.
const MAX_LOST: usize = 256;

/// Reads one RTCP packet that [`DeliverFeedback`] let through.
pub(super) fn feedback(packet: &dyn rtc::rtcp::Packet) -> Option<Feedback> {
    let any = packet.as_any();
    if let Some(nack) = any.downcast_ref::<TransportLayerNack>() {
        let lost = nack.nacks.iter().flat_map(|pair| pair.into_iter()).take(MAX_LOST).collect();
        return Some(Feedback::Again { ssrc: nack.media_ssrc, lost });
    }
    if let Some(pli) = any.downcast_ref::<PictureLossIndication>() {
        return Some(Feedback::KeyFrame { ssrc: pli.media_ssrc });
    }
    if let Some(remb) = any.downcast_ref::<ReceiverEstimatedMaximumBitrate>() {
        // A float's cast saturates, and what is no number becomes zero.
        return Some(Feedback::Receives { bps: remb.bitrate as u64 });
    }
    if let Some(report) = any.downcast_ref::<ReceiverReport>() {
        return report.reports.first().cloned().map(Feedback::Report);
    }
    any.downcast_ref::<FullIntraRequest>()?.fir.first().map(|entry| Feedback::KeyFrame { ssrc: entry.ssrc })
}

/// The interceptor that marks feedback for delivery. It stands behind all others.
#[derive(Default)]
pub(super) struct DeliverFeedback {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl DeliverFeedback {
    /// Application-ward of every slot that the library names.
    pub(super) fn slot() -> Slot {
        Slot::from(14_000)
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for DeliverFeedback {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut msg: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &mut msg.message.packet {
            let mut deliver = |packet| {
                self.reads.push_back(TaggedPacket {
                    now: msg.now,
                    transport: msg.transport,
                    message: AttributedPacket::new(Packet::Rtcp(vec![packet]))
                        .with(Attribute::DeliverToApplication),
                });
            };
            // Nobody behind this one listens to the rest.
            for packet in packets.drain(..) {
                match packet.as_any().downcast_ref::<ReceiverReport>() {
                    Some(report) => one_by_one(report).for_each(&mut deliver),
                    None if is_feedback(packet.as_ref()) => deliver(packet),
                    None => {}
                }
            }
            return Ok(());
        }
        self.reads.push_back(msg);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, msg: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(msg);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, _: Instant) -> Result<(), Error> {
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }
}

impl Interceptor for DeliverFeedback {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

fn is_feedback(packet: &dyn rtc::rtcp::Packet) -> bool {
    let any = packet.as_any();
    any.is::<TransportLayerNack>()
        || any.is::<PictureLossIndication>()
        || any.is::<FullIntraRequest>()
        || any.is::<ReceiverEstimatedMaximumBitrate>()
        || any.is::<SenderReport>()
}

/// A report of several streams, those of retransmissions among them, which the chain would route by the first.
fn one_by_one(report: &ReceiverReport) -> impl Iterator<Item = Box<dyn rtc::rtcp::Packet>> {
    report.reports.iter().map(|block| -> Box<dyn rtc::rtcp::Packet> {
        Box::new(ReceiverReport { ssrc: report.ssrc, reports: vec![block.clone()], ..Default::default() })
    })
}
