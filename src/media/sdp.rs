//! Reads an offer and writes the one that the peer connection sees.
//!
//! Offers come from strangers, so nothing of them is passed on as it is: what is understood is written anew, in one
//! canonical form, and the rest is left out. Remote candidates are counted and left out as well: a lite agent (RFC 8445,
//! 2.5) waits for checks and learns the far end's addresses from them, so no offer can make the server send anywhere.

use std::collections::HashSet;

use super::canonical::write_canonical;
use super::codec::{Format, Kind, Payload};
use super::config::MediaConfig;
use super::extensions::{CARRIED, Negotiated};
use super::types::MediaError;

/// Sections of one description.
const MAX_SECTIONS: usize = 16;

/// Which way media goes in an offer, seen from the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// A robot sends.
    Sends,
    /// A viewer receives.
    Receives,
}

/// What is known of an offer.
#[derive(Debug)]
pub(super) struct Offer {
    /// Every section of the offer, in its order.
    pub(super) sections: Vec<Section>,
    pub(super) candidates: usize,
    /// The far end's ICE credentials.
    pub(super) ufrag: String,
    pub(super) password: String,
    /// The offer as the peer connection gets it: accepted sections only.
    pub(super) canonical: String,
    /// Whether it looks like libwebrtc, the engine of Chromium and Safari.
    pub(super) libwebrtc: bool,
}

#[derive(Debug)]
pub(super) struct Section {
    pub(super) mid: Option<String>,
    pub(super) content: Content,
    /// `media` and `proto` of the m-line and its first format, for refusing it in kind.
    pub(super) line: (String, String, String),
}

#[derive(Debug)]
pub(super) enum Content {
    Media(Stream),
    Data,
    Refused,
}

/// One accepted section of pictures or sound.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) kind: Kind,
    pub(super) payloads: Vec<Payload>,
    /// The id of the track that a robot sends: the camera's name.
    pub(super) track: Option<String>,
    /// What the far end declares to send with, and its retransmissions.
    pub(super) ssrc: Option<u32>,
    pub(super) rtx_ssrc: Option<u32>,
    pub(super) feedback: Vec<(u8, String)>,
    pub(super) extensions: Vec<Negotiated>,
}

impl Offer {
    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.sections.iter().filter_map(|section| match &section.content {
            Content::Media(stream) => Some(stream),
            _ => None,
        })
    }

    pub(super) fn has_data(&self) -> bool {
        self.sections.iter().any(|section| matches!(section.content, Content::Data))
    }
}

pub(super) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Reads an offer in which media goes `direction`.
pub(super) fn read_offer(
    text: &str,
    direction: Direction,
    config: &MediaConfig,
) -> Result<Offer, MediaError> {
    if text.len() > config.max_sdp {
        return Err(MediaError::TooLarge { limit: config.max_sdp });
    }
    let (session, media) = split(text)?;
    let candidates = text.lines().filter(|line| line.starts_with("a=candidate:")).count();
    if candidates > config.max_candidates {
        return Err(MediaError::TooManyCandidates { limit: config.max_candidates });
    }
    let bundle: Vec<&str> = session
        .values("group")
        .find_map(|value| value.strip_prefix("BUNDLE"))
        .unwrap_or("")
        .split(' ')
        .collect();
    let bundled = |mid: &str| bundle.contains(&mid) || media.len() == 1;
    let mut sections = Vec::with_capacity(media.len());
    for lines in &media {
        sections.push(read_section(lines, direction, &bundled));
    }
    refuse_repeats(&mut sections);
    agree_extensions(&mut sections);
    let transport = read_transport(&session, &media)?;
    let is_video = |section: &Section| matches!(&section.content, Content::Media(s) if s.kind == Kind::Video);
    if !sections.iter().any(is_video) {
        let wanted = media.iter().any(|lines| lines.line.starts_with("video ") && lines.goes(direction));
        return Err(if wanted { MediaError::NoCodec } else { MediaError::NoVideo });
    }
    let libwebrtc = session.values("extmap-allow-mixed").next().is_some()
        && session.values("msid-semantic").any(|value| value.trim_start().starts_with("WMS"));
    let canonical = write_canonical(&sections, direction, &transport);
    Ok(Offer {
        sections,
        candidates,
        ufrag: transport.ufrag.to_owned(),
        password: transport.password.to_owned(),
        canonical,
        libwebrtc,
    })
}

