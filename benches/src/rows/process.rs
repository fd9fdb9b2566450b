//! The process itself: how soon it serves, what it takes while nobody asks, how large it is.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Effort;
use crate::load::{self, whole};
use crate::request::Ask;
use crate::results::{Goal, Row, Table, median};
use crate::targets::{Ground, Running, Target};

const MIB: f64 = 1_048_576.0;

/// What is looked at, the proxy last.
const TARGETS: &[Target] = &[Target::Nginx, Target::Haproxy, Target::Floor, Target::Plain];

/// Start, idle memory, memory and descriptors after load, size.
pub(super) async fn process(row: &mut Row, ground: &Ground, effort: Effort) -> anyhow::Result<()> {
    row.note("Start is the time until the port is open; for Codex-Plus that of `codex-plus start`, from its call to its return, by when the proxy answers `/health`. Memory is resident, of all processes together. Load: requests of 1 kB on 100 connections, which then close; descriptors are counted again after five seconds of rest.");
    let mut table = Table::new(
        "",
        &[
            "start ms",
            "idle MiB",
            "MiB after load",
            "descriptors idle",
            "five seconds after load",
        ],
    );
    let (mut running, mut before) = (Vec::new(), Vec::new());
    for target in TARGETS {
        let mut starts = Vec::new();
        for _ in 1..effort.rounds {
            starts.push(started(&ground.start(*target)?));
        }
        let last = ground.start(*target)?;
        starts.push(started(&last));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let idle = whole(last.processes.resident()) / MIB;
        before.push((median(starts), idle, last.processes.descriptors()));
        running.push(last);
    }
    let asked = Ask::post(1_000, "Say hello.", &ground.cwd()?);
    for target in &running {
        let open = load::connect(target.address, 100).await?;
        drop(load::closed(open, &asked, effort.slice).await?);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut own = (f64::NAN, f64::NAN, f64::NAN);
    for (target, (start, idle, open)) in running.iter().zip(before) {
        let (open, still) = (
            whole(open as u64),
            whole(target.processes.descriptors() as u64),
        );
        let loaded = whole(target.processes.resident()) / MIB;
        let values = [start, idle, loaded, open, still].map(Some);
        table.line(target.target.name(), values.to_vec());
        own = (start, idle, still - open);
    }
    row.tables.push(table);
    let (start, idle, kept) = own;
    row.goals = vec![
        Goal::at_most("start to first healthy answer", start, 30.0, "ms"),
        Goal::at_most("idle memory", idle, 12.0, "MiB"),
        Goal::at_most("descriptors kept five seconds after load", kept, 32.0, ""),
    ];
    row.note("Upstream freed: 100 clients leave in the middle of their streams; how long the upstream still has one of them. The program is one file, as `cargo build --release` leaves it, without symbols.");
    let plain = running.last().context("no proxy")?;
    let mut freed = Vec::new();
    for _ in 0..effort.rounds {
        freed.push(left(ground, plain).await?);
    }
    let freed = median(freed);
    let size = std::fs::metadata(ground.programs.join("codex-plus"))?.len();
    let mut table = Table::new(" ", &["upstream freed ms", "program MiB"]);
    let values = [freed, whole(size) / MIB];
    table.line(Target::Plain.name(), values.map(Some).to_vec());
    row.tables.push(table);
    row.goals.push(Goal::at_most(
        "upstream freed after 100 clients left",
        freed,
        100.0,
        "ms",
    ));
    Ok(())
}

fn started(running: &Running) -> f64 {
    running.start.as_secs_f64() * 1e3
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
