//! The exporter's life: gathers spans, and sends them and the metrics every so often.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use codex_plus_proxy::metrics::Metrics;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::resource::Origin;
use super::send::{Collector, SendError};
use super::{Counts, Message, Ready, metric, trace};

/// Spans that wait for a collector that is away; the oldest are dropped first. An exchange has
/// three spans and one more for each filter.
const MOST_SPANS: usize = 8_192;
/// Spans sent at once; a full batch does not wait for its time.
const BATCH: usize = 512;

/// Gathers and sends.
pub(super) struct Exporter {
    collector: Collector,
    messages: mpsc::Receiver<Message>,
    counts: Arc<Counts>,
    metrics: Option<Metrics>,
    interval: Duration,
    origin: Origin,
    spans: VecDeque<Span>,
    started: SystemTime,
    /// Failures in a row.
    failed: u64,
}

impl Exporter {
    pub(super) fn new(ready: Ready, metrics: Metrics) -> Self {
        Self {
            collector: ready.collector,
            messages: ready.messages,
            counts: ready.counts,
            metrics: ready.settings.metrics.then_some(metrics),
            // A period of nothing would be a busy loop.
            interval: ready.settings.interval.get().max(Duration::from_millis(10)),
            origin: Origin::new(ready.resource),
            spans: VecDeque::new(),
            started: SystemTime::now(),
            failed: 0,
        }
    }

    /// Until everyone who could send a message is gone.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(Message::Ended(record)) => {
                        self.spans.extend(trace::spans(&record));
                        self.forget_oldest();
                        // A collector that is away is asked at its time only.
                        if self.spans.len() >= BATCH && self.failed == 0 {
                            self.send_spans().await;
                        }
                    }
                    Some(Message::Flush(done)) => {
                        self.export().await;
                        let _ = done.try_send(());
                    }
                    None => return,
                },
                _ = ticks.tick() => self.export().await,
            }
        }
    }

    fn forget_oldest(&mut self) {
        let over = self.spans.len().saturating_sub(MOST_SPANS);
        let roots = self.spans.drain(..over).filter(trace::is_whole_exchange);
        let dropped = roots.count() as u64;
        self.counts.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    async fn export(&mut self) {
        self.send_spans().await;
        if let Some(metrics) = &self.metrics {
            let families = metrics.families();
            let request = metric::request(&families, self.started, &self.origin);
            let sent = self.collector.send("/v1/metrics", &request).await;
            self.tell(&sent);
        }
    }

    async fn send_spans(&mut self) {
        while !self.spans.is_empty() {
            let count = self.spans.len().min(BATCH);
            let batch: Vec<Span> = self.spans.drain(..count).collect();
            let request = trace::request(batch, &self.origin);
            let sent = self.collector.send("/v1/traces", &request).await;
            self.tell(&sent);
            let Err(error) = sent else {
                continue;
            };
            let batch = trace::spans_of(request);
            if error.may_be_tried_again() {
                for span in batch.into_iter().rev() {
                    self.spans.push_front(span);
                }
                return;
            }
            let lost = batch.iter().filter(|span| trace::is_whole_exchange(span));
            let lost = lost.count() as u64;
            self.counts.dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// The first time, then ever more rarely: a collector that is away must not flood the log.
    fn tell(&mut self, sent: &Result<(), SendError>) {
        let Err(error) = sent else {
            self.failed = 0;
            return;
        };
        self.failed += 1;
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        if self.failed.is_power_of_two() {
            tracing::warn!(
                target: "otlp",
                %error,
                times = self.failed,
                "the collector at otlp.endpoint did not take an export"
            );
        }
    }
}
