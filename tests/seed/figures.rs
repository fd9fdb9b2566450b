//! What was measured, beside what the document asks for.

use std::fmt::Write as _;
use std::io::Write as _;

/// One figure.
struct Figure {
    /// The words of the checklist's item it belongs to, or of an expected result.
    what: &'static str,
    measured: f64,
    limit: f64,
    unit: &'static str,
    at_least: bool,
}

impl Figure {
    fn is_met(&self) -> bool {
        if self.at_least {
            self.measured >= self.limit
        } else {
            self.measured < self.limit
        }
    }
}

/// All of them, and the items of the checklist that steps found to hold.
#[derive(Default)]
pub(crate) struct Figures {
    taken: Vec<Figure>,
    held: Vec<&'static str>,
    unheld: Vec<String>,
}

impl Figures {
    /// Has to stay below the limit.
    pub(crate) fn below(
        &mut self,
        what: &'static str,
        measured: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.taken.push(Figure {
            what,
            measured,
            limit,
            unit,
            at_least: false,
        });
    }

    /// Has to reach the limit.
    pub(crate) fn at_least(
        &mut self,
        what: &'static str,
        measured: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.taken.push(Figure {
            what,
            measured,
            limit,
            unit,
            at_least: true,
        });
    }

    /// The step for this item of the checklist went through.
    pub(crate) fn held(&mut self, item: &'static str) {
        self.held.push(item);
    }

    /// Prints the table. Not through `println!`, which the test runner keeps to itself.
    pub(crate) fn tell(&mut self, checklist: &[String]) {
        let mut text = String::from("\n");
        for figure in &self.taken {
            let mark = if figure.is_met() { "ok    " } else { "MISSED" };
            let sign = if figure.at_least { ">=" } else { "<" };
            let _ = writeln!(
                text,
                "  {mark} {:<58} {:>10.3} {unit:<3} {sign} {} {unit}",
                figure.what,
                figure.measured,
                figure.limit,
                unit = figure.unit,
            );
        }
        for item in checklist {
            let holds = self.held.iter().any(|held| item.starts_with(held));
            let _ = writeln!(text, "  [{}] {item}", if holds { "x" } else { " " });
            if !holds {
                self.unheld.push(item.clone());
            }
        }
        std::io::stderr().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn assert_met(&self) {
        let missed: Vec<&str> = self
            .taken
            .iter()
            .filter(|f| !f.is_met())
            .map(|f| f.what)
            .collect();
        assert!(missed.is_empty(), "over the document's limit: {missed:?}");
        assert!(self.unheld.is_empty(), "not shown: {:?}", self.unheld);
    }
}

/// The number behind `label` in its every line.
pub(crate) fn numbers(said: &str, label: &str) -> Vec<f64> {
    said.lines()
        .filter_map(|line| line.split_once(label))
        .map(|(_, rest)| {
            let number: String = rest
                .trim_start()
                .chars()
                .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
                .collect();
            number
                .parse()
                .unwrap_or_else(|_| panic!("no number behind {label}: {said}"))
        })
        .collect()
}

/// The one number behind `label`.
pub(crate) fn number(said: &str, label: &str) -> f64 {
    let found = numbers(said, label);
    assert_eq!(found.len(), 1, "{label} in:\n{said}");
    found[0]
}

pub(crate) fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
