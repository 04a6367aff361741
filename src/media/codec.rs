//! The codecs that are relayed, and which payload type of one peer suits a stream of another.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Video,
    Audio,
}

impl Kind {
    /// The word of an m-line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

/// A format as far as relaying goes: two streams of equal format are interchangeable for a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// RFC 7587.
    Opus,
    Vp8,
    /// RFC 6184. `profile` is the first two bytes of `profile-level-id`; the level may differ between the sides
    /// (`level-asymmetry-allowed`).
    H264 {
        profile: [u8; 2],
        level: u8,
        packetization_mode: u8,
    },
}

/// RFC 6184, 8.1: what an offer without `profile-level-id` means (Baseline, level 1).
const DEFAULT_PROFILE: ([u8; 2], u8) = ([0x42, 0x00], 0x0a);

impl Format {
    /// Reads an `rtpmap` encoding name with its `fmtp`; `None` for what is not relayed.
    pub(super) fn parse(encoding: &str, fmtp: &str) -> Option<Self> {
        if encoding.eq_ignore_ascii_case("VP8/90000") {
            return Some(Self::Vp8);
        }
        if encoding.eq_ignore_ascii_case("opus/48000/2") {
            return Some(Self::Opus);
        }
        if !encoding.eq_ignore_ascii_case("H264/90000") {
            return None;
        }
        let (mut profile, mut packetization_mode) = (DEFAULT_PROFILE, 0);
        for parameter in fmtp.split(';') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key.trim().to_ascii_lowercase().as_str() {
                "profile-level-id" => profile = parse_profile(value.trim())?,
                "packetization-mode" => packetization_mode = value.trim().parse().ok()?,
                _ => {}
            }
        }
        let format = Self::H264 { profile: profile.0, level: profile.1, packetization_mode };
        (packetization_mode <= 1 && format.rank().is_some()).then_some(format)
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Opus => Kind::Audio,
            Self::Vp8 | Self::H264 { .. } => Kind::Video,
        }
    }

    /// Ticks of its RTP clock in a second (RFC 3551, RFC 7587).
    pub(super) fn clock_rate(self) -> u32 {
        match self.kind() {
            Kind::Video => 90_000,
            Kind::Audio => 48_000,
        }
    }

    pub(super) fn channels(self) -> u16 {
        match self.kind() {
            Kind::Video => 0,
            Kind::Audio => 2,
        }
    }

    /// The SDP encoding name.
    pub(super) fn mime_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/opus",
            Self::Vp8 => "video/VP8",
            Self::H264 { .. } => "video/H264",
        }
    }

    pub(super) fn encoding(self) -> &'static str {
        match self {
            Self::Opus => "opus/48000/2",
            Self::Vp8 => "VP8/90000",
            Self::H264 { .. } => "H264/90000",
        }
    }

    /// The `fmtp` parameters, all of them spelt out.
    pub(super) fn fmtp(self) -> String {
        match self {
            Self::Opus => "minptime=10;useinbandfec=1".to_owned(),
            Self::Vp8 => String::new(),
            Self::H264 { profile: [idc, constraints], level, packetization_mode } => format!(
                "level-asymmetry-allowed=1;packetization-mode={packetization_mode};\
                 profile-level-id={idc:02x}{constraints:02x}{level:02x}"
            ),
        }
    }

    /// How well a receiver of `self` suits a stream of `source`, higher is better; `None` when it cannot play it.
    fn suits(self, source: Self) -> Option<u8> {
        match (self, source) {
            (Self::Opus, Self::Opus) | (Self::Vp8, Self::Vp8) => Some(0),
            (
                Self::H264 { profile, packetization_mode, .. },
                Self::H264 { profile: sent, packetization_mode: sent_mode, .. },
            ) => {
                // Mode 1 receivers take mode 0 streams; the reverse would meet fragments it does not know.
                let playable = packetization_mode >= sent_mode && self.rank()? >= source.rank()?;
                let exact = u8::from(profile == sent) * 2 + u8::from(packetization_mode == sent_mode);
                playable.then_some(exact)
            }
            _ => None,
        }
    }

    /// Baseline < Main < High: a decoder of the higher plays the lower.
    fn rank(self) -> Option<u8> {
        match self {
            Self::Opus | Self::Vp8 => Some(0),
            Self::H264 { profile: [0x42, _], .. } => Some(0),
            Self::H264 { profile: [0x4d, _], .. } => Some(1),
            Self::H264 { profile: [0x58 | 0x64, _], .. } => Some(2),
            Self::H264 { .. } => None,
        }
    }
}

fn parse_profile(hex: &str) -> Option<([u8; 2], u8)> {
    let value = (hex.len() == 6).then(|| u32::from_str_radix(hex, 16).ok()).flatten()?;
    let [_, idc, constraints, level] = value.to_be_bytes();
    Some(([idc, constraints], level))
}

/// One negotiated payload type, with that of its retransmissions (RFC 4588).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) payload_type: u8,
    pub(super) rtx: Option<u8>,
    pub(super) format: Format,
}

/// The payload type under which a peer that negotiated `payloads` best takes a stream of `source`.
pub(super) fn payload_for(payloads: &[Payload], source: Format) -> Option<Payload> {
    payloads
        .iter()
        .filter_map(|payload| payload.format.suits(source).map(|fit| (fit, payload)))
        // The first of equals, as the offer prefers it.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, payload)| *payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(fmtp: &str) -> Format {
        Format::parse("H264/90000", fmtp).expect("understood")
    }

    #[test]
    fn constrained_baseline_is_read_and_written_back() {
        let fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
        assert_eq!(h264(fmtp).fmtp(), fmtp);
        assert_eq!(Format::parse("vp8/90000", ""), Some(Format::Vp8));
        assert_eq!(Format::parse("opus/48000/2", "stereo=1"), Some(Format::Opus));
        assert_eq!(h264("").fmtp(), "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42000a");
    }

    #[test]
    fn what_is_not_relayed_is_not_a_format() {
        for (encoding, fmtp) in [
            ("VP9/90000", ""),
            ("opus/48000", ""),
            ("AV1/90000", ""),
            ("H264/90000", "packetization-mode=2"),
            ("H264/90000", "profile-level-id=f4001f"),
            ("H264/90000", "profile-level-id=42e0"),
            ("H264/90000", "profile-level-id=+2e01f"),
        ] {
            let read = Format::parse(encoding, fmtp);
            assert!(read.is_none(), "{encoding} {fmtp}: {read:?}");
        }
    }

    #[test]
    fn a_viewer_gets_the_stream_under_the_closest_payload_type() {
        let payload = |payload_type, fmtp: &str| Payload { payload_type, rtx: None, format: h264(fmtp) };
        let offered = [
            payload(102, "packetization-mode=1;profile-level-id=42001f"),
            payload(104, "packetization-mode=0;profile-level-id=42001f"),
            payload(106, "packetization-mode=1;profile-level-id=42e01f"),
            payload(112, "packetization-mode=1;profile-level-id=64001f"),
        ];
        let best = |fmtp: &str| payload_for(&offered, h264(fmtp)).map(|payload| payload.payload_type);
        assert_eq!(best("packetization-mode=1;profile-level-id=42e034"), Some(106), "the level may differ");
        assert_eq!(best("packetization-mode=1;profile-level-id=4d001f"), Some(112), "High plays Main");
        assert_eq!(best("packetization-mode=0;profile-level-id=42001f"), Some(104));
        assert_eq!(payload_for(&offered[..2], h264("packetization-mode=1;profile-level-id=64001f")), None);
        assert_eq!(payload_for(&offered, Format::Vp8), None);
    }
}
