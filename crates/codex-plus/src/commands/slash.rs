//! `codex-plus commands` and `commands expand`.

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::cli::{LineArgs, SlashArgs, SlashCommand};
use crate::daemon::StateDir;
use crate::environment::Environment;
use crate::output::{self, Exit, Paint, visible};
use crate::project::{self, BUILT_IN};

pub(crate) fn slash(env: &Environment, args: &SlashArgs) -> anyhow::Result<Exit> {
    match &args.command {
        None => list(env, args),
        Some(SlashCommand::Expand { prompt, json }) => expand(env, args, prompt, *json),
    }
}

fn list(env: &Environment, args: &SlashArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(None, env)?;
    let loaded = super::load_settings(env, &LineArgs::default())?;
    let commands = project::commands(&loaded.settings, env, &state);
    let (listed, problems) = commands.list(&directory(env, args));
    if args.json {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        output::json(&json!({
            "enabled": loaded.settings.commands.enabled,
            "commands": listed,
            "built_in": BUILT_IN.map(|(name, what)| json!({"name": name, "description": what})),
            "problems": problems,
        }));
        return Ok(Exit::Success);
    }
    let paint = Paint::for_stdout();
    if !loaded.settings.commands.enabled {
        output::warning("commands are switched off: commands.enabled = false");
    }
    for command in &listed {
        let hint = command.argument_hint.as_deref().unwrap_or_default();
        let call = visible(&format!("/{} {hint}", command.name));
        let what = visible(command.description.as_deref().unwrap_or_default());
        let path = paint.dim(&visible(&command.path.display().to_string()));
        output::line(format!("  {:<28} {what}  {path}", call.trim_end()));
        if !command.trusted {
            output::line(paint.yellow(
                "    its shell lines do not run; look at it with `codex-plus trust --show`",
            ));
        }
    }
    for (name, what) in BUILT_IN {
        output::line(format!("  {:<28} {what}", format!("/{name}")));
    }
    for problem in &problems {
        output::warning(visible(&problem.to_string()));
    }
    Ok(Exit::Success)
}

fn expand(env: &Environment, args: &SlashArgs, prompt: &str, json: bool) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(None, env)?;
    let loaded = super::load_settings(env, &LineArgs::default())?;
    let commands = project::commands(&loaded.settings, env, &state);
    let Some(call) = commands.invocation(prompt) else {
        bail!("this prompt calls no command; it is sent as it is");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let expansion = runtime.block_on(commands.expand(&directory(env, args), &call));
    runtime.shutdown_background();
    let Some(expansion) = expansion? else {
        bail!(
            "there is no command /{}; the prompt is sent as it is",
            call.name
        );
    };
    if json || args.json {
        output::json(&json!({
            "name": expansion.name,
            "path": expansion.path,
            "text": expansion.text,
            "left": expansion.left,
        }));
        return Ok(Exit::Success);
    }
    for left in &expansion.left {
        output::warning(visible(left));
    }
    output::line(&expansion.text);
    Ok(Exit::Success)
}

fn directory(env: &Environment, args: &SlashArgs) -> std::path::PathBuf {
    match &args.cwd {
        Some(cwd) => env.cwd.join(cwd),
        None => env.cwd.clone(),
    }
}
