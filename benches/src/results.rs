//! What a row of measurements found: a table, and the goals it was held against. Kept as JSON, so
//! that rows can be measured one by one and reported together.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// One row: a kind of work, done by every target.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Its name on the command line.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What the reader should know of how it was taken.
    pub(crate) notes: Vec<String>,
    pub(crate) tables: Vec<Table>,
    pub(crate) goals: Vec<Goal>,
}

/// Figures of several targets under one heading.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) heading: String,
    pub(crate) columns: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

/// A target's figures, one a column.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<f64>>,
}

/// A figure and the limit it was to keep.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) limit: f64,
    pub(crate) unit: String,
    pub(crate) at_least: bool,
}

impl Goal {
    pub(crate) fn at_most(what: impl Into<String>, measured: f64, limit: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            measured,
            limit,
            unit: unit.to_owned(),
            at_least: false,
        }
    }

    pub(crate) fn at_least(what: impl Into<String>, measured: f64, limit: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            measured,
            limit,
            unit: unit.to_owned(),
            at_least: true,
        }
    }

    /// Whether it was kept; a figure that could not be taken was not.
    pub(crate) fn is_met(&self) -> bool {
        if self.at_least {
            self.measured >= self.limit
        } else {
            self.measured <= self.limit
        }
    }
}

impl Row {
    pub(crate) fn new(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            notes: Vec::new(),
            tables: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let file = folder.join(format!("{}.json", self.name));
        fs::write(&file, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    pub(crate) fn read(folder: &Path, name: &str) -> anyhow::Result<Option<Self>> {
        let file = folder.join(format!("{name}.json"));
        match fs::read(&file) {
            Ok(bytes) => {
                Ok(Some(serde_json::from_slice(&bytes).with_context(|| {
                    format!("{} is no row", file.display())
                })?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }
}

impl Table {
    pub(crate) fn new(heading: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            heading: heading.into(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            lines: Vec::new(),
        }
    }

    pub(crate) fn line(&mut self, name: &str, values: Vec<Option<f64>>) {
        self.lines.push(Line {
            name: name.to_owned(),
            values,
        });
    }
}

/// The middle one; none of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}
