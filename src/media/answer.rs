//! Writes the answer the far end gets: the peer connection's own, with every section of the offer in its place.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use super::restart::Credentials;
use super::sdp::{Content, Offer};
use super::types::{Answer, MediaError};
use crate::protocol::IceCandidateInit;

/// The server's host candidates, best first (RFC 8445, 5.1.2.1). Those over TCP, where there are any, come after all over
/// UDP, whatever kind the far end makes of them: their type preference is below that of any other kind but relayed, as
/// RFC 6544, 4.2 leaves to choose.
pub(super) fn candidates(addresses: &[SocketAddr], tcp: bool) -> Vec<String> {
    let udp = addresses.iter().zip(0u32..).map(|(address, rank)| {
        let priority = (126 << 24) | ((65_535 - rank.min(65_535)) << 8) | 255;
        format!("candidate:{} 1 udp {priority} {} {} typ host", rank + 1, address.ip(), address.port())
    });
    let passive = addresses.iter().filter(|_| tcp).zip(0u32..).map(|(address, rank)| {
        // The direction preference of a passive candidate is 4; the other preference has 13 bits.
        let local_preference = (4 << 13) | (8_191 - rank.min(8_191));
        let (priority, foundation) =
            ((90 << 24) | (local_preference << 8) | 255, addresses.len() + rank as usize + 1);
        format!(
            "candidate:{foundation} 1 tcp {priority} {} {} typ host tcptype passive",
            address.ip(),
            address.port()
        )
    });
    udp.chain(passive).collect()
}

/// Puts the answer together. `own` answers the canonical offer, so it has the accepted sections only.
pub(super) fn compose(own: &str, offer: &Offer, candidates: &[String]) -> Answer {
    let (session, mut sections) = split(own);
    let mut sdp = session;
    let mut first_mid = None;
    for (index, section) in (0u16..).zip(&offer.sections) {
        let accepted = !matches!(section.content, Content::Refused);
        let text = section.mid.as_deref().filter(|_| accepted).and_then(|mid| sections.remove(mid));
        if let Some(text) = text {
            sdp.push_str(&text);
            first_mid.get_or_insert_with(|| (section.mid.clone(), index));
            // The first would do (RFC 9143, 7.1.3), but aiortc takes those of the last section that shares its transport.
            for candidate in candidates {
                // Writing to a String cannot fail.
                let _ = write!(sdp, "a={candidate}\r\n");
            }
            sdp.push_str("a=end-of-candidates\r\n");
        } else {
            let (media, protocol, format) = &section.line;
            let _ = write!(sdp, "m={media} 0 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n");
            if let Some(mid) = &section.mid {
                let _ = write!(sdp, "a=mid:{mid}\r\n");
            }
        }
    }
    let (mid, index) = first_mid.unzip();
    let candidates = candidates
        .iter()
        .map(|candidate| IceCandidateInit {
            candidate: candidate.clone(),
            sdp_mid: mid.clone().flatten(),
            sdp_mline_index: index,
            username_fragment: None,
        })
        .collect();
    Answer { sdp, candidates }
}

/// The answer to an offer that restarts ICE: the one before, with new credentials and the next version (RFC 8839, 4.4.1.1).
pub(super) fn again(former: &Answer, offer: &Offer, credentials: &Credentials) -> Result<Answer, MediaError> {
    let same = offered_sections(offer).eq(answered_sections(&former.sdp));
    if !same {
        let text = "it restarts a connection whose sections were others: make a new one for that";
        return Err(MediaError::Invalid(text.into()));
    }
    let mut sdp = String::with_capacity(former.sdp.len());
    for line in former.sdp.lines() {
        // Writing to a String cannot fail.
        let _ = match line.split_once(':') {
            Some(("a=ice-ufrag", _)) => write!(sdp, "a=ice-ufrag:{}\r\n", credentials.ufrag),
            Some(("a=ice-pwd", _)) => write!(sdp, "a=ice-pwd:{}\r\n", credentials.password),
            _ if line.starts_with("o=") => write!(sdp, "{}\r\n", next_version(line)),
            _ => write!(sdp, "{line}\r\n"),
        };
    }
    Ok(Answer { sdp, candidates: former.candidates.clone() })
}

/// What is named in each section, and whether it is accepted.
fn offered_sections(offer: &Offer) -> impl Iterator<Item = (Option<&str>, bool)> {
    let sections = offer.sections.iter();
    sections.map(|section| (section.mid.as_deref(), !matches!(section.content, Content::Refused)))
}

fn answered_sections(answer: &str) -> impl Iterator<Item = (Option<&str>, bool)> {
    answer.split("\nm=").skip(1).map(|section| {
        let mid = section.lines().find_map(|line| line.trim_end().strip_prefix("a=mid:"));
        (mid, section.split(' ').nth(1) != Some("0"))
    })
}

/// RFC 8866, 5.2: the third word of the origin counts the versions.
fn next_version(origin: &str) -> String {
    let mut words: Vec<String> = origin.split(' ').map(str::to_owned).collect();
    if let Some(version) = words.get_mut(2)
        && let Ok(number) = version.parse::<u64>()
    {
        *version = number.wrapping_add(1).to_string();
    }
    words.join(" ")
}

/// The session part, and the sections by mid, without candidates: those are written by [`compose`].
fn split(own: &str) -> (String, HashMap<String, String>) {
    let mut session = String::new();
    let mut sections: Vec<(Option<String>, String)> = Vec::new();
    for line in own.lines() {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        if line.starts_with("m=") {
            sections.push((None, String::new()));
        }
        match sections.last_mut() {
            Some((mid, text)) => {
                if let Some(value) = line.strip_prefix("a=mid:") {
                    *mid = Some(value.to_owned());
                }
                text.push_str(line);
                text.push_str("\r\n");
            }
            None => {
                session.push_str(line);
                session.push_str("\r\n");
            }
        }
    }
    (session, sections.into_iter().filter_map(|(mid, text)| Some((mid?, text))).collect())
}
