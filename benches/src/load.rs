//! Requests with one answer: closed loops, where each connection asks again once it was answered,
//! and open ones, where requests come when they come.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use codex_plus_bench::http::Connection;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::request::Ask;

/// Latencies in nanoseconds, up to two minutes, to three digits.
pub(crate) type Latencies = Histogram<u64>;

pub(crate) fn latencies() -> Latencies {
    // The bounds are constant and valid; one with default bounds would record as well.
    Histogram::new_with_bounds(100, 120_000_000_000, 3)
        .unwrap_or_else(|_| Histogram::new(3).unwrap_or_else(|_| std::process::abort()))
}

/// What one run against one target gave.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Latencies,
    /// Processor time of the target, in nanoseconds.
    pub(crate) cpu: u64,
}

impl Slice {
    pub(crate) fn rate(&self) -> f64 {
        whole(self.requests) / self.seconds
    }

    /// Microseconds of processor time for each request.
    pub(crate) fn cpu_each(&self) -> f64 {
        whole(self.cpu) / 1e3 / whole(self.requests)
    }
}

/// A count as a float: exact up to 2^53, far beyond any count here.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts and sizes here are far below 2^53"
)]
pub(crate) fn whole(count: u64) -> f64 {
    count as f64
}

/// A percentile in microseconds.
pub(crate) fn micros(latency: &Latencies, percentile: f64) -> f64 {
    whole(latency.value_at_percentile(percentile)) / 1e3
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Opens connections, one after the other.
pub(crate) async fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(
            Connection::open(address)
                .await
                .context("cannot connect to a target")?,
        );
    }
    Ok(connections)
}

/// Each connection asks again as soon as it was answered.
pub(crate) async fn closed(
    connections: Vec<Connection>,
    request: &Ask,
    span: Duration,
) -> anyhow::Result<(Slice, Vec<Connection>)> {
    let began = Instant::now();
    let until = began + span;
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let mut request = request.clone();
        tasks.spawn(async move {
            let mut latency = latencies();
            loop {
                let bytes = request.renewed()?;
                let asked = Instant::now();
                let answer = connection.exchange(bytes).await?;
                if answer.status != 200 {
                    bail!("a target answered {}", answer.status);
                }
                let answered = Instant::now();
                latency.saturating_record(nanos(answered - asked));
                if answered >= until {
                    return Ok((connection, latency));
                }
            }
        });
    }
    let mut latency = latencies();
    let mut connections = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (connection, part) = done??;
        latency.add(&part)?;
        connections.push(connection);
    }
    let slice = Slice {
        requests: latency.len(),
        seconds: began.elapsed().as_secs_f64(),
        latency,
        cpu: 0,
    };
    Ok((slice, connections))
}

/// Requests at a fixed rate, whatever the answers do. A latency begins when its request was due,
/// not when a connection was free for it: a target that stalls pays for everyone who waited.
pub(crate) async fn open(
    connections: Vec<Connection>,
    request: &Ask,
    rate: u32,
    span: Duration,
) -> anyhow::Result<Slice> {
    let gap = Duration::from_secs(1) / rate;
    let began = Instant::now();
    let next = Arc::new(Mutex::new(0_u32));
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let (mut request, next) = (request.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut latency = latencies();
            loop {
                let due = {
                    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                    let due = began + gap * *next;
                    *next += 1;
                    due
                };
                if due >= began + span {
                    return anyhow::Ok(latency);
                }
                // The timer's steps are a millisecond; who waits on it begins late by as much,
                // and that lateness is ours, not the target's.
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    tokio::time::sleep(early).await;
                }
                let since = if early.is_zero() { due } else { Instant::now() };
                let answer = connection.exchange(request.renewed()?).await?;
                if answer.status != 200 {
                    bail!("a target answered {}", answer.status);
                }
                latency.saturating_record(nanos(since.elapsed()));
            }
        });
    }
    let mut latency = latencies();
    while let Some(done) = tasks.join_next().await {
        latency.add(&done??)?;
    }
    Ok(Slice {
        requests: latency.len(),
        seconds: began.elapsed().as_secs_f64(),
        latency,
        cpu: 0,
    })
}
