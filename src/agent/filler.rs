//! Packets without a picture, at an even pace: what a load generator publishes.

use std::time::Duration;

use bytes::Bytes;
use rtc::rtp;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::config::Filler;
use super::stream::{Frame, StreamSpec};

/// RTP header and payload, bytes.
const PACKET: usize = 1100;
const RTP_HEADER: usize = 12;
const CLOCK_RATE: u32 = 90_000;
/// A single NAL unit packet of an IDR slice (RFC 6184 section 5.6), so that every packet looks like a whole key frame.
const NAL_HEADER: u8 = 0x65;

/// Starts a task that makes packets until the receiver is dropped.
pub(super) fn start(spec: &StreamSpec, filler: Filler) -> mpsc::Receiver<Frame> {
    let (frames, receiver) = mpsc::channel(1);
    let rate = filler.packets_per_second.clamp(1, CLOCK_RATE);
    let mut header = rtp::header::Header {
        version: 2,
        marker: true,
        payload_type: spec.payload_type,
        sequence_number: rand::random(),
        timestamp: rand::random(),
        ssrc: spec.ssrc,
        ..Default::default()
    };
    let mut payload = vec![0xA5; PACKET - RTP_HEADER];
    payload[0] = NAL_HEADER;
    let payload = Bytes::from(payload);
    tokio::spawn(async move {
        let mut pace = interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            pace.tick().await;
            let packet = rtp::Packet { header: header.clone(), payload: payload.clone() };
            if frames.send(vec![packet]).await.is_err() {
                return;
            }
            filler.sent.send_modify(|sent| *sent += 1);
            header.sequence_number = header.sequence_number.wrapping_add(1);
            header.timestamp = header.timestamp.wrapping_add(CLOCK_RATE / rate);
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use rtc::shared::marshal::MarshalSize;
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn packets_follow_each_other_and_have_their_size() {
        let filler = Filler { packets_per_second: 1_000, sent: watch::Sender::new(0) };
        let spec = StreamSpec { ssrc: 7, payload_type: 102 };
        let mut frames = start(&spec, filler.clone());
        let mut last = frames.recv().await.expect("a packet").remove(0);
        assert_eq!(last.marshal_size(), PACKET);
        for _ in 0..60 {
            let packet = frames.recv().await.expect("a packet").remove(0);
            assert_eq!(packet.header.sequence_number, last.header.sequence_number.wrapping_add(1));
            assert_eq!(packet.header.timestamp.wrapping_sub(last.header.timestamp), 90);
            last = packet;
        }
        assert!(*filler.sent.borrow() >= 60);
    }
}
