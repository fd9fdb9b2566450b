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
}

impl Effort {
    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        slice: Duration::from_millis(300),
        window: Duration::from_millis(1_500),
        full: false,
    };
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        slice: Duration::from_millis(500),
        window: Duration::from_secs(2),
        full: true,
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

/// Measures one row; none when it takes more than a quick run has.
pub(crate) async fn measure(
    name: &str,
    ground: &Ground,
    effort: Effort,
) -> anyhow::Result<Option<Row>> {
    if !effort.full && matches!(name, "memory" | "peers") {
        return Ok(None);
    }
    let row = match name {
        "passthrough" => requests::passthrough(ground, effort).await?,
        "bodies" => requests::bodies(ground, effort).await?,
        "edited" => edited::edited(ground, effort).await?,
        "sse" => streams::server_sent(ground, effort).await?,
        "websocket" => streams::websocket(ground, effort).await?,
        "hooks" => hooks::hooks(ground, effort).await?,
        "status-line" => lines::status_line(ground, effort).await?,
        "process" => process::process(ground, effort).await?,
        "memory" => memory::memory(ground, effort).await?,
        "peers" => peers::peers(ground, effort).await?,
        _ => anyhow::bail!(
            "there is no row {name:?}; the rows are: {}",
            NAMES.join(", ")
        ),
    };
    Ok(Some(row))
}
