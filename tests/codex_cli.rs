//! The real Codex CLI through the built binary; only the provider is played.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "codex_cli/client.rs"]
mod client;
#[path = "codex_cli/command.rs"]
mod command;
#[path = "codex_cli/fallback.rs"]
mod fallback;
#[path = "codex_cli/hooks.rs"]
mod hooks;
#[path = "codex_cli/identity.rs"]
mod identity;
#[path = "codex_cli/log.rs"]
mod log;
#[path = "codex_cli/project.rs"]
mod project;
#[path = "codex_cli/refusals.rs"]
mod refusals;
#[path = "support/mod.rs"]
mod support;
#[path = "codex_cli/tap.rs"]
mod tap;
#[path = "codex_cli/turns.rs"]
mod turns;
