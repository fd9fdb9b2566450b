//! What working directories say, for the proxy and for commands: status lines and slash commands.

use std::path::Path;
use std::sync::Arc;

use codex_plus_hooks::engine::Engine;
use codex_plus_hooks::project_trust::ProjectTrust;
use codex_plus_project::commands::Commands;
use codex_plus_project::status_line::StatusLines;
use codex_plus_proxy::filters::{BuiltIn, SlashFilter, StatusLineFilter};
use tokio::runtime::Handle;

use crate::daemon::{Instance, StateDir};
use crate::environment::Environment;
use crate::settings::Settings;

fn trust(env: &Environment, state: &StateDir) -> Arc<ProjectTrust> {
    Arc::new(ProjectTrust::new(state.of_user(env).folder(), env.home()))
}

/// The status lines of this user, kept fresh on the runtime of the caller.
pub(crate) fn status_lines(
    settings: &Settings,
    env: &Environment,
    state: &StateDir,
) -> StatusLines {
    let trust = trust(env, state);
    StatusLines::new(&settings.status_line, env.home(), trust, Handle::current())
}

/// The slash commands of this user.
pub(crate) fn commands(settings: &Settings, env: &Environment, state: &StateDir) -> Commands {
    Commands::new(&settings.commands, env.home(), trust(env, state))
}

/// The filter of slash commands, with those that the proxy answers itself.
pub(crate) fn slash_filter(
    commands: Commands,
    lines: &StatusLines,
    engine: Arc<Engine>,
    state: &StateDir,
) -> SlashFilter {
    let (known, state, lines) = (commands.clone(), state.clone(), lines.clone());
    let built_ins = vec![
        BuiltIn {
            name: "help",
            description: "what can be called here",
            answer: Arc::new(move |cwd| help(&known, cwd)),
        },
        BuiltIn {
            name: "status",
            description: "the proxy and the status line",
            answer: Arc::new(move |cwd| status(&state, &lines, cwd)),
        },
        BuiltIn {
            name: "hooks",
            description: "the hooks that run here",
            answer: Arc::new(move |cwd| hooks(&engine, cwd)),
        },
    ];
    SlashFilter::new(commands, built_ins)
}

/// The filter that shows status lines.
pub(crate) fn status_line_filter(lines: &StatusLines) -> StatusLineFilter {
    StatusLineFilter::new(lines.clone())
}

/// The commands that the proxy answers itself, and what they tell.
pub(crate) const BUILT_IN: [(&str, &str); 3] = [
    ("plus:help", "what can be called here"),
    ("plus:status", "the proxy and the status line"),
    ("plus:hooks", "the hooks that run here"),
];

fn help(commands: &Commands, cwd: Option<&Path>) -> String {
    let mut rows: Vec<String> = BUILT_IN
        .iter()
        .map(|(name, what)| format!("- `/{name}`: {what}"))
        .collect();
    let (listed, problems) = commands.list(cwd.unwrap_or(Path::new("/")));
    for command in listed {
        let hint = command.argument_hint.map(|hint| format!(" {hint}"));
        let what = command.description.map(|what| format!(": {what}"));
        rows.push(format!(
            "- `/{}{}`{}",
            command.name,
            hint.unwrap_or_default(),
            what.unwrap_or_default()
        ));
    }
    rows.extend(problems.iter().map(|problem| format!("- {problem}")));
    format!(
        "Commands of Codex-Plus here; in the Codex TUI put a space before the slash, or write `:name`.\n\n{}",
        rows.join("\n")
    )
}

fn status(state: &StateDir, lines: &StatusLines, cwd: Option<&Path>) -> String {
    let mut rows = Vec::new();
    if let Some(instance) = Instance::last(state) {
        rows.push(format!(
            "Codex-Plus {} on {}, upstream {}, since {}.",
            instance.version,
            instance.url(),
            instance.upstream,
            instance.started
        ));
    }
    let line = cwd.and_then(|cwd| lines.line_for(cwd));
    let text = line.as_ref().and_then(|line| line.text.clone());
    rows.push(text.unwrap_or_else(|| "No status line: this is no git repository.".to_owned()));
    let mode = line.map_or(lines.config().mode, |line| line.mode);
    rows.push(format!("Status line in answers: {}.", mode.as_str()));
    rows.join("\n\n")
}

fn hooks(engine: &Arc<Engine>, cwd: Option<&Path>) -> String {
    let told = engine.describe(&engine.open(cwd));
    let mut rows = Vec::new();
    let text =
        |value: &serde_json::Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    for hook in told["hooks"].as_array().into_iter().flatten() {
        let off = hook["off"].as_str().map(|why| format!(" (off: {why})"));
        rows.push(format!(
            "- `{}`, {}{}",
            text(hook, "name"),
            text(hook, "type"),
            off.unwrap_or_default()
        ));
    }
    for (event, hooks) in told["settings_hooks"].as_object().into_iter().flatten() {
        for hook in hooks.as_array().into_iter().flatten() {
            rows.push(format!("- {event}: `{}`", text(hook, "name")));
        }
    }
    for one in told["withheld"].as_array().into_iter().flatten() {
        rows.push(format!(
            "- off: `{}`: {}",
            text(one, "name"),
            text(one, "why")
        ));
    }
    if rows.is_empty() {
        return "No hooks here.".to_owned();
    }
    format!("Hooks here:\n\n{}", rows.join("\n"))
}
