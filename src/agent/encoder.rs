//! openh264, set up for a live picture: H.264 constrained baseline in Annex B form, its bit rate changed as it runs.

use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level, Profile,
    RateControlMode, SpsPpsStrategy, UsageType,
};
use openh264::formats::YUVSource;

use super::rate::Setting;

/// A key frame without being asked, for viewers whose request got lost.
const KEY_FRAME_EVERY_SECONDS: u32 = 10;

/// An encoder of one camera.
pub(super) struct VideoEncoder {
    encoder: Encoder,
    is_started: bool,
}

impl VideoEncoder {
    pub(super) fn new(setting: Setting) -> Result<Self, openh264::Error> {
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .profile(Profile::Baseline)
            .level(Level::Level_3_1)
            .bitrate(BitRate::from_bps(setting.bits_per_second))
            .rate_control_mode(RateControlMode::Bitrate)
            // Far below 2^24.
            .max_frame_rate(FrameRate::from_hz(setting.frames_per_second as f32))
            .skip_frames(true)
            .intra_frame_period(IntraFramePeriod::from_num_frames(
                KEY_FRAME_EVERY_SECONDS.saturating_mul(setting.frames_per_second),
            ))
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .complexity(Complexity::Low)
            .scene_change_detect(false)
            .background_detection(false)
            .adaptive_quantization(false)
            .num_threads(1);
        Ok(Self { encoder: Encoder::with_api_config(OpenH264API::from_source(), config)?, is_started: false })
    }

    /// Goes on with another setting, from a key frame: openh264's safe interface has no other way to change a bit rate.
    pub(super) fn set(&mut self, setting: Setting) -> Result<(), openh264::Error> {
        *self = Self::new(setting)?;
        Ok(())
    }

    /// Makes the next frame a key frame. The first is one anyway.
    pub(super) fn force_key_frame(&mut self) {
        if self.is_started {
            self.encoder.force_intra_frame();
        }
    }

    /// One access unit in Annex B form, empty where the rate control skipped the frame, and whether it is a key frame. A
    /// picture of another size than the one before starts with a key frame.
    pub(super) fn encode(&mut self, picture: &impl YUVSource) -> Result<(Vec<u8>, bool), openh264::Error> {
        let encoded = self.encoder.encode(picture)?;
        self.is_started = true;
        Ok((encoded.to_vec(), encoded.frame_type() == FrameType::IDR))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use openh264::decoder::Decoder;

    use super::*;
    use crate::agent::picture::Picture;
    use crate::agent::rate::{DEFAULT_MAX_BPS, MIN_BPS};
    use crate::protocol::stamp;

    fn nal_types(annex_b: &[u8]) -> Vec<u8> {
        annex_b.windows(4).filter(|window| window[..3] == [0, 0, 1]).map(|window| window[3] & 0x1f).collect()
    }

    /// Encodes `count` frames, asking for a key frame at each index in `keys`, and gives each to `check`.
    fn encode(count: i64, keys: &[i64], mut check: impl FnMut(i64, u64, &[u8], bool)) {
        let mut picture = Picture::new("arm-1", "main");
        let mut encoder = VideoEncoder::new(Setting::of(DEFAULT_MAX_BPS)).expect("encoder");
        for index in 0..count {
            let unix_ms = 1_800_000_000_000 + index * 33;
            picture.draw(DateTime::from_timestamp_millis(unix_ms).expect("in range"));
            if keys.contains(&index) {
                encoder.force_key_frame();
            }
            let (bytes, is_key) = encoder.encode(picture.image()).expect("encodes");
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

    #[test]
    fn another_setting_makes_a_key_frame_and_fewer_bytes() {
        let mut picture = Picture::new("arm-1", "main");
        let low = Setting::of(MIN_BPS);
        let mut encoder = VideoEncoder::new(Setting::of(DEFAULT_MAX_BPS)).expect("encoder");
        let mut decoder = Decoder::new().expect("decoder");
        let mut unix_ms = 1_800_000_000_000;
        let mut second = |encoder: &mut VideoEncoder, step_ms| {
            let mut bytes_total = 0;
            let mut keys = 0;
            for _ in 0..1000 / step_ms {
                unix_ms += step_ms;
                picture.draw(DateTime::from_timestamp_millis(unix_ms).expect("in range"));
                let (bytes, is_key) = encoder.encode(picture.image()).expect("encodes");
                bytes_total += bytes.len();
                keys += usize::from(is_key);
                if let Some(decoded) = decoder.decode(&bytes).expect("decodes") {
                    assert_eq!(stamp::read(decoded.y(), decoded.strides().0), u64::try_from(unix_ms).ok());
                }
            }
            (bytes_total, keys)
        };
        second(&mut encoder, 33);
        let (high, _) = second(&mut encoder, 33);
        encoder.set(low).expect("set");
        let (_, keys) = second(&mut encoder, 100);
        assert_eq!(keys, 1);
        let (bytes, keys) = second(&mut encoder, 100);
        assert_eq!(keys, 0);
        assert!(bytes * 2 < high && bytes * 8 < 200_000, "{bytes} bytes a second, {high} before");
    }
}
