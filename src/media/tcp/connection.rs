//! One connection: what came of a frame so far, and what of a frame has not left yet. There is no queue behind it: media
//! that has to wait for a stream is late already.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use mio::net::TcpStream;
use rustix::net::sockopt;

use super::super::io::{Batch, Sent};
use super::super::paths::Path;
use super::framing::{self, Deframer};

/// What the kernel may hold of what was written: what a viewer on a slow path lags behind, and what a key frame fits into.
/// The kernel counts its own overhead as well and doubles it for that, so it holds about 110 KB of media: 1.8 s at 500 kbit/s.
const KERNEL_BUFFER: usize = 48 * 1024;

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) path: Path,
    /// Whether it waits for its turn to be read.
    pub(super) listed: bool,
    deframer: Deframer,
    /// The end of a frame whose beginning was written.
    rest: Vec<u8>,
}

/// What came of reading once.
pub(super) enum Read {
    /// There may be more.
    Some,
    Nothing,
    /// It is over: the far end closed it, or sent what is no frame.
    Over,
}

impl Connection {
    /// Whoever drops it resets the connection: what the kernel holds does not leave any more, also when the process dies.
    pub(super) fn new(stream: TcpStream, path: Path) -> io::Result<Self> {
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        sockopt::set_tcp_nodelay(&stream, true)?;
        sockopt::set_socket_send_buffer_size(&stream, KERNEL_BUFFER)?;
        Ok(Self { stream, path, listed: false, deframer: Deframer::default(), rest: Vec::new() })
    }

    /// Reads once and gives the frames to `take`.
    pub(super) fn read(&mut self, buffer: &mut [u8], take: impl FnMut(&[u8])) -> Read {
        match self.stream.read(buffer) {
            Ok(0) => Read::Over,
            Ok(count) => match self.deframer.take(&buffer[..count], take) {
                Ok(()) => Read::Some,
                Err(framing::TooLong) => Read::Over,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Read::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Read::Some,
            Err(_) => Read::Over,
        }
    }

    /// Sends datagrams: as many as the kernel has room for, and the beginning of one more. The rest of that one leaves
    /// with the next that is sent, so it passes the gate as well; those after it are dropped.
    pub(super) fn send(&mut self, batch: Batch<'_>, frames: &mut Vec<u8>) -> io::Result<Sent> {
        if !self.rest.is_empty() {
            let written = write(&mut self.stream, &self.rest)?;
            self.rest.drain(..written);
            if !self.rest.is_empty() {
                return Ok(Sent::First(0));
            }
        }
        frames.clear();
        for datagram in batch.datagrams() {
            if !framing::append(frames, datagram) {
                return Ok(Sent::Lost);
            }
        }
        let written = write(&mut self.stream, frames)?;
        let (mut end, mut left) = (0, 0);
        for datagram in batch.datagrams() {
            if end >= written {
                break;
            }
            end += framing::HEADER + datagram.len();
            left += 1;
        }
        self.rest.extend_from_slice(frames.get(written..end).unwrap_or_default());
        Ok(if left == batch.count() { Sent::Done } else { Sent::First(left) })
    }
}

/// Writes what there is room for; how much that was.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while let Some(left) = bytes.get(written..).filter(|left| !left.is_empty()) {
        match stream.write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// A connection, and its far end, which reads only when told.
    fn pair() -> (Connection, std::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let far =
            std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (near, remote) = listener.accept().expect("accepted");
        near.set_nonblocking(true).expect("an option");
        let local = near.local_addr().expect("an address");
        let path = Path { protocol: rtc::shared::TransportProtocol::TCP, local, remote };
        (Connection::new(TcpStream::from_std(near), path).expect("a connection"), far)
    }

    /// Four datagrams.
    fn datagrams(number: u16) -> Vec<u8> {
        (0..4).flat_map(|n| [&(number + n).to_be_bytes()[..], &[0x80; 1_100]].concat()).collect()
    }

    fn batch(path: Path, bytes: &[u8]) -> Batch<'_> {
        Batch { path, bytes, size: 1_102 }
    }

    #[test]
    fn a_far_end_that_does_not_read_gets_whole_frames_only_and_few_wait_for_it() {
        let (mut near, mut far) = pair();
        let (mut frames, mut number) = (Vec::new(), 0);
        let mut send = |near: &mut Connection, number: u16| {
            near.send(batch(near.path, &datagrams(number)), &mut frames).expect("it lasts")
        };
        let mut last = Sent::Done;
        while last != Sent::First(0) {
            number += 4;
            last = send(&mut near, number);
            assert!(near.rest.len() < 1_104, "no more than the rest of one is kept");
        }
        assert_eq!(send(&mut near, 60_000), Sent::First(0), "nobody keeps it");
        assert!((40..1_000).contains(&number), "{number} wait in the kernels: a key frame, and not seconds");
        let (mut deframer, mut buffer, mut seen) = (Deframer::default(), vec![0; 65_536], Vec::new());
        let later = number + 4;
        while seen.last().is_none_or(|last| *last < later) {
            number += 4;
            // What is read makes room, so that the rest and the next leave; until then reading goes on.
            far.set_nonblocking(send(&mut near, number) != Sent::Done).expect("an option");
            if let Ok(count) = far.read(&mut buffer) {
                let note = |frame: &[u8]| seen.push(u16::from_be_bytes([frame[0], frame[1]]));
                deframer.take(&buffer[..count], note).expect("frames");
            }
        }
        assert!(
            seen.is_sorted_by(|a, b| a < b) && seen.contains(&4) && !seen.contains(&60_000),
            "in order, and each whole"
        );
    }

    #[test]
    fn dropping_a_connection_takes_back_what_the_kernel_holds() {
        let (mut near, mut far) = pair();
        let mut frames = Vec::new();
        while near.send(batch(near.path, &datagrams(0)), &mut frames).expect("it lasts") == Sent::Done {}
        drop(near);
        let error = far.read_to_end(&mut Vec::new()).expect_err("it is reset, not finished");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
