//! Wiring: the one place that names concrete parts. Starts them in order, and stops them in the reverse.
//!
//! No rule and no route lives here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use warp::Filter;

use crate::actors::{ActorsConfig, Lab, LabParts};
use crate::api::listener::{self, Listener, ListenerLimits};
use crate::api::metrics::ListenerMeters;
use crate::api::proxies::Proxies;
use crate::api::tls::Tls;
use crate::api::{Accounts, Api, ApiParts, Service};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::media::{Media, MediaConfig, TcpLimits};
use crate::signaling::{self, Roster, Signaling};
use crate::store::{Log, Projector, Reads};

/// The socket in the data folder by which the command line reaches a running server.
const SOCKET: &str = "admin.sock";

/// Everything but the transports: the log, the actors, media, and the routes as a function.
pub struct Core {
    pub lab: Lab,
    pub log: Log,
    pub projector: Projector,
    pub reads: Reads,
    pub media: Media,
    pub api: Arc<Api>,
    pub service: Service,
    proxies: Arc<Proxies>,
    listener_meters: ListenerMeters,
    stopping: watch::Sender<bool>,
}

/// A server that answers.
pub struct RunningApp {
    /// Where HTTP is bound; with port 0 configured, the port that was free.
    pub http_addr: SocketAddr,
    pub media_addr: SocketAddr,
    /// What links for people begin with.
    pub base_url: String,
    pub core: Core,
    /// Where a certificate is configured.
    pub tls: Option<Tls>,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    socket: PathBuf,
}

pub struct App;

/// Says of an address that cannot be had what to do about it, where the error does not say so itself.
fn advised(error: std::io::Error) -> std::io::Error {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let advice = match error.kind() {
        AddrInUse => "another program listens there; end it, or choose another port (0 takes a free one)",
        AddrNotAvailable => {
            "this machine has no such address: 127.0.0.1 is the machine itself, 0.0.0.0 every address it has"
        }
        PermissionDenied => "this user may not: ports below 1024 are root's, so choose a higher one",
        _ => return error,
    };
    match error.raw_os_error() {
        Some(_) => std::io::Error::new(error.kind(), advice),
        None => error,
    }
}

impl App {
    /// Starts a server: opens the log, brings sessions up to the present, and only then accepts connections.
    pub async fn start(config: Config, clock: SharedClock) -> anyhow::Result<RunningApp> {
        // The port first: one that is taken should not cost a recovery.
        let tcp = TcpListener::bind(config.listen)
            .await
            .map_err(advised)
            .with_context(|| format!("cannot listen on {} (`listen`)", config.listen))?;
        let http_addr = tcp.local_addr()?;
        let base_url = config.base_url(http_addr);
        let tls = match config.tls.files() {
            Some(files) => {
                let (tls, reloader) = Tls::load(files).context("cannot speak TLS (`tls`)")?;
                tokio::spawn(reloader.run());
                Some(tls)
            }
            None => None,
        };
        let core = Core::start(&config, clock, base_url.clone()).await?;
        let (stop, stopping) = watch::channel(false);
        let socket = config.data.join(SOCKET);
        let unix = bind_unix(&socket)?;
        let limits = ListenerLimits {
            connections: config.limits.connections,
            connections_per_address: config.limits.connections_per_address,
            proxies: Arc::clone(&core.proxies),
            header_timeout: config.limits.header_timeout(),
            meters: core.listener_meters.clone(),
            write_timeout: Duration::from_millis(config.limits.write_timeout_ms),
            drain: Duration::from_millis(config.sessions.drain_ms),
        };
        let serve = |listener| {
            let service = core.service.clone();
            let answer = move |request| {
                let service = service.clone();
                async move { service.call(request).await }
            };
            tokio::spawn(listener::run(listener, answer, limits.clone(), stopping.clone()))
        };
        let listeners = vec![serve(Listener::Tcp(tcp, tls.clone())), serve(Listener::Unix(unix))];
        let media_addr = core.media.local_addr();
        tracing::info!(%http_addr, %media_addr, data = %config.data.display(), "serving");
        Ok(RunningApp { http_addr, media_addr, base_url, core, tls, stop, listeners, socket })
    }
}

