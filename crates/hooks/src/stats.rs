//! How often each hook ran, how long it took, what went wrong: kept in bounded memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// Hooks told apart; beyond it the counts of new ones are kept together.
const MOST_HOOKS: usize = 1024;
const OTHERS: &str = "(others)";
/// Buckets for each doubling of time, and doublings of a microsecond that are told apart.
const STEPS: usize = 4;
const DOUBLINGS: usize = 32;

/// What is known of a hook's runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookStats {
    /// The hook's name.
    pub hook: String,
    /// Runs that ended.
    pub runs: u64,
    /// Runs that did not count.
    pub failures: u64,
    /// Runs over the time budget.
    pub slow: u64,
    /// Half of the runs took at most this long, in microseconds, within 25 %.
    pub p50_us: u64,
    /// All but one in a hundred took at most this long, in microseconds, within 25 %.
    pub p99_us: u64,
    /// The longest run, in microseconds.
    pub max_us: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// All runs together, in microseconds.
    pub sum_us: u64,
    /// Runs by how long they took: those of at least `2^n` microseconds, and less than twice that,
    /// at place `n`.
    #[serde(skip)]
    pub doublings: Vec<u64>,
}

/// The record of all hooks.
#[derive(Debug, Default)]
pub struct Stats {
    records: Mutex<BTreeMap<String, Record>>,
}

#[derive(Debug, Clone)]
struct Record {
    runs: u64,
    failures: u64,
    slow: u64,
    max: u64,
    sum: u64,
    buckets: Vec<u32>,
    last_error: Option<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            runs: 0,
            failures: 0,
            slow: 0,
            max: 0,
            sum: 0,
            buckets: vec![0; STEPS * DOUBLINGS],
            last_error: None,
        }
    }
}

impl Stats {
    /// Counts a run; returns how many runs of this hook were slow, when this one was.
    pub fn record(
        &self,
        hook: &str,
        took: Duration,
        budget: Duration,
        error: Option<String>,
    ) -> Option<u64> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let known = records.contains_key(hook) || records.len() < MOST_HOOKS;
        let name = if known { hook } else { OTHERS };
        let record = records.entry(name.to_owned()).or_default();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        record.runs += 1;
        record.max = record.max.max(micros);
        record.sum = record.sum.saturating_add(micros);
        if let Some(count) = record.buckets.get_mut(bucket(micros)) {
            *count = count.saturating_add(1);
        }
        if error.is_some() {
            record.failures += 1;
            record.last_error = error;
        }
        (took > budget).then(|| {
            record.slow += 1;
            record.slow
        })
    }

    /// What is known of every hook, by name.
    pub fn snapshot(&self) -> Vec<HookStats> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records
            .iter()
            .map(|(hook, record)| HookStats {
                hook: hook.clone(),
                runs: record.runs,
                failures: record.failures,
                slow: record.slow,
                p50_us: record.quantile(50),
                p99_us: record.quantile(99),
                max_us: record.max,
                last_error: record.last_error.clone(),
                sum_us: record.sum,
                doublings: record.doublings(),
            })
            .collect()
    }
}

impl Record {
    fn doublings(&self) -> Vec<u64> {
        let steps = self.buckets.chunks(STEPS);
        steps
            .map(|steps| steps.iter().map(|count| u64::from(*count)).sum())
            .collect()
    }

    fn quantile(&self, percent: u64) -> u64 {
        let total: u64 = self.buckets.iter().map(|count| u64::from(*count)).sum();
        let rank = (total * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank.max(1) {
                return upper_bound(index).min(self.max);
            }
        }
        self.max
    }
}

/// Bucket `4 * d + s` holds values from `2^d * (1 + s/4)` up to the next one's beginning.
fn bucket(micros: u64) -> usize {
    let doubling = micros.max(1).ilog2();
    let step = ((micros << 2) >> doubling).saturating_sub(4) & 3;
    let index = doubling as usize * STEPS + usize::try_from(step).unwrap_or(0);
    index.min(STEPS * DOUBLINGS - 1)
}

fn upper_bound(index: usize) -> u64 {
    let (doubling, step) = (index / STEPS, index % STEPS);
    ((step as u64 + 5) << doubling).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_within_a_quarter(mut times in prop::collection::vec(1..10_000_000u64, 1..200)) {
            let stats = Stats::default();
            for time in &times {
                stats.record("hook", Duration::from_micros(*time), Duration::MAX, None);
            }
            times.sort_unstable();
            let told = &stats.snapshot()[0];
            for (percent, told) in [(50, told.p50_us), (99, told.p99_us)] {
                let exact = times[(times.len() * percent).div_ceil(100) - 1];
                prop_assert!(told >= exact && told <= exact + exact / 4 + 1, "{told} for {exact}");
            }
            prop_assert_eq!(told.max_us, times[times.len() - 1]);
            prop_assert_eq!(told.sum_us, times.iter().sum::<u64>());
            for (n, count) in told.doublings.iter().enumerate() {
                let within = times.iter().filter(|time| time.ilog2() as usize == n).count();
                prop_assert_eq!(*count, within as u64);
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_slow_runs_are_counted() {
        let stats = Stats::default();
        let (took, budget) = (Duration::from_millis(2), Duration::from_millis(1));
        for n in 0..3000 {
            stats.record(&format!("hook {n}"), took, budget, Some("why".to_owned()));
        }
        assert_eq!(stats.record("hook 0", took, budget, None), Some(2));
        assert_eq!(stats.record("hook 0", budget, budget, None), None);
        let told = stats.snapshot();
        assert_eq!(told.len(), MOST_HOOKS + 1);
        assert_eq!(told.iter().map(|hook| hook.runs).sum::<u64>(), 3002);
        let first = told.iter().find(|hook| hook.hook == "hook 0").unwrap();
        assert_eq!((first.runs, first.failures, first.slow), (3, 1, 2));
        assert_eq!(first.last_error.as_deref(), Some("why"));
    }
}
