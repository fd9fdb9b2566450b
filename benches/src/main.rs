//! The load harness: `./bench.sh` builds it and runs it.

/// Progress goes to standard error, where a person waits for it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        // A terminal that went away is no reason to stop.
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod load;
mod process;
mod report;
mod repository;
mod request;
mod results;
mod rows;
mod streams;
mod targets;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

use results::Row;
use rows::Effort;
use targets::Ground;

/// Measures Codex-Plus beside others, and holds it against its goals.
#[derive(Debug, Parser)]
struct Arguments {
    /// How thorough.
    #[arg(value_enum, default_value = "quick")]
    effort: Mode,
    /// Only these rows; the report takes the others from earlier runs.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Measure nothing: load this address, for a profiler to look at.
    #[arg(long, value_name = "ADDRESS")]
    against: Option<SocketAddr>,
    /// Connections of that load.
    #[arg(long, default_value_t = 10, requires = "against")]
    connections: usize,
    /// Seconds of that load.
    #[arg(long, default_value_t = 10, requires = "against")]
    seconds: u64,
    /// Where programs are; by default beside this one.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Quick,
    Full,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    process::descriptor_limit();
    if let Some(address) = arguments.against {
        let open = load::connect(address, arguments.connections).await?;
        let request = request::Ask::post(1_000, "Say hello.", "/");
        let (slice, _) =
            load::closed(open, &request, Duration::from_secs(arguments.seconds)).await?;
        say!("{:.0} requests/s", slice.rate());
        return Ok(ExitCode::SUCCESS);
    }
    let effort = match arguments.effort {
        Mode::Quick => Effort::QUICK,
        Mode::Full => Effort::FULL,
    };
    let programs = match arguments.programs {
        Some(folder) => folder,
        None => process::programs()?,
    };
    let folder = std::env::temp_dir().join(format!("codex-plus-bench-{}", std::process::id()));
    let ground = Ground::prepare(programs, folder)?;
    let kept = PathBuf::from("target/bench/rows");
    let mut missed = false;
    for only in &arguments.only {
        anyhow::ensure!(
            rows::NAMES.contains(&only.as_str()),
            "there is no row {only:?}; the rows are: {}",
            rows::NAMES.join(", ")
        );
    }
    for name in rows::NAMES {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        say!("== {name}");
        let began = Instant::now();
        let Some(row) = rows::measure(name, &ground, effort).await? else {
            say!("  only in a full run");
            continue;
        };
        show(&row);
        say!("  took {:.0} s", began.elapsed().as_secs_f64());
        row.keep(&kept)?;
        missed |= row.goals.iter().any(|goal| !goal.is_met());
    }
    let mut rows = Vec::new();
    for name in rows::NAMES {
        rows.extend(Row::read(&kept, name)?);
    }
    let mode = match arguments.effort {
        Mode::Quick => "quick",
        Mode::Full => "full",
    };
    report::write(Path::new("docs"), &rows, mode)?;
    Ok(if missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn show(row: &Row) {
    for table in &row.tables {
        let columns: Vec<String> = table.columns.iter().map(|c| format!("{c:>18}")).collect();
        say!("  {:<40}{}", table.heading, columns.join(""));
        for line in &table.lines {
            let values = line.values.iter();
            let values: Vec<String> = values
                .map(|v| v.map_or_else(|| format!("{:>18}", "-"), |v| format!("{v:>18.1}")))
                .collect();
            say!("    {:<38}{}", line.name, values.join(""));
        }
    }
    for goal in &row.goals {
        let mark = if goal.is_met() { "met   " } else { "MISSED" };
        say!(
            "  {mark} {}: {:.2} {} (limit {})",
            goal.what,
            goal.measured,
            goal.unit,
            goal.limit
        );
    }
}
