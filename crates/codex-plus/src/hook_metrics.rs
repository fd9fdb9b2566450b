//! The numbers of hooks for `/codex-plus/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use codex_plus_hooks::engine::Engine;
use codex_plus_hooks::stats::HookStats;
use codex_plus_proxy::metrics::{Families, Kind, MetricSource, Spread};

/// Hooks told apart; a scrape must stay small, however many hooks a user tries out.
const MOST_HOOKS: usize = 100;
const OTHERS: &str = "(others)";
/// The doublings of a microsecond that have a bucket of their own: 16 us to 67 s. What is shorter
/// falls into the first one, what is longer into the last.
const FIRST: usize = 3;
const LAST: usize = 25;

/// Shows what the engine counted.
pub(crate) struct HookMetrics(pub(crate) Arc<Engine>);

/// Name and meaning of a counter, and where it is.
type Row = (&'static str, &'static str, fn(&Runs) -> u64);

/// The runs of hooks that share a label.
#[derive(Default)]
struct Runs {
    failures: u64,
    slow: u64,
    sum_us: u64,
    counts: Vec<u64>,
}

impl MetricSource for HookMetrics {
    fn collect(&self, families: &mut Families) {
        let runs = by_label(&self.0.stats().snapshot());
        let family = families.family(
            "codex_plus_hook_seconds",
            "Time of each hook's runs.",
            Kind::Histogram,
        );
        for (name, runs) in &runs {
            family.spread(vec![("hook", name.clone().into())], runs.spread());
        }
        let tables: [Row; 2] = [
            (
                "codex_plus_hook_failures_total",
                "Runs of hooks that failed and were passed over.",
                |runs| runs.failures,
            ),
            (
                "codex_plus_hook_slow_total",
                "Runs of hooks over the time budget (hooks.slow).",
                |runs| runs.slow,
            ),
        ];
        for (name, help, of) in tables {
            let family = families.family(name, help, Kind::Counter);
            for (name, runs) in &runs {
                family.number(vec![("hook", name.clone().into())], of(runs));
            }
        }
        self.workers(families);
    }
}

impl HookMetrics {
    fn workers(&self, families: &mut Families) {
        let (processes, calls, started) = self.0.workers();
        families.number(
            "codex_plus_hook_workers",
            "Processes that run Python hooks.",
            Kind::Gauge,
            processes as u64,
        );
        families.number(
            "codex_plus_hook_worker_calls",
            "Calls of Python hooks under way.",
            Kind::Gauge,
            calls as u64,
        );
        families.number(
            "codex_plus_hook_workers_started_total",
            "Processes started to run Python hooks, replaced ones included.",
            Kind::Counter,
            started,
        );
    }
}

impl Runs {
    fn add(&mut self, stats: &HookStats) {
        self.failures += stats.failures;
        self.slow += stats.slow;
        self.sum_us += stats.sum_us;
        self.counts.resize(LAST - FIRST + 2, 0);
        for (doubling, count) in stats.doublings.iter().enumerate() {
            let bucket = doubling.saturating_sub(FIRST).min(LAST - FIRST + 1);
            if let Some(total) = self.counts.get_mut(bucket) {
                *total += count;
            }
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    fn spread(&self) -> Spread {
        let bounds = FIRST..=LAST;
        Spread {
            bounds: bounds.map(|n| (2_u64 << n) as f64 / 1e6).collect(),
            counts: self.counts.clone(),
            sum: self.sum_us as f64 / 1e6,
        }
    }
}

/// A hook of the settings is named by its file and place; the label says where in the file it is,
/// not where on this machine the file is.
fn by_label(stats: &[HookStats]) -> BTreeMap<String, Runs> {
    let mut all: BTreeMap<String, Runs> = BTreeMap::new();
    for stats in stats {
        let name = stats.hook.rsplit('/').next().unwrap_or_default();
        let known = all.contains_key(name) || all.len() < MOST_HOOKS;
        let name = if known { name } else { OTHERS };
        all.entry(name.to_owned()).or_default().add(stats);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use codex_plus_hooks::stats::Stats;

    use super::*;

    #[test]
    fn labels_hold_no_path_and_are_only_so_many() {
        let stats = Stats::default();
        let took = Duration::from_micros(100);
        let run = |name: &str| {
            stats.record(name, took, Duration::MAX, Some("failed".to_owned()));
        };
        run("/home/me/.claude/settings.json: hooks.Stop[0].hooks[0]");
        run("/home/me/project/.claude/settings.json: hooks.Stop[0].hooks[0]");
        let all = by_label(&stats.snapshot());
        let (name, runs) = all.iter().next().unwrap();
        assert_eq!(name, "settings.json: hooks.Stop[0].hooks[0]");
        assert_eq!((all.len(), runs.failures, runs.sum_us), (1, 2, 200));
        let spread = runs.spread();
        assert_eq!(spread.bounds.len() + 1, spread.counts.len());
        // 64 to 128 us is the fourth bucket: 8, 16 and 32 us begin the ones before.
        assert_eq!(spread.counts[3], 2);
        assert!((spread.bounds[3] - 0.000_128).abs() < 1e-12);
        for number in 0..500 {
            run(&format!("hook {number}"));
        }
        assert_eq!(by_label(&stats.snapshot()).len(), MOST_HOOKS + 1);
    }
}
