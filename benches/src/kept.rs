//! What earlier runs found. A row's measurements are kept as JSON beside the report's drawings: the
//! last few that may be compared, so that a figure can be told with how far it moves between runs.

use std::fs;
use std::hash::Hasher as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::process;
use crate::results::{Row, median};

/// So many measurements of a row are kept.
const KEPT: usize = 3;

/// What a measurement must have in common with another one to be comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// A sum over the programs that measured and were measured.
    pub(crate) programs: String,
    pub(crate) machine: String,
    pub(crate) full: bool,
}

/// A row as one run found it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) origin: Origin,
    /// The commit, with a plus when files other than documents were changed since.
    pub(crate) commit: String,
    /// When it ended, in UTC.
    pub(crate) at: String,
    pub(crate) seconds: f64,
    pub(crate) row: Row,
}

/// A row's measurements, the oldest first; never none.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) measurements: Vec<Measurement>,
}

/// A figure over several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) middle: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Origin {
    /// Of a run that begins now, with the programs of this folder.
    pub(crate) fn now(programs: &Path, full: bool) -> anyhow::Result<Self> {
        Ok(Self {
            programs: sum(programs)?,
            machine: process::machine()?,
            full,
        })
    }
}

impl Spread {
    pub(crate) fn of(figures: Vec<f64>) -> Option<Self> {
        let least = figures.iter().copied().min_by(f64::total_cmp)?;
        let most = figures.iter().copied().max_by(f64::total_cmp)?;
        Some(Self {
            middle: median(figures),
            least,
            most,
        })
    }
}

impl Kept {
    /// What is kept of a row, if anything.
    pub(crate) fn read(folder: &Path, name: &str) -> anyhow::Result<Option<Self>> {
        let file = file(folder, name);
        let measurements: Vec<Measurement> = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} holds no measurements; remove it", file.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        Ok((!measurements.is_empty()).then_some(Self { measurements }))
    }

    /// Keeps one more. Those it cannot be compared with go, except that a quick run takes the
    /// place of no full ones of the same programs.
    pub(crate) fn add(folder: &Path, measurement: Measurement) -> anyhow::Result<()> {
        let name = measurement.row.name.clone();
        // What cannot be read any more was written by another version, and goes as well.
        let mut all = Self::read(folder, &name)
            .ok()
            .flatten()
            .map_or_else(Vec::new, |kept| kept.measurements);
        let is_better = |kept: &Measurement| {
            let quick = Origin {
                full: false,
                ..kept.origin.clone()
            };
            kept.origin.full && quick == measurement.origin
        };
        if all.iter().any(is_better) {
            return Ok(());
        }
        all.retain(|kept| kept.origin == measurement.origin);
        all.push(measurement);
        all.drain(..all.len().saturating_sub(KEPT));
        fs::create_dir_all(folder)?;
        let file = file(folder, &name);
        // A run a line.
        let lines: Result<Vec<String>, _> = all.iter().map(serde_json::to_string).collect();
        fs::write(&file, format!("[\n{}\n]\n", lines?.join(",\n")))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> + Clone {
        self.measurements.iter().map(|measurement| &measurement.row)
    }

    /// The newest.
    pub(crate) fn last(&self) -> &Measurement {
        &self.measurements[self.measurements.len() - 1]
    }

    /// A figure of a table, over the runs that have it.
    pub(crate) fn figure(&self, heading: &str, line: &str, column: &str) -> Option<Spread> {
        let tables = self.rows().flat_map(|row| &row.tables);
        let figures = tables
            .filter(|table| table.heading == heading)
            .filter_map(|table| table.value(line, column));
        Spread::of(figures.collect())
    }

    /// The row with the median of each figure, in the shape of the run that measured most of it.
    pub(crate) fn middle(&self) -> Row {
        let most = self.rows().max_by_key(|row| row.tables.len());
        let mut row = most.unwrap_or(&self.last().row).clone();
        for table in &mut row.tables {
            for line in &mut table.lines {
                for (column, value) in table.columns.iter().zip(&mut line.values) {
                    *value = self
                        .figure(&table.heading, &line.name, column)
                        .map(|spread| spread.middle);
                }
            }
        }
        row
    }
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// The commit that is checked out, as git names it.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown commit".to_owned();
    };
    let changed = git(&["status", "--porcelain", "-uno", "--", ".", ":!docs"]);
    let mark = if changed.is_none_or(|files| files.is_empty()) {
        ""
    } else {
        "+"
    };
    commit + mark
}

/// Tells builds apart: two runs of the same programs have the same sum.
fn sum(programs: &Path) -> anyhow::Result<String> {
    let mut sum = std::hash::DefaultHasher::new();
    for program in [
        "codex-plus",
        "codex-plus-bench",
        "bench-floor",
        "bench-stub",
    ] {
        let file = programs.join(program);
        let bytes = fs::read(&file).with_context(|| {
            format!(
                "cannot read {}; run ./bench.sh, which builds it",
                file.display()
            )
        })?;
        sum.write(&bytes);
    }
    Ok(format!("{:016x}", sum.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Table;

    fn measured(programs: &str, full: bool, figure: f64) -> Measurement {
        let mut row = Row::new("bodies", "Bodies");
        let mut table = Table::new("1 MB", &["µs"]);
        table.line("nginx", vec![Some(figure)]);
        row.tables.push(table);
        Measurement {
            origin: Origin {
                programs: programs.to_owned(),
                machine: "m".to_owned(),
                full,
            },
            commit: "c".to_owned(),
            at: String::new(),
            seconds: 1.0,
            row,
        }
    }

    fn spread(folder: &Path) -> Spread {
        let kept = Kept::read(folder, "bodies").unwrap().unwrap();
        kept.figure("1 MB", "nginx", "µs").unwrap()
    }

    #[test]
    fn the_last_three_comparable_runs_are_told_together() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        Kept::add(folder, measured("old", true, 1_000.0)).unwrap();
        for figure in [500.0, 10.0, 30.0, 20.0] {
            Kept::add(folder, measured("new", true, figure)).unwrap();
        }
        let told = Spread {
            middle: 20.0,
            least: 10.0,
            most: 30.0,
        };
        assert_eq!(spread(folder), told);
        // A quick run of the same programs says less than a full one.
        Kept::add(folder, measured("new", false, 7.0)).unwrap();
        assert_eq!(spread(folder), told);
        Kept::add(folder, measured("newer", false, 7.0)).unwrap();
        let newest = Spread::of(vec![7.0]).unwrap();
        assert_eq!(spread(folder), newest);
    }

    #[test]
    fn a_run_that_failed_early_takes_no_figures_away() {
        let mut failed = measured("new", true, 1.0);
        failed.row.tables.clear();
        failed.row.failure = Some("nobody answers".to_owned());
        let kept = Kept {
            measurements: vec![measured("new", true, 5.0), failed],
        };
        assert_eq!(kept.middle().tables[0].value("nginx", "µs"), Some(5.0));
    }
}
