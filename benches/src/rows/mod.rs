//! The rows: each a kind of work that every target does, in turns.

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
        slice: Duration::from_millis(700),
        window: Duration::from_secs(3),
        full: false,
    };
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        slice: Duration::from_secs(2),
        window: Duration::from_secs(8),
        full: true,
    };
}

/// The names of all rows, in the order they are run and reported.
pub(crate) const NAMES: &[&str] = &["passthrough", "bodies", "sse", "websocket", "process"];

/// Measures one row.
pub(crate) async fn measure(name: &str, ground: &Ground, effort: Effort) -> anyhow::Result<Row> {
    match name {
        "passthrough" => requests::passthrough(ground, effort).await,
        "bodies" => requests::bodies(ground, effort).await,
        "sse" => streams::server_sent(ground, effort).await,
        "websocket" => streams::websocket(ground, effort).await,
        "process" => process::process(ground, effort).await,
        _ => anyhow::bail!(
            "there is no row {name:?}; the rows are: {}",
            NAMES.join(", ")
        ),
    }
}
