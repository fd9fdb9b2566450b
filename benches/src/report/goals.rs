//! The table of goals: what each run was held against, and whether all of them kept it.

use std::fmt::Write as _;

use super::{cell, figure, one_line};
use crate::kept::{Kept, Spread};
use crate::results::Goal;

/// A goal over the runs that are told together.
struct Told {
    goal: Goal,
    measured: Option<Spread>,
    met: usize,
    runs: usize,
}

impl Told {
    fn is_met(&self) -> bool {
        self.met == self.runs
    }

    /// How far the measured figure is beyond its limit; above one is a miss.
    fn excess(&self) -> f64 {
        let Some(measured) = self.measured else {
            return f64::INFINITY;
        };
        if self.goal.at_least {
            self.goal.limit / measured.middle
        } else {
            measured.middle / self.goal.limit
        }
    }
}

/// All goals in one table: those missed first, the farthest from its limit on top.
pub(super) fn write(text: &mut String, all: &[Kept]) {
    let mut told: Vec<Told> = all.iter().flat_map(of_row).collect();
    let met = told.iter().filter(|told| told.is_met()).count();
    let _ = write!(text, "## Goals: {met} of {} met\n\n", told.len());
    for kept in all {
        let row = &kept.last().row;
        if let Some(failure) = &row.failure {
            let _ = write!(
                text,
                "**{} was not measured whole:** {}.\n\n",
                row.title,
                one_line(failure)
            );
        }
    }
    text.push_str("| goal | measured | limit | measured / limit | |\n|---|--:|--:|--:|---|\n");
    // What is met keeps the order of the rows.
    told.sort_by(|a, b| {
        let by_excess = || b.excess().total_cmp(&a.excess());
        let missed = a.is_met().cmp(&b.is_met());
        missed.then_with(|| {
            if a.is_met() {
                std::cmp::Ordering::Equal
            } else {
                by_excess()
            }
        })
    });
    for told in &told {
        line(text, told);
    }
    text.push('\n');
}

/// The goals of a row, in its newest wording.
fn of_row(kept: &Kept) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for goal in kept.rows().flat_map(|row| &row.goals) {
        if told.iter().all(|told| told.goal.what != goal.what) {
            told.push(over_runs(kept, goal));
        }
    }
    told
}

fn over_runs(kept: &Kept, goal: &Goal) -> Told {
    let same: Vec<&Goal> = kept
        .rows()
        .flat_map(|row| &row.goals)
        .filter(|other| other.what == goal.what)
        .collect();
    Told {
        goal: goal.clone(),
        measured: Spread::of(same.iter().filter_map(|goal| goal.measured).collect()),
        met: same.iter().filter(|goal| goal.is_met()).count(),
        // A run that failed before this goal did not meet it.
        runs: kept.measurements.len(),
    }
}

fn line(text: &mut String, told: &Told) {
    let Told {
        goal,
        measured,
        met,
        runs,
    } = told;
    let sign = if goal.at_least { "≥" } else { "≤" };
    let ratio = measured
        .map(|measured| measured.middle / goal.limit)
        .filter(|ratio| *ratio >= 0.0);
    let verdict = match (*met, *runs) {
        (met, runs) if met == runs => "met".to_owned(),
        (_, 1) => "**missed**".to_owned(),
        (0, runs) => format!("**missed** in all {runs} runs"),
        (met, runs) => format!("**missed** in {} of {runs} runs", runs - met),
    };
    let _ = writeln!(
        text,
        "| {} | {} | {sign} {} {} | {} | {verdict} |",
        goal.what,
        measured.map_or_else(|| "not taken".to_owned(), |spread| cell(spread, &goal.unit)),
        figure(goal.limit),
        goal.unit,
        ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::{Measurement, Origin};
    use crate::results::Row;

    fn kept(figures: &[f64]) -> Kept {
        let measurement = |figure: &f64| {
            let mut row = Row::new("sse", "Server-sent events");
            row.goals.push(Goal::at_most("delay", *figure, 1.0, "x"));
            row.goals
                .push(Goal::at_least("complete", 5.0, 5.0, "streams"));
            Measurement {
                origin: Origin {
                    programs: String::new(),
                    machine: String::new(),
                    full: true,
                },
                commit: String::new(),
                at: String::new(),
                seconds: 1.0,
                row,
            }
        };
        Kept {
            measurements: figures.iter().map(measurement).collect(),
        }
    }

    #[test]
    fn a_goal_is_met_when_every_run_met_it() {
        let mut text = String::new();
        write(&mut text, &[kept(&[0.9, 1.2, 0.8])]);
        assert!(text.starts_with("## Goals: 1 of 2 met"), "{text}");
        let missed = "| delay | 0.90 x<br><sub>0.80 to 1.20</sub> | ≤ 1 x | 0.90 | **missed** in 1 of 3 runs |";
        assert!(text.contains(missed), "{text}");
        assert!(text.find("delay") < text.find("complete"), "{text}");
    }

    #[test]
    fn what_could_not_be_taken_is_missed() {
        let mut text = String::new();
        write(&mut text, &[kept(&[f64::NAN])]);
        assert!(
            text.contains("| delay | not taken | ≤ 1 x | - | **missed** |"),
            "{text}"
        );
    }
}
