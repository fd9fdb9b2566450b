//! Counts instructions: callgrind runs this program with few and with more steps of one work, and
//! the difference is what the steps alone took. Preparing and starting fall out of it, no symbols
//! and no marks in the code are needed.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Steps of the shorter and of the longer run. The first steps fill what is kept (a pool, a table).
const FEW: u64 = 2;
const MORE: u64 = 6;

/// The instructions of one step.
pub(crate) fn instructions(name: &str, folder: &Path) -> anyhow::Result<u64> {
    let few = run(name, FEW, folder)?;
    let more = run(name, MORE, folder)?;
    Ok(more.saturating_sub(few) / (MORE - FEW))
}

fn run(name: &str, steps: u64, folder: &Path) -> anyhow::Result<u64> {
    let told = folder.join("callgrind.out");
    let own = std::env::current_exe().context("the path of this program")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", told.display()))
        .arg(own)
        .args(["--step", name, "--steps", &steps.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("cannot start valgrind; install it (Debian, Ubuntu: apt install valgrind)")?;
    if !output.status.success() {
        bail!(
            "{name:?} failed under valgrind: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let told = std::fs::read_to_string(&told).context("valgrind wrote no counts")?;
    let lines = told.lines();
    let total = lines
        .filter_map(|line| {
            line.strip_prefix("summary: ")
                .or(line.strip_prefix("totals: "))
        })
        .next_back();
    total
        .and_then(|total| total.trim().parse().ok())
        .context("valgrind's counts have no total")
}
