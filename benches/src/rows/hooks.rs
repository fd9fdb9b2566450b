//! What a hook adds to a request: the same proxy with and without it, in turns.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use codex_plus_bench::http::Connection;
use tokio::io::AsyncWriteExt as _;

use super::Effort;
use super::requests::{Turns, in_turns};
use crate::load::{self, Latencies, Slice, latencies, micros};
use crate::request::Ask;
use crate::results::{Goal, Row, Table, median};
use crate::targets::{Ground, Running, SetUp, Target};

const BODY: &str = r#"---
name: body
---
from codex_plus.hooks import Hook

class Body(Hook):
    async def pre_input(self, request, body):
        body["input"][-1]["content"][0]["text"] += " And nothing else."
"#;
const PROMPT: &str = r#"---
name: prompt
input: prompt
---
import time
from codex_plus.hooks import Hook

class Prompt(Hook):
    async def pre_input(self, request, body):
        if body["prompt"].startswith("Wait"):
            time.sleep(1)
        body["prompt"] += " And nothing else."
"#;
/// What the hooks above put in.
const ADDED: &str = "And nothing else.";
/// A command that reads what it is told, as hooks do, and does nothing.
const COMMAND: &str = "cat > /dev/null";
/// Bodies that come with the prompt, in bytes.
const SIZES: &[(usize, &str)] = &[(1_000, "1 kB"), (100_000, "100 kB"), (1_000_000, "1 MB")];
/// Runs of the bare command in a round.
const SPAWNS: usize = 60;

const COLUMNS: &[&str] = &[
    "without p50 µs",
    "with p50 µs",
    "added p50 µs",
    "added p99 µs",
];

/// Every kind of hook.
pub(super) async fn hooks(row: &mut Row, ground: &Ground, effort: Effort) -> anyhow::Result<()> {
    // Twenty-odd targets take their turns here.
    let effort = Effort {
        rounds: 3,
        ..effort
    };
    row.note("Added is the difference to the same proxy without the hook, round by round, one connection. The Python hooks change the prompt: `body` is handed the whole body, `prompt` the prompt alone. Command and HTTP hooks are told of a prompt, whatever the size of the body; the command is `cat > /dev/null`.");
    let mut table = Table::new("one at a time", COLUMNS);
    let done = one_at_a_time(row, &mut table, ground, effort).await;
    row.tables.insert(0, table);
    done
}

async fn one_at_a_time(
    row: &mut Row,
    table: &mut Table,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    python(row, table, ground, effort).await?;
    command(row, table, ground, effort).await?;
    http(row, table, ground, effort).await
}

async fn python(
    row: &mut Row,
    table: &mut Table,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    /// A hook, a size, its name, and the most it may add in microseconds: p50 and p99.
    type Case = (&'static str, usize, &'static str, Option<(f64, f64)>);
    const CASES: &[Case] = &[
        ("body", 1_000, "1 kB", Some((80.0, 1_000.0))),
        ("body", 100_000, "100 kB", Some((600.0, 4_000.0))),
        ("body", 1_000_000, "1 MB", None),
        ("prompt", 1_000, "1 kB", None),
        ("prompt", 100_000, "100 kB", Some((100.0, 1_000.0))),
        ("prompt", 1_000_000, "1 MB", None),
    ];
    let cwd = ground.cwd()?;
    let plain = ground.start(Target::Plain)?;
    let start = |name: &'static str, text: &str| {
        let files = [(".codexplus/hooks/hook.py", text)];
        let set_up = SetUp {
            files: &files,
            ..SetUp::default()
        };
        ground.start_with(Target::Hooked(name), set_up)
    };
    let mut pairs = [plain, start("body", BODY)?];
    is_edited(&pairs[1], &cwd).await?;
    for (hook, size, name, limits) in CASES {
        if pairs[1].target != Target::Hooked(hook) {
            pairs[1] = start(hook, PROMPT)?;
            is_edited(&pairs[1], &cwd).await?;
        }
        let request = Ask::post(*size, "Say hello.", &cwd);
        let turns = in_turns(&pairs, &request, 1, effort).await?;
        let what = format!("Python hook, {hook}, {name}");
        let added = line(table, &what, &turns);
        if let Some((p50, p99)) = limits {
            let goal = |part: &str, added, limit| {
                Goal::at_most(format!("{what}: added {part}"), added, limit, "µs")
            };
            row.goals.push(goal("p50", added.0, *p50));
            row.goals.push(goal("p99", added.1, *p99));
        }
    }
    beside_a_slow_one(row, &pairs[1], &cwd, effort).await
}

