//! What was measured: as a table for people, as JSON for scripts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::output::{self, Paint};

use super::client::Took;
use super::hooks::HookCost;
use super::target::Target;
use super::turns::Kind;

/// One kind of turn to one target.
#[derive(Debug, Default)]
pub(super) struct Cell {
    first: Vec<Duration>,
    whole: Vec<Duration>,
    cpu: Option<Duration>,
}

/// All cells, by kind and target.
pub(super) struct Report {
    targets: Vec<(&'static str, &'static str)>,
    cells: Vec<(Kind, Vec<Cell>)>,
    time: Duration,
    /// What each hook took; absent when the proxy did not tell.
    pub(super) hooks: Option<Vec<HookCost>>,
}

impl Cell {
    pub(super) fn add(&mut self, took: Took) {
        self.first.push(took.first);
        self.whole.push(took.whole);
    }

    pub(super) fn add_cpu(&mut self, before: Option<Duration>, after: Option<Duration>) {
        if let (Some(before), Some(after)) = (before, after) {
            *self.cpu.get_or_insert_default() += after.saturating_sub(before);
        }
    }

    fn cpu_each(&self) -> Option<Duration> {
        let turns = u32::try_from(self.whole.len()).ok()?;
        self.cpu?.checked_div(turns)
    }

    fn whole(&self, percent: usize) -> Duration {
        quantile(&self.whole, percent)
    }

    fn first(&self, percent: usize) -> Duration {
        quantile(&self.first, percent)
    }
}

/// The smallest time that so many percent did not exceed.
fn quantile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

impl Report {
    pub(super) fn new(targets: &[Target], time: Duration) -> Self {
        let cells = || targets.iter().map(|_| Cell::default()).collect();
        Self {
            targets: targets.iter().map(|it| (it.name(), it.title())).collect(),
            cells: Kind::ALL.map(|kind| (kind, cells())).into(),
            time,
            hooks: None,
        }
    }

    /// The cells of one kind, in the targets' order.
    pub(super) fn cells(&mut self, kind: Kind) -> impl Iterator<Item = &mut Cell> {
        let row = self
            .cells
            .iter_mut()
            .filter(move |(known, _)| *known == kind);
        row.flat_map(|(_, cells)| cells)
    }

    /// Times in microseconds.
    pub(super) fn json(&self) -> Value {
        let us = |took: Duration| json!((took.as_secs_f64() * 1e7).round() / 1e1);
        let kinds = self.cells.iter().map(|(kind, cells)| {
            let direct = cells.first().map_or(Duration::ZERO, |cell| cell.whole(50));
            let targets = self.targets.iter().zip(cells).map(|((name, _), cell)| {
                let p50 = cell.whole(50);
                json!({
                    "target": name,
                    "turns": cell.whole.len(),
                    "p50_us": us(p50),
                    "p99_us": us(cell.whole(99)),
                    "first_p50_us": us(cell.first(50)),
                    "first_p99_us": us(cell.first(99)),
                    "added_p50_us": (p50.as_secs_f64() - direct.as_secs_f64()) * 1e6,
                    "cpu_us": cell.cpu_each().map(us),
                })
            });
            json!({"kind": kind.name(), "targets": targets.collect::<Vec<_>>()})
        });
        let hooks = self.hooks.iter().flatten().map(HookCost::json);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "seconds": self.time.as_secs(),
            "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            "turns": kinds.collect::<Vec<_>>(),
            "hooks": hooks.collect::<Vec<_>>(),
        })
    }

    pub(super) fn show(&self) {
        let paint = Paint::for_stdout();
        let count: usize = self
            .cells
            .iter()
            .flat_map(|(_, cells)| cells)
            .map(|cell| cell.whole.len())
            .sum();
        let head = format!(
            "{:<26} {:>9} {:>9} {:>10} {:>11} {:>9} {:>7}",
            "", "p50", "p99", "added p50", "first byte", "CPU/turn", "turns"
        );
        for (kind, cells) in &self.cells {
            output::line(paint.bold(kind.title()));
            output::line(paint.dim(&head));
            let direct = cells.first().map_or(Duration::ZERO, |cell| cell.whole(50));
            for (number, ((_, title), cell)) in self.targets.iter().zip(cells).enumerate() {
                let added = if number == 0 {
                    String::new()
                } else {
                    difference(cell.whole(50), direct)
                };
                output::line(format!(
                    "  {title:<24} {:>9} {:>9} {} {:>11} {:>9} {:>7}",
                    short(cell.whole(50)),
                    short(cell.whole(99)),
                    paint.green(&format!("{added:>10}")),
                    short(cell.first(50)),
                    cell.cpu_each().map(short).unwrap_or_default(),
                    cell.whole.len(),
                ));
            }
            output::line("");
        }
        self.show_hooks(paint);
        output::line(paint.dim(&format!(
            "{count} turns in {} s, one at a time and in alternation; the provider is made up and answers at once.",
            self.time.as_secs()
        )));
    }

    fn show_hooks(&self, paint: Paint) {
        let Some(hooks) = &self.hooks else {
            return;
        };
        output::line(paint.bold("what each hook took"));
        if hooks.is_empty() {
            output::line(
                "  no hook ran for these turns; `codex-plus hooks list` tells which there are",
            );
        }
        for hook in hooks {
            output::line(format!("  {}", hook.line()));
        }
        output::line("");
    }
}

/// `+44 µs`
fn difference(with: Duration, without: Duration) -> String {
    match with.checked_sub(without) {
        Some(more) => format!("+{}", short(more)),
        None => format!("-{}", short(without.saturating_sub(with))),
    }
}

/// `61 µs`, `1.24 ms`, `3.20 s`.
pub(super) fn short(took: Duration) -> String {
    let us = took.as_secs_f64() * 1e6;
    match took.as_micros() {
        0..1_000 => format!("{us:.0} µs"),
        1_000..1_000_000 => format!("{:.2} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_differences_are_what_they_say() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_micros).collect();
        assert_eq!(quantile(&times, 50), Duration::from_micros(100));
        assert_eq!(quantile(&times, 99), Duration::from_micros(198));
        assert_eq!(quantile(&[], 50), Duration::ZERO);
        let (more, less) = (Duration::from_micros(1_300), Duration::from_micros(60));
        assert_eq!(difference(more, less), "+1.24 ms");
        assert_eq!(difference(less, more), "-1.24 ms");
    }
}