/// One section of sound and one of data is all there is use for, and a mid names one section (RFC 5888, 4).
fn refuse_repeats(sections: &mut [Section]) {
    let (mut data, mut sound, mut mids) = (false, false, HashSet::new());
    for section in sections {
        let repeated_mid = section.mid.clone().is_some_and(|mid| !mids.insert(mid));
        let repeated = match &section.content {
            Content::Data => std::mem::replace(&mut data, true),
            Content::Media(stream) if stream.kind == Kind::Audio => std::mem::replace(&mut sound, true),
            Content::Media(_) | Content::Refused => false,
        };
        if repeated || repeated_mid {
            section.content = Content::Refused;
        }
    }
}

/// Keeps the header extensions that all sections of a kind have alike: the protocol library knows them by kind alone.
fn agree_extensions(sections: &mut [Section]) {
    for kind in [Kind::Video, Kind::Audio] {
        let mut of_kind: Vec<&mut Vec<Negotiated>> = sections
            .iter_mut()
            .filter_map(|section| match &mut section.content {
                Content::Media(stream) if stream.kind == kind => Some(&mut stream.extensions),
                _ => None,
            })
            .collect();
        let Some(mut common) = of_kind.first().map(|first| (**first).clone()) else { continue };
        common.retain(|extension| of_kind.iter().all(|other| other.contains(extension)));
        for extensions in &mut of_kind {
            (**extensions).clone_from(&common);
        }
    }
}

/// The lines of the session part or of one section.
#[derive(Default)]
struct Lines<'a> {
    /// The m-line's value; empty for the session part.
    line: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Lines<'a> {
    /// Values of an attribute, the empty text for one without a value.
    fn values(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter(move |(k, _)| *k == key).map(|(_, value)| *value)
    }

    /// Values of an attribute that begin with a payload type.
    fn by_payload(&self, key: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values(key).filter_map(|value| value.split_once(' '))
    }

    fn goes(&self, direction: Direction) -> bool {
        let has = |key| self.values(key).next().is_some();
        let one_way = match direction {
            Direction::Sends => "sendonly",
            Direction::Receives => "recvonly",
        };
        let none = !["sendonly", "recvonly", "inactive"].into_iter().any(has);
        // RFC 8866, 6.7: no attribute means both ways.
        has(one_way) || (has("sendrecv") || none)
    }
}

fn split(text: &str) -> Result<(Lines<'_>, Vec<Lines<'_>>), MediaError> {
    let mut parts = vec![Lines::default()];
    if !text.starts_with("v=0") {
        return Err(MediaError::Invalid("it does not begin with v=0".into()));
    }
    for line in text.lines() {
        let line = line.trim_end();
        if line.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(MediaError::Invalid("it has control characters".into()));
        }
        if let Some(line) = line.strip_prefix("m=") {
            parts.push(Lines { line, attributes: Vec::new() });
        } else if let (Some(attribute), Some(part)) = (line.strip_prefix("a="), parts.last_mut()) {
            part.attributes.push(attribute.split_once(':').unwrap_or((attribute, "")));
        }
    }
    let media = parts.split_off(1);
    if media.is_empty() || media.len() > MAX_SECTIONS {
        return Err(MediaError::Invalid(format!("it has {} media sections", media.len())));
    }
    Ok((parts.swap_remove(0), media))
}

