//! The robots of a load run: the agent itself, with packets instead of a picture.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::setup::Robot;
use crate::agent::{self, AgentConfig, Filler, Source, SourceKind};
use crate::clock::SystemClock;

pub(super) struct Publishers {
    sent: Vec<watch::Receiver<u64>>,
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

impl Publishers {
    pub(super) fn start(server: &str, robots: &[Robot], packets_per_second: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        let mut all_sent = Vec::new();
        for robot in robots {
            let (sent, seen) = watch::channel(0);
            all_sent.push(seen);
            let kind = SourceKind::Filler(Filler { packets_per_second, sent });
            let sources = vec![Source { camera: "main".to_owned(), kind }];
            let config =
                AgentConfig::new(server.to_owned(), robot.token.clone(), sources, robot.slug.clone());
            let mut stopped = stopped.clone();
            running.spawn(async move {
                let shutdown = async {
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                if let Err(error) = agent::run(config, SystemClock::shared(), shutdown).await {
                    tracing::error!(%error, "a robot did not start");
                }
            });
        }
        Self { sent: all_sent, stop, running }
    }

    /// Waits until every robot sends, `within` at most; how many do.
    pub(super) async fn wait(&self, within: Duration) -> usize {
        let until = Instant::now() + within;
        let mut sending = 0;
        for sent in &self.sent {
            let mut sent = sent.clone();
            let has_sent = timeout_at(until, sent.wait_for(|sent| *sent > 0)).await;
            sending += usize::from(matches!(has_sent, Ok(Ok(_))));
        }
        sending
    }

    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.running.join_next().await.is_some() {}
    }
}
