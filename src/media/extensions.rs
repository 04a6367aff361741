//! RTP header extensions (RFC 8285) that are carried from a robot to a viewer: those both negotiated, each under the id that
//! the viewer gave it. All others are left out; what is about the way itself, as transport-wide numbers are, ends here.

use std::sync::Arc;

use bytes::Bytes;
use rtc::rtp;

use super::codec::Kind;

/// What is carried on, and for which kind of media.
pub(super) const CARRIED: [(&str, &[Kind]); 5] = [
    ("urn:3gpp:video-orientation", &[Kind::Video]),
    ("http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", &[Kind::Video]),
    ("http://www.webrtc.org/experiments/rtp-hdrext/video-content-type", &[Kind::Video]),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time", &[Kind::Video, Kind::Audio]),
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", &[Kind::Audio]),
];

/// How the one-byte form begins (RFC 8285, 4.2), and the bytes of a value in it at most.
const ONE_BYTE: [u8; 2] = [0xbe, 0xde];
const MAX_VALUE: usize = 16;

/// An extension of one section: its id there, and its URI.
pub(super) type Negotiated = (u16, &'static str);

/// The values of one packet, by URI. Shared by all viewers.
pub(super) type Values = Arc<[(&'static str, Bytes)]>;

/// The values of a robot's packet that may be carried on; `None` when there are none, which costs nothing.
pub(super) fn read(header: &rtp::Header, negotiated: &[Negotiated]) -> Option<Values> {
    if negotiated.is_empty() || header.extensions.is_empty() {
        return None;
    }
    let known =
        header.extensions.iter().filter(|extension| (1..=MAX_VALUE).contains(&extension.payload.len()));
    let values: Vec<_> = known
        .filter_map(|extension| {
            let (_, uri) = negotiated.iter().find(|(id, _)| *id == u16::from(extension.id))?;
            CARRIED.iter().any(|(carried, _)| carried == uri).then(|| (*uri, extension.payload.clone()))
        })
        .collect();
    (!values.is_empty()).then(|| values.into())
}

/// Writes those of the values that a viewer negotiated behind a header, in the one-byte form (RFC 8285, 4.2); whether there were any.
pub(super) fn write(out: &mut Vec<u8>, values: &Values, negotiated: &[Negotiated]) -> bool {
    let start = out.len();
    for (uri, value) in values.iter() {
        let id = negotiated.iter().find(|(_, known)| known == uri).and_then(|(id, _)| u8::try_from(*id).ok());
        if let Some((id, len)) = id.zip(u8::try_from(value.len()).ok()) {
            if out.len() == start {
                out.extend_from_slice(&[ONE_BYTE[0], ONE_BYTE[1], 0, 0]);
            }
            out.push(id << 4 | (len.wrapping_sub(1) & 0x0f));
            out.extend_from_slice(value);
        }
    }
    let Some(written) = (out.len() - start).checked_sub(4) else { return false };
    // Their length counts words of four bytes; what is left of the last is padding.
    let words = written.div_ceil(4);
    out.resize(start + 4 + words * 4, 0);
    if let Some(length) = out.get_mut(start + 2..start + 4) {
        length.copy_from_slice(&(words as u16).to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIENTATION: &str = CARRIED[0].0;
    const DELAY: &str = CARRIED[1].0;

    fn header(extensions: &[(u8, &'static [u8])]) -> rtp::Header {
        let extension = |(id, value): &(u8, &'static [u8])| rtp::header::Extension {
            id: *id,
            payload: Bytes::from_static(value),
        };
        rtp::Header { extensions: extensions.iter().map(extension).collect(), ..Default::default() }
    }

    #[test]
    fn what_both_negotiated_is_carried_under_the_viewers_id() {
        let robots = [(3, ORIENTATION), (5, super::super::sdp::TRANSPORT_CC), (6, DELAY)];
        let came = header(&[(3, &[2]), (5, &[0, 1]), (9, &[9]), (6, &[0, 0, 0])]);
        let values = read(&came, &robots).expect("two may be carried");
        assert_eq!(values.len(), 2);
        let mut sent = vec![7; 12];
        assert!(write(&mut sent, &values, &[(11, ORIENTATION)]));
        assert_eq!(sent[12..], [0xbe, 0xde, 0, 1, 0xb0, 2, 0, 0]);
        sent.clear();
        assert!(write(&mut sent, &values, &[(11, ORIENTATION), (2, DELAY)]));
        assert_eq!(sent, [0xbe, 0xde, 0, 2, 0xb0, 2, 0x22, 0, 0, 0, 0, 0]);
        sent.clear();
        assert!(
            !write(&mut sent, &values, &[]) && sent.is_empty(),
            "a viewer that negotiated none gets none"
        );
    }

    #[test]
    fn packets_without_known_extensions_carry_nothing() {
        assert!(read(&header(&[]), &[(3, ORIENTATION)]).is_none());
        assert!(read(&header(&[(3, &[2])]), &[]).is_none());
        assert!(read(&header(&[(4, &[2])]), &[(3, ORIENTATION)]).is_none());
        assert!(read(&header(&[(3, &[0; 17])]), &[(3, ORIENTATION)]).is_none(), "too long for one byte");
    }
}
