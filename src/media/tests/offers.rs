//! Offers as strangers may write them, and the answers they get.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::build::Builder;
use super::super::config::MediaConfig;
use super::super::sdp::{Direction, read_offer};
use super::super::types::{Answer, MediaError, PeerKind, PeerSpec};
use super::world::{peer, publisher_kind, viewer_kind};
use crate::clock::BootInstant;

/// The shape of a browser's offer: audio, video and data in one bundle.
const BROWSER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:F7gI\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8gd2\r\n\
a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
a=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 102 103 106 107 49\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:F7gI\r\n\
a=ice-pwd:x9cml/YzichV2+XlhiMu8gd2\r\n\
a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
a=setup:actpass\r\na=mid:1\r\na=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\n\
a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\na=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\na=rtpmap:103 rtx/90000\r\n\
a=fmtp:103 apt=102\r\na=rtpmap:106 H264/90000\r\n\
a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:107 rtx/90000\r\n\
a=fmtp:107 apt=106\r\na=rtpmap:49 flexfec-03/90000\r\n\
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:F7gI\r\n\
a=ice-pwd:x9cml/YzichV2+XlhiMu8gd2\r\n\
a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
a=setup:actpass\r\na=mid:2\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";

fn builder() -> Builder {
    let addresses = ["203.0.113.1:8189", "[2001:db8::1]:8189"];
    let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().expect("an address")).collect();
    Builder::new(MediaConfig::default(), &addresses).expect("a builder")
}

fn answer_as(kind: PeerKind, offer: &str) -> Result<Answer, MediaError> {
    let deadline = BootInstant::default().saturating_add(Duration::from_secs(60));
    let spec = PeerSpec { peer: peer(1), kind, deadline, decides: false };
    builder().build(Instant::now(), spec, offer).map(|built| built.answer)
}

fn answer(offer: &str) -> Result<Answer, MediaError> {
    answer_as(viewer_kind(7), offer)
}

fn sections(sdp: &str) -> Vec<&str> {
    let starts: Vec<usize> =
        sdp.match_indices("m=").filter(|(at, _)| sdp[..*at].ends_with('\n')).map(|(at, _)| at).collect();
    starts
        .iter()
        .enumerate()
        .map(|(i, at)| &sdp[*at..starts.get(i + 1).copied().unwrap_or(sdp.len())])
        .collect()
}

#[test]
fn a_browsers_offer_is_answered_section_by_section() {
    let answer = answer(BROWSER).expect("answered");
    let sections = sections(&answer.sdp);
    assert_eq!(sections.len(), 3);
    let sound = sections[0];
    assert!(sound.starts_with("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"), "{sound}");
    for line in ["a=mid:0", "a=sendonly", "a=rtpmap:111 opus/48000/2", "a=end-of-candidates"] {
        assert!(sound.contains(&format!("{line}\r\n")), "{line} is missing in\n{sound}");
    }
    assert!(!sound.contains("red/48000") && !sound.contains("rtcp-fb"), "{sound}");
    let video = sections[1];
    assert!(video.starts_with("m=video 9 UDP/TLS/RTP/SAVPF 96 "), "{video}");
    for line in [
        "a=mid:1",
        "a=sendonly",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:106 H264/90000",
        "a=fmtp:97 apt=96",
        "a=fmtp:107 apt=106",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 goog-remb",
        "a=setup:passive",
    ] {
        assert!(video.contains(&format!("{line}\r\n")), "{line} is missing in\n{video}");
    }
    for absent in ["VP9", "flexfec", "transport-cc", "extmap"] {
        assert!(!answer.sdp.contains(absent), "{absent}");
    }
    for candidate in [
        "a=candidate:1 1 udp 2130706431 203.0.113.1 8189 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 8189 typ host",
        "a=candidate:3 1 tcp 1520435199 203.0.113.1 8189 typ host tcptype passive",
        "a=candidate:4 1 tcp 1520434943 2001:db8::1 8189 typ host tcptype passive",
    ] {
        for section in &sections {
            assert!(section.contains(&format!("{candidate}\r\n")), "{candidate} is missing in\n{section}");
        }
    }
    assert_eq!(video.matches("a=ssrc-group:FID").count(), 1);
    assert!(sections[2].starts_with("m=application 9 UDP/DTLS/SCTP"));
    assert!(answer.sdp.contains("a=group:BUNDLE 0 1 2\r\n") && answer.sdp.contains("a=ice-lite\r\n"));
    assert_eq!(answer.candidates.len(), 4, "one transport for all sections");
    assert_eq!(
        (answer.candidates[0].sdp_mid.as_deref(), answer.candidates[0].sdp_mline_index),
        (Some("0"), Some(0))
    );
}

