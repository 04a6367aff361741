//! Tells systemd that the service is ready and alive: sd_notify(3), a datagram to the socket that the environment names.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager that started this process.
pub(super) struct ServiceManager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl ServiceManager {
    /// `None` where no manager wants to be told.
    pub(super) fn from_environment() -> Option<Self> {
        Self::at(&std::env::var_os("NOTIFY_SOCKET")?)
    }

    pub(super) fn at(path: &OsStr) -> Option<Self> {
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(path),
        };
        Some(Self { socket: UnixDatagram::unbound().ok()?, address: address.ok()? })
    }

    /// A manager that does not listen is no reason to end.
    pub(super) fn tell(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.address) {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }
}

/// How often systemd wants to hear that the service is alive (`WatchdogSec=`), if it does.
pub(super) fn watchdog_interval() -> Option<Duration> {
    let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(address: &OsStr, listener: &UnixDatagram) -> String {
        ServiceManager::at(address).expect("an address").tell("READY=1");
        let mut text = [0; 64];
        listener.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let length = listener.recv(&mut text).expect("a datagram");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn a_state_reaches_the_socket_that_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).expect("binds");
        assert_eq!(heard(path.as_os_str(), &listener), "READY=1");
        let name = format!("curfew-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let listener = UnixDatagram::bind_addr(&address).expect("binds");
        assert_eq!(heard(OsStr::new(&format!("@{name}")), &listener), "READY=1");
    }
}
