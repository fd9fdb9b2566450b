//! Other programs between a client and a model provider, as far as a package registry has them.
//! They are slow enough to need a table of their own, and only full runs have it.

use std::time::Duration;

use super::Effort;
use super::requests::{in_turns, table};
use crate::load::whole;
use crate::request::Ask;
use crate::results::{Row, Table};
use crate::targets::{Ground, Running, Target};

/// A peer: the target, its environment below `target/bench`, and its program.
const PEERS: &[(Target, &str, &str)] = &[
    (Target::Mitmproxy, "mitmproxy", "mitmdump"),
    (Target::LiteLlm, "litellm", "litellm"),
];

/// Short and long requests through each.
pub(super) async fn peers(row: &mut Row, ground: &Ground, effort: Effort) -> anyhow::Result<()> {
    row.note("mitmproxy carries, and lets Python scripts look; LiteLLM reads every request into objects and writes its own. Both from PyPI, default settings, without scripts, keys and data bases. Answers are documents.");
    let mut running: Vec<Running> = Vec::new();
    let mut starts = Table::new("", &["start ms", "idle MiB"]);
    let (mut not_had, mut versions) = (Vec::new(), Vec::new());
    for target in [Target::Floor, Target::Passthrough, Target::Plain] {
        running.push(started(ground, target, &mut starts).await?);
    }
    for (target, name, program) in PEERS {
        if Ground::peer(name, program).is_none() {
            not_had.push(target.name());
            continue;
        }
        let asked = Ask::document(1_000, "Say hello.", &ground.cwd()?)
            .renewed()?
            .to_vec();
        let begun = started(ground, *target, &mut starts).await;
        let able = match begun {
            Ok(begun) => begun.text_of(&asked).await.map(|_| begun),
            Err(error) => Err(error),
        };
        match able {
            Ok(able) => {
                let version = Ground::peer_version(name).unwrap_or_default();
                versions.push(format!("{} {version}", target.name()));
                running.push(able);
            }
            Err(error) => {
                say!("  {}: {error:#}", target.name());
                row.note(format!("{} did not serve: {error:#}.", target.name()));
            }
        }
    }
    if !versions.is_empty() {
        row.note(format!("Measured: {}.", versions.join(", ")));
    }
    if !not_had.is_empty() {
        row.note(format!(
            "Not had: {}. `./bench.sh full` installs them from PyPI where it can.",
            not_had.join(", ")
        ));
    }
    row.tables.push(starts);
    // A slow peer needs longer turns, and its figures fewer of them.
    let effort = Effort {
        rounds: 2,
        slice: effort.slice.max(Duration::from_millis(600)),
        ..effort
    };
    for (size, connections, heading) in [
        (1_000, 1, "1 kB, 1 connection"),
        (1_000, 10, "1 kB, 10 connections"),
        (100_000, 1, "100 kB, 1 connection"),
        (1_000_000, 1, "1 MB, 1 connection"),
    ] {
        let ask = Ask::document(size, "Say hello.", &ground.cwd()?);
        let turns = in_turns(&running, &ask, connections, effort).await?;
        row.tables.push(table(heading, &turns));
    }
    Ok(())
}

async fn started(ground: &Ground, target: Target, table: &mut Table) -> anyhow::Result<Running> {
    let running = ground.start(target)?;
    let took = running.start.as_secs_f64() * 1e3;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory = whole(running.processes.memory()) / 1_048_576.0;
    table.line(target.name(), vec![Some(took), Some(memory)]);
    Ok(running)
}
