//! What a status line costs: `cargo run --release --example status_line_cost [DIR]`.
//!
//! Cold is the first look at a directory, waited for; warm is an answer from the cache, which is
//! all that an exchange ever pays.
#![allow(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_plus_project::status_line::{Config, StatusLines};
use codex_plus_project::trust::TrustNone;

const ROUNDS: u32 = 100_000;

#[tokio::main]
async fn main() {
    let directory = std::env::args_os().nth(1).map_or_else(
        || std::env::current_dir().unwrap_or_default(),
        PathBuf::from,
    );
    let mut cold = Vec::new();
    for _ in 0..20 {
        let runtime = tokio::runtime::Handle::current();
        let config = Config {
            watches: 0,
            ..Config::default()
        };
        let lines = StatusLines::new(&config, None, Arc::new(TrustNone), runtime);
        let began = Instant::now();
        lines.fresh_line(&directory, Duration::from_secs(10)).await;
        cold.push(began.elapsed());
    }
    let runtime = tokio::runtime::Handle::current();
    let lines = StatusLines::new(&Config::default(), None, Arc::new(TrustNone), runtime);
    let line = lines.fresh_line(&directory, Duration::from_secs(10)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(lines.line_for(&directory));
    }
    let warm = began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    cold.sort();
    println!(
        "{}",
        line.and_then(|line| line.text.clone()).unwrap_or_default()
    );
    println!(
        "cold: median {:.1?}, worst {:.1?}; warm: {warm:.2} us",
        cold.get(cold.len() / 2).copied().unwrap_or_default(),
        cold.last().copied().unwrap_or_default()
    );
}
