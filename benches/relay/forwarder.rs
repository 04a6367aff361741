//! The forwarding side, in a process of its own so that its processor time and memory are nobody else's: the relay under
//! test, or its rival. It is asked on standard input and answers on standard output, a line of JSON each.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use curfew::clock::{Clock as _, SystemClock};
use curfew::media::{Media, MediaConfig, PeerKind, PeerSpec};
use curfew_domain::{PeerId, RobotId, RoomId};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rival::Rival;

#[derive(Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answer peer `n`'s offer; number 0 is the robot.
    Answer {
        n: u64,
        sdp: String,
    },
    /// End peer `n`.
    End {
        n: u64,
    },
    Spent,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Told {
    Answer(String),
    Ended,
    Spent(Spent),
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Processor time of the whole process.
    pub(crate) cpu: Duration,
    /// Resident memory.
    pub(crate) bytes: u64,
    pub(crate) descriptors: usize,
}

impl Spent {
    fn now() -> Result<Self> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(u64::try_from(cpu.tv_sec)?, u32::try_from(cpu.tv_nsec)?);
        let status = std::fs::read_to_string("/proc/self/status")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = resident.and_then(|size| size.trim().split(' ').next()).context("no size")?.parse()?;
        let descriptors = std::fs::read_dir("/proc/self/fd")?.count();
        Ok(Self { cpu, bytes: kib * 1024, descriptors })
    }
}

/// A forwarding process, asked from outside.
pub(crate) struct Forwarder {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Forwarder {
    /// Starts this program again as the forwarder called `which`.
    pub(crate) fn start(which: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--forwarder", which])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asks = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, asks, answers })
    }

    fn ask(&mut self, ask: &Ask) -> Result<Told> {
        writeln!(self.asks, "{}", serde_json::to_string(ask)?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("the forwarding process failed")
    }

    pub(crate) fn answer(&mut self, n: u64, sdp: String) -> Result<String> {
        match self.ask(&Ask::Answer { n, sdp })? {
            Told::Answer(sdp) => Ok(sdp),
            _ => anyhow::bail!("no answer"),
        }
    }

    pub(crate) fn end(&mut self, n: u64) -> Result<()> {
        self.ask(&Ask::End { n }).map(drop)
    }

    pub(crate) fn spent(&mut self) -> Result<Spent> {
        match self.ask(&Ask::Spent)? {
            Told::Spent(spent) => Ok(spent),
            _ => anyhow::bail!("no figures"),
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // It is of no use any more, whatever became of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The forwarding process's own side.
pub(crate) async fn serve(which: &str) -> Result<()> {
    let mut peers = if which == "rival" { Peers::Rival(Rival::default()) } else { Peers::relay()? };
    let (lines, mut asked) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = asked.recv().await {
        let told = match serde_json::from_str(&line)? {
            Ask::Answer { n, sdp } => Told::Answer(peers.answer(n, sdp).await?),
            Ask::End { n } => {
                peers.end(n).await?;
                Told::Ended
            }
            Ask::Spent => Told::Spent(Spent::now()?),
        };
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&told)?)?;
    }
    Ok(())
}

enum Peers {
    Relay(Media, HashMap<u64, PeerId>),
    Rival(Rival),
}

impl Peers {
    fn relay() -> Result<Self> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = MediaConfig { listen, ..MediaConfig::default() };
        let (media, mut events) = Media::start(config, SystemClock::shared())?;
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        Ok(Self::Relay(media, HashMap::new()))
    }

    async fn answer(&mut self, n: u64, sdp: String) -> Result<String> {
        match self {
            Self::Relay(media, peers) => {
                let robot = RobotId::from(Uuid::from_u128(1));
                let room = RoomId::from(Uuid::from_u128(7));
                let kind =
                    if n == 0 { PeerKind::Publisher { robot } } else { PeerKind::Viewer { robot, room } };
                let peer = PeerId::from(Uuid::from_u128(u128::from(n) + 1));
                peers.insert(n, peer);
                let deadline = SystemClock.boot().saturating_add(Duration::from_secs(3_600));
                Ok(media.answer(PeerSpec { peer, kind, deadline, decides: false }, sdp).await?.sdp)
            }
            Self::Rival(rival) => rival.answer(n, sdp).await,
        }
    }

    async fn end(&mut self, n: u64) -> Result<()> {
        match self {
            Self::Relay(media, peers) => {
                let peer = peers.remove(&n).context("no such peer")?;
                media.close_peer(peer, None).await.map(drop).context("it had ended before")
            }
            Self::Rival(rival) => rival.end(n).await,
        }
    }
}
