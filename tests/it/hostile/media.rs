//! Datagrams of strangers on the media port.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::UdpSocket;

use super::Stranger;

const DATAGRAMS: usize = 10_000;

/// STUN, DTLS, SRTP and noise of all sizes: nothing of it is anybody's, so nothing answers.
pub(super) async fn all(stranger: &Stranger) {
    let socket = UdpSocket::bind("127.0.0.2:0").await.expect("binds");
    let mut rng = StdRng::seed_from_u64(1);
    for number in 0..DATAGRAMS {
        let mut bytes = vec![0; rng.random_range(0..2_500)];
        rng.fill(&mut bytes[..]);
        let head: &[u8] = match number % 5 {
            0 => &[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42],
            1 => &[1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
            2 => &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0],
            3 => &[0x80, 96],
            _ => &[],
        };
        let len = head.len().min(bytes.len());
        bytes[..len].copy_from_slice(&head[..len]);
        socket.send_to(&bytes, stranger.media).await.expect("sent");
        // The socket's buffer is everybody's: a line that is full is not what is tried here.
        if number % 20 == 19 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let mut reply = [0; 2_048];
    assert!(socket.try_recv(&mut reply).is_err(), "a stranger is answered");
}
