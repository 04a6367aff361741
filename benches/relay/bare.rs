//! The same datagrams sent with nothing done to them: what the kernel alone costs.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use crate::end::PACKET;
use crate::robot::Pace;
use crate::stand::Stand;

/// Bytes that AES-GCM adds (RFC 7714, 13).
const TAG: usize = 16;

/// Microseconds of processor time of one `sendto`, with as many receivers as `stand` has viewers.
pub(crate) fn round(stand: &mut Stand, pace: Pace, time: Duration) -> Result<f64> {
    let addresses = stand.addresses()?;
    let sending = std::thread::spawn(move || -> Result<f64> {
        crate::stand::hurry();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // It is counted as media nowhere: RFC 7983 has no protocol that begins so.
        let datagram = [0xff; PACKET + TAG];
        let until = Instant::now() + time;
        let (mut due, mut sent) = (Instant::now(), 0u64);
        while due < until {
            for address in &addresses {
                for _ in 0..pace.burst {
                    socket.send_to(&datagram, address)?;
                    sent += 1;
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
        Ok(figure) => figure.context("sendto failed"),
        Err(_) => anyhow::bail!("the sender panicked"),
    }
}
