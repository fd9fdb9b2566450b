//! `codex-plus shell-init SHELL`: a function that sends a plain `codex` through the proxy.

use anyhow::Context as _;

use crate::cli::InitShell;
use crate::output::{self, Exit};

pub(crate) fn shell_init(shell: InitShell) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("cannot find our own program file")?;
    let program = program
        .to_str()
        .context("our own path is not UTF-8; move codex-plus to a plain path")?;
    output::line(function(shell, program));
    Ok(Exit::Success)
}

/// The function's text. It calls this program by its full path, and this program runs Codex's
/// file, so the function never meets itself.
fn function(shell: InitShell, program: &str) -> String {
    match shell {
        // `function` with braces is read alike by both; an alias named codex would otherwise
        // break the `codex()` form.
        InitShell::Bash | InitShell::Zsh => {
            let program = program.replace('\'', "'\\''");
            format!(
                "unalias codex 2>/dev/null || true\nfunction codex {{ '{program}' codex \"$@\"; }}"
            )
        }
        InitShell::Fish => {
            let program = program.replace('\\', "\\\\").replace('\'', "\\'");
            format!("function codex --wraps codex\n    '{program}' codex $argv\nend")
        }
    }
}
