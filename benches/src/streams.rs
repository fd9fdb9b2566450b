//! Many streams at once: when their first event came, how long each event was on its way, whether
//! every stream came whole.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::{Bytes, BytesMut};
use codex_plus_bench::event;
use codex_plus_bench::http::Connection;
use tokio::task::JoinSet;

use crate::load::{Latencies, latencies};
use crate::process::Processes;
use crate::request::{self, Ask, Framing};

/// How many streams, and how fast they speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) streams: u64,
    /// Milliseconds between two events of one stream.
    pub(crate) every: u64,
    /// How long events are timed once all streams are open.
    pub(crate) window: Duration,
    pub(crate) framing: Framing,
    /// Also ask for `/health` meanwhile.
    pub(crate) health: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// From a request to its first event.
    pub(crate) first: Latencies,
    /// From an event's sending to its arrival, while all streams were open.
    pub(crate) delay: Latencies,
    pub(crate) health: Latencies,
    pub(crate) complete: u64,
    /// Processor time of the target in the window, in nanoseconds.
    pub(crate) cpu: u64,
    /// Memory of the target with all streams open, and before any, in bytes.
    pub(crate) memory: u64,
    pub(crate) memory_before: u64,
}

struct Shared {
    timing: AtomicBool,
    open: AtomicU64,
    figures: Mutex<(Latencies, Latencies)>,
}

/// What a stream begins with.
enum Asking {
    Post(Ask),
    Handshake(Bytes),
}

impl Asking {
    fn first(&mut self) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Post(ask) => Bytes::copy_from_slice(ask.renewed()?),
            Self::Handshake(bytes) => bytes.clone(),
        })
    }
}

/// Streams opened each second.
const RAMP: u64 = 4_000;

/// Opens the streams, times them, and waits for their ends.
pub(crate) async fn run(
    address: SocketAddr,
    processes: &Processes,
    shape: Shape,
    cwd: &str,
) -> anyhow::Result<Streamed> {
    let ramp = Duration::from_millis(shape.streams * 1_000 / RAMP + 200);
    let margin = Duration::from_millis(800);
    let whole = u64::try_from((ramp + shape.window + margin).as_millis())?;
    let events = (whole / shape.every).max(2);
    let mut asking = match shape.framing {
        Framing::ServerSent => Asking::Post(Ask::stream(events, shape.every, cwd)),
        Framing::WebSocket => Asking::Handshake(request::handshake(events, shape.every)),
    };
    let shared = Arc::new(Shared {
        timing: AtomicBool::new(false),
        open: AtomicU64::new(0),
        figures: Mutex::new((latencies(), latencies())),
    });
    let memory_before = processes.memory();
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for number in 0..shape.streams {
        let due = began + Duration::from_micros(number * 1_000_000 / RAMP);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        tasks.spawn(stream(
            address,
            asking.first()?,
            shape.framing,
            events,
            cwd.to_owned(),
            Arc::clone(&shared),
        ));
    }
    let patience = Instant::now() + Duration::from_secs(20);
    while shared.open.load(Ordering::Relaxed) < shape.streams && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let probe = tokio::spawn(health(address, shape));
    let cpu_before = processes.cpu();
    shared.timing.store(true, Ordering::Relaxed);
    tokio::time::sleep(shape.window).await;
    shared.timing.store(false, Ordering::Relaxed);
    let cpu = processes.cpu().saturating_sub(cpu_before);
    let memory = processes.memory();
    let health = probe.await??;
    let mut complete = 0;
    let mut broken = None;
    while let Some(ended) = tasks.join_next().await {
        match ended? {
            Ok(()) => complete += 1,
            Err(error) => broken = Some(error),
        }
    }
    if let Some(error) = broken {
        say!(
            "    {complete} of {} streams came whole; one said: {error:#}",
            shape.streams
        );
    }
    let figures = shared
        .figures
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let (first, delay) = figures.clone();
    Ok(Streamed {
        first,
        delay,
        health,
        complete,
        cpu,
        memory,
        memory_before,
    })
}

async fn stream(
    address: SocketAddr,
    request: Bytes,
    framing: Framing,
    events: u64,
    cwd: String,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await.context("cannot connect")?;
    let asked = event::now();
    connection.send(&request).await?;
    let status = connection.head().await?;
    match framing {
        Framing::ServerSent => ensure!(status == 200, "answered {status}"),
        Framing::WebSocket => {
            ensure!(status == 101, "answered {status}");
            connection.send(&request::message(&cwd)).await?;
        }
    }
    let mut held = BytesMut::new();
    let mut heard = 0;
    loop {
        let Some(piece) = connection.piece().await? else {
            bail!("ended after {heard} of {} events", events + 1);
        };
        let now = event::now();
        held.extend_from_slice(&piece);
        while let Some(event) = next_event(&mut held, framing) {
            let sent = event::stamp(&event).context("an event without a stamp")?;
            heard += 1;
            if heard == 1 {
                shared.open.fetch_add(1, Ordering::Relaxed);
                let mut figures = shared
                    .figures
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                figures.0.saturating_record(now - asked);
            } else if shared.timing.load(Ordering::Relaxed) {
                let mut figures = shared
                    .figures
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                figures.1.saturating_record(now.saturating_sub(sent));
            }
        }
        if heard == events + 1 {
            break;
        }
    }
    if framing == Framing::ServerSent {
        ensure!(
            connection.piece().await?.is_none(),
            "bytes after the last event"
        );
    }
    Ok(())
}

/// Takes the next whole event off the front.
fn next_event(held: &mut BytesMut, framing: Framing) -> Option<BytesMut> {
    match framing {
        Framing::ServerSent => {
            let end = memchr::memmem::find(held, b"\n\n")?;
            Some(held.split_to(end + 2))
        }
        Framing::WebSocket => {
            let (start, length) = match (*held.get(1)?, held.get(2..4)) {
                (126, Some(long)) => (4, usize::from(u16::from_be_bytes([long[0], long[1]]))),
                (126, None) => return None,
                (short, _) => (2, usize::from(short)),
            };
            (held.len() >= start + length).then(|| held.split_to(start + length))
        }
    }
}

async fn health(address: SocketAddr, shape: Shape) -> anyhow::Result<Latencies> {
    let mut latency = latencies();
    if !shape.health {
        return Ok(latency);
    }
    let mut connection = Connection::open(address).await?;
    let until = Instant::now() + shape.window;
    while Instant::now() < until {
        let asked = Instant::now();
        let answer = connection.exchange(request::HEALTH).await?;
        ensure!(answer.status == 200, "/health answered {}", answer.status);
        latency.saturating_record(u64::try_from(asked.elapsed().as_nanos())?);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(latency)
}
