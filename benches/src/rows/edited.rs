//! Requests that are read, and requests and answers that are edited.

use anyhow::ensure;

use super::Effort;
use super::requests::{SIZES, each_in_turns, of, ratio, start_all, table};
use crate::load::{Slice, whole};
use crate::request::Ask;
use crate::results::{Goal, Row};
use crate::targets::{CALL, EXPANDED, Ground, Running, Target};

const TARGETS: &[Target] = &[
    Target::Floor,
    Target::Passthrough,
    Target::Plain,
    Target::Edited,
];

/// What reading and editing may cost above the floor, in microseconds of processor time, by size.
const ABOVE: &[f64] = &[40.0, 350.0, 4_000.0];

/// Read by default, and edited: a slash command expanded, the status line put into the answer.
pub(super) async fn edited(row: &mut Row, ground: &Ground, effort: Effort) -> anyhow::Result<()> {
    row.note("The proxy as it is installed reads the body of every conversation and tells its turn; every request is a new prompt. `editing` is with a slash command that every prompt calls, so that the body is edited, and with `status_line.mode = \"response\"`, so that the answer is.");
    let cwd = ground.cwd()?;
    let running = start_all(ground, TARGETS)?;
    for target in &running {
        check(target, &cwd).await?;
    }
    let turns = in_sizes(
        &running,
        |prompt| Ask::post(1_000, prompt, &cwd),
        10,
        effort,
    )
    .await?;
    row.tables.push(table("1 kB, 10 connections", &turns));
    for (target, what) in [(Target::Plain, "read"), (Target::Edited, "edited")] {
        row.goals.push(Goal::at_most(
            format!("{what}, 1 kB: CPU/request against the floor"),
            ratio(&turns, target, Target::Floor, Slice::cpu_each),
            1.5,
            "x",
        ));
    }
    for ((size, name), limit) in SIZES.iter().zip(ABOVE) {
        let turns = in_sizes(&running, |prompt| Ask::post(*size, prompt, &cwd), 1, effort).await?;
        row.tables.push(table(name, &turns));
        for (target, what) in [(Target::Plain, "read"), (Target::Edited, "edited")] {
            if let (Some(own), Some(floor)) = (of(&turns, target), of(&turns, Target::Floor)) {
                row.goals.push(Goal::at_most(
                    format!("{what}, {name}: CPU/request above the floor"),
                    own.cpu() - floor.cpu(),
                    *limit,
                    "µs",
                ));
            }
        }
    }
    let packed = |prompt: &str| Ask::post_zstd(100_000, prompt, &cwd);
    let length = packed(CALL).renewed()?.len() as u64;
    let turns = in_sizes(&running, packed, 1, effort).await?;
    let heading = format!("100 kB as zstd ({:.0} kB)", whole(length) / 1e3);
    row.tables.push(table(&heading, &turns));
    row.note("Compressed bodies leave as they came unless they are edited; then they are compressed again. Their requests/s hold the client's own compression.");
    Ok(())
}

async fn in_sizes(
    running: &[Running],
    ask: impl Fn(&str) -> Ask,
    connections: usize,
    effort: Effort,
) -> anyhow::Result<Vec<super::requests::Turns>> {
    let (plain, call) = (ask("Say hello."), ask(CALL));
    let edits = |r: &Running| r.target == Target::Edited;
    let asks: Vec<&Ask> = running
        .iter()
        .map(|r| if edits(r) { &call } else { &plain })
        .collect();
    each_in_turns(running, &asks, connections, effort).await
}

/// Makes sure that the target does what its name says before its figures are believed.
async fn check(target: &Running, cwd: &str) -> anyhow::Result<()> {
    let edits = target.target == Target::Edited;
    let mut mirrored = Ask::mirrored(1_000, CALL, cwd);
    let mut asked = Ask::post(1_000, CALL, cwd);
    // The line of a folder is taken in the background after it is first asked for.
    for _ in 0..50 {
        let upstream_got = target.text_of(mirrored.renewed()?).await?;
        ensure!(
            upstream_got.contains(EXPANDED) == edits,
            "{} sent on: {upstream_got}",
            target.target.name()
        );
        let answer = target.text_of(asked.renewed()?).await?;
        if answer.contains("[Dir: ") == edits {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("{} did not put the status line in", target.target.name())
}
