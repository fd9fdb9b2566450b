//! The user's own status line: the command of `statusLine` in `settings.json`.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use super::output::chosen_line;
use crate::process::{self, Bounds};

/// Bytes of output that are read: the line stands at the beginning.
const LARGEST_OUTPUT: usize = 64 << 10;
/// Never handed to a command: it opens the proxy itself.
const GUARD_TOKEN: &str = "CODEX_PLUS_TOKEN";

/// Where and how a command is run.
pub(super) struct CommandRun<'a> {
    /// The text given to `sh -c`.
    pub(super) command: &'a str,
    /// The working directory; it was read a moment ago, so it is there.
    pub(super) directory: &'a Path,
    /// The folder whose settings count.
    pub(super) project: &'a Path,
    /// How long it may take.
    pub(super) time: Duration,
}

/// The line the command prints, colours kept; `None` when it fails, takes too long or prints none.
pub(super) async fn run(run: CommandRun<'_>) -> Option<String> {
    let input = json!({
        "hook_event_name": "Status",
        "cwd": run.directory,
        "workspace": {"current_dir": run.directory, "project_dir": run.project},
        "version": env!("CARGO_PKG_VERSION"),
    })
    .to_string();
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(run.command)
        .current_dir(run.directory)
        .env_remove(GUARD_TOKEN)
        .env("CLAUDE_PROJECT_DIR", run.project)
        .env("CODEX_PLUS_PROJECT_DIR", run.project);
    let bounds = Bounds {
        time: run.time,
        output: LARGEST_OUTPUT,
    };
    match process::run(command, input.as_bytes(), bounds).await {
        Ok(ended) if ended.code == Some(0) => chosen_line(&ended.output),
        Ok(ended) => {
            tracing::warn!(
                code = ended.code,
                "the status line's command failed; our own line is shown"
            );
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the status line's command gave no line; our own is shown");
            None
        }
    }
}
