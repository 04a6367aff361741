//! What receivers report about the streams sent to them, sorted by camera: wishes for a key frame (PLI, RFC 4585 section 6.3.1;
//! FIR, RFC 5104 section 4.3.1), the bit rate they can take (REMB, draft-alvestrand-rmcat-remb-03) and the share of packets that
//! was lost on the way to them (RFC 3550 section 6.4.1).
//!
//! Read in an interceptor, for two reasons: inbound RTCP ends inside the peer connection unless an interceptor marks it, and what
//! is marked is routed by the first stream of the first packet alone, though a compound may speak of several.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// Behind every stock interceptor, so that each has seen the packet before.
const SLOT: usize = 14_000;

/// What was reported about one stream and not yet looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reports {
    pub(super) is_key_frame_asked: bool,
    /// Bits per second that the receiver can take of this stream.
    pub(super) receivable_bps: Option<u32>,
    /// Share of packets lost since the report before, 0 to 1.
    pub(super) lost: Option<f32>,
}

/// Where the reports about one stream gather.
#[derive(Clone, Default)]
pub(super) struct StreamFeedback(Arc<Mutex<Reports>>);

impl StreamFeedback {
    pub(super) fn report(&self, change: impl FnOnce(&mut Reports)) {
        change(&mut self.lock());
    }

    /// Empties it.
    pub(super) fn take(&self) -> Reports {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The streams of one peer connection, by SSRC. Reports about others are passed over.
#[derive(Clone, Default)]
pub(crate) struct Feedback(Arc<Mutex<HashMap<u32, StreamFeedback>>>);

impl Feedback {
    pub(super) fn of_stream(&self, ssrc: u32) -> StreamFeedback {
        self.streams().entry(ssrc).or_default().clone()
    }

    fn hear(&self, packet: &dyn rtcp::Packet) {
        let any = packet.as_any();
        if let Some(pli) = any.downcast_ref::<PictureLossIndication>() {
            self.report(pli.media_ssrc, |reports| reports.is_key_frame_asked = true);
        } else if let Some(fir) = any.downcast_ref::<FullIntraRequest>() {
            for entry in &fir.fir {
                self.report(entry.ssrc, |reports| reports.is_key_frame_asked = true);
            }
        } else if let Some(remb) = any.downcast_ref::<ReceiverEstimatedMaximumBitrate>() {
            self.hear_estimate(remb);
        } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
            self.hear_losses(&report.reports);
        } else if let Some(report) = any.downcast_ref::<SenderReport>() {
            self.hear_losses(&report.reports);
        }
    }

    /// An estimate is for all the streams that it names together; each gets an equal share.
    fn hear_estimate(&self, remb: &ReceiverEstimatedMaximumBitrate) {
        let streams = u32::try_from(remb.ssrcs.len()).unwrap_or(u32::MAX).max(1);
        // Saturates; what is no number becomes 0, which the controller's lower bound takes care of.
        let share = remb.bitrate as u32 / streams;
        for ssrc in &remb.ssrcs {
            self.report(*ssrc, |reports| reports.receivable_bps = Some(share));
        }
    }

    fn hear_losses(&self, reports: &[rtcp::reception_report::ReceptionReport]) {
        for report in reports {
            let lost = f32::from(report.fraction_lost) / 256.0;
            self.report(report.ssrc, |reports| {
                reports.lost = Some(lost.max(reports.lost.unwrap_or_default()))
            });
        }
    }

    fn report(&self, ssrc: u32, change: impl FnOnce(&mut Reports)) {
        if let Some(stream) = self.streams().get(&ssrc) {
            stream.report(change);
        }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<u32, StreamFeedback>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens in; every packet goes on as it came.
pub(super) struct FeedbackInterceptor {
    feedback: Feedback,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl FeedbackInterceptor {
    pub(super) fn new(feedback: Feedback) -> Self {
        Self { feedback, inbound: VecDeque::new(), outbound: VecDeque::new() }
    }

    pub(super) fn slot() -> Slot {
        Slot::from(SLOT)
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for FeedbackInterceptor {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &tagged.message.packet {
            for packet in packets {
                self.feedback.hear(packet.as_ref());
            }
        }
        self.inbound.push_back(tagged);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        self.outbound.push_back(tagged);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }
}

impl Interceptor for FeedbackInterceptor {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::payload_feedbacks::full_intra_request::FirEntry;
    use rtc::rtcp::reception_report::ReceptionReport;

    use super::*;

    const KEY_FRAME: Reports = Reports { is_key_frame_asked: true, receivable_bps: None, lost: None };

    #[test]
    fn a_request_reaches_the_camera_that_it_names_once() {
        let feedback = Feedback::default();
        let (left, right) = (feedback.of_stream(1), feedback.of_stream(2));
        feedback.hear(&PictureLossIndication { sender_ssrc: 9, media_ssrc: 2 });
        assert_eq!((left.take(), right.take()), (Reports::default(), KEY_FRAME));
        assert_eq!(right.take(), Reports::default());
        let entry = |ssrc| FirEntry { ssrc, sequence_number: 0 };
        feedback.hear(&FullIntraRequest {
            sender_ssrc: 9,
            media_ssrc: 0,
            fir: vec![entry(1), entry(2), entry(3)],
        });
        assert_eq!((left.take(), right.take()), (KEY_FRAME, KEY_FRAME));
    }

    #[test]
    fn an_estimate_is_shared_by_the_streams_that_it_names() {
        let feedback = Feedback::default();
        let (left, right) = (feedback.of_stream(1), feedback.of_stream(2));
        let hear = |bitrate, ssrcs: &[u32]| {
            feedback.hear(&ReceiverEstimatedMaximumBitrate {
                sender_ssrc: 9,
                bitrate,
                ssrcs: ssrcs.to_vec(),
            });
            (left.take().receivable_bps, right.take().receivable_bps)
        };
        assert_eq!(hear(800_000.0, &[1]), (Some(800_000), None));
        assert_eq!(hear(800_000.0, &[1, 2]), (Some(400_000), Some(400_000)));
        assert_eq!(hear(800_000.0, &[7]), (None, None));
        assert_eq!(hear(800_000.0, &[]), (None, None));
        assert_eq!(hear(f32::INFINITY, &[1]), (Some(u32::MAX), None));
        assert_eq!(hear(f32::NAN, &[1]), (Some(0), None));
        assert_eq!(hear(-5.0, &[1]), (Some(0), None));
    }

    #[test]
    fn the_worst_loss_since_the_last_look_counts() {
        let feedback = Feedback::default();
        let stream = feedback.of_stream(1);
        for fraction_lost in [0, 128, 64] {
            let report = ReceptionReport { ssrc: 1, fraction_lost, ..Default::default() };
            feedback.hear(&ReceiverReport { ssrc: 9, reports: vec![report], ..Default::default() });
        }
        assert_eq!(stream.take().lost, Some(0.5));
    }
}
