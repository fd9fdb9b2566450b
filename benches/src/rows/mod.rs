//! The rows: each a kind of work that every target does, in turns.

mod edited;
mod hooks;
mod lines;
mod memory;
mod peers;
mod process;
mod requests;
mod streams;

use std::time::Duration;

use crate::results::Row;
use crate::targets::Ground;

/// How thorough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    /// Turns each target gets.
    pub(crate) rounds: usize,
    /// How long a turn is.
    pub(crate) slice: Duration,
    /// How long events are timed.
    pub(crate) window: Duration,
    /// Also what takes minutes, and the slow peers.
    pub(crate) full: bool,
    /// The most time a row gets.
    pub(crate) row: Duration,
    /// The most time all rows get: one that hangs must not hold up the run.
    pub(crate) total: Duration,
}

impl Effort {
    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        slice: Duration::from_millis(300),
        window: Duration::from_millis(1_500),
        full: false,
        row: Duration::from_secs(100),
        total: Duration::from_mins(6),
    };
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        slice: Duration::from_millis(320),
        window: Duration::from_millis(1_500),
        full: true,
        row: Duration::from_mins(3),
        total: Duration::from_secs(630),
    };
}

/// The names of all rows, in the order they are run and reported.
pub(crate) const NAMES: &[&str] = &[
    "passthrough",
    "bodies",
    "edited",
    "sse",
    "websocket",
    "hooks",
    "status-line",
    "process",
    "memory",
    "peers",
];

/// Those that take more than a quick run has.
pub(crate) const ONLY_FULL: &[&str] = &["memory", "peers"];

/// A row without figures.
pub(crate) fn begin(name: &str) -> Row {
    let title = match name {
        "passthrough" => "Short requests, carried",
        "bodies" => "Long requests, carried",
        "edited" => "Requests read and edited",
        "sse" => "Server-sent events",
        "websocket" => "WebSocket messages",
        "hooks" => "Hooks",
        "status-line" => "Status line",
        "process" => "The process itself",
        "memory" => "Memory over time",
        "peers" => "Other proxies for developers",
        other => other,
    };
    Row::new(name, title)
}

/// Measures a row; what was found before an error is in it.
pub(crate) async fn measure(row: &mut Row, ground: &Ground, effort: Effort) -> anyhow::Result<()> {
    match row.name.as_str() {
        "passthrough" => requests::passthrough(row, ground, effort).await,
        "bodies" => requests::bodies(row, ground, effort).await,
        "edited" => edited::edited(row, ground, effort).await,
        "sse" => streams::server_sent(row, ground, effort).await,
        "websocket" => streams::websocket(row, ground, effort).await,
        "hooks" => hooks::hooks(row, ground, effort).await,
        "status-line" => lines::status_line(row, ground, effort).await,
        "process" => process::process(row, ground, effort).await,
        "memory" => memory::memory(row, ground, effort).await,
        "peers" => peers::peers(row, ground, effort).await,
        other => anyhow::bail!("there is no row {other:?}"),
    }
}
