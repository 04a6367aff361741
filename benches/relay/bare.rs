//! The same datagrams sent with nothing done to them, one by one or several at once: what the kernel alone costs.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use rustix::time::{ClockId, clock_gettime};

use crate::end::PACKET;
use crate::robot::Pace;
use crate::stand::Stand;

/// Bytes that AES-GCM adds (RFC 7714, 13).
const TAG: usize = 16;

/// Microseconds of processor time of one datagram, with as many receivers as `stand` has viewers, where the kernel gets
/// `at_once` of them in one call.
pub(crate) fn round(stand: &mut Stand, pace: Pace, time: Duration, at_once: u32) -> Result<f64> {
    let addresses = stand.addresses()?;
    let sending = std::thread::spawn(move || -> Result<f64> {
        crate::stand::hurry();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        socket.set_nonblocking(false)?;
        // It is counted as media nowhere: RFC 7983 has no protocol that begins so.
        let datagrams = vec![0xff; (PACKET + TAG) * at_once as usize];
        let segment_size = (at_once > 1).then_some(PACKET + TAG);
        let until = Instant::now() + time;
        let (mut due, mut sent) = (Instant::now(), 0u64);
        while due < until {
            for destination in addresses.iter().copied() {
                for _ in 0..pace.burst / at_once {
                    let contents = &datagrams[..];
                    let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
                    state.try_send(UdpSockRef::from(&socket), &transmit)?;
                    sent += u64::from(at_once);
                }
            }
            due += pace.every;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        Ok((cpu.tv_sec as f64 * 1e6 + cpu.tv_nsec as f64 / 1e3) / sent as f64)
    });
    stand.run(time, |_| false)?;
    match sending.join() {
        Ok(figure) => figure.context("sending failed"),
        Err(_) => anyhow::bail!("the sender panicked"),
    }
}