/// Ten at once while another call of the same hook takes a second.
async fn beside_a_slow_one(
    row: &mut Row,
    target: &Running,
    cwd: &str,
    effort: Effort,
) -> anyhow::Result<()> {
    let request = Ask::post(1_000, "Say hello.", cwd);
    let (mut alone, mut beside) = (latencies(), latencies());
    for _ in 0..effort.rounds {
        let open = load::connect(target.address, 10).await?;
        let (slice, open) = load::closed(open, &request, effort.slice).await?;
        alone.add(&slice.latency)?;
        let mut slow = Connection::open(target.address).await?;
        let mut wait = Ask::post(1_000, "Wait.", cwd);
        slow.send(wait.renewed()?).await?;
        let asked = Instant::now();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let span = effort.slice.min(Duration::from_millis(600));
        beside.add(&load::closed(open, &request, span).await?.0.latency)?;
        ensure!(slow.head().await? == 200, "the slow request failed");
        let took = asked.elapsed();
        ensure!(took >= Duration::from_secs(1), "the hook did not wait");
    }
    let mut table = Table::new(
        "ten at once, `prompt`, 1 kB",
        &["p50 µs", "p99 µs", "slowest µs"],
    );
    for (name, latency) in [("alone", &alone), ("beside one that takes 1 s", &beside)] {
        let values = [50.0, 99.0, 100.0].map(|p| Some(micros(latency, p)));
        table.line(name, values.to_vec());
    }
    row.tables.push(table);
    row.goals.push(Goal::at_most(
        "Python hook, ten at once beside one that takes 1 s: slowest of the ten",
        micros(&beside, 100.0) / 1e3,
        100.0,
        "ms",
    ));
    Ok(())
}

