//! `/metrics`, in the OpenMetrics text that Prometheus reads. Labels are routes, methods and statuses, of which there are
//! so many and no more; nothing here names a person, a robot or a session.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use warp::Reply;
use warp::reply::Response;

use crate::actors::Meters as LabMeters;
use crate::api::Api;
use crate::api::error::Problem;
use crate::api::request::Call;
use crate::api::route::{Access, Answer, Route};
use crate::media::MediaStats;
use crate::store::Meters as LogMeters;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/metrics", Access::Monitor, metrics)
            .about("The server's metrics, in OpenMetrics text")
            .gives_text(OPEN_METRICS),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: &'static str,
}

/// What is counted as it happens.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    seconds: Family<OfRoute, Histogram, fn() -> Histogram>,
}

/// What signing in counts.
pub(super) struct SignInMeters {
    pub(super) refused: Counter,
    pub(super) hashed: Counter,
}

/// What the listeners count.
#[derive(Clone, Debug, Default)]
pub struct ListenerMeters {
    pub(in crate::api) open: Gauge,
    pub(in crate::api) turned_away: Counter,
}

impl Metrics {
    pub(super) fn new(
        log: &LogMeters,
        lab: &LabMeters,
        listener: &ListenerMeters,
        sign_ins: &SignInMeters,
    ) -> Self {
        let mut registry = Registry::with_prefix("curfew");
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        // From 0.25 ms to 4 s.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_25, 2.0, 15));
        let seconds = Family::new_with_constructor(buckets);
        registry.register("http_request_seconds", "Time until a request was answered", seconds.clone());
        registry.register("connections", "Open HTTP connections, WebSockets included", listener.open.clone());
        let turned_away = listener.turned_away.clone();
        registry.register("connections_turned_away", "Connections past a limit", turned_away);
        let refused = sign_ins.refused.clone();
        registry.register(
            "sign_ins_refused",
            "Sign-ins with a wrong password, too many, or suspended",
            refused,
        );
        registry.register("passwords_hashed", "Argon2id computed", sign_ins.hashed.clone());
        registry.register(
            "append_seconds",
            "Time until an append to the log was durable",
            log.append_seconds.clone(),
        );
        registry.register("append_batch", "Callers that shared one transaction", log.batch.clone());
        registry.register(
            "end_lateness_seconds",
            "How long after its end a peer was still sent media",
            lab.lateness.clone(),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        Self { registry, requests, seconds }
    }

    pub(super) fn answered(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Request { method, route, status }).inc();
        self.seconds.get_or_create(&OfRoute { route }).observe(took.as_secs_f64());
    }
}

async fn metrics(call: Call) -> Answer {
    let api = &call.api;
    let mut text = String::new();
    let snapshot = snapshot(api).await;
    encode_registry(&mut text, &api.metrics.registry)
        .and_then(|()| encode_registry(&mut text, &snapshot))
        .and_then(|()| encode_eof(&mut text))
        .map_err(|_| Problem::unavailable("The metrics could not be written."))?;
    let mut response = Response::new(text.into()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    Ok(response)
}

/// What is as it is at this moment.
async fn snapshot(api: &Api) -> Registry {
    let mut now = Snapshot(Registry::with_prefix("curfew"));
    let lab = api.lab.health();
    let position = *api.log.head().borrow();
    let lag = |of: u64| position.saturating_sub(of);
    now.gauge("websockets", "Registered WebSockets", api.roster.count() as u64);
    now.gauge("rooms_open", "Sessions that are open", lab.rooms as u64);
    now.gauge("events_position", "The last position of the log", position);
    now.gauge(
        "projector_lag_events",
        "Events that the read models do not show yet",
        lag(api.projector.progress().borrow().position),
    );
    now.gauge("workflow_lag_events", "Events that no workflow has answered yet", lag(lab.answered));
    now.gauge("clock_behind", "1 while the clock is behind the log", u64::from(lab.clock_behind));
    match tokio::time::timeout(api.patience, api.media.stats()).await {
        Ok(stats) => media(&mut now, &stats),
        Err(_) => tracing::warn!("the media thread gave no numbers"),
    }
    process(&mut now);
    now.0
}

fn media(now: &mut Snapshot, stats: &MediaStats) {
    now.gauge("publishers", "Robots that are connected to publish", stats.publishers);
    now.gauge("viewers", "Viewers' peer connections", stats.viewers);
    now.gauge("peers_over_tcp", "Peer connections that are sent to over TCP", stats.tcp_peers);
    now.gauge("media_connections", "Open TCP connections on the media port", stats.tcp_connections);
    let counted = [
        ("peers", "Peer connections answered", stats.peers_total),
        ("media_sent", "RTP and RTCP datagrams sent", stats.media_out),
        ("media_sent_bytes", "Their bytes", stats.media_bytes_out),
        ("media_received", "RTP packets from robots", stats.camera_packets),
        ("media_dropped", "Packets dropped from full queues of slow viewers", stats.dropped_queue),
        (
            "media_refused_by_gate",
            "Media that a gate held back at the end of a window",
            stats.refused_by_gate,
        ),
        ("media_repairs", "Packets sent again to viewers that lost them", stats.repairs),
        ("keyframe_requests", "Key frames asked of robots", stats.keyframe_requests),
        ("datagrams_unknown", "Datagrams from nobody known", stats.dropped_unknown),
        ("datagrams_unproven", "Datagrams that claimed a peer and did not prove it", stats.dropped_unproven),
        ("datagrams_excess", "Datagrams of peers past what a session has use for", stats.dropped_excess),
        ("media_tcp_turned_away", "TCP connections past a limit of the media port", stats.tcp_turned_away),
        ("datagrams_late", "Datagrams from peers whose time was over", stats.dropped_late),
        ("send_errors", "Datagrams that the socket would not take", stats.send_errors),
        ("broken_peers", "Peers closed because their protocol state broke", stats.broken_peers),
    ];
    for (name, help, value) in counted {
        now.counter(name, help, value);
    }
}

/// From proc(5); what cannot be read is left out.
fn process(now: &mut Snapshot) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    if let Some(kibibytes) = resident {
        now.gauge("process_resident_bytes", "Memory of the process", kibibytes * 1_024);
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        now.gauge("process_open_descriptors", "Open file descriptors", descriptors.count() as u64);
    }
}

struct Snapshot(Registry);

impl Snapshot {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        let gauge = Gauge::<u64, AtomicU64>::default();
        gauge.set(value);
        self.0.register(name, help, gauge);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        self.0.register(name, help, counter);
    }
}
