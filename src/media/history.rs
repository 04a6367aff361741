//! What was sent to a viewer on one stream, for sending again what it reports lost (RFC 4585, RFC 4588).

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use rtc::rtp;
use rtc::rtp::header::Extension;

/// Packets that can be sent again: half a second of video at 1,000 packets a second. What comes later than that is past
/// its frame.
const CAPACITY: usize = 512;
/// The same packet is not sent again sooner: the first copy may be under way.
const AGAIN_AFTER: Duration = Duration::from_millis(15);
/// Copies of one packet. Past them the viewer asks for a key frame.
const MAX_COPIES: u8 = 6;

/// A packet, without what all of the stream have in common: there are hundreds for each viewer.
struct Sent {
    payload: Bytes,
    extensions: Option<Box<Extensions>>,
    timestamp: u32,
    sent_at: Instant,
    sequence_number: u16,
    payload_type: u8,
    rtx_payload_type: Option<u8>,
    marker: bool,
    copies: u8,
}

struct Extensions {
    profile: u16,
    all: Vec<Extension>,
    /// Bytes behind them.
    padding: usize,
}

impl Sent {
    fn header(&self, ssrc: u32) -> rtp::Header {
        let mut header = rtp::Header {
            version: 2,
            marker: self.marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc,
            ..Default::default()
        };
        if let Some(extensions) = &self.extensions {
            header.extension = true;
            header.extension_profile = extensions.profile;
            header.extensions.clone_from(&extensions.all);
            header.extensions_padding = extensions.padding;
        }
        header
    }
}

/// The latest packets of one stream, by sequence number.
pub(super) struct History {
    slots: Vec<Option<Sent>>,
    ssrc: u32,
    rtx_ssrc: Option<u32>,
    rtx_sequence: u16,
}

impl History {
    pub(super) fn new(rtx_ssrc: Option<u32>) -> Self {
        Self { slots: Vec::new(), ssrc: 0, rtx_ssrc, rtx_sequence: rand::random::<u16>() >> 1 }
    }

    /// Remembers a packet. Payloads are shared with the other viewers, so it costs a header each.
    pub(super) fn remember(&mut self, now: Instant, packet: &rtp::Packet, rtx_payload_type: Option<u8>) {
        if self.slots.is_empty() {
            self.slots.resize_with(CAPACITY, || None);
        }
        let header = &packet.header;
        self.ssrc = header.ssrc;
        let slot = usize::from(header.sequence_number) % CAPACITY;
        let extensions = header.extension.then(|| {
            let (profile, padding) = (header.extension_profile, header.extensions_padding);
            Box::new(Extensions { profile, all: header.extensions.clone(), padding })
        });
        self.slots[slot] = Some(Sent {
            payload: packet.payload.clone(),
            extensions,
            timestamp: header.timestamp,
            sent_at: now,
            sequence_number: header.sequence_number,
            payload_type: header.payload_type,
            rtx_payload_type,
            marker: header.marker,
            copies: 0,
        });
    }

    /// The packet that repairs `sequence`, where it is remembered and not just sent.
    pub(super) fn again(&mut self, now: Instant, sequence: u16) -> Option<rtp::Packet> {
        let slot = self.slots.get_mut(usize::from(sequence) % CAPACITY)?;
        let sent = slot.as_mut().filter(|sent| sent.sequence_number == sequence)?;
        if sent.copies >= MAX_COPIES
            || (sent.copies > 0 && now.saturating_duration_since(sent.sent_at) < AGAIN_AFTER)
        {
            return None;
        }
        sent.copies += 1;
        sent.sent_at = now;
        let (Some(ssrc), Some(payload_type)) = (self.rtx_ssrc, sent.rtx_payload_type) else {
            return Some(rtp::Packet { header: sent.header(self.ssrc), payload: sent.payload.clone() });
        };
        // RFC 4588, 4: the original sequence number, then the original payload.
        let mut payload = BytesMut::with_capacity(2 + sent.payload.len());
        payload.put_u16(sequence);
        payload.extend_from_slice(&sent.payload);
        let header = rtp::Header { payload_type, sequence_number: self.rtx_sequence, ..sent.header(ssrc) };
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        Some(rtp::Packet { header, payload: payload.freeze() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence_number: u16) -> rtp::Packet {
        let header = rtp::Header {
            version: 2,
            sequence_number,
            ssrc: 1,
            payload_type: 96,
            timestamp: 7,
            ..Default::default()
        };
        rtp::Packet { header, payload: Bytes::from(sequence_number.to_string()) }
    }

    #[test]
    fn a_repair_carries_the_original_sequence_number_under_the_rtx_payload_type() {
        let now = Instant::now();
        let mut history = History::new(Some(2));
        history.remember(now, &packet(500), Some(97));
        let repair = history.again(now, 500).expect("remembered");
        assert_eq!((repair.header.ssrc, repair.header.payload_type, repair.header.timestamp), (2, 97, 7));
        assert_eq!(&repair.payload[..], [&500u16.to_be_bytes()[..], b"500"].concat());
    }

    #[test]
    fn without_rtx_the_packet_itself_is_sent_again_with_its_extensions() {
        let now = Instant::now();
        let mut extended = packet(501);
        extended.header.marker = true;
        extended.header.extension_profile = 0xBEDE;
        extended.header.set_extension(3, Bytes::from_static(b"abc")).expect("an extension");
        let mut history = History::new(None);
        for packet in [packet(500), extended] {
            history.remember(now, &packet, None);
            assert_eq!(history.again(now, packet.header.sequence_number), Some(packet));
        }
    }

    #[test]
    fn repairs_are_paced_and_counted() {
        let now = Instant::now();
        let mut history = History::new(Some(2));
        history.remember(now, &packet(1), Some(97));
        let mut copies = 0;
        for ms in 0..1_000 {
            copies += usize::from(history.again(now + Duration::from_millis(ms), 1).is_some());
        }
        assert_eq!(copies, usize::from(MAX_COPIES));
        assert!(history.again(now + Duration::from_millis(5), 1).is_none());
    }

    #[test]
    fn what_was_overwritten_or_never_sent_is_not_repaired() {
        let now = Instant::now();
        let mut history = History::new(Some(2));
        assert!(history.again(now, 3).is_none());
        history.remember(now, &packet(3), Some(97));
        history.remember(now, &packet(3 + CAPACITY as u16), Some(97));
        assert!(history.again(now, 3).is_none());
    }
}
