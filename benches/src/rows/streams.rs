//! Many streams held at once, over server-sent events and WebSocket.

use super::Effort;
use crate::load::{micros, whole};
use crate::process::descriptor_limit;
use crate::request::Framing;
use crate::results::{Goal, Row, Table, median};
use crate::streams::{self, Shape, Streamed};
use crate::targets::{Ground, Target};

/// How many streams, how often each speaks, in milliseconds, and rounds of a quick and of a full run
/// (WebSocket has one of each).
/// From 100 streams on there are about 10,000 events a second in all.
const SHAPES: &[(u64, u64, usize, usize)] = &[
    (1, 1, 0, 1),
    (100, 10, 1, 1),
    (1_000, 100, 1, 2),
    (5_000, 500, 1, 2),
    (10_000, 1_000, 0, 1),
];
/// The most memory a held stream may cost.
const STREAM_KIB: f64 = 16.0;

/// Server-sent events.
pub(super) async fn server_sent(
    row: &mut Row,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    row.note("Each event says when it was sent; its delay is the time until it arrived at the client, upstream's and client's own work included (see direct).");
    let others = [
        Target::Direct,
        Target::Nginx,
        Target::Haproxy,
        Target::Floor,
        Target::Passthrough,
    ];
    compare(
        row,
        ground,
        effort,
        Framing::ServerSent,
        &others,
        Target::Floor,
    )
    .await?;
    listening(row, ground, effort, Framing::ServerSent).await
}

/// With a filter that listens to events, and without.
async fn listening(
    row: &mut Row,
    ground: &Ground,
    effort: Effort,
    framing: Framing,
) -> anyhow::Result<()> {
    const TARGETS: &[Target] = &[Target::Plain, Target::Listening];
    const STREAMS: u64 = 1_000;
    const ROUNDS: usize = 2;
    let cwd = ground.cwd()?;
    let mut runs: Vec<Vec<Streamed>> = TARGETS.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for step in 0..TARGETS.len() {
            let at = (round + step) % TARGETS.len();
            let running = ground.start(TARGETS[at])?;
            let shape = Shape {
                streams: STREAMS,
                every: 100,
                window: effort.window,
                framing,
                health: false,
            };
            runs[at].push(streams::run(running.address, &running.processes, shape, &cwd).await?);
        }
    }
    row.note("`listening` is with a PreToolUse hook: a filter is shown every event that may be part of a tool call.");
    let heading = format!("{STREAMS} streams, as installed");
    row.tables.push(table(&heading, TARGETS, &runs, STREAMS));
    let pairs = runs[1].iter().zip(&runs[0]);
    let ratio = median(pairs.map(|(a, b)| cpu_each(a) / cpu_each(b)).collect());
    row.goals.push(Goal::at_most(
        format!(
            "{}, {STREAMS} streams, a hook listening: CPU/event against without",
            kind_of(framing)
        ),
        ratio,
        1.3,
        "x",
    ));
    Ok(())
}

/// The same over WebSocket.
pub(super) async fn websocket(
    row: &mut Row,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    row.note("The same events as text messages, after one `response.create` on each connection.");
    let others = [
        Target::Direct,
        Target::Nginx,
        Target::Haproxy,
        Target::FloorWebSocket,
        Target::Passthrough,
    ];
    compare(
        row,
        ground,
        effort,
        Framing::WebSocket,
        &others,
        Target::FloorWebSocket,
    )
    .await?;
    listening(row, ground, effort, Framing::WebSocket).await
}

fn kind_of(framing: Framing) -> &'static str {
    match framing {
        Framing::ServerSent => "SSE",
        Framing::WebSocket => "WebSocket",
    }
}

