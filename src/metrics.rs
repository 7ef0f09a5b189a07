//! What an operator sees, in the OpenMetrics text format. Labels come from the route table and from enums, never from
//! what a client wrote, so their number is bounded.
//!
//! HTTP and sockets count here. What the actors and the store count themselves is read when `/metrics` is asked for
//! ([`Metrics::watch`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{LATENCY_BOUNDS_US, MemberFigures, QueueBrief, StatsView};
use domain::Status;
use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Mutex;

use files::Room;

use crate::database::DatabaseStats;
use crate::errors::ErrorCode;

mod members;
mod process;
mod routing;
mod shared;
mod storage;
mod store;

use process::ProcessCollector;
use shared::Shared;

/// Upper bounds of latency buckets, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Whose a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// Nobody has said hello on it yet.
    Unknown,
    /// A visitor's.
    Visitor,
    /// An agent's.
    Agent,
}

impl SocketKind {
    const fn label(self) -> KindLabels {
        KindLabels {
            kind: match self {
                SocketKind::Unknown => "unknown",
                SocketKind::Visitor => "visitor",
                SocketKind::Agent => "agent",
            },
        }
    }
}

type HistogramFamily = Family<RouteLabels, Histogram, fn() -> Histogram>;

/// Counters of one node since it started. Shared; counting never waits.
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    request_seconds: HistogramFamily,
    refused: Family<CodeLabels, Counter>,
    overloads: Counter,
    connections: Gauge,
    sockets: Family<KindLabels, Gauge>,
    registry: Mutex<Registry>,
    /// What stands under everybody's names, without ours in front.
    of_process: Registry,
    shared: Shared,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        let new_histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let request_seconds = HistogramFamily::new_with_constructor(new_histogram);
        let refused = Family::<CodeLabels, Counter>::default();
        let overloads = Counter::default();
        let connections = Gauge::default();
        let sockets = Family::<KindLabels, Gauge>::default();
        // There at 0 before the first: an alert on what is absent would fire.
        for kind in [SocketKind::Unknown, SocketKind::Visitor, SocketKind::Agent] {
            sockets.get_or_create(&kind.label()).set(0);
        }

        let mut registry = Registry::with_prefix("switchboard");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", build);
        let mut of_process = Registry::default();
        of_process.register_collector(Box::new(ProcessCollector));
        registry.register("http_requests", "Requests answered", requests.clone());
        let help = "From a request's head to its answer's";
        registry.register_with_unit("http_request", help, Unit::Seconds, request_seconds.clone());
        registry.register("refused", "Requests and frames answered with an error", refused.clone());
        registry.register(
            "overloads",
            "Requests and frames refused because the node was busy",
            overloads.clone(),
        );
        registry.register("connections", "TCP connections open now, sockets among them", connections.clone());
        registry.register("sockets", "Sockets open now", sockets.clone());
        Self {
            requests,
            request_seconds,
            refused,
            overloads,
            connections,
            sockets,
            registry: Mutex::new(registry),
            of_process,
            shared: Shared::default(),
        }
    }

    /// A request was answered. `route` is a path of the table.
    pub(crate) fn answered(&self, method: &Method, route: &'static str, status: StatusCode, took: Duration) {
        let method = method_label(method);
        let labels = RequestLabels { method, route, status: status_class(status) };
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&RouteLabels { method, route }).observe(took.as_secs_f64());
    }

    /// A request or a frame was answered with an error.
    pub fn refused(&self, code: ErrorCode) {
        self.refused.get_or_create(&CodeLabels { code: code.as_str() }).inc();
        if code == ErrorCode::Overloaded {
            self.overloads.inc();
        }
    }

    /// A connection was accepted; it counts as open until the guard is dropped.
    pub(crate) fn connection_opened(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// A socket was opened, or said whose it is; it counts as that until the guard is dropped.
    pub fn socket_opened(&self, kind: SocketKind) -> OpenSocket {
        let gauge = self.sockets.get_or_create_owned(&kind.label());
        gauge.inc();
        OpenSocket(gauge)
    }

    /// Has `figures` asked each time that the metrics are read.
    pub fn watch(&self, figures: impl Fn() -> Figures + Send + Sync + 'static) {
        let collector = FiguresCollector(Arc::new(figures));
        self.registry.lock().expect("nobody panics while holding it").register_collector(Box::new(collector));
    }

    /// The same as [`Self::text`], made once for all who ask at the same time, and not too often.
    pub async fn shared_text(&self) -> Bytes {
        self.shared.text(|| self.text()).await
    }

    /// All, as `/metrics` answers it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().expect("nobody panics while holding it");
        encode_registry(&mut text, &registry)
            .and_then(|()| encode_registry(&mut text, &self.of_process))
            .and_then(|()| encode_eof(&mut text))
            .expect("a string takes what is written to it");
        text
    }
}

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An open connection, counted until it is dropped.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An open socket, counted until it is dropped.
pub struct OpenSocket(Gauge);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// What other parts of the node count themselves.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The actors' counters.
    pub actors: StatsView,
    /// Conversations in memory.
    pub conversations_live: usize,
    /// Agents in memory.
    pub agents_live: usize,
    /// Teams' queues.
    pub queues: Vec<QueueBrief>,
    /// The agents in memory, by what they want to be taken for and whether they are there.
    pub agents: BTreeMap<(Status, bool), usize>,
    /// What the store counts; none before it is open.
    pub store: Option<DatabaseStats>,
    /// How the disk of the data folder stands; none when it does not say.
    pub storage: Option<Room>,
    /// The cluster as this node knows it.
    pub member: MemberFigures,
}

