//! Whether memory stays where it was: after a million requests, and after large ones. Takes
//! minutes, so only full runs have it.

use std::time::{Duration, Instant};

use super::Effort;
use crate::load::{self, whole};
use crate::process::Processes;
use crate::request::Ask;
use crate::results::{Goal, Row, Table};
use crate::targets::{Ground, Running, Target};

const MIB: f64 = 1_048_576.0;

/// A million short requests in one proxy, ten-megabyte ones and a minute of rest in another.
pub(super) async fn memory(row: &mut Row, ground: &Ground, effort: Effort) -> anyhow::Result<()> {
    row.note("Resident memory of the proxy as installed; every request is a new prompt. One proxy answers short requests on 10 connections; another rests for a minute after 10 MB bodies on 4.");
    let cwd = ground.cwd()?;
    let large = ground.start(Target::Plain)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = resident(&large.processes);
    let ask = Ask::post(10_000_000, "Say hello.", &cwd);
    let open = load::connect(large.address, 4).await?;
    let span = effort.slice.max(Duration::from_secs(3));
    drop(load::closed(open, &ask, span).await?);
    let after_large = resident(&large.processes);
    let rested = Instant::now() + Duration::from_mins(1);

    let many = ground.start(Target::Plain)?;
    let ask = Ask::post(1_000, "Say hello.", &cwd);
    requests(&many, &ask, 10_000).await?;
    let few = rest(&many.processes).await;
    requests(&many, &ask, 990_000).await?;
    let million = rest(&many.processes).await;
    tokio::time::sleep_until(rested.into()).await;
    let after_rest = resident(&large.processes);

    let mut table = Table::new("", &["MiB"]);
    for (name, value) in [
        ("idle", idle),
        ("after 10,000 requests", few),
        ("after 1,000,000 requests", million),
        ("right after 10 MB bodies", after_large),
        ("a minute later", after_rest),
    ] {
        table.line(name, vec![Some(value)]);
    }
    row.tables.push(table);
    row.goals = vec![
        Goal::at_most(
            "memory after 1,000,000 requests against after 10,000",
            million / few,
            1.05,
            "x",
        ),
        Goal::at_most(
            "memory a minute after 10 MB bodies against idle",
            after_rest / idle,
            1.10,
            "x",
        ),
    ];
    Ok(())
}

fn resident(processes: &Processes) -> f64 {
    whole(processes.resident()) / MIB
}

/// The memory after two seconds without a request.
async fn rest(processes: &Processes) -> f64 {
    tokio::time::sleep(Duration::from_secs(2)).await;
    resident(processes)
}

async fn requests(target: &Running, ask: &Ask, count: u64) -> anyhow::Result<()> {
    let mut open = load::connect(target.address, 10).await?;
    let mut done = 0;
    // Short turns, so that ten thousand are not many more than that.
    let mut span = Duration::from_millis(100);
    while done < count {
        let (slice, kept) = load::closed(open, ask, span).await?;
        done += slice.requests;
        open = kept;
        let left = Duration::from_secs_f64(whole(count.saturating_sub(done)) / slice.rate());
        span = left.clamp(Duration::from_millis(1), Duration::from_secs(5));
    }
    Ok(())
}