async fn compare(
    row: &mut Row,
    ground: &Ground,
    effort: Effort,
    framing: Framing,
    targets: &[Target],
    floor: Target,
) -> anyhow::Result<()> {
    // Each stream takes two descriptors of the proxy.
    let most = (descriptor_limit() - 200) / 2;
    let kind = kind_of(framing);
    let cwd = ground.cwd()?;
    for (streams, every, quick, full) in SHAPES.iter().copied() {
        let rounds = match framing {
            Framing::ServerSent if effort.full => full,
            Framing::WebSocket if effort.full => full.min(1),
            _ => quick,
        };
        if rounds == 0 {
            continue;
        }
        let held = streams.min(most);
        let heading = if held < streams {
            format!("{held} streams (this machine's descriptor limit stands before {streams})")
        } else if streams == 1 {
            "1 stream".to_owned()
        } else {
            format!("{streams} streams")
        };
        // A few streams speak often, and need less time to be told from each other.
        let window = if streams < 1_000 {
            effort.window / 2
        } else {
            effort.window
        };
        let mut runs: Vec<Vec<Streamed>> = targets.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            for step in 0..targets.len() {
                let at = (round + step) % targets.len();
                // A fresh process each time: what it grew to for one run is not the next one's.
                let running = ground.start(targets[at])?;
                let health = targets[at] == Target::Passthrough;
                let shape = Shape {
                    streams: held,
                    every,
                    window,
                    framing,
                    health,
                };
                runs[at]
                    .push(streams::run(running.address, &running.processes, shape, &cwd).await?);
            }
        }
        row.tables.push(table(&heading, targets, &runs, held));
        let at = |target: Target| targets.iter().position(|t| *t == target);
        if let (Some(own), Some(floor)) = (at(Target::Passthrough), at(floor)) {
            goals(row, kind, held, streams, &runs[own], &runs[floor]);
        }
    }
    Ok(())
}

fn goals(row: &mut Row, kind: &str, held: u64, streams: u64, own: &[Streamed], floor: &[Streamed]) {
    if streams == 1_000 || streams == 5_000 {
        let against = |figure: fn(&Streamed) -> f64| {
            median(
                own.iter()
                    .zip(floor)
                    .map(|(a, b)| figure(a) / figure(b))
                    .collect(),
            )
        };
        let what = |what: &str| format!("{kind}, {streams} streams: {what} against the floor");
        row.goals.push(Goal::at_most(
            what("delay p50"),
            against(|s| micros(&s.delay, 50.0)),
            1.0,
            "x",
        ));
        row.goals.push(Goal::at_most(
            what("delay p99"),
            against(|s| micros(&s.delay, 99.0)),
            1.0,
            "x",
        ));
        row.goals.push(Goal::at_most(
            what("CPU/event"),
            against(cpu_each),
            1.0,
            "x",
        ));
        let health = median(own.iter().map(|s| micros(&s.health, 99.0) / 1e3).collect());
        row.goals.push(Goal::at_most(
            format!("{kind}, {streams} streams: /health p99 beside them"),
            health,
            5.0,
            "ms",
        ));
    }
    if streams >= 5_000 {
        let complete = own.iter().map(|s| s.complete).min().unwrap_or_default();
        row.goals.push(Goal::at_least(
            format!("{kind}, {held} streams: complete"),
            whole(complete),
            whole(held),
            "streams",
        ));
        let memory = median(own.iter().map(|s| memory_each(s, held)).collect());
        row.goals.push(Goal::at_most(
            format!("{kind}, {held} streams: memory a stream"),
            memory,
            STREAM_KIB,
            "KiB",
        ));
    }
}

fn table(heading: &str, targets: &[Target], runs: &[Vec<Streamed>], held: u64) -> Table {
    let mut table = Table::new(
        heading,
        &[
            "first event p50 ms",
            "first event p99 ms",
            "delay p50 µs",
            "delay p99 µs",
            "CPU µs/event",
            "KiB/stream",
            "complete",
        ],
    );
    for (target, runs) in targets.iter().zip(runs) {
        let middle =
            |figure: &dyn Fn(&Streamed) -> f64| Some(median(runs.iter().map(figure).collect()));
        let own = *target != Target::Direct;
        table.line(
            target.name(),
            vec![
                middle(&|s| micros(&s.first, 50.0) / 1e3),
                middle(&|s| micros(&s.first, 99.0) / 1e3),
                middle(&|s| micros(&s.delay, 50.0)),
                middle(&|s| micros(&s.delay, 99.0)),
                middle(&cpu_each).filter(|_| own),
                middle(&|s| memory_each(s, held)).filter(|_| own),
                middle(&|s| whole(s.complete)),
            ],
        );
    }
    table
}

fn cpu_each(run: &Streamed) -> f64 {
    whole(run.cpu) / 1e3 / whole(run.delay.len())
}

fn memory_each(run: &Streamed, held: u64) -> f64 {
    whole(run.memory.saturating_sub(run.memory_before)) / 1024.0 / whole(held)
}
