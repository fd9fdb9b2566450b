//! From an ended exchange to a line in the queue.

use std::time::{Duration, SystemTime};

use codex_plus_proxy::{ExchangeRecord, Observer, Outcome};
use tracing::Level;

use super::entry::{Entry, shorten};
use super::pipe::Pipe;

/// The observer that writes the log.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeLog {
    pipe: Pipe,
    slow: Duration,
}

impl ExchangeLog {
    /// Exchanges whose upstream took longer than `slow` to its first byte become warnings.
    pub(crate) fn new(pipe: Pipe, slow: Duration) -> Self {
        Self { pipe, slow }
    }

    fn level(&self, record: &ExchangeRecord) -> Level {
        let slow = record
            .timings
            .upstream_first_byte
            .is_some_and(|first| first > self.slow);
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
