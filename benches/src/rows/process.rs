//! The process itself: how soon it serves, what it takes while nobody asks, how large it is.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Effort;
use crate::load::{self, whole};
use crate::request::Ask;
use crate::results::{Goal, Row, Table, median};
use crate::targets::{Ground, Running, Target};

const MIB: f64 = 1_048_576.0;

/// Start, idle memory, descriptors after load, size.
pub(super) async fn process(ground: &Ground, effort: Effort) -> anyhow::Result<Row> {
    let mut row = Row::new("process", "The process itself");
    row.note("Start is `codex-plus start`, from its call to its return, by when the proxy answers `/health`. Descriptors: 100 connections' load, then five seconds of rest. Upstream freed: 100 clients leave in the middle of their streams; how long the upstream still has one of them.");
    let (mut started, mut idle, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    let mut freed = Vec::new();
    for _ in 0..effort.rounds {
        let began = Instant::now();
        let running = ground.start(Target::Plain)?;
        started.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_secs(1)).await;
        idle.push(whole(running.processes.resident()) / MIB);
        let before = running.processes.descriptors();
        let open = load::connect(running.address, 100).await?;
        let asked = Ask::post(1_000, "Say hello.", &ground.cwd()?);
        drop(load::closed(open, &asked, effort.slice).await?);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = running.processes.descriptors();
        kept.push(whole(after.saturating_sub(before) as u64));
        freed.push(left(ground, &running).await?);
    }
    let size = std::fs::metadata(ground.programs.join("codex-plus"))?.len();
    let (started, idle, kept) = (median(started), median(idle), median(kept));
    let freed = median(freed);
    let columns = [
        "start ms",
        "idle RSS MiB",
        "descriptors kept",
        "upstream freed ms",
        "binary MiB",
    ];
    let mut table = Table::new("", &columns);
    let values = [started, idle, kept, freed, whole(size) / MIB];
    table.line("codex-plus", values.map(Some).to_vec());
    row.tables.push(table);
    row.goals = vec![
        Goal::at_most("start to first healthy answer", started, 30.0, "ms"),
        Goal::at_most("idle memory", idle, 12.0, "MiB"),
        Goal::at_most("descriptors kept after load", kept, 32.0, ""),
        Goal::at_most("upstream freed after 100 clients left", freed, 100.0, "ms"),
    ];
    Ok(row)
}

/// Lets clients leave in the middle of their streams, and gives the milliseconds until the
/// upstream has none of them left.
async fn left(ground: &Ground, running: &Running) -> anyhow::Result<f64> {
    const CLIENTS: usize = 100;
    let mut ask = Ask::stream(100_000, 100, &ground.cwd()?);
    let mut clients = load::connect(running.address, CLIENTS).await?;
    for client in &mut clients {
        client.send(ask.renewed()?).await?;
        ensure!(client.head().await? == 200, "a stream was refused");
    }
    ensure!(
        streams(ground).await? == CLIENTS as u64,
        "streams are missing"
    );
    let began = Instant::now();
    drop(clients);
    while streams(ground).await? > 0 {
        ensure!(
            began.elapsed() < Duration::from_secs(30),
            "the upstream still sends to clients that left"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// How many streams the upstream has.
async fn streams(ground: &Ground) -> anyhow::Result<u64> {
    let direct = ground.start(Target::Direct)?;
    let ask = b"GET /stub/counts HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let told: serde_json::Value = serde_json::from_str(&direct.text_of(ask).await?)?;
    told["streams"].as_u64().context("the stub has no counts")
}
