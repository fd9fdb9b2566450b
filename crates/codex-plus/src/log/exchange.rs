//! From an ended exchange to a line in the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use codex_plus_proxy::{ExchangeRecord, Observer, Outcome};
use tracing::Level;

use super::entry::{Entry, shorten};
use super::pipe::Pipe;

/// The observer that writes the log.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeLog {
    pipe: Pipe,
    slow: SlowLimit,
}

/// How long an upstream may take to its first byte before that is a warning; may change.
#[derive(Debug, Clone)]
pub(crate) struct SlowLimit(Arc<AtomicU64>);

impl SlowLimit {
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(millis(limit))))
    }

    pub(crate) fn set(&self, limit: Duration) {
        self.0.store(millis(limit), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

impl ExchangeLog {
    /// Exchanges whose upstream took longer than `slow` to its first byte become warnings.
    pub(crate) fn new(pipe: Pipe, slow: SlowLimit) -> Self {
        Self { pipe, slow }
    }

    fn level(&self, record: &ExchangeRecord) -> Level {
        let slow = record
            .timings
            .upstream_first_byte
            .is_some_and(|first| first > self.slow.get());
        match record.outcome {
            Outcome::UpstreamCut | Outcome::UpstreamFailed => Level::WARN,
            _ if slow => Level::WARN,
            _ => Level::INFO,
        }
    }
}

impl Observer for ExchangeLog {
    fn exchange_ended(&self, mut record: Box<ExchangeRecord>) {
        let level = self.level(&record);
        // The filter decides by level and the target `exchange`, as for any other line.
        let wanted = match level {
            Level::WARN => tracing::enabled!(target: "exchange", Level::WARN),
            _ => tracing::enabled!(target: "exchange", Level::INFO),
        };
        if !wanted {
            return;
        }
        // A hostile path can be as long as the head limit; the queue holds thousands of lines.
        shorten(&mut record.path);
        shorten(&mut record.method);
        for text in [&mut record.session, &mut record.thread, &mut record.reason] {
            text.iter_mut().for_each(shorten);
        }
        self.pipe.send(Entry::Exchange {
            level,
            record,
            ended: SystemTime::now(),
        });
    }
}
