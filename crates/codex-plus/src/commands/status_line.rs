//! `codex-plus status-line`.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::{LineArgs, StatusLineArgs};
use crate::daemon::StateDir;
use crate::environment::Environment;
use crate::output::{self, Exit, Paint};
use crate::project;

/// Longer than any one limit of the settings: git, then the command.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn status_line(env: &Environment, args: &StatusLineArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(None, env)?;
    let mut loaded = super::load_settings(env, &LineArgs::default())?;
    // Nobody stays here to be told of changes.
    loaded.settings.status_line.watches = 0;
    let directory = match &args.cwd {
        Some(cwd) => env.cwd.join(cwd),
        None => env.cwd.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let line = runtime.block_on(async {
        let lines = project::status_lines(&loaded.settings, env, &state);
        lines.fresh_line(&directory, PATIENCE).await
    });
    // A thread that hangs on a dead network mount must not hold up the end.
    runtime.shutdown_background();
    if args.json {
        let mut told = json!(line.as_deref());
        told["status_line"] = json!(line.as_ref().and_then(|line| line.text.clone()));
        told["cwd"] = json!(directory);
        if let Some(told) = told.as_object_mut() {
            told.remove("text");
        }
        output::json(&told);
    } else if let Some(line) = &line {
        let coloured = line
            .coloured
            .as_ref()
            .filter(|_| Paint::for_stdout().is_on());
        if let Some(text) = coloured.or(line.text.as_ref()) {
            output::line(text);
        }
    }
    Ok(Exit::Success)
}
