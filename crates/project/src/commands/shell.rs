//! A shell line of a command file.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::invocation::split_arguments;
use crate::process::{self, Bounds};

/// Never handed to a command: it opens the proxy itself.
const GUARD_TOKEN: &str = "CODEX_PLUS_TOKEN";

/// What a shell line prints, on both its outputs. The arguments are the shell's own `$1` to `$9`
/// and `$ARGUMENTS`, so that nothing in them can become a command.
pub(super) async fn run(
    line: &str,
    arguments: &str,
    project: &Path,
    time: Duration,
    limit: usize,
) -> Result<String, String> {
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(format!("exec 2>&1\n{line}"))
        .arg("sh")
        .args(split_arguments(arguments))
        .current_dir(project)
        .env_remove(GUARD_TOKEN)
        .env("ARGUMENTS", arguments)
        .env("CLAUDE_PROJECT_DIR", project)
        .env("CODEX_PLUS_PROJECT_DIR", project);
    let bounds = Bounds {
        time,
        output: limit,
    };
    let ended = process::run(command, &[], bounds)
        .await
        .map_err(|error| error.to_string())?;
    let mut text = String::from_utf8_lossy(&ended.output).trim_end().to_owned();
    if ended.cut {
        text.push_str("\n(cut: longer than commands.output)");
    }
    if ended.code != Some(0) {
        let code = ended.code.map_or_else(
            || "\n(ended by a signal)".to_owned(),
            |code| format!("\n(exit code {code})"),
        );
        text.push_str(&code);
    }
    Ok(text)
}
