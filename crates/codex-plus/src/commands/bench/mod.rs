//! `codex-plus bench`: what the proxy and its hooks add on this machine.
//!
//! Client and made-up provider live in this process; the proxy is the real one, as a child. The
//! same turn goes straight, through a proxy that only carries, and through one with the user's
//! settings, in small slices one after the other, so that what else the machine does hits all three.

mod client;
mod hooks;
mod report;
mod socket;
mod target;
mod turns;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use codex_plus_stand_in::{Answer, Config, StandIn};

use crate::cli::{BenchArgs, LineArgs};
use crate::environment::Environment;
use crate::output::{self, Exit};

use client::Client;
use report::{Cell, Report};
use target::{Target, Through};
use turns::{Kind, Turns};

/// Slices of each cell; more of them are fairer, fewer lose less to changing over.
const ROUNDS: u32 = 8;
/// Turns before the clock runs: connections, caches, a worker's start.
const WARM_UP: usize = 20;
/// Events of a streamed answer, and the bytes of text in each.
const EVENTS: usize = 40;
const EVENT: usize = 24;

pub(crate) fn bench(env: &Environment, args: &BenchArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the worker threads")?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = measure(env, args) => report,
            signal = interrupted() => Err(anyhow::anyhow!("ended by {signal}")),
        }
    })?;
    if args.json {
        output::json(&report.json());
    } else {
        report.show();
    }
    Ok(Exit::Success)
}

/// Done when somebody wants it to end; the children must be ended too.
async fn interrupted() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = tokio::signal::ctrl_c() => "Ctrl-C",
    }
}

async fn measure(env: &Environment, args: &BenchArgs) -> anyhow::Result<Report> {
    let settings = super::load_settings(env, &LineArgs::default())?.settings;
    let token = settings.proxy.guard.token.as_deref();
    // Requests are not kept: hashing and remembering them is the stand-in's own time.
    let stand_in = StandIn::start(Config {
        default_answer: Answer::filler(EVENTS, EVENT),
        keep: 0,
        ..Config::default()
    })
    .await?;
    let upstream = stand_in.base_url();
    let mut targets = vec![
        Target::direct(stand_in.addr()),
        Target::start(Through::Carried, env, &upstream, token)?,
    ];
    if !args.no_hooks {
        targets.push(Target::start(Through::Settings, env, &upstream, token)?);
    }
    let mut turns = Turns::new(&env.cwd);
    let cells = Kind::ALL.len() * targets.len();
    let time = Duration::from_secs(args.seconds.into());
    let slice = time / ROUNDS / u32::try_from(cells).unwrap_or(u32::MAX);
    let mut report = Report::new(&targets, time);
    for kind in Kind::ALL {
        let mut clients = Vec::new();
        for target in &targets {
            let mut client = Client::connect(target.address(), kind, token).await?;
            run(
                &mut client,
                &mut turns,
                kind,
                Duration::ZERO,
                WARM_UP,
                &mut Cell::default(),
            )
            .await
            .with_context(|| target.name().to_owned())?;
            clients.push(client);
        }
        for _ in 0..ROUNDS {
            for ((client, target), cell) in clients.iter_mut().zip(&targets).zip(report.cells(kind))
            {
                let before = target.cpu();
                run(client, &mut turns, kind, slice, 1, cell)
                    .await
                    .with_context(|| target.name().to_owned())?;
                cell.add_cpu(before, target.cpu());
            }
        }
    }
    if let Some(target) = targets.last() {
        report.hooks = hooks::ask(target, token);
    }
    drop(targets);
    stand_in.stop().await;
    Ok(report)
}

/// Turns one after the other, for a while, and `least` at least.
async fn run(
    client: &mut Client,
    turns: &mut Turns,
    kind: Kind,
    time: Duration,
    least: usize,
    cell: &mut Cell,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut count = 0;
    while count < least || began.elapsed() < time {
        let body = turns.next(kind);
        cell.add(client.turn(body).await?);
        count += 1;
    }
    Ok(())
}
