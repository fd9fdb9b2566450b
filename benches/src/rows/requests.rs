//! Requests with one answer: short ones at several widths, and long ones.

use super::Effort;
use crate::load::{self, Latencies, Slice, latencies, micros, whole};
use crate::request::Ask;
use crate::results::{Goal, Row, Table, median};
use crate::targets::{Ground, Running, Target};

/// What carries without reading.
const LINE: &[Target] = &[
    Target::Direct,
    Target::Nginx,
    Target::Haproxy,
    Target::Floor,
    Target::Passthrough,
];

/// Long bodies, in bytes.
pub(super) const SIZES: &[(usize, &str)] = &[
    (100_000, "100 kB"),
    (1_000_000, "1 MB"),
    (10_000_000, "10 MB"),
];

/// A target's turns, in order.
pub(super) struct Turns {
    pub(super) target: Target,
    pub(super) slices: Vec<Slice>,
}

impl Turns {
    pub(super) fn latency(&self) -> Latencies {
        let mut all = latencies();
        for slice in &self.slices {
            // The bounds are the same, so it fits.
            let _ = all.add(&slice.latency);
        }
        all
    }

    fn rate(&self) -> f64 {
        median(self.slices.iter().map(Slice::rate).collect())
    }

    pub(super) fn cpu(&self) -> f64 {
        median(self.slices.iter().map(Slice::cpu_each).collect())
    }
}

/// Gives every target its turns, each round in another order.
pub(super) async fn in_turns(
    running: &[Running],
    request: &Ask,
    connections: usize,
    effort: Effort,
) -> anyhow::Result<Vec<Turns>> {
    let asks: Vec<&Ask> = running.iter().map(|_| request).collect();
    each_in_turns(running, &asks, connections, effort).await
}

/// The same, with a request of its own for each target.
pub(super) async fn each_in_turns(
    running: &[Running],
    requests: &[&Ask],
    connections: usize,
    effort: Effort,
) -> anyhow::Result<Vec<Turns>> {
    let mut turns: Vec<Turns> = running
        .iter()
        .map(|r| Turns {
            target: r.target,
            slices: Vec::new(),
        })
        .collect();
    for round in 0..effort.rounds {
        for step in 0..running.len() {
            let at = (round + step) % running.len();
            let target = &running[at];
            let open = load::connect(target.address, connections).await?;
            // Connections, pools and heaps are warm before anything counts.
            let (_, open) = load::closed(open, requests[at], effort.slice / 5).await?;
            let before = target.processes.cpu();
            let (mut slice, _) = load::closed(open, requests[at], effort.slice).await?;
            slice.cpu = target.processes.cpu().saturating_sub(before);
            turns[at].slices.push(slice);
        }
    }
    Ok(turns)
}

pub(super) fn start_all(ground: &Ground, targets: &[Target]) -> anyhow::Result<Vec<Running>> {
    targets.iter().map(|target| ground.start(*target)).collect()
}

/// The turns of one target.
pub(super) fn of(turns: &[Turns], target: Target) -> Option<&Turns> {
    turns.iter().find(|t| t.target == target)
}

/// How one target's figure relates to another's: the median of the rounds' ratios, since only
/// turns of the same round met the same machine.
pub(super) fn ratio(
    turns: &[Turns],
    of_target: Target,
    to: Target,
    figure: impl Fn(&Slice) -> f64,
) -> f64 {
    let (Some(of_target), Some(to)) = (of(turns, of_target), of(turns, to)) else {
        return f64::NAN;
    };
    let pairs = of_target.slices.iter().zip(&to.slices);
    median(pairs.map(|(a, b)| figure(a) / figure(b)).collect())
}

pub(super) fn table(heading: &str, turns: &[Turns]) -> Table {
    let mut table = Table::new(
        heading,
        &["p50 µs", "p99 µs", "requests/s", "CPU µs/request"],
    );
    for t in turns {
        let latency = t.latency();
        let cpu = (t.target != Target::Direct).then(|| t.cpu());
        table.line(
            t.target.name(),
            vec![
                Some(micros(&latency, 50.0)),
                Some(micros(&latency, 99.0)),
                Some(t.rate()),
                cpu,
            ],
        );
    }
    table
}

/// Short requests at 1, 10 and 100 connections, and at a fixed rate.
pub(super) async fn passthrough(
    row: &mut Row,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<()> {
    let running = start_all(ground, LINE)?;
    let mut request = Ask::post(1_000, "Say hello.", &ground.cwd()?);
    row.note(format!(
        "A POST of {:.1} kB as Codex sends it, head included, answered with 1 kB of JSON. `passthrough` reads nothing.",
        whole(request.renewed()?.len() as u64) / 1e3
    ));
    for connections in [1, 10, 100] {
        let turns = in_turns(&running, &request, connections, effort).await?;
        let plural = if connections == 1 { "" } else { "s" };
        row.tables.push(table(
            &format!("{connections} connection{plural}, closed loop"),
            &turns,
        ));
        let cpu = ratio(&turns, Target::Passthrough, Target::Floor, Slice::cpu_each);
        row.goals.push(Goal::at_most(
            format!("passthrough, {connections} connection{plural}: CPU/request against the floor"),
            cpu,
            1.15,
            "x",
        ));
        if connections > 1 {
            let rate = ratio(&turns, Target::Passthrough, Target::Nginx, Slice::rate);
            row.goals.push(Goal::at_least(
                format!("passthrough, {connections} connections: requests/s against nginx"),
                rate,
                1.0,
                "x",
            ));
        }
    }
    row.tables
        .push(at_a_rate(&running, &request, effort).await?);
    Ok(())
}

async fn at_a_rate(running: &[Running], request: &Ask, effort: Effort) -> anyhow::Result<Table> {
    const RATE: u32 = 3_000;
    let mut table = Table::new(
        format!("{RATE} requests/s, open loop"),
        &["p50 µs", "p99 µs", "p99.9 µs"],
    );
    for target in running {
        let mut all = latencies();
        for _ in 0..effort.rounds {
            let open = load::connect(target.address, 64).await?;
            let (_, open) = load::closed(open, request, effort.slice / 10).await?;
            all.add(&load::open(open, request, RATE, effort.slice).await?.latency)?;
        }
        table.line(
            target.target.name(),
            [50.0, 99.0, 99.9].map(|p| Some(micros(&all, p))).to_vec(),
        );
    }
    Ok(table)
}

/// Long requests.
pub(super) async fn bodies(row: &mut Row, ground: &Ground, effort: Effort) -> anyhow::Result<()> {
    row.note("One connection; a conversation of that size goes up, 1 kB comes back.");
    let running = start_all(ground, LINE)?;
    for (size, name) in SIZES {
        let request = Ask::post(*size, "Say hello.", &ground.cwd()?);
        let turns = in_turns(&running, &request, 1, effort).await?;
        row.tables.push(table(name, &turns));
        let cpu = ratio(&turns, Target::Passthrough, Target::Floor, Slice::cpu_each);
        row.goals.push(Goal::at_most(
            format!("passthrough, {name}: CPU/request against the floor"),
            cpu,
            1.15,
            "x",
        ));
    }
    Ok(())
}