fn read_section(lines: &Lines<'_>, direction: Direction, bundled: &impl Fn(&str) -> bool) -> Section {
    let mut words = lines.line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (kind, port, protocol, first) = (word(), word(), word(), word());
    let mid = lines.values("mid").next().filter(|mid| is_token(mid));
    let bundle_only = lines.values("bundle-only").next().is_some();
    let usable = mid.is_some_and(bundled) && (port != "0" || bundle_only);
    let content = match kind {
        "video" | "audio" if usable && protocol.ends_with("SAVPF") && lines.goes(direction) => {
            let kind = if kind == "audio" { Kind::Audio } else { Kind::Video };
            let stream = read_stream(lines, kind, std::iter::once(first).chain(words), direction);
            if stream.payloads.is_empty() { Content::Refused } else { Content::Media(stream) }
        }
        "application" if usable && protocol.ends_with("DTLS/SCTP") && first == "webrtc-datachannel" => {
            Content::Data
        }
        _ => Content::Refused,
    };
    let or = |word: &str, other: &str| if is_token(word) { word.to_owned() } else { other.to_owned() };
    Section {
        mid: mid.map(str::to_owned),
        content,
        line: (or(kind, "video"), or(protocol, "UDP/TLS/RTP/SAVPF"), or(first, "0")),
    }
}

