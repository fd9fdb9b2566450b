//! A histogram of times that is cheap to add to: two atomic additions, no lock, fixed memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::family::Spread;

/// Upper bounds of the buckets, in microseconds: our own work is tens of them, an answer minutes.
const BOUNDS: [u64; 22] = [
    10,
    25,
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

/// Times, by size.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// In nanoseconds; enough for five hundred years.
    sum: AtomicU64,
}

impl Histogram {
    /// Adds a time.
    pub(crate) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let index = BOUNDS.partition_point(|bound| bound * 1_000 < nanos);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How the times are spread, in seconds.
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub(crate) fn spread(&self) -> Spread {
        Spread {
            bounds: BOUNDS.iter().map(|bound| *bound as f64 / 1e6).collect(),
            counts: self
                .buckets
                .iter()
                .map(|bucket| bucket.load(Ordering::Relaxed))
                .collect(),
            sum: self.sum.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        let histogram = Histogram::default();
        for micros in [0, 10, 11, 300_000_000, 300_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        let spread = histogram.spread();
        assert_eq!(&spread.counts[..2], [2, 1]);
        assert_eq!(&spread.counts[21..], [1, 1]);
        assert_eq!(spread.count(), 5);
        assert!((spread.sum - 600.000_022).abs() < 1e-9);
    }
}
