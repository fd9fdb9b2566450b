//! Traces and metrics for an OpenTelemetry collector, over OTLP (protobuf in HTTP).
//!
//! The line puts a copy of each record into a bounded queue and goes on; a thread with a runtime
//! of its own does the rest, so that a slow collector costs nobody anything but dropped spans.

mod export;
mod metric;
mod resource;
mod send;
mod trace;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use codex_plus_proxy::metrics::{Families, Kind, MetricSource, Metrics};
use codex_plus_proxy::{ExchangeRecord, Observer};
use tokio::sync::mpsc;

use crate::environment::Environment;
use crate::settings::Settings;

use export::Exporter;
use send::Collector;

/// Exchanges that may wait for the next export; at half a kB each, a MB at the worst.
const QUEUE: usize = 2_048;
/// How long the end of the process waits for the last export.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// What waits in the queue.
enum Message {
    Ended(Box<ExchangeRecord>),
    /// Asks for an export now, and to be told when it is done.
    Flush(std::sync::mpsc::SyncSender<()>),
}

/// What became of the exports.
#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    failures: AtomicU64,
}

/// The way to the exporter: an observer of exchanges, with counts to show.
#[derive(Clone)]
pub(crate) struct Otlp {
    queue: mpsc::Sender<Message>,
    counts: Arc<Counts>,
    traces: bool,
}

/// An exporter that has not begun.
pub(crate) struct Ready {
    collector: Collector,
    messages: mpsc::Receiver<Message>,
    counts: Arc<Counts>,
    settings: crate::settings::OtlpSettings,
    resource: Vec<(String, String)>,
}

/// Waits for the last export when dropped.
pub(crate) struct Guard(mpsc::Sender<Message>);

/// Sets the export up when the settings name a collector.
pub(crate) fn set_up(
    settings: &Settings,
    env: &Environment,
) -> anyhow::Result<Option<(Otlp, Ready)>> {
    let Some(endpoint) = &settings.otlp.endpoint else {
        if env.get("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
            tracing::warn!(
                target: "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT is no http:// or https:// URL and was ignored"
            );
        }
        return Ok(None);
    };
    if env
        .get("OTEL_SDK_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return Ok(None);
    }
    if let Some(protocol) = env.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        && protocol != "http/protobuf"
    {
        tracing::warn!(
            target: "otlp",
            asked = ?protocol,
            "only http/protobuf is spoken: the endpoint must be the collector's port for it, usually 4318"
        );
    }
    let (queue, messages) = mpsc::channel(QUEUE);
    let counts = Arc::<Counts>::default();
    let otlp = Otlp {
        queue,
        counts: Arc::clone(&counts),
        traces: settings.otlp.traces,
    };
    let ready = Ready {
        collector: Collector::new(endpoint, &settings.proxy.tls.ca_files, env)?,
        messages,
        counts,
        settings: settings.otlp.clone(),
        resource: resource::attributes(env),
    };
    Ok(Some((otlp, ready)))
}

impl Ready {
    /// Starts the exporter's thread.
    ///
    /// # Errors
    /// When the collector is the proxy itself: each export would be one more exchange to export.
    pub(crate) fn start(
        self,
        otlp: &Otlp,
        metrics: Metrics,
        listen: SocketAddr,
    ) -> anyhow::Result<Guard> {
        anyhow::ensure!(
            !self.collector.is_at(listen),
            "it is the proxy's own address; name the collector's, usually port 4318"
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let exporter = Exporter::new(self, metrics);
        std::thread::Builder::new()
            .name("otlp".into())
            .spawn(move || runtime.block_on(exporter.run()))?;
        Ok(Guard(otlp.queue.clone()))
    }
}

/// Two observers of the same exchanges.
pub(crate) struct Beside<O>(pub(crate) O, pub(crate) Otlp);

impl<O: Observer> Observer for Beside<O> {
    fn exchange_ended(&self, record: Box<ExchangeRecord>) {
        self.1.exchange_ended(record.clone());
        self.0.exchange_ended(record);
    }
}

impl Observer for Otlp {
    fn exchange_ended(&self, record: Box<ExchangeRecord>) {
        if self.traces && self.queue.try_send(Message::Ended(record)).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl MetricSource for Otlp {
    fn collect(&self, families: &mut Families) {
        families.number(
            "codex_plus_otlp_dropped_spans_total",
            "Exchanges that the collector will not hear of: the queue was full, or it took none.",
            Kind::Counter,
            self.counts.dropped.load(Ordering::Relaxed),
        );
        families.number(
            "codex_plus_otlp_failures_total",
            "Exports that the collector did not take.",
            Kind::Counter,
            self.counts.failures.load(Ordering::Relaxed),
        );
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (done, is_done) = std::sync::mpsc::sync_channel(1);
        if self.0.try_send(Message::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(LAST_EXPORT);
        }
    }
}