impl Core {
    /// Opens the data folder and brings everything in it up to the present.
    pub async fn start(config: &Config, clock: SharedClock, base_url: String) -> anyhow::Result<Self> {
        let log = Log::open(&config.data, Arc::clone(&clock))
            .await
            .with_context(|| format!("cannot open the data folder {} (`data`)", config.data.display()))?;
        let projector = Projector::start(log.clone()).await?;
        let reads = projector.reads();
        let (media, media_events) =
            Media::start(media_config(config), Arc::clone(&clock))
                .map_err(advised)
                .with_context(|| format!("cannot listen on {} (`media.listen`)", config.media.listen))?;
        let lab = Lab::start(LabParts {
            log: log.clone(),
            projector: projector.clone(),
            media: media.clone(),
            media_events,
            clock: Arc::clone(&clock),
            config: ActorsConfig {
                connections_per_account: config.limits.connections_per_account,
                patience: config.sessions.answer_within(),
                confirm_clock: config.sessions.confirm_clock,
                ..ActorsConfig::default()
            },
        })
        .await?;
        lab.recover().await?;
        let proxies = Arc::new(Proxies::new(config.trusted_proxies.clone()));
        let roster = Roster::default();
        let listener_meters = ListenerMeters::default();
        let parts = ApiParts {
            lab: lab.clone(),
            log: log.clone(),
            reads: reads.clone(),
            media: media.clone(),
            clock: Arc::clone(&clock),
            base_url,
            proxies: Arc::clone(&proxies),
            roster: roster.clone(),
            projector: projector.clone(),
            listener_meters: listener_meters.clone(),
        };
        let api = Api::new(parts, config).await?;
        let (stopping, told_to_stop) = watch::channel(false);
        let signaling = signaling::routes(Signaling {
            stopping: told_to_stop,
            lab: lab.clone(),
            authenticate: Arc::new(api.auth().clone()),
            clock,
            roster,
            limits: signaling::Limits {
                message_bytes: config.limits.message_bytes,
                messages_per_second: config.limits.messages_per_second,
                message_burst: config.limits.message_burst,
                connections_per_account: config.limits.connections_per_account,
                register_within: Duration::from_millis(config.limits.register_timeout_ms),
                silent_for: Duration::from_millis(config.limits.silence_timeout_ms),
                ..signaling::Limits::default()
            },
        });
        let console = crate::console::routes().map(warp::Reply::into_response);
        let service = Service::new(&api, signaling.or(console).unify().boxed());
        Ok(Self { lab, log, projector, reads, media, api, service, proxies, listener_meters, stopping })
    }

    pub fn accounts(&self) -> &Accounts {
        self.api.accounts()
    }

    /// Ends what lives, records that the server stopped, and closes the log.
    pub async fn shutdown(self) {
        self.lab.begin_shutdown();
        self.stopping.send_replace(true);
        self.lab.shutdown().await;
        self.media.shutdown().await;
        self.projector.close().await;
        self.log.close().await;
    }
}

impl RunningApp {
    /// Stops in order: no new connections, peers and clients told, `ServerStopped` recorded, the log closed.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        // Signaling ends with the lab, and with it the connections that the listeners wait for.
        let drained = async {
            for listener in self.listeners {
                if let Err(error) = listener.await {
                    tracing::error!(%error, "a listener ended badly");
                }
            }
        };
        tokio::join!(self.core.shutdown(), drained);
        if let Err(error) = std::fs::remove_file(&self.socket) {
            tracing::debug!(%error, "the command line's socket was gone already");
        }
    }
}

/// Listens for Ctrl-C and SIGTERM from now on; what it gives is ready at the first. To be called before anybody is told that
/// the server is there: until then a signal ends the process without a goodbye.
pub fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted; stopping"),
            _ = terminate.recv() => tracing::info!("told to terminate; stopping"),
        }
    })
}

/// Where a running server of this data folder listens for the command line.
pub fn socket_of(data: &Path) -> PathBuf {
    data.join(SOCKET)
}

fn bind_unix(path: &Path) -> anyhow::Result<UnixListener> {
    // The data folder is locked by this process, so a socket that is there belongs to nobody any more.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .with_context(|| format!("cannot replace {}", path.display()))?;
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn media_config(config: &Config) -> MediaConfig {
    let media = &config.media;
    MediaConfig {
        listen: media.listen,
        advertise: match media.advertise.is_empty() {
            true => own_addresses(media.listen.ip()),
            false => media.advertise.clone(),
        },
        tcp: media.tcp.then(|| TcpLimits {
            connections: config.limits.media_connections,
            per_address: config.limits.media_connections_per_address,
            ..TcpLimits::default()
        }),
        guard: Duration::from_millis(media.guard_ms),
        queue_packets: media.queue_packets,
        max_candidates: config.limits.candidates_per_peer,
        ..MediaConfig::default()
    }
}

/// The addresses at which this machine can be reached, best first: where it listens, or else the one its packets to the
/// outside carry, and loopback for clients on the machine itself.
fn own_addresses(listen: IpAddr) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    // Connecting a UDP socket sends nothing; it asks the routing table. The address is one of RFC 5737's for examples.
    let outside = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr())
    });
    let outside = outside.map(|addr| addr.ip()).ok().filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    outside.into_iter().chain([IpAddr::V4(Ipv4Addr::LOCALHOST)]).collect()
}
