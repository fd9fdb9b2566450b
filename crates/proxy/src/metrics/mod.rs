//! `/codex-plus/metrics`: what there is to count, in fixed tables, and its text.

mod exchanges;
mod family;
mod histogram;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub(crate) use exchanges::{Carried, ExchangeCounts};
pub use family::{Families, Family, Kind, Labels, MetricSource, Sample, Spread, Value};
pub(crate) use text::{MEDIA_TYPE, render};

/// Connections made to upstreams.
#[derive(Debug, Default)]
pub(crate) struct DialCounts {
    pub(crate) made: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Everything that can be counted. Cheap to clone; outlives the line.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    started: Instant,
    exchanges: Arc<ExchangeCounts>,
    dials: Arc<DialCounts>,
    connections: Arc<Semaphore>,
    most_connections: usize,
    sources: Mutex<Vec<Arc<dyn MetricSource>>>,
    /// Where exchanges are carried, once they are: a runtime a worker.
    workers: OnceLock<Vec<Handle>>,
}

impl Metrics {
    pub(crate) fn new(
        exchanges: Arc<ExchangeCounts>,
        dials: Arc<DialCounts>,
        connections: Arc<Semaphore>,
    ) -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            exchanges,
            dials,
            most_connections: connections.available_permits(),
            connections,
            sources: Mutex::default(),
            workers: OnceLock::new(),
        }))
    }

    /// The line runs on these workers.
    pub(crate) fn running(&self, workers: Vec<Handle>) {
        // A proxy runs once.
        let _ = self.0.workers.set(workers);
    }

    /// Where connections to upstreams are counted.
    pub(crate) fn dials(&self) -> Arc<DialCounts> {
        Arc::clone(&self.0.dials)
    }

    /// Shows the numbers of `source` as well, behind the line's own.
    pub fn add(&self, source: Arc<dyn MetricSource>) {
        self.sources().push(source);
    }

    /// All numbers as they are now.
    pub fn families(&self) -> Families {
        let mut families = Families::default();
        let version = vec![("version", env!("CARGO_PKG_VERSION").into())];
        families
            .family("codex_plus_build_info", "The version.", Kind::Gauge)
            .number(version, 1);
        families.number(
            "codex_plus_uptime_seconds",
            "Time since the start.",
            Kind::Gauge,
            self.0.started.elapsed().as_secs(),
        );
        self.0.exchanges.collect(&mut families);
        self.connections(&mut families);
        if let Some(workers) = self.0.workers.get() {
            running(workers, &mut families);
        }
        // Cloned, so that nobody waits for a source to finish.
        let sources = self.sources().clone();
        for source in sources {
            source.collect(&mut families);
        }
        families
    }

    fn connections(&self, families: &mut Families) {
        let free = self.0.connections.available_permits();
        families.number(
            "codex_plus_connections",
            "Clients' connections open.",
            Kind::Gauge,
            self.0.most_connections.saturating_sub(free) as u64,
        );
        families.number(
            "codex_plus_connections_limit",
            "Clients' connections that may be open at once (limits.connections).",
            Kind::Gauge,
            self.0.most_connections as u64,
        );
        families.number(
            "codex_plus_upstream_connections_total",
            "Connections made to upstreams; the fewer to an exchange, the better the pool.",
            Kind::Counter,
            self.0.dials.made.load(Ordering::Relaxed),
        );
        families.number(
            "codex_plus_upstream_connection_failures_total",
            "Connections to upstreams that could not be made.",
            Kind::Counter,
            self.0.dials.failed.load(Ordering::Relaxed),
        );
    }

    fn sources(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn MetricSource>>> {
        self.0
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The workers of the line.
fn running(workers: &[Handle], families: &mut Families) {
    let (mut tasks, mut waiting) = (0, 0);
    for metrics in workers.iter().map(Handle::metrics) {
        tasks += metrics.num_alive_tasks();
        waiting += metrics.global_queue_depth();
    }
    families.number(
        "codex_plus_runtime_workers",
        "Threads that carry exchanges.",
        Kind::Gauge,
        workers.len() as u64,
    );
    families.number(
        "codex_plus_runtime_tasks",
        "Tasks under way on them.",
        Kind::Gauge,
        tasks as u64,
    );
    families.number(
        "codex_plus_runtime_queue",
        "Tasks handed to them that they have not yet seen.",
        Kind::Gauge,
        waiting as u64,
    );
}
