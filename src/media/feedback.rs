//! Hands a viewer's feedback to the application.
//!
//! Inbound RTCP ends in the peer connection's interceptor chain unless an interceptor marks it. What is marked here comes
//! out one packet at a time, since the chain routes a compound packet by its first part, which may name no stream at all.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Attribute, AttributedPacket, Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// What a viewer asks for, about one of the streams sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Send these sequence numbers again (RFC 4585, 6.2.1).
    Again { ssrc: u32, lost: Vec<u16> },
    /// A key frame: PLI or FIR (RFC 4585, 6.3.1; RFC 5104, 4.3.1).
    KeyFrame { ssrc: u32 },
}

/// Sequence numbers taken from one NACK; a datagram could name thousands.
const MAX_LOST: usize = 256;

/// Reads one RTCP packet that [`DeliverFeedback`] let through.
pub(super) fn wish(packet: &dyn rtc::rtcp::Packet) -> Option<Wish> {
    let any = packet.as_any();
    if let Some(nack) = any.downcast_ref::<TransportLayerNack>() {
        let lost = nack.nacks.iter().flat_map(|pair| pair.into_iter()).take(MAX_LOST).collect();
        return Some(Wish::Again { ssrc: nack.media_ssrc, lost });
    }
    if let Some(pli) = any.downcast_ref::<PictureLossIndication>() {
        return Some(Wish::KeyFrame { ssrc: pli.media_ssrc });
    }
    any.downcast_ref::<FullIntraRequest>()?.fir.first().map(|entry| Wish::KeyFrame { ssrc: entry.ssrc })
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
            // Nobody behind this one listens to the rest.
            for packet in packets.drain(..).filter(|packet| is_feedback(packet.as_ref())) {
                self.reads.push_back(TaggedPacket {
                    now: msg.now,
                    transport: msg.transport,
                    message: AttributedPacket::new(Packet::Rtcp(vec![packet]))
                        .with(Attribute::DeliverToApplication),
                });
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
    any.is::<TransportLayerNack>() || any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>()
}