struct FiguresCollector(Arc<dyn Fn() -> Figures + Send + Sync>);

impl fmt::Debug for FiguresCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FiguresCollector")
    }
}

impl Collector for FiguresCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = (self.0)();
        let actors = &figures.actors;
        for (name, help, count) in [
            ("events_appended", "Events that became durable", actors.events),
            ("appends", "Appends to conversations' logs", actors.appends),
            ("appends_failed", "Appends that were fenced, failed, or ended unknown", actors.appends_failed),
            ("activations", "Conversations read into memory", actors.activations),
            ("passivations", "Conversations that left memory", actors.passivations),
            ("actor_overloads", "Commands refused because too many waited", actors.overloads),
            ("actor_crashes", "Actors that panicked", actors.crashes),
            ("notices_dropped", "Notices that found the outbox full", actors.notices_dropped),
            ("offers", "Conversations offered to an agent", actors.offers),
            ("offers_missed", "Offers that were not answered", actors.offers_missed),
            ("routed", "Conversations that routers gave to agents", actors.given),
            ("agents_lost", "Agents who held something and stopped being present", actors.agents_lost),
            ("sweeps", "Times that all open conversations were gone through", actors.sweeps),
        ] {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let waiting = figures.queues.iter().map(|queue| queue.waiting).sum();
        for (name, help, value) in [
            ("conversations_live", "Conversations in memory", figures.conversations_live),
            ("agents_live", "Agents in memory", figures.agents_live),
            ("conversations_waiting", "Conversations in teams' queues", waiting),
            (
                "conversations_open",
                "Conversations not ended, as the last sweep found them",
                actors.open as usize,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        routing::encode(&mut encoder, &figures.queues, &figures.agents, actors)?;
        if let Some(stats) = &figures.store {
            store::encode(&mut encoder, stats)?;
        }
        if let Some(room) = &figures.storage {
            storage::encode(&mut encoder, room)?;
        }
        members::encode(&mut encoder, &figures.member)?;
        let sweep_seconds = ConstCounter::new(actors.sweep_us as f64 / 1e6);
        let help = "What going through all open conversations took together";
        let counter = encoder.encode_descriptor("sweep", help, Some(&Unit::Seconds), MetricType::Counter)?;
        sweep_seconds.encode(counter)?;
        let bounds = LATENCY_BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(actors.append_buckets).collect();
        let help = "From an append to its outcome";
        encoder
            .encode_descriptor("append", help, Some(&Unit::Seconds), MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(actors.append_us as f64 / 1e6, actors.appends, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ::store::sqlite::SqliteStats;

    use super::*;

    #[test]
    fn counts_stand_under_the_table_s_words_and_gauges_go_down_again() {
        let metrics = Metrics::new();
        let route = "/api/v1/chat/conversations/{id}/messages";
        metrics.answered(&Method::POST, route, StatusCode::CREATED, Duration::from_millis(3));
        metrics.answered(
            &Method::from_bytes(b"BREW").unwrap(),
            "none",
            StatusCode::NOT_FOUND,
            Duration::ZERO,
        );
        metrics.refused(ErrorCode::Overloaded);
        let connection = metrics.connection_opened();
        drop(metrics.socket_opened(SocketKind::Unknown));
        let _agent = metrics.socket_opened(SocketKind::Agent);
        let text = metrics.text();
        for line in [
            "switchboard_http_requests_total{method=\"POST\",route=\"/api/v1/chat/conversations/{id}/messages\",status=\"2xx\"} 1",
            "switchboard_http_requests_total{method=\"other\",route=\"none\",status=\"4xx\"} 1",
            "switchboard_refused_total{code=\"OVERLOADED\"} 1",
            "switchboard_overloads_total 1",
            "switchboard_connections 1",
            "switchboard_sockets{kind=\"unknown\"} 0",
            "switchboard_sockets{kind=\"agent\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        drop(connection);
        assert!(metrics.text().contains("switchboard_connections 0"));
    }

    #[test]
    fn every_metric_is_explained_and_what_is_explained_is_there() {
        let mut exposed = BTreeSet::new();
        for store in [
            DatabaseStats::Sqlite(SqliteStats::default()),
            DatabaseStats::Cql(::store::cql::CqlStats::default()),
        ] {
            let metrics = Metrics::new();
            metrics.answered(&Method::GET, "/healthz", StatusCode::OK, Duration::ZERO);
            metrics.refused(ErrorCode::NotFound);
            drop(metrics.socket_opened(SocketKind::Agent));
            let storage = Some(Room { available_bytes: 1, reserve_bytes: 1 });
            metrics.watch(move || Figures { store: Some(store.clone()), storage, ..Figures::default() });
            for line in metrics.text().lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
                let (name, kind) = line.split_once(' ').unwrap();
                exposed.insert(match kind {
                    "counter" => format!("{name}_total"),
                    "info" => format!("{name}_info"),
                    _ => name.to_owned(),
                });
            }
        }
        let page = include_str!("../docs/metrics.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let explained: BTreeSet<String> = rows.map(str::to_owned).collect();
        assert!(exposed.len() > 40, "{exposed:?}");
        assert_eq!(exposed, explained);
    }

    #[test]
    fn what_others_count_is_read_when_asked() {
        let metrics = Metrics::new();
        let mut buckets = [0; LATENCY_BOUNDS_US.len() + 1];
        (buckets[0], buckets[12]) = (2, 1);
        let actors = StatsView { events: 5, appends: 3, append_buckets: buckets, ..StatsView::default() };
        let actors = StatsView { sweeps: 2, sweep_us: 1_500_000, open: 4, ..actors };
        let sqlite = DatabaseStats::Sqlite(SqliteStats { queue_depth: 7, ..SqliteStats::default() });
        metrics.watch(move || Figures {
            actors: actors.clone(),
            store: Some(sqlite.clone()),
            ..Figures::default()
        });
        let text = metrics.text();
        for line in [
            "switchboard_events_appended_total 5",
            "switchboard_store_queue_depth 7",
            "switchboard_sweeps_total 2",
            "switchboard_sweep_seconds_total 1.5",
            "switchboard_conversations_open 4",
            "switchboard_append_seconds_count 3",
            "switchboard_append_seconds_bucket{le=\"0.0001\"} 2",
            "switchboard_append_seconds_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
