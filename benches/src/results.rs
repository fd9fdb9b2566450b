//! What a row of measurements found: tables, and the goals it was held against.

use serde::{Deserialize, Serialize};

/// One row: a kind of work, done by every target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Its name on the command line.
    pub(crate) name: String,
    pub(crate) title: String,
    /// Why it ended before everything was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// What the reader should know of how it was taken.
    pub(crate) notes: Vec<String>,
    pub(crate) tables: Vec<Table>,
    pub(crate) goals: Vec<Goal>,
}

/// Figures of several targets under one heading.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) heading: String,
    pub(crate) columns: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

/// A target's figures, one a column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<f64>>,
}

/// A figure and the limit it was to keep.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    /// None when it could not be taken.
    pub(crate) measured: Option<f64>,
    pub(crate) limit: f64,
    pub(crate) unit: String,
    pub(crate) at_least: bool,
}

impl Goal {
    pub(crate) fn at_most(what: impl Into<String>, measured: f64, limit: f64, unit: &str) -> Self {
        Self::new(what.into(), measured, limit, unit, false)
    }

    pub(crate) fn at_least(what: impl Into<String>, measured: f64, limit: f64, unit: &str) -> Self {
        Self::new(what.into(), measured, limit, unit, true)
    }

    fn new(what: String, measured: f64, limit: f64, unit: &str, at_least: bool) -> Self {
        Self {
            what,
            measured: Some(measured).filter(|value| value.is_finite()),
            limit,
            unit: unit.to_owned(),
            at_least,
        }
    }

    /// Whether it was kept; a figure that could not be taken was not.
    pub(crate) fn is_met(&self) -> bool {
        self.measured.is_some_and(|measured| {
            if self.at_least {
                measured >= self.limit
            } else {
                measured <= self.limit
            }
        })
    }
}

impl Row {
    pub(crate) fn new(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            failure: None,
            notes: Vec::new(),
            tables: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Whether it was measured whole and kept its goals.
    pub(crate) fn is_good(&self) -> bool {
        self.failure.is_none() && self.goals.iter().all(Goal::is_met)
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
        let taken = |value: Option<f64>| value.filter(|value| value.is_finite());
        self.lines.push(Line {
            name: name.to_owned(),
            values: values.into_iter().map(taken).collect(),
        });
    }

    /// A figure by the names of its line and its column.
    pub(crate) fn value(&self, name: &str, column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|c| c == column)?;
        let line = self.lines.iter().find(|line| line.name == name)?;
        line.values.get(at).copied().flatten()
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
