//! The one UDP socket, and the number of its port over TCP: batches in, single datagrams out, and which advertised address each came to.

use std::collections::HashSet;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rtc::shared::TransportProtocol;

use super::config::{MAX_DATAGRAM, MediaConfig, TcpLimits};
use super::io::{Batch, Sent};
use super::paths::Path;

/// The kernel may hand over several datagrams of one sender in one buffer (GRO).
const BUFFER: usize = 64 * 1024;
/// Kernel buffers: a key frame to every viewer leaves at once, and comes in at once from every robot.
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;

/// Numbers tried where any will do.
const MAX_ATTEMPTS: usize = 32;

pub(super) struct Socket {
    pub(super) io: mio::net::UdpSocket,
    state: UdpSocketState,
    addresses: Vec<SocketAddr>,
    /// Advertised addresses that are this machine's own: datagrams came to them, so datagrams may come from them.
    own: HashSet<IpAddr>,
    is_v6: bool,
    buffers: Vec<Vec<u8>>,
}

/// Binds the media port: UDP, and TCP under the same number where the configuration has it.
pub(super) fn bind(config: &MediaConfig) -> io::Result<(Socket, Option<(TcpListener, TcpLimits)>)> {
    let mut attempts = 0;
    loop {
        let socket = Socket::bind(config)?;
        let Some(limits) = config.tcp else { return Ok((socket, None)) };
        match TcpListener::bind(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, Some((listener, limits)))),
            // A number that is free for UDP need not be free for TCP.
            Err(_) if config.listen.port() == 0 && attempts < MAX_ATTEMPTS => attempts += 1,
            Err(error) => {
                let text = format!("over TCP: {error}; free the port, or set `media.tcp` to false");
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
}

impl Socket {
    fn bind(config: &MediaConfig) -> io::Result<Self> {
        let socket = UdpSocket::bind(config.listen)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        for result in [
            state.set_send_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER),
            state.set_recv_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER),
        ] {
            if let Err(error) = result {
                tracing::warn!(%error, "the media socket keeps its default buffers");
            }
        }
        let bound = socket.local_addr()?;
        let addresses = advertised(&config.advertise, bound);
        Ok(Self {
            io: mio::net::UdpSocket::from_std(socket),
            state,
            addresses,
            own: HashSet::new(),
            is_v6: bound.is_ipv6(),
            buffers: vec![vec![0; BUFFER]; BATCH_SIZE],
        })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The advertised addresses with the bound port, best first; never empty.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Reads one batch; `take` gets the path and the bytes of each datagram. How many there were, zero when none waits.
    pub(super) fn receive(&mut self, mut take: impl FnMut(Path, &[u8])) -> io::Result<usize> {
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let mut slices: Vec<IoSliceMut<'_>> =
            self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let count = match self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut meta) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        drop(slices);
        for (meta, buffer) in meta.iter().zip(&self.buffers).take(count) {
            let remote = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let local = counts_as(&self.addresses, meta.dst_ip.map(|ip| ip.to_canonical()), remote);
            if meta.dst_ip.is_some_and(|ip| ip.to_canonical() == local.ip()) {
                self.own.insert(local.ip());
            }
            let path = Path { protocol: TransportProtocol::UDP, local, remote };
            let stride = meta.stride.max(1);
            for bytes in buffer[..meta.len.min(buffer.len())].chunks(stride) {
                if bytes.len() <= MAX_DATAGRAM {
                    take(path, bytes);
                }
            }
        }
        Ok(count)
    }

    /// How many datagrams of one size the kernel parts by itself (UDP_SEGMENT, udp(7)); 1 where it cannot.
    pub(super) fn at_once(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends a batch as [`Io::send`](super::io::Io::send) has it.
    pub(super) fn send(&mut self, batch: Batch<'_>) -> Sent {
        let sent = self.transmit(batch);
        if sent == Sent::Lost && batch.count() > 1 && self.at_once() == 1 {
            // The way out cannot part them after all, which is known only now. Some are sent, so one that the socket has no
            // room for is lost here.
            batch.datagrams().for_each(|datagram| _ = self.transmit(Batch::one(batch.path, datagram)));
            return Sent::Done;
        }
        sent
    }

    fn transmit(&self, batch: Batch<'_>) -> Sent {
        let map = |ip: IpAddr| match ip {
            IpAddr::V4(v4) if self.is_v6 => IpAddr::V6(v4.to_ipv6_mapped()),
            other => other,
        };
        let (local, remote) = (batch.path.local.ip(), batch.path.remote);
        let transmit = Transmit {
            destination: SocketAddr::new(map(remote.ip()), remote.port()),
            ecn: None,
            contents: batch.bytes,
            segment_size: (batch.count() > 1).then_some(batch.size),
            src_ip: self.own.contains(&local).then(|| map(local)),
        };
        match self.state.try_send(UdpSockRef::from(&self.io), &transmit) {
            Ok(()) => Sent::Done,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Sent::Blocked,
            Err(error) => {
                tracing::trace!(%remote, %error, "datagram not sent");
                Sent::Lost
            }
        }
    }
}

/// The candidate that something counts as having come to. Behind NAT the kernel's destination is not an advertised address;
/// then it is the first of the sender's family.
pub(super) fn counts_as(
    addresses: &[SocketAddr],
    destination: Option<IpAddr>,
    remote: SocketAddr,
) -> SocketAddr {
    let itself = addresses.iter().find(|address| Some(address.ip()) == destination);
    let same_family = addresses.iter().find(|address| address.is_ipv4() == remote.is_ipv4());
    itself
        .or(same_family)
        .or(addresses.first())
        .copied()
        .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn advertised(configured: &[IpAddr], bound: SocketAddr) -> Vec<SocketAddr> {
    let mut ips: Vec<IpAddr> = configured.iter().map(IpAddr::to_canonical).collect();
    if ips.is_empty() && !bound.ip().is_unspecified() {
        ips.push(bound.ip());
    }
    if ips.is_empty() {
        ips.extend(outward_address());
        ips.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let mut seen = HashSet::new();
    ips.retain(|ip| seen.insert(*ip));
    ips.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// The address this machine uses towards others. Connecting a UDP socket sends nothing; the target is a documentation
/// address (RFC 5737).
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_datagram_counts_as_come_to_the_advertised_address() {
        let addresses = [addr("203.0.113.5:8189"), addr("10.0.0.5:8189"), addr("[2001:db8::5]:8189")];
        let local = |destination: &str, remote| {
            counts_as(&addresses, Some(destination.parse().expect("an address")), addr(remote))
        };
        assert_eq!(local("10.0.0.5", "10.0.0.9:1"), addresses[1]);
        assert_eq!(local("172.17.0.2", "198.51.100.7:1"), addresses[0], "behind NAT");
        assert_eq!(local("2001:db8::77", "[2001:db8::9]:1"), addresses[2]);
    }

    #[test]
    fn without_a_setting_the_bound_address_is_advertised() {
        assert_eq!(advertised(&[], addr("127.0.0.1:5000")), [addr("127.0.0.1:5000")]);
        assert!(advertised(&[], addr("0.0.0.0:5000")).contains(&addr("127.0.0.1:5000")));
        let configured =
            ["203.0.113.5".parse().expect("an address"), "::ffff:203.0.113.5".parse().expect("an address")];
        assert_eq!(advertised(&configured, addr("0.0.0.0:5000")), [addr("203.0.113.5:5000")]);
    }
}
