//! The status line: what it costs to be known, and that nobody waits for it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use codex_plus_bench::http::Connection;

use super::Effort;
use crate::load::{Latencies, latencies, micros};
use crate::repository;
use crate::request::{Ask, HEALTH};
use crate::results::{Goal, Row, Table, median};
use crate::targets::{Ground, SetUp, Target};

const FILES: usize = 5_000;
/// Asked this often, warm.
const ASKED: usize = 3_000;
/// Folders whose first request is timed beside a slow git.
const FOLDERS: usize = 40;

/// Cold, warm, and beside a git that takes a second.
pub(super) async fn status_line(
    row: &mut Row,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    row.note(format!("A repository of {FILES} files, asked over `/codex-plus/status-line`. Cold is the first question to a new proxy; warm is what a later one takes more than `/health` does, in alternation. Then `git` is replaced by one that takes a second, and requests come from {FOLDERS} folders the proxy has not seen: they go on without the line."));
    let repository = ground.folder.join("large");
    repository::make(&repository, FILES)?;
    let ask = question(&repository)?;
    let (mut cold, mut bare, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        bare.push(git(&repository)?);
        let running = ground.start(Target::Plain)?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut connection = Connection::open(running.address).await?;
        connection.exchange(HEALTH).await?;
        let asked = Instant::now();
        connection.exchange(ask.as_bytes()).await?;
        cold.push(asked.elapsed().as_secs_f64() * 1e3);
        let told = running.text_of(ask.as_bytes()).await?;
        ensure!(told.contains("[Dir: large"), "no status line but {told}");
        // Its folders are watched by now.
        tokio::time::sleep(Duration::from_millis(500)).await;
        warm.push(more_than_health(&mut connection, ask.as_bytes()).await?);
    }
    let (cold, bare, warm) = (median(cold), median(bare), median(warm));
    let unseen = beside_slow_git(ground, &repository).await?;
    let mut table = Table::new(
        "",
        &[
            "cold ms",
            "bare git status ms",
            "warm µs",
            "request p50 ms, git takes 1 s",
            "slowest ms",
        ],
    );
    let (half, slowest) = (micros(&unseen, 50.0) / 1e3, micros(&unseen, 100.0) / 1e3);
    table.line(
        "codex-plus",
        [cold, bare, warm, half, slowest].map(Some).to_vec(),
    );
    row.tables.push(table);
    row.goals = vec![
        Goal::at_most("status line, warm", warm, 20.0, "µs"),
        Goal::at_most("status line, cold, 5,000 files", cold, 20.0, "ms"),
        Goal::at_most(
            "a request while git takes 1 s: slowest",
            slowest,
            50.0,
            "ms",
        ),
    ];
    Ok(())
}

fn question(folder: &Path) -> anyhow::Result<String> {
    let folder = folder.to_str().context("a path that is not text")?;
    Ok(format!(
        "GET /codex-plus/status-line?cwd={folder} HTTP/1.1\r\nhost: localhost\r\n\r\n"
    ))
}

/// The one command that the facts come from, in milliseconds.
fn git(folder: &Path) -> anyhow::Result<f64> {
    let began = Instant::now();
    let output = std::process::Command::new("git")
        .args([
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "--branch",
        ])
        .current_dir(folder)
        .output()
        .context("cannot start git")?;
    ensure!(output.status.success(), "git status failed");
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// How many microseconds an answer takes more than `/health` does.
async fn more_than_health(connection: &mut Connection, ask: &[u8]) -> anyhow::Result<f64> {
    let (mut health, mut line) = (latencies(), latencies());
    for turn in 0..2 * ASKED {
        let (bytes, latency) = if turn % 2 == 0 {
            (HEALTH, &mut health)
        } else {
            (ask, &mut line)
        };
        let asked = Instant::now();
        let answer = connection.exchange(bytes).await?;
        ensure!(answer.status == 200, "answered {}", answer.status);
        latency.saturating_record(u64::try_from(asked.elapsed().as_nanos())?);
    }
    Ok(micros(&line, 50.0) - micros(&health, 50.0))
}

async fn beside_slow_git(ground: &Ground, repository: &Path) -> anyhow::Result<Latencies> {
    use std::os::unix::fs::PermissionsExt as _;
    let place = ground.folder.join("slow");
    std::fs::create_dir_all(&place)?;
    let before = std::env::var("PATH").unwrap_or_default();
    let script = format!("#!/bin/sh\nsleep 1\nPATH='{before}' exec git \"$@\"\n");
    std::fs::write(place.join("git"), script)?;
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.join("git"), executable)?;
    let path = format!("{}:{before}", place.display());
    let set_up = SetUp {
        files: &[("config.toml", "[status_line]\nmode = \"prompt\"\n")],
        variables: &[("PATH", &path)],
    };
    let running = ground.start_with(Target::Hooked("slow git"), set_up)?;
    let mut connection = Connection::open(running.address).await?;
    connection.exchange(HEALTH).await?;
    let mut latency = latencies();
    for folder in 0..FOLDERS {
        let folder = repository.join(format!("part{folder}"));
        let cwd = folder.to_str().context("a path that is not text")?;
        let mut ask = Ask::post(1_000, "Say hello.", cwd);
        let bytes = ask.renewed()?;
        let asked = Instant::now();
        let answer = connection.exchange(bytes).await?;
        ensure!(answer.status == 200, "answered {}", answer.status);
        latency.saturating_record(u64::try_from(asked.elapsed().as_nanos())?);
    }
    Ok(latency)
}