/// RFC 8866's `token`, near enough, and short: text that is safe to write into a line. `/` stands in protocol names.
fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-./^_`{|}~".contains(&byte))
}

fn read_stream<'a>(
    lines: &Lines<'a>,
    kind: Kind,
    formats: impl Iterator<Item = &'a str>,
    direction: Direction,
) -> Stream {
    let listed: Vec<&str> = formats.take(64).collect();
    let fmtp = |payload_type: &str| {
        lines.by_payload("fmtp").find(|(of, _)| *of == payload_type).map_or("", |(_, parameters)| parameters)
    };
    let encoding = |payload_type: &str| {
        lines.by_payload("rtpmap").find(|(of, _)| *of == payload_type).map_or("", |(_, encoding)| encoding)
    };
    // Read once: an offer may have thousands of attributes, and each look goes through all of them.
    let repairs: Vec<(&str, &str)> = listed
        .iter()
        .filter(|rtx| encoding(rtx).eq_ignore_ascii_case("rtx/90000"))
        .filter_map(|rtx| Some((fmtp(rtx).split(';').find_map(|p| p.trim().strip_prefix("apt="))?, *rtx)))
        .collect();
    let rtx_of = |payload_type: &str| repairs.iter().find(|(of, _)| *of == payload_type).map(|(_, rtx)| *rtx);
    let mut stream = Stream {
        kind,
        payloads: Vec::new(),
        track: None,
        ssrc: None,
        rtx_ssrc: None,
        feedback: Vec::new(),
        extensions: read_extensions(lines, kind, direction),
    };
    for text in &listed {
        let Some(payload_type) = dynamic(text) else { continue };
        let known = stream.payloads.iter().any(|p| p.payload_type == payload_type);
        let format = Format::parse(encoding(text), fmtp(text)).filter(|format| format.kind() == kind);
        let Some(format) = format.filter(|_| !known) else { continue };
        let rtx = rtx_of(text).and_then(dynamic);
        stream.payloads.push(Payload { payload_type, rtx, format });
        // Sound is neither repaired nor asked for anew: it would come too late.
        if kind == Kind::Audio {
            continue;
        }
        let kept = ["nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"];
        let offered = lines
            .by_payload("rtcp-fb")
            .filter(|(of, what)| (of == text || *of == "*") && kept.contains(what));
        for (_, what) in offered {
            let feedback = (payload_type, what.to_owned());
            // A viewer is sent no transport-wide sequence numbers to report on.
            let of_use = what != "transport-cc" || direction == Direction::Sends;
            if of_use && !stream.feedback.contains(&feedback) {
                stream.feedback.push(feedback);
            }
        }
    }
    if direction == Direction::Sends {
        (stream.ssrc, stream.rtx_ssrc) = read_ssrcs(lines);
        let track = lines.values("msid").find_map(|value| value.split(' ').nth(1));
        stream.track = track.filter(|track| is_token(track)).map(str::to_owned);
    }
    stream
}

/// The known header extensions of a section, under ids of the one-byte form (RFC 8285, 4.2), each once.
fn read_extensions(lines: &Lines<'_>, kind: Kind, direction: Direction) -> Vec<Negotiated> {
    let mut extensions: Vec<Negotiated> = Vec::new();
    for (id, uri) in lines.by_payload("extmap") {
        let carried = CARRIED.iter().find(|(known, kinds)| *known == uri && kinds.contains(&kind));
        // Transport-wide numbers are about the way from the robot; what a viewer is sent has none.
        let own = Some(TRANSPORT_CC)
            .filter(|own| *own == uri && kind == Kind::Video && direction == Direction::Sends);
        let Some(uri) = carried.map(|(known, _)| *known).or(own) else { continue };
        let id = id.split('/').next().and_then(|id| id.parse().ok()).filter(|id| (1..=14).contains(id));
        let Some(id) = id else { continue };
        if extensions.iter().all(|(other, known)| *other != id && *known != uri) {
            extensions.push((id, uri));
        }
    }
    extensions
}

fn dynamic(payload_type: &str) -> Option<u8> {
    payload_type
        .parse()
        .ok()
        .filter(|payload_type| (35..=127).contains(payload_type) && !(64..=95).contains(payload_type))
}

/// The first stream a section declares and its retransmissions (RFC 5576, 4.2).
fn read_ssrcs(lines: &Lines<'_>) -> (Option<u32>, Option<u32>) {
    let declared = || lines.values("ssrc").filter_map(|value| value.split(' ').next()?.parse::<u32>().ok());
    let pairs: Vec<(u32, u32)> = lines
        .values("ssrc-group")
        .filter_map(|value| value.strip_prefix("FID ")?.split_once(' '))
        .filter_map(|(first, second)| Some((first.parse().ok()?, second.trim().parse().ok()?)))
        .collect();
    let repairs: HashSet<u32> = pairs.iter().map(|(_, rtx)| *rtx).collect();
    let first = declared().find(|ssrc| !repairs.contains(ssrc));
    let rtx = pairs.iter().find(|(primary, _)| Some(*primary) == first).map(|(_, rtx)| *rtx);
    (first, rtx.filter(|rtx| declared().any(|ssrc| ssrc == *rtx)))
}

/// ICE and DTLS parameters, which all bundled sections share (RFC 9143, 7.1.3).
pub(super) struct Transport<'a> {
    pub(super) ufrag: &'a str,
    pub(super) password: &'a str,
    pub(super) fingerprint: &'a str,
    pub(super) setup: &'a str,
}

fn read_transport<'a>(session: &Lines<'a>, media: &[Lines<'a>]) -> Result<Transport<'a>, MediaError> {
    let parts = || std::iter::once(session).chain(media);
    let one = |key: &'static str, ok: &dyn Fn(&str) -> bool| {
        let mut all = parts().flat_map(|lines| lines.values(key)).filter(|value| ok(value));
        let first = all.next().ok_or_else(|| MediaError::Invalid(format!("it has no usable a={key}")))?;
        if all.any(|value| value != first) {
            return Err(MediaError::Invalid(format!("its sections differ in a={key}: it must bundle them")));
        }
        Ok(first)
    };
    let ice = |min: usize| {
        move |value: &str| {
            (min..=256).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte))
        }
    };
    let sha_256 = |value: &str| {
        value.len() < 200
            && value.split_once(' ').is_some_and(|(hash, digits)| {
                hash.eq_ignore_ascii_case("sha-256")
                    && digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
            })
    };
    Ok(Transport {
        ufrag: one("ice-ufrag", &ice(4))?,
        password: one("ice-pwd", &ice(22))?,
        fingerprint: one("fingerprint", &sha_256)?,
        setup: one("setup", &|value| ["actpass", "active", "passive"].contains(&value))?,
    })
}
