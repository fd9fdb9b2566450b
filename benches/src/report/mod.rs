//! `docs/benchmarks.md` and its drawings, from the rows that were measured.

mod drawings;
mod plot;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::process;
use crate::results::{Goal, Row, Table};

const METHOD: &str = include_str!("method.md");

/// Writes the report into `docs`.
pub(crate) fn write(docs: &Path, rows: &[Row], mode: &str) -> anyhow::Result<()> {
    let mut text = String::new();
    let machine = process::machine()?;
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        text,
        "# Benchmarks\n\n<!-- Written by ./bench.sh; change benches/src/report instead. -->\n\n`./bench.sh {mode}` on {machine}; {}.\n\nCompare figures within one table only: its targets took turns on the same machine within the same minutes. From run to run the same test moves by half and more.\n\n",
        versions()
    );
    goals(&mut text, rows);
    let pictures = docs.join("benchmarks");
    fs::create_dir_all(&pictures)?;
    for row in rows {
        let _ = write!(text, "## {}\n\n", row.title);
        for note in &row.notes {
            let _ = write!(text, "{note}\n\n");
        }
        for drawing in drawings::of(row) {
            fs::write(pictures.join(&drawing.file), &drawing.svg)?;
            let _ = write!(
                text,
                "![{}](benchmarks/{})\n\n",
                drawing.title, drawing.file
            );
        }
        for table in &row.tables {
            write_table(&mut text, table);
        }
    }
    text.push_str(METHOD);
    fs::write(docs.join("benchmarks.md"), text).context("cannot write docs/benchmarks.md")
}

fn goals(text: &mut String, rows: &[Row]) {
    let all: Vec<&Goal> = rows.iter().flat_map(|row| &row.goals).collect();
    let met = all.iter().filter(|goal| goal.is_met()).count();
    let _ = write!(
        text,
        "## Goals: {met} of {} met\n\n| | goal | measured | limit |\n|---|---|--:|--:|\n",
        all.len()
    );
    for goal in all {
        let mark = if goal.is_met() { "met" } else { "**missed**" };
        let sign = if goal.at_least { "≥" } else { "≤" };
        let _ = writeln!(
            text,
            "| {mark} | {} | {} {unit} | {sign} {} {unit} |",
            goal.what,
            figure(goal.measured),
            figure(goal.limit),
            unit = goal.unit
        );
    }
    text.push('\n');
}

fn write_table(text: &mut String, table: &Table) {
    let _ = writeln!(
        text,
        "| {} | {} |",
        table.heading,
        table.columns.join(" | ")
    );
    let _ = writeln!(text, "|---|{}", "--:|".repeat(table.columns.len()));
    for line in &table.lines {
        let values: Vec<String> = line
            .values
            .iter()
            .map(|v| v.map_or_else(|| "-".to_owned(), figure))
            .collect();
        let own = line.name.starts_with("codex-plus");
        let name = if own {
            format!("**{}**", line.name)
        } else {
            line.name.clone()
        };
        let _ = writeln!(text, "| {name} | {} |", values.join(" | "));
    }
    text.push('\n');
}

/// Three digits that count, thousands apart.
fn figure(value: f64) -> String {
    if value.is_nan() {
        return "not taken".to_owned();
    }
    if value.abs() < 1_000.0 {
        let digits = if value.abs() >= 100.0 || value.fract() == 0.0 {
            0
        } else if value.abs() >= 10.0 {
            1
        } else {
            2
        };
        return format!("{value:.digits$}");
    }
    let plain = format!("{value:.0}");
    let mut spaced = String::new();
    for (at, digit) in plain.chars().enumerate() {
        if at > 0 && (plain.len() - at) % 3 == 0 {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    spaced
}

/// What was compared with, as the programs name themselves.
fn versions() -> String {
    let said = |program: &str| {
        let output = Command::new(program).arg("-v").output().ok()?;
        // One writes it here, the other there.
        let text = [output.stdout, output.stderr].concat();
        let line = String::from_utf8(text).ok()?.lines().next()?.to_owned();
        let version = line
            .split([' ', '/'])
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        Some(format!("{program} {}", version.split('-').next()?))
    };
    let found: Vec<String> = ["nginx", "haproxy"]
        .iter()
        .filter_map(|program| said(program))
        .collect();
    found.join(", ")
}
