//! `codex-plus`: a local proxy between a coding agent and its model provider.
//!
//! The binary holds the command line, the settings layers, the daemon and the log; the line
//! itself lives in `codex-plus-proxy`.

mod cli;
mod commands;
mod daemon;
mod environment;
mod escape;
mod hook_metrics;
mod hooks;
mod log;
mod otlp;
mod output;
mod project;
mod reload;
mod serve;
mod service;
mod settings;
mod signals;
mod spelling;
mod starting;

/// Gives memory back to the system when a burst is over, and lays buffers out so that what was never
/// written in them is never there: a held stream costs less, and so does the time after large bodies.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    commands::run()
}
