//! The test source's thread: draws, encodes H.264 constrained baseline and cuts it into RTP packets (RFC 6184), off the
//! asynchronous runtime, which an encoder would stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level, Profile,
    RateControlMode, SpsPpsStrategy, UsageType,
};
use rtc::rtp;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::{Packetizer, new_packetizer};
use tokio::sync::mpsc;

use super::picture::Picture;
use crate::clock::SharedClock;

const BITS_PER_SECOND: u32 = 1_500_000;
const FRAMES_PER_SECOND: u32 = 30;
/// RTP header and payload, bytes.
const MTU: usize = 1200;
const CLOCK_RATE: u32 = 90_000;
/// A key frame without being asked, for viewers whose request got lost.
const KEY_FRAME_EVERY: u32 = 10 * FRAMES_PER_SECOND;
/// Requests that come closer together than this are answered by one key frame.
const KEY_FRAME_SPACING: Duration = Duration::from_millis(250);
/// Frames that may wait to be sent. More would be delay, not smoothness.
const FRAMES_WAITING: usize = 4;

/// The packets of one frame, in order, the last with the marker.
pub(super) type Frame = Vec<rtp::Packet>;

/// What one stream is to be.
pub(super) struct StreamSpec {
    pub(super) robot: String,
    pub(super) camera: String,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
}

/// Asks a stream's encoder for a key frame.
#[derive(Clone, Default)]
pub(super) struct KeyFrameWish(Arc<AtomicBool>);

impl KeyFrameWish {
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn answered(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Starts a thread that makes 30 frames a second until the receiver is dropped.
pub(super) fn start(
    spec: StreamSpec,
    clock: SharedClock,
    wish: KeyFrameWish,
) -> std::io::Result<mpsc::Receiver<Frame>> {
    let (frames, receiver) = mpsc::channel(FRAMES_WAITING);
    std::thread::Builder::new().name("test-source".into()).spawn(move || {
        let camera = spec.camera.clone();
        match TestStream::new(spec, clock) {
            Ok(stream) => stream.run(&frames, &wish),
            Err(error) => tracing::error!(%error, camera, "the encoder did not start"),
        }
    })?;
    Ok(receiver)
}

struct TestStream {
    picture: Picture,
    clock: SharedClock,
    encoder: TestEncoder,
    packetizer: Box<dyn Packetizer>,
    started: Instant,
    rtp_base: u32,
}

impl TestStream {
    fn new(spec: StreamSpec, clock: SharedClock) -> Result<Self, openh264::Error> {
        let started = Instant::now();
        let packetizer = new_packetizer(
            started,
            MTU,
            spec.payload_type,
            spec.ssrc,
            Box::new(H264Payloader::default()),
            Box::new(rtp::sequence::new_random_sequencer()),
            CLOCK_RATE,
        );
        Ok(Self {
            picture: Picture::new(&spec.robot, &spec.camera),
            clock,
            encoder: TestEncoder::new()?,
            packetizer: Box::new(packetizer),
            started,
            rtp_base: rand::random(),
        })
    }

    fn run(mut self, frames: &mpsc::Sender<Frame>, wish: &KeyFrameWish) {
        let interval = Duration::from_secs(1) / FRAMES_PER_SECOND;
        let mut last_key: Option<Instant> = None;
        let mut due = self.started;
        while !frames.is_closed() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let now = Instant::now();
            // An encoder that fell behind (a suspended machine, a starved core) skips frames, it does not hurry after them.
            due = (due + interval).max(now);
            if wish.is_asked() && last_key.is_none_or(|last| now - last >= KEY_FRAME_SPACING) {
                wish.answered();
                self.encoder.force_key_frame();
            }
            match self.frame(now) {
                Ok((frame, is_key)) => {
                    if is_key {
                        last_key = Some(now);
                    }
                    // A frame that cannot be sent breaks the prediction of those after it.
                    if !frame.is_empty() && frames.try_send(frame).is_err() {
                        wish.ask();
                    }
                }
                Err(error) => tracing::warn!(%error, "a frame could not be encoded"),
            }
        }
    }

    fn frame(&mut self, now: Instant) -> Result<(Frame, bool), Box<dyn std::error::Error>> {
        self.picture.draw(self.clock.wall());
        let (bytes, is_key) = self.encoder.encode(&self.picture)?;
        if bytes.is_empty() {
            return Ok((Frame::new(), false));
        }
        let elapsed_us = (now - self.started).as_micros();
        let ticks = elapsed_us * u128::from(CLOCK_RATE) / 1_000_000;
        // RTP time wraps: RFC 3550 section 5.1.
        let timestamp = self.rtp_base.wrapping_add((ticks & u128::from(u32::MAX)) as u32);
        let mut packets = self.packetizer.packetize(now, &bytes.into(), 0)?;
        for packet in &mut packets {
            packet.header.timestamp = timestamp;
        }
        Ok((packets, is_key))
    }
}

/// openh264, set up for a live picture.
pub(super) struct TestEncoder {
    encoder: Encoder,
    is_started: bool,
}

impl TestEncoder {
    pub(super) fn new() -> Result<Self, openh264::Error> {
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .profile(Profile::Baseline)
            .level(Level::Level_3_1)
            .bitrate(BitRate::from_bps(BITS_PER_SECOND))
            .rate_control_mode(RateControlMode::Bitrate)
            .max_frame_rate(FrameRate::from_hz(FRAMES_PER_SECOND as f32))
            .skip_frames(true)
            .intra_frame_period(IntraFramePeriod::from_num_frames(KEY_FRAME_EVERY))
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .complexity(Complexity::Low)
            .scene_change_detect(false)
            .background_detection(false)
            .adaptive_quantization(false)
            .num_threads(1);
        Ok(Self { encoder: Encoder::with_api_config(OpenH264API::from_source(), config)?, is_started: false })
    }

