//! Where media is written on its way out, one packet behind another, so that those of one size leave in one call of the kernel from where
//! they were written. All viewers use it in turn.

use super::io::Batch;
use super::paths::Path;
use super::protect::{Content, Header, Protector};

/// Bytes handed over at once: the kernel makes one datagram of them at first, and IP has room for 65,535.
const MAX_BATCH: usize = 60_000;
/// Packets written before they are sent: as many as the kernel takes at once.
const MAX_PACKETS: usize = 64;

#[derive(Default)]
pub(super) struct Room {
    bytes: Vec<u8>,
    /// The sizes of the packets.
    sizes: Vec<usize>,
}

impl Room {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.sizes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.sizes.len() >= MAX_PACKETS
    }

    /// Protects a packet and adds it; whether that could be done.
    pub(super) fn write(&mut self, protector: &mut Protector, header: &Header, content: Content<'_>) -> bool {
        let start = self.bytes.len();
        let written = protector.write(&mut self.bytes, header, content).is_some();
        if written {
            self.sizes.push(self.bytes.len() - start);
        }
        written
    }

    /// What was written, in order, as it may leave together: `at_once` packets at most, of the first's size; the last may be smaller.
    pub(super) fn batches(&self, path: Path, at_once: usize) -> impl Iterator<Item = Batch<'_>> {
        let (mut sizes, mut bytes) = (&self.sizes[..], &self.bytes[..]);
        std::iter::from_fn(move || {
            let size = *sizes.first()?;
            let count = of_one_kind(sizes, at_once);
            let (these, others) = sizes.split_at(count);
            let batch;
            (batch, bytes) = bytes.split_at_checked(these.iter().sum())?;
            sizes = others;
            Some(Batch { path, bytes: batch, size })
        })
    }
}

/// How many of the first can be sent together.
fn of_one_kind(sizes: &[usize], at_once: usize) -> usize {
    let Some(size) = sizes.first() else { return 0 };
    let at_most = at_once.min(MAX_BATCH / size.max(&1)).clamp(1, sizes.len());
    let same = sizes.iter().take_while(|next| *next == size).take(at_most).count();
    same + usize::from(same < at_most && sizes.get(same).is_some_and(|next| next < size))
}

/// Packets with payloads of these sizes.
#[cfg(test)]
pub(super) fn room_with(payloads: &[usize]) -> Room {
    use super::keys::{MasterKey, Profile};

    let provider = rtc::crypto::default_provider().expect("a provider");
    let master = MasterKey { profile: Profile::Gcm, key: [1; 16], salt: [2; 14] };
    let mut protector = Protector::new(provider.crypto(), &master).expect("keys");
    let mut room = Room::default();
    for (index, size) in (0..).zip(payloads) {
        let header = Header { ssrc: 1, index, payload_type: 96, timestamp: 0, marker: false };
        let payload = &vec![0; *size];
        let content = Content { extensions: None, negotiated: &[], original: None, payload };
        assert!(room.write(&mut protector, &header, content));
    }
    room
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rtc::shared::TransportProtocol;

    use super::*;

    /// The sizes of what leaves together, of payloads of these.
    fn together(payloads: &[usize], at_once: usize) -> Vec<Vec<usize>> {
        let room = room_with(payloads);
        let address = SocketAddr::from(([192, 0, 2, 1], 9));
        let path = Path { protocol: TransportProtocol::UDP, local: address, remote: address };
        // A header and a tag are 28 bytes.
        let payloads =
            |batch: Batch<'_>| batch.datagrams().map(|datagram| datagram.len() - 28).collect::<Vec<_>>();
        let batches: Vec<_> = room.batches(path, at_once).collect();
        assert!(batches.iter().all(|batch| batch.count() == batch.datagrams().count()));
        assert_eq!(batches.iter().map(|batch| batch.bytes).collect::<Vec<_>>().concat(), room.bytes);
        batches.into_iter().map(payloads).collect()
    }

    #[test]
    fn packets_of_one_size_leave_together_and_the_last_may_be_smaller() {
        assert_eq!(together(&[9, 9, 7, 7, 9, 9, 10], 8), [vec![9, 9, 7], vec![7], vec![9, 9], vec![10]]);
        assert!(together(&[], 8).is_empty());
    }

    #[test]
    fn no_more_leave_together_than_the_socket_takes_at_once_and_a_datagram_may_hold() {
        assert_eq!(together(&[9; 6], 4), [vec![9; 4], vec![9; 2]]);
        assert_eq!(together(&[9, 9, 7], 2), [vec![9; 2], vec![7]]);
        assert_eq!(together(&[9, 9], 1), [[9], [9]]);
        assert_eq!(together(&[2_000; 31], 64), [vec![2_000; 29], vec![2_000; 2]]);
    }
}
