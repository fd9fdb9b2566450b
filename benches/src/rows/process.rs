//! The process itself: how soon it serves, what it takes while nobody asks, how large it is.

use std::time::{Duration, Instant};

use super::Effort;
use crate::load::{self, whole};
use crate::request;
use crate::results::{Goal, Row, Table, median};
use crate::targets::{Ground, Target};

const MIB: f64 = 1_048_576.0;

/// Start, idle memory, descriptors after load, size.
pub(super) async fn process(ground: &Ground, effort: Effort) -> anyhow::Result<Row> {
    let mut row = Row::new("process", "The process itself");
    row.note("Start is `codex-plus start`, from its call to its return, by when the proxy answers `/health`. Descriptors: 100 connections' load, then five seconds of rest.");
    let (mut started, mut idle, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let began = Instant::now();
        let running = ground.start(Target::Plain)?;
        started.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_secs(1)).await;
        idle.push(whole(running.processes.resident()) / MIB);
        let before = running.processes.descriptors();
        let open = load::connect(running.address, 100).await?;
        let asked = request::post(1_000, "Say hello.");
        drop(load::closed(open, &asked, effort.slice).await?);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = running.processes.descriptors();
        kept.push(whole(after.saturating_sub(before) as u64));
    }
    let size = std::fs::metadata(ground.programs.join("codex-plus"))?.len();
    let (started, idle, kept) = (median(started), median(idle), median(kept));
    let columns = ["start ms", "idle RSS MiB", "descriptors kept", "binary MiB"];
    let mut table = Table::new("", &columns);
    let values = [started, idle, kept, whole(size) / MIB];
    table.line("codex-plus", values.map(Some).to_vec());
    row.tables.push(table);
    row.goals = vec![
        Goal::at_most("start to first healthy answer", started, 30.0, "ms"),
        Goal::at_most("idle memory", idle, 12.0, "MiB"),
        Goal::at_most("descriptors kept after load", kept, 32.0, ""),
    ];
    Ok(row)
}
