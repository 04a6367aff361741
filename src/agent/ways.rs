//! The ways to the server's media port that an answer names: UDP at first, and TCP where UDP comes to nothing.

use std::time::Duration;

use tokio::sync::watch;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidateInit, RTCPeerConnectionState};

/// How long UDP has before TCP is tried beside it, and how long both have then.
const UDP_FIRST: Duration = Duration::from_secs(2);
const BOTH_WITHIN: Duration = Duration::from_secs(6);

/// What an answer's candidates say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    /// Candidates over TCP to which one connects, without `a=`.
    pub(super) tcp: Vec<String>,
    /// `IP:PORT` of each candidate, each once, for the log.
    pub(super) addresses: Vec<String>,
}

impl Ways {
    /// Parts the candidates over TCP from an answer; the answer without them.
    pub(super) fn part(sdp: &str) -> (String, Self) {
        let (mut kept, mut ways) = (String::with_capacity(sdp.len()), Self::default());
        for line in sdp.split_inclusive('\n') {
            let candidate =
                line.trim_end().strip_prefix("a=").filter(|value| value.starts_with("candidate:"));
            let mut words = candidate.unwrap_or_default().split(' ').skip(2);
            let transport = words.next().unwrap_or_default();
            if let (Some(ip), Some(port)) = (words.nth(1), words.next()) {
                let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
                push_new(&mut ways.addresses, format!("{ip}:{port}"));
            }
            match candidate {
                Some(tcp) if transport.eq_ignore_ascii_case("tcp") => {
                    if tcp.contains("tcptype passive") {
                        push_new(&mut ways.tcp, tcp.to_owned());
                    }
                }
                _ => kept.push_str(line),
            }
        }
        (kept, ways)
    }

    /// Waits for UDP to come through, and tries TCP beside it where it does not.
    ///
    /// # Errors
    /// What to do where neither did.
    pub(super) async fn connect(
        self,
        peer: &dyn PeerConnection,
        mut state: watch::Receiver<RTCPeerConnectionState>,
    ) -> Result<(), String> {
        if settles(&mut state, UDP_FIRST).await {
            return Ok(());
        }
        let server = self.addresses.join(", ");
        if !self.tcp.is_empty() {
            tracing::warn!(server, "no UDP passes between here and the server's media port: trying TCP");
        }
        for candidate in self.tcp {
            let candidate = RTCIceCandidateInit { candidate, ..RTCIceCandidateInit::default() };
            if let Err(error) = peer.add_ice_candidate(candidate).await {
                tracing::debug!(%error, "a candidate that cannot be used");
            }
        }
        if settles(&mut state, BOTH_WITHIN).await {
            return Ok(());
        }
        Err(format!(
            "no way leads to the server's media port ({server}): let this network's firewall pass UDP, or at least TCP, to it"
        ))
    }
}

/// Whether the connection is made within that time, or over.
async fn settles(state: &mut watch::Receiver<RTCPeerConnectionState>, within: Duration) -> bool {
    let settled = state.wait_for(|state| {
        use RTCPeerConnectionState::{Closed, Connected, Failed};
        matches!(state, Connected | Failed | Closed)
    });
    tokio::time::timeout(within, settled).await.is_ok()
}

fn push_new(to: &mut Vec<String>, text: String) {
    if !to.contains(&text) {
        to.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidates_over_tcp_are_parted_from_an_answer_and_each_is_named_once() {
        let section = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host\r\n\
            a=candidate:2 1 tcp 1520435199 192.0.2.1 8189 typ host tcptype passive\r\n\
            a=candidate:3 1 TCP 1520435198 2001:db8::1 8189 typ host tcptype passive\r\n\
            a=candidate:4 1 tcp 1520435198 192.0.2.1 9 typ host tcptype active\r\na=end-of-candidates\r\n";
        let (kept, ways) = Ways::part(&format!("v=0\r\n{section}{section}"));
        let udp = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host\r\n\
            a=end-of-candidates\r\n";
        assert_eq!(kept, format!("v=0\r\n{udp}{udp}"));
        assert_eq!(ways.addresses, ["192.0.2.1:8189", "[2001:db8::1]:8189", "192.0.2.1:9"]);
        assert_eq!(
            ways.tcp,
            [
                "candidate:2 1 tcp 1520435199 192.0.2.1 8189 typ host tcptype passive",
                "candidate:3 1 TCP 1520435198 2001:db8::1 8189 typ host tcptype passive",
            ]
        );
    }

    #[test]
    fn what_is_no_candidate_is_left_alone() {
        for sdp in
            ["", "v=0", "a=candidate:", "a=candidate:1 1\r\n", "a=candidate:1 1 udp 1 192.0.2.1", "\r\n\n"]
        {
            assert_eq!(Ways::part(sdp), (sdp.to_owned(), Ways::default()), "{sdp:?}");
        }
    }
}
