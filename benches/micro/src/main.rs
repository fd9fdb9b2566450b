//! Instruction counts of the line's inner parts: `./bench.sh micro`. Times move with whatever else
//! a machine does; counts do not, so that a change of one percent between two commits is seen.

mod baseline;
mod count;
mod works;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use baseline::{Baseline, TOLERANCE};
use works::WORKS;

/// Counts instructions, and compares them with the kept counts.
#[derive(Debug, Parser)]
struct Arguments {
    /// Keep the counts: later runs are compared with these.
    #[arg(long)]
    keep: bool,
    /// Only works whose name has this in it.
    #[arg(long, value_name = "TEXT", conflicts_with = "keep")]
    only: Option<String>,
    /// The file with the kept counts.
    #[arg(long, default_value = "benches/instructions.json")]
    baseline: PathBuf,
    /// Take steps of one work: what valgrind looks at.
    #[arg(long, value_name = "WORK", hide = true)]
    step: Option<String>,
    #[arg(long, default_value_t = 1, hide = true)]
    steps: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.step {
        let work = WORKS.iter().find(|work| work.name == name);
        let mut step = work.context("no such work")?.prepare()?;
        for _ in 0..arguments.steps {
            step()?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let folder = std::env::temp_dir().join(format!("codex-plus-micro-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("cannot make a folder for the counts")?;
    let compared = compare(&arguments, &folder);
    // Left behind it would only take room.
    let _ = std::fs::remove_dir_all(&folder);
    compared
}

fn compare(arguments: &Arguments, folder: &std::path::Path) -> anyhow::Result<ExitCode> {
    let kept = Baseline::read(&arguments.baseline)?;
    let mut out = std::io::stdout();
    writeln!(out, "{:<48}{:>14}{:>10}", "instructions each", "", "kept")?;
    let mut counts = Vec::new();
    let mut worse = false;
    for work in WORKS {
        let wanted = arguments.only.as_ref();
        if wanted.is_some_and(|text| !work.name.contains(text.as_str())) {
            continue;
        }
        let count = count::instructions(work.name, folder)?;
        let change = kept.change(work.name, count);
        let said = change.map_or("new".to_owned(), |change| format!("{change:+.1} %"));
        let mark = if change.is_some_and(|change| change > TOLERANCE) {
            worse = true;
            "  MORE"
        } else {
            ""
        };
        writeln!(out, "{:<48}{count:>14}{said:>10}{mark}", work.name)?;
        counts.push((work.name, count));
    }
    if let Some(stranger) = kept.stranger() {
        writeln!(out, "{stranger}: differences may be theirs")?;
    }
    if arguments.keep {
        Baseline::keep(&arguments.baseline, &counts)?;
        writeln!(out, "kept in {}", arguments.baseline.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if worse {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
