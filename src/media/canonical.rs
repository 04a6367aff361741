//! Writes an offer in the one form that the peer connection is given.

use std::fmt::Write as _;

use super::sdp::{Content, Direction, Section, Stream, Transport};

/// The accepted sections, with nothing in them that was not understood.
pub(super) fn write_canonical(
    sections: &[Section],
    direction: Direction,
    transport: &Transport<'_>,
) -> String {
    let mut sdp = String::with_capacity(4096);
    let mids: Vec<&str> = sections
        .iter()
        .filter(|section| !matches!(section.content, Content::Refused))
        .filter_map(|section| section.mid.as_deref())
        .collect();
    sdp.push_str("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = sdp.write_fmt(text);
        sdp.push_str("\r\n");
    };
    line(format_args!("a=group:BUNDLE {}", mids.join(" ")));
    for (index, section) in sections.iter().enumerate() {
        match &section.content {
            Content::Refused => continue,
            Content::Media(stream) => {
                let types = stream.payloads.iter().flat_map(|p| std::iter::once(p.payload_type).chain(p.rtx));
                let types: Vec<String> = types.map(|payload_type| payload_type.to_string()).collect();
                line(format_args!("m={} 9 UDP/TLS/RTP/SAVPF {}", stream.kind.word(), types.join(" ")));
            }
            Content::Data => line(format_args!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")),
        }
        line(format_args!("c=IN IP4 0.0.0.0"));
        line(format_args!("a=mid:{}", section.mid.as_deref().unwrap_or_default()));
        line(format_args!("a=ice-ufrag:{}", transport.ufrag));
        line(format_args!("a=ice-pwd:{}", transport.password));
        line(format_args!("a=fingerprint:{}", transport.fingerprint));
        line(format_args!("a=setup:{}", transport.setup));
        match &section.content {
            Content::Media(stream) => write_stream(&mut line, stream, direction, index),
            _ => line(format_args!("a=sctp-port:5000\r\na=max-message-size:65536")),
        }
    }
    sdp
}

fn write_stream(
    line: &mut impl FnMut(std::fmt::Arguments<'_>),
    stream: &Stream,
    direction: Direction,
    index: usize,
) {
    line(format_args!("a=rtcp-mux\r\na=rtcp-rsize"));
    line(format_args!("a={}", if direction == Direction::Sends { "sendonly" } else { "recvonly" }));
    for (id, uri) in &stream.extensions {
        line(format_args!("a=extmap:{id} {uri}"));
    }
    for payload in &stream.payloads {
        let of = payload.payload_type;
        line(format_args!("a=rtpmap:{of} {}", payload.format.encoding()));
        let fmtp = payload.format.fmtp();
        if !fmtp.is_empty() {
            line(format_args!("a=fmtp:{of} {fmtp}"));
        }
        for (_, kind) in stream.feedback.iter().filter(|(payload_type, _)| *payload_type == of) {
            line(format_args!("a=rtcp-fb:{of} {kind}"));
        }
        if let Some(rtx) = payload.rtx {
            line(format_args!("a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={of}"));
        }
    }
    if let Some(ssrc) = stream.ssrc {
        line(format_args!("a=msid:robot {}{index}", stream.kind.word()));
        if let Some(rtx) = stream.rtx_ssrc {
            line(format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
        }
        for ssrc in std::iter::once(ssrc).chain(stream.rtx_ssrc) {
            line(format_args!("a=ssrc:{ssrc} cname:robot"));
        }
    }
}