async fn command(
    row: &mut Row,
    table: &mut Table,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    let pairs = with_settings(
        ground,
        "command",
        &format!(r#"{{"type":"command","command":"{COMMAND}"}}"#),
    )?;
    let mut bare = latencies();
    let mut all = Sizes::new(ground)?;
    // The bare command takes its turns between those of the proxies.
    for _ in 0..effort.rounds {
        for _ in 0..SPAWNS {
            bare.saturating_record(spawn().await?);
        }
        all.round(&pairs, effort).await?;
    }
    all.ran(&pairs[1]).await?;
    for (name, turns) in &all.turns {
        let added = line(table, &format!("command hook, {name}"), turns);
        row.goals.push(Goal::at_most(
            format!("command hook, {name}: added p50 above the bare command"),
            (added.0 - micros(&bare, 50.0)) / 1e3,
            0.5,
            "ms",
        ));
    }
    bare_line(table, "the bare command", &bare);
    Ok(())
}

async fn http(
    row: &mut Row,
    table: &mut Table,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    let url = format!("http://{}/stub/hook", ground.upstream);
    let pairs = with_settings(
        ground,
        "http",
        &format!(r#"{{"type":"http","url":"{url}"}}"#),
    )?;
    let mut bare = latencies();
    let mut all = Sizes::new(ground)?;
    let told = format!(
        "POST /stub/hook HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 600\r\n\r\n{}",
        " ".repeat(600)
    );
    for _ in 0..effort.rounds {
        let mut connection = Connection::open(ground.upstream).await?;
        for _ in 0..1_000 {
            let asked = Instant::now();
            connection.exchange(told.as_bytes()).await?;
            bare.saturating_record(nanos(asked));
        }
        all.round(&pairs, effort).await?;
    }
    all.ran(&pairs[1]).await?;
    for (name, turns) in &all.turns {
        let added = line(table, &format!("HTTP hook, {name}"), turns);
        row.goals.push(Goal::at_most(
            format!("HTTP hook, {name}: added p50 above the bare round trip"),
            added.0 - micros(&bare, 50.0),
            100.0,
            "µs",
        ));
    }
    bare_line(table, "the bare round trip", &bare);
    Ok(())
}

/// The turns of a proxy without a hook and of one with it, for each size of body.
struct Sizes {
    asks: Vec<Ask>,
    turns: Vec<(&'static str, Vec<Turns>)>,
}

impl Sizes {
    fn new(ground: &Ground) -> anyhow::Result<Self> {
        let cwd = ground.cwd()?;
        let ask = |(size, _): &(usize, &str)| Ask::post(*size, "Say hello.", &cwd);
        Ok(Self {
            asks: SIZES.iter().map(ask).collect(),
            turns: SIZES.iter().map(|(_, name)| (*name, Vec::new())).collect(),
        })
    }

    async fn round(&mut self, pairs: &[Running], effort: Effort) -> anyhow::Result<()> {
        let once = Effort {
            rounds: 1,
            ..effort
        };
        for (ask, (_, all)) in self.asks.iter().zip(&mut self.turns) {
            let turns = in_turns(pairs, ask, 1, once).await?;
            if all.is_empty() {
                *all = turns;
                continue;
            }
            for (known, more) in all.iter_mut().zip(turns) {
                known.slices.extend(more.slices);
            }
        }
        Ok(())
    }

    /// Makes sure that the hook ran for each request that was timed.
    async fn ran(&self, hooked: &Running) -> anyhow::Result<()> {
        let requests = self.turns.iter().map(|(_, turns)| turns[1].latency().len());
        ran(hooked, requests.sum()).await
    }
}

/// A proxy without hooks, and one with this hook on every prompt.
fn with_settings(ground: &Ground, kind: &'static str, hook: &str) -> anyhow::Result<[Running; 2]> {
    let settings = format!(r#"{{"hooks":{{"UserPromptSubmit":[{{"hooks":[{hook}]}}]}}}}"#);
    let files = [(".codexplus/settings.json", settings.as_str())];
    let set_up = SetUp {
        files: &files,
        ..SetUp::default()
    };
    Ok([
        ground.start(Target::Plain)?,
        ground.start_with(Target::Hooked(kind), set_up)?,
    ])
}

/// Adds a line and gives what was added, in microseconds: p50 and p99.
fn line(table: &mut Table, what: &str, turns: &[Turns]) -> (f64, f64) {
    let added = |percentile: f64| {
        let of = |slice: &Slice| micros(&slice.latency, percentile);
        let pairs = turns[1].slices.iter().zip(&turns[0].slices);
        median(
            pairs
                .map(|(with, without)| of(with) - of(without))
                .collect(),
        )
    };
    let p50 = |turns: &Turns| Some(micros(&turns.latency(), 50.0));
    let (half, most) = (added(50.0), added(99.0));
    let values = vec![p50(&turns[0]), p50(&turns[1]), Some(half), Some(most)];
    table.line(what, values);
    (half, most)
}

fn bare_line(table: &mut Table, what: &str, latency: &Latencies) {
    let of = |percentile| Some(micros(latency, percentile));
    table.line(what, vec![None, None, of(50.0), of(99.0)]);
}

/// Makes sure that the hook edits what goes on; a worker's first start falls in here too.
async fn is_edited(target: &Running, cwd: &str) -> anyhow::Result<()> {
    let mut mirrored = Ask::mirrored(1_000, "Say hello.", cwd);
    for _ in 0..100 {
        if target.text_of(mirrored.renewed()?).await?.contains(ADDED) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the hook {} does not run", target.target.name())
}

/// Makes sure that the hook ran for each of so many requests.
async fn ran(target: &Running, requests: u64) -> anyhow::Result<()> {
    let ask = b"GET /codex-plus/hooks HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let told: serde_json::Value = serde_json::from_str(&target.text_of(ask).await?)?;
    let runs = &told["settings_hooks"]["UserPromptSubmit"][0]["stats"]["runs"];
    let runs = runs
        .as_u64()
        .context("the proxy does not tell how often the hook ran")?;
    ensure!(runs >= requests, "{runs} runs for {requests} requests");
    Ok(())
}

/// The command alone, from its start to its end, in nanoseconds.
async fn spawn() -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut child = tokio::process::Command::new("/bin/sh")
        .args(["-c", COMMAND])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start sh")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&[b' '; 600]).await?;
    }
    ensure!(
        child.wait_with_output().await?.status.success(),
        "sh failed"
    );
    Ok(nanos(began))
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