/// aiortc 1.16 keeps one transport for both cameras and takes the candidates of the section that it reads last for it.
#[test]
fn a_robot_of_two_cameras_and_sound_finds_the_candidates_wherever_it_looks() {
    let offer = include_str!("offers/aiortc_two_cameras.sdp");
    let answer = answer_as(publisher_kind(), offer).expect("answered");
    let sections = sections(&answer.sdp);
    assert_eq!(sections.len(), 3);
    for section in sections {
        assert!(section.contains(" 9 UDP/TLS/RTP/SAVPF ") && section.contains("a=recvonly\r\n"), "{section}");
        assert_eq!(section.matches("a=candidate:").count(), 4, "{section}");
        assert!(section.ends_with("a=end-of-candidates\r\n"), "{section}");
    }
}

#[test]
fn chromium_is_told_apart_and_others_are_not_taken_for_it() {
    let read = |text: &str| read_offer(text, Direction::Receives, &MediaConfig::default()).expect("read");
    assert!(read(BROWSER).libwebrtc);
    assert!(!read(&BROWSER.replace("a=extmap-allow-mixed\r\n", "")).libwebrtc);
}

#[test]
fn what_cannot_be_answered_is_refused_with_the_reason() {
    let refused = |offer: String| answer(&offer).expect_err("refused");
    assert_eq!(refused(BROWSER.replace("a=recvonly", "a=sendonly")), MediaError::NoVideo);
    assert_eq!(refused(BROWSER.replace("VP8/", "VP9/").replace("H264/", "AV1/")), MediaError::NoCodec);
    for (from, to) in [
        ("v=0\r\n", ""),
        ("a=setup:actpass\r\n", ""),
        ("sha-256", "sha-1"),
        ("a=ice-ufrag:F7gI\r\n", ""),
        ("ice-pwd:x9cml/YzichV2+XlhiMu8gd2", "ice-pwd:short"),
        ("s=-\r\n", "s=-\u{0}\r\n"),
    ] {
        assert!(matches!(refused(BROWSER.replace(from, to)), MediaError::Invalid(_)), "{from}");
    }
    let differing = BROWSER.replacen("a=ice-ufrag:F7gI", "a=ice-ufrag:other", 1);
    assert!(matches!(refused(differing), MediaError::Invalid(text) if text.contains("bundle")));
    let many = format!("{BROWSER}{}", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(65));
    assert_eq!(refused(many), MediaError::TooManyCandidates { limit: 64 });
    assert!(matches!(
        refused(format!("{BROWSER}{}", "m=video 9 x 1\r\n".repeat(20))),
        MediaError::Invalid(_)
    ));
}

#[test]
fn a_second_section_of_sound_is_refused_and_sound_alone_is_not_enough() {
    let start = BROWSER.find("m=audio").expect("sound");
    let end = BROWSER.find("m=video").expect("pictures");
    let sound = &BROWSER[start..end];
    let second =
        format!("{}{}", BROWSER.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 3"), sound.replace("mid:0", "mid:3"));
    let answered = answer(&second).expect("answered");
    let sections = sections(&answered.sdp);
    assert!(sections[0].starts_with("m=audio 9 ") && sections[3].starts_with("m=audio 0 "));
    let data = BROWSER.find("m=application").expect("data");
    assert_eq!(answer(&format!("{}{}", &BROWSER[..end], &BROWSER[data..])), Err(MediaError::NoVideo));
}

#[test]
fn nothing_of_an_offer_can_break_out_of_its_line() {
    let odd = BROWSER
        .replace("a=mid:0\r\n", "a=mid:0 a=x\r\n")
        .replace("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=\u{e4}udio 9 \u{2028} 111");
    let answer = answer(&odd).expect("answered");
    assert!(!answer.sdp.contains("a=x") && answer.sdp.is_ascii());
}

#[test]
fn a_robot_that_sends_is_answered_with_feedback() {
    let offer = BROWSER
        .replace("a=recvonly", "a=sendonly")
        .replace("a=extmap:5", "a=msid:robot front\r\na=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\na=extmap:5");
    let answer = answer_as(publisher_kind(), &offer).expect("answered");
    let video = sections(&answer.sdp)[1];
    for line in ["a=recvonly", "a=rtcp-fb:96 transport-cc", "a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 nack"] {
        assert!(video.contains(&format!("{line}\r\n")), "{line} is missing in\n{video}");
    }
    assert!(
        video
            .contains("a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Offers with lines dropped, repeated and cut are answered or refused, never a panic.
    #[test]
    fn damaged_offers_are_answered_or_refused(edits in prop::collection::vec((0usize..80, 0u8..3, 0usize..40), 1..6)) {
        let mut lines: Vec<String> = BROWSER.lines().map(str::to_owned).collect();
        for (at, edit, cut) in edits {
            let at = at % lines.len();
            match edit {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                _ => { let cut = cut.min(lines[at].len()); lines[at].truncate(cut); }
            }
        }
        let offer = lines.join("\r\n");
        for direction in [Direction::Receives, Direction::Sends] {
            let _ = read_offer(&offer, direction, &MediaConfig::default());
        }
        let _ = answer(&offer);
    }
}
