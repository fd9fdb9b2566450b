//! The load harness: `./bench.sh` builds it and runs it.

/// Progress goes to standard error, where a person waits for it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        // A terminal that went away is no reason to stop.
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod kept;
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
use tokio::signal::unix::{SignalKind, signal};

use kept::{Kept, Measurement, Origin};
use results::{Goal, Row};
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
    /// Size of its requests, in bytes.
    #[arg(long, default_value_t = 1_000, requires = "against")]
    size: usize,
    /// The prompt that they ask with.
    #[arg(long, default_value = "Say hello.", requires = "against")]
    prompt: String,
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
        let request = request::Ask::post(arguments.size, &arguments.prompt, "/");
        let (slice, _) =
            load::closed(open, &request, Duration::from_secs(arguments.seconds)).await?;
        say!(
            "{:.0} requests/s, p50 {:.0} us, p99 {:.0} us",
            slice.rate(),
            load::micros(&slice.latency, 50.0),
            load::micros(&slice.latency, 99.0)
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    // Leaving on a signal ends what was started, as any other way does.
    let code = tokio::select! {
        done = run(arguments) => return done,
        _ = tokio::signal::ctrl_c() => 130,
        _ = terminate.recv() => 143,
    };
    say!("ended; the rows that were done are kept");
    Ok(ExitCode::from(code))
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    for only in &arguments.only {
        anyhow::ensure!(
            rows::NAMES.contains(&only.as_str()),
            "there is no row {only:?}; the rows are: {}",
            rows::NAMES.join(", ")
        );
    }
    let effort = match arguments.effort {
        Mode::Quick => Effort::QUICK,
        Mode::Full => Effort::FULL,
    };
    let programs = match arguments.programs {
        Some(folder) => folder,
        None => process::programs()?,
    };
    let (origin, commit) = (Origin::now(&programs, effort.full)?, kept::commit());
    let kept = PathBuf::from("docs/benchmarks");
    let began = Instant::now();
    let mut bad = Vec::new();
    for name in rows::NAMES {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        if !effort.full && rows::ONLY_FULL.contains(name) {
            say!("== {name}: only in a full run");
            continue;
        }
        say!("== {name}");
        let row_began = Instant::now();
        let row = measured(
            name,
            &programs,
            effort,
            effort.total.saturating_sub(began.elapsed()),
        )
        .await;
        show(&row);
        let seconds = row_began.elapsed().as_secs_f64();
        say!("  took {seconds:.0} s");
        if !row.is_good() {
            bad.push(*name);
        }
        let measurement = Measurement {
            origin: origin.clone(),
            commit: commit.clone(),
            at: jiff::Timestamp::now()
                .strftime("%Y-%m-%d %H:%M")
                .to_string(),
            seconds: seconds.round(),
            row,
        };
        Kept::add(&kept, measurement)?;
        // After each row, so that a run that is ended leaves what it found.
        report::write(&kept)?;
    }
    say!("== {:.0} s in all", began.elapsed().as_secs_f64());
    if bad.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say!("a goal was missed, or measuring failed: {}", bad.join(", "));
    Ok(ExitCode::FAILURE)
}

/// One row on a ground of its own. When it fails it says so and keeps what it measured by then; the
/// rows after it are none the worse.
async fn measured(name: &str, programs: &Path, effort: Effort, left: Duration) -> Row {
    let mut row = rows::begin(name);
    let patience = effort.row.min(left);
    let measuring = async {
        let folder = std::env::temp_dir().join(format!("codex-plus-bench-{}", std::process::id()));
        let ground = Ground::prepare(programs.to_owned(), folder)?;
        rows::measure(&mut row, &ground, effort).await
    };
    let failure = match tokio::time::timeout(patience, measuring).await {
        Ok(Ok(())) => return row,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) if patience == left => "the run's time was up".to_owned(),
        Err(_) => format!("it was not done after {} s", patience.as_secs()),
    };
    say!("  FAILED: {failure}");
    row.failure = Some(failure);
    row
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
        let measured = goal.measured.unwrap_or(f64::NAN);
        let Goal {
            what, limit, unit, ..
        } = goal;
        say!("  {mark} {what}: {measured:.2} {unit} (limit {limit})");
    }
}