    /// Makes the next frame a key frame. The first is one anyway.
    pub(super) fn force_key_frame(&mut self) {
        if self.is_started {
            self.encoder.force_intra_frame();
        }
    }

    /// One access unit in Annex B form, empty where the rate control skipped the frame, and whether it is a key frame.
    pub(super) fn encode(&mut self, picture: &Picture) -> Result<(Vec<u8>, bool), openh264::Error> {
        let encoded = self.encoder.encode(picture)?;
        self.is_started = true;
        Ok((encoded.to_vec(), encoded.frame_type() == FrameType::IDR))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;

    use super::*;
    use crate::clock::SystemClock;
    use crate::protocol::stamp;

    fn nal_types(annex_b: &[u8]) -> Vec<u8> {
        annex_b.windows(4).filter(|window| window[..3] == [0, 0, 1]).map(|window| window[3] & 0x1f).collect()
    }

    /// Encodes `count` frames, asking for a key frame at each index in `keys`, and gives each to `check`.
    fn encode(count: i64, keys: &[i64], mut check: impl FnMut(i64, u64, &[u8], bool)) {
        let mut picture = Picture::new("arm-1", "main");
        let mut encoder = TestEncoder::new().expect("encoder");
        for index in 0..count {
            let unix_ms = 1_800_000_000_000 + index * 33;
            picture.draw(DateTime::from_timestamp_millis(unix_ms).expect("in range"));
            if keys.contains(&index) {
                encoder.force_key_frame();
            }
            let (bytes, is_key) = encoder.encode(&picture).expect("encodes");
            check(index, u64::try_from(unix_ms).expect("positive"), &bytes, is_key);
        }
    }

    #[test]
    fn every_stamp_survives_compression_at_our_bit_rate() {
        let mut decoder = Decoder::new().expect("decoder");
        let mut bytes_total = 0;
        encode(90, &[40], |index, unix_ms, bytes, _| {
            assert!(!bytes.is_empty(), "frame {index} was skipped");
            bytes_total += bytes.len();
            let decoded = decoder.decode(bytes).expect("decodes").expect("a frame in, a frame out");
            assert_eq!(stamp::read(decoded.y(), decoded.strides().0), Some(unix_ms), "frame {index}");
        });
        assert!(bytes_total * 8 / 3 < 2_000_000, "{bytes_total} bytes in three seconds");
    }

    #[test]
    fn a_key_frame_comes_when_asked_and_brings_its_parameter_sets() {
        encode(60, &[7, 30], |index, _, bytes, is_key| {
            assert_eq!(is_key, [0, 7, 30].contains(&index), "frame {index}");
            assert_eq!(nal_types(bytes), if is_key { vec![7, 8, 5] } else { vec![1] }, "frame {index}");
            if is_key {
                let sps = bytes.windows(4).position(|window| window == [0, 0, 1, 0x67]).expect("an SPS") + 4;
                assert_eq!(bytes[sps], 66, "baseline profile");
                assert_eq!(bytes[sps + 1] & 0x40, 0x40, "constrained");
            }
        });
    }

    #[tokio::test]
    async fn a_stream_is_cut_into_packets_that_fit_and_ends_with_its_receiver() {
        let spec = StreamSpec { robot: "arm-1".into(), camera: "main".into(), ssrc: 7, payload_type: 102 };
        let wish = KeyFrameWish::default();
        let mut frames = start(spec, SystemClock::shared(), wish.clone()).expect("starts");
        let first = frames.recv().await.expect("a frame");
        assert!(first.len() > 1, "a key frame and its parameter sets");
        wish.ask();
        let mut sequence = first[0].header.sequence_number;
        for packet in &first {
            assert_eq!((packet.header.ssrc, packet.header.payload_type), (7, 102));
            assert_eq!(packet.header.sequence_number, sequence);
            assert!(packet.payload.len() <= MTU - 12);
            sequence = sequence.wrapping_add(1);
        }
        assert!(first.last().expect("packets").header.marker);
        let second = frames.recv().await.expect("another frame");
        assert_ne!(second[0].header.timestamp, first[0].header.timestamp);
    }
}
