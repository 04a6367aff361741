//! Reads classic packet captures (draft-ietf-opsawg-pcap) as tcpdump writes them on a loopback interface.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};

/// A UDP datagram or TCP segment, cut to the captured length.
pub(crate) struct Packet<'a> {
    /// Nanoseconds of Unix time.
    pub(crate) at_ns: i64,
    pub(crate) transport: Transport,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) payload: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// Hands each UDP and TCP packet of a capture to `take`, in the order of the capture.
pub(crate) fn read(mut capture: impl Read, mut take: impl FnMut(Packet<'_>)) -> io::Result<()> {
    let mut head = [0; 24];
    capture.read_exact(&mut head)?;
    let (little, nanos) = match head[..4] {
        [0xd4, 0xc3, 0xb2, 0xa1] => (true, false),
        [0x4d, 0x3c, 0xb2, 0xa1] => (true, true),
        [0xa1, 0xb2, 0xc3, 0xd4] => (false, false),
        [0xa1, 0xb2, 0x3c, 0x4d] => (false, true),
        _ => return Err(io::Error::other("no classic packet capture")),
    };
    let u32_at = |bytes: &[u8], at: usize| {
        let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    let link = u32_at(&head, 20) & 0x0FFF_FFFF;
    let mut record = [0; 16];
    let mut frame = Vec::new();
    loop {
        match capture.read_exact(&mut record) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let fraction = i64::from(u32_at(&record, 4)) * if nanos { 1 } else { 1_000 };
        let at_ns = i64::from(u32_at(&record, 0)) * 1_000_000_000 + fraction;
        let captured = u32_at(&record, 8);
        if captured > 0x10_0000 {
            return Err(io::Error::other("a record that is too long to be true"));
        }
        frame.resize(captured as usize, 0);
        capture.read_exact(&mut frame)?;
        if let Some(packet) = network(link, &frame).and_then(|ip| transport(ip, at_ns)) {
            take(packet);
        }
    }
}

/// The IP packet in a frame of one of the link types that loopback captures have.
fn network(link: u32, frame: &[u8]) -> Option<&[u8]> {
    match link {
        0 => frame.get(4..),
        1 => frame.get(14..),
        113 => frame.get(16..),
        276 => frame.get(20..),
        _ => None,
    }
}

fn transport(ip: &[u8], at_ns: i64) -> Option<Packet<'_>> {
    let (from, to, protocol, rest): (IpAddr, IpAddr, u8, &[u8]) = match ip.first()? >> 4 {
        4 => {
            let header = usize::from(ip[0] & 0x0F) * 4;
            let address = |at: usize| ip.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            (address(12)?.into(), address(16)?.into(), *ip.get(9)?, ip.get(header..)?)
        }
        6 => {
            let address = |at: usize| ip.get(at..at + 16).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            (address(8)?.into(), address(24)?.into(), *ip.get(6)?, ip.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
    let (transport, header) = match protocol {
        6 => (Transport::Tcp, usize::from(rest.get(12)? >> 4) * 4),
        17 => (Transport::Udp, 8),
        _ => return None,
    };
    let (from, to) = ((from, port(0)?).into(), (to, port(2)?).into());
    Some(Packet { at_ns, transport, from, to, payload: rest.get(header..)? })
}
