//! A camera's thread while it is published: takes pictures at the frame rate, encodes them and cuts them into RTP packets (RFC
//! 6184), off the asynchronous runtime, which an encoder would stall.

use std::time::{Duration, Instant};

use rtc::rtp;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::{Packetizer, new_packetizer};
use tokio::sync::mpsc;

use super::encoder::VideoEncoder;
use super::feedback::StreamFeedback;
use super::health::{Beat, CameraHealth};
use super::pictures::{Fresh, Pictures};
use super::rate::RateControl;

/// RTP header and payload, bytes.
const MTU: usize = 1200;
const CLOCK_RATE: u32 = 90_000;
/// Requests that come closer together than this are answered by one key frame.
const KEY_FRAME_SPACING: Duration = Duration::from_millis(250);
/// Pixels across, above which a picture is large.
const LARGE: usize = 640;
/// Frames that may wait to be sent. More would be delay, not smoothness.
const FRAMES_WAITING: usize = 4;

/// The packets of one frame, in order, the last with the marker.
pub(super) type Frame = Vec<rtp::Packet>;

/// What one stream is to be.
pub(super) struct StreamSpec {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
}

/// Starts a thread that makes frames until the receiver is dropped.
pub(super) fn start(
    spec: StreamSpec,
    max_bps: u32,
    pictures: Pictures,
    feedback: StreamFeedback,
    health: CameraHealth,
) -> std::io::Result<mpsc::Receiver<Frame>> {
    let (frames, receiver) = mpsc::channel(FRAMES_WAITING);
    let beat = health.beat();
    std::thread::Builder::new().name("encoder".into()).spawn(move || {
        let camera = health.name().to_owned();
        match Stream::new(&spec, max_bps, pictures, feedback, health) {
            Ok(stream) => stream.run(&frames, &beat),
            Err(error) => tracing::error!(%error, camera, "the encoder did not start"),
        }
    })?;
    Ok(receiver)
}

struct Stream {
    pictures: Pictures,
    feedback: StreamFeedback,
    health: CameraHealth,
    rate: RateControl,
    encoder: VideoEncoder,
    packetizer: Box<dyn Packetizer>,
    started: Instant,
    rtp_base: u32,
    is_key_frame_due: bool,
    last_key: Option<Instant>,
}

impl Stream {
    fn new(
        spec: &StreamSpec,
        max_bps: u32,
        pictures: Pictures,
        feedback: StreamFeedback,
        health: CameraHealth,
    ) -> Result<Self, openh264::Error> {
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
        let rate = RateControl::new(started, max_bps);
        let encoder = VideoEncoder::new(rate.present())?;
        health.targets(rate.present().bits_per_second);
        Ok(Self {
            pictures,
            feedback,
            health,
            rate,
            encoder,
            packetizer: Box::new(packetizer),
            started,
            rtp_base: rand::random(),
            is_key_frame_due: false,
            last_key: None,
        })
    }

    fn run(mut self, frames: &mpsc::Sender<Frame>, beat: &Beat) {
        let mut due = self.started;
        while !frames.is_closed() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            beat.beat();
            let now = Instant::now();
            self.follow_reports(now);
            // An encoder that fell behind (a suspended machine, a starved core) skips frames, it does not hurry after them.
            due = (due + self.rate.present().frame_interval()).max(now);
            match self.frame(now) {
                Ok(frame) if frame.is_empty() => {}
                // A frame that cannot be sent breaks the prediction of those after it.
                Ok(frame) => self.is_key_frame_due |= frames.try_send(frame).is_err(),
                Err(error) => {
                    tracing::warn!(%error, camera = self.health.name(), "a frame could not be encoded");
                }
            }
        }
    }

    fn follow_reports(&mut self, now: Instant) {
        let reports = self.feedback.take();
        self.is_key_frame_due |= reports.is_key_frame_asked;
        let Some(setting) = self.rate.follow(now, reports) else { return };
        tracing::debug!(?setting, camera = self.health.name(), "the encoder follows the receivers");
        self.health.targets(setting.bits_per_second);
        if let Err(error) = self.encoder.set(setting) {
            tracing::warn!(%error, camera = self.health.name(), "the encoder took no new bit rate");
        }
    }

    fn frame(&mut self, now: Instant) -> Result<Frame, Box<dyn std::error::Error>> {
        let wants_key =
            self.is_key_frame_due && self.last_key.is_none_or(|last| now - last >= KEY_FRAME_SPACING);
        // Who asks for a key frame while the camera is lost gets the last picture there was.
        let fresh = self.pictures.next();
        if fresh == Fresh::None && !wants_key {
            return Ok(Frame::new());
        }
        let Some(picture) = self.pictures.last() else { return Ok(Frame::new()) };
        if fresh != Fresh::None {
            self.health.pictured();
        }
        if wants_key || fresh == Fresh::First {
            self.encoder.force_key_frame();
        }
        // Smaller ones stay: their details are what is to be seen.
        let is_large = picture.width > LARGE;
        let halved = (is_large && self.rate.present().is_halved).then(|| picture.halved()).flatten();
        let (bytes, is_key) = self.encoder.encode(halved.as_ref().unwrap_or(picture))?;
        if bytes.is_empty() {
            return Ok(Frame::new());
        }
        if is_key {
            self.is_key_frame_due = false;
            self.last_key = Some(now);
        }
        self.health.encoded(bytes.len());
        self.packets(now, bytes)
    }

    fn packets(&mut self, now: Instant, bytes: Vec<u8>) -> Result<Frame, Box<dyn std::error::Error>> {
        let elapsed_us = (now - self.started).as_micros();
        let ticks = elapsed_us * u128::from(CLOCK_RATE) / 1_000_000;
        // RTP time wraps: RFC 3550 section 5.1.
        let timestamp = self.rtp_base.wrapping_add((ticks & u128::from(u32::MAX)) as u32);
        let mut packets = self.packetizer.packetize(now, &bytes.into(), 0)?;
        for packet in &mut packets {
            packet.header.timestamp = timestamp;
        }
        Ok(packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::health::Health;
    use crate::agent::pictures::TestPictures;
    use crate::agent::rate::DEFAULT_MAX_BPS;
    use crate::clock::SystemClock;

    fn test_stream(feedback: &StreamFeedback) -> (mpsc::Receiver<Frame>, CameraHealth) {
        let spec = StreamSpec { ssrc: 7, payload_type: 102 };
        let pictures = Pictures::Test(TestPictures::new("arm-1", "main", SystemClock::shared()));
        let health = Health::new("arm-1").camera("main", "test");
        (start(spec, DEFAULT_MAX_BPS, pictures, feedback.clone(), health.clone()).expect("starts"), health)
    }

    #[tokio::test]
    async fn a_stream_is_cut_into_packets_that_fit_and_ends_with_its_receiver() {
        let feedback = StreamFeedback::default();
        let (mut frames, _) = test_stream(&feedback);
        let first = frames.recv().await.expect("a frame");
        assert!(first.len() > 1, "a key frame and its parameter sets");
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

    #[tokio::test]
    async fn an_estimate_reaches_the_encoder_of_a_running_stream() {
        let feedback = StreamFeedback::default();
        let (mut frames, health) = test_stream(&feedback);
        frames.recv().await.expect("a frame");
        assert_eq!(health.status().target_bps, DEFAULT_MAX_BPS);
        feedback.report(|reports| reports.receivable_bps = Some(300_000));
        let mut seen = 0;
        while health.status().target_bps != 270_000 {
            frames.recv().await.expect("a frame");
            seen += 1;
            assert!(seen < 300, "the estimate had no effect");
        }
    }
}
