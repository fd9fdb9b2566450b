//! `docs/benchmarks.md` and its drawings, from the rows that were measured.

mod drawings;
mod goals;
mod plot;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::kept::{Kept, Measurement, Spread};
use crate::results::Table;
use crate::rows;

const METHOD: &str = include_str!("method.md");

/// Writes `benchmarks.md` beside the folder of measurements and drawings.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for name in rows::NAMES {
        all.extend(Kept::read(folder, name)?);
    }
    let Some(newest) = all.iter().map(Kept::last).max_by(|a, b| a.at.cmp(&b.at)) else {
        return Ok(());
    };
    let most = all.iter().map(|kept| kept.measurements.len()).max();
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        text,
        "# Benchmarks\n\n<!-- Written by ./bench.sh; change benches/src/report instead. -->\n\n`./bench.sh {}` of commit {} on {}; {}. Done on {} UTC.\n\n",
        mode(newest),
        newest.commit,
        newest.origin.machine,
        versions(),
        newest.at,
    );
    if most > Some(1) {
        text.push_str("Each figure is the median of the last runs of the same program (up to three); what stands small below it is the least and the most of them.\n\n");
    }
    text.push_str("Compare figures within one table only: its targets took turns on the same machine within the same minutes. From run to run the same test moves by half and more.\n\n");
    goals::write(&mut text, &all);
    for kept in &all {
        section(&mut text, folder, kept, newest)?;
    }
    text.push_str(METHOD);
    let file = folder.with_extension("md");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn section(
    text: &mut String,
    folder: &Path,
    kept: &Kept,
    newest: &Measurement,
) -> anyhow::Result<()> {
    let row = kept.middle();
    let _ = write!(text, "## {}\n\n", row.title);
    let last = kept.last();
    if last.origin != newest.origin {
        let _ = write!(
            text,
            "Measured at another time: `./bench.sh {}` of commit {}, {}.\n\n",
            mode(last),
            last.commit,
            last.at
        );
    }
    for failure in kept.rows().filter_map(|row| row.failure.as_deref()) {
        let _ = write!(
            text,
            "**A run of this ended early:** {}.\n\n",
            one_line(failure)
        );
    }
    for note in &row.notes {
        let _ = write!(text, "{}\n\n", one_line(note));
    }
    for drawing in drawings::of(&row) {
        fs::write(folder.join(&drawing.file), &drawing.svg)?;
        let _ = write!(
            text,
            "![{}](benchmarks/{})\n\n",
            drawing.title, drawing.file
        );
    }
    for table in &row.tables {
        write_table(text, table, kept);
    }
    Ok(())
}

fn mode(measurement: &Measurement) -> &'static str {
    if measurement.origin.full {
        "full"
    } else {
        "quick"
    }
}

/// As a table's cell or a paragraph can hold it.
fn one_line(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    words.join(" ").replace('|', "/")
}

fn write_table(text: &mut String, table: &Table, kept: &Kept) {
    let _ = writeln!(
        text,
        "| {} | {} |",
        table.heading,
        table.columns.join(" | ")
    );
    let _ = writeln!(text, "|---|{}", "--:|".repeat(table.columns.len()));
    for line in &table.lines {
        let cells: Vec<String> = table
            .columns
            .iter()
            .map(|column| {
                let spread = kept.figure(&table.heading, &line.name, column);
                spread.map_or_else(|| "-".to_owned(), |spread| cell(spread, ""))
            })
            .collect();
        let own = line.name.starts_with("codex-plus");
        let name = if own {
            format!("**{}**", line.name)
        } else {
            line.name.clone()
        };
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text.push('\n');
}

/// A figure, with its span below it where runs differ.
fn cell(spread: Spread, unit: &str) -> String {
    let (least, most) = (figure(spread.least), figure(spread.most));
    let middle = format!("{} {unit}", figure(spread.middle));
    let middle = middle.trim_end();
    if least == most {
        middle.to_owned()
    } else {
        format!("{middle}<br><sub>{least} to {most}</sub>")
    }
}

/// Three digits that count, thousands apart.
fn figure(value: f64) -> String {
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
    let plain = format!("{:.0}", value.abs());
    let mut spaced = String::from(if value < 0.0 { "-" } else { "" });
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
