//! Runs one hook file on a sample, with nothing but what it says and does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::folders::Folders;
use codex_plus_hooks::output::HookOutcome;
use codex_plus_hooks::python::{
    Call, HookType, InputScope, Method, Outcome, PoolConfig, PythonHook, PythonPool, RequestMeta,
    apply,
};
use codex_plus_hooks::runner::command::{self, CommandRun};
use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};

use super::sample;
use crate::cli::{HooksArgs, HooksTestArgs, LineArgs};
use crate::environment::Environment;
use crate::output::{self, Exit, Paint};

pub(super) fn test(
    env: &Environment,
    args: &HooksTestArgs,
    all: &HooksArgs,
) -> anyhow::Result<Exit> {
    let file = env.cwd.join(&args.file);
    let loaded = super::super::load_settings(env, &LineArgs::default())?;
    let config = &loaded.settings.hooks;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let python = if file.extension().is_some_and(|ending| ending == "py") {
        PythonHook::read(&file)
            .map_err(|problem| anyhow::anyhow!("{}: {}", problem.path.display(), problem.message))?
    } else {
        None
    };
    let json = args.json || all.json;
    if let Some(hook) = python {
        let body = body(args.body.as_deref(), env)?;
        let python = Some(config.python.as_str()).filter(|path| !path.is_empty());
        let pool = PoolConfig {
            python: python.map(PathBuf::from),
            project: Some(env.cwd.clone()),
            max_workers: 1,
            timeout: config.python_timeout.get(),
            ..PoolConfig::default()
        };
        return runtime.block_on(run_python(&hook, pool, body, json));
    }
    let event = HookEvent::from_name(&args.event).with_context(|| {
        let names: Vec<&str> = HookEvent::ALL.iter().map(|event| event.name()).collect();
        format!(
            "there is no event {:?}; the events are {}",
            args.event,
            names.join(", ")
        )
    })?;
    runtime.block_on(run_script(&file, event, config, env, json))
}

fn body(file: Option<&Path>, env: &Environment) -> anyhow::Result<Value> {
    let Some(file) = file else {
        return Ok(sample::body());
    };
    let file = env.cwd.join(file);
    let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))
}

async fn run_python(
    hook: &PythonHook,
    pool: PoolConfig,
    body: Value,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let call = json!({"tool_name": "exec_command", "tool_args": {"cmd": "git status"},
        "tool_output": "Exit code: 0\nOutput:\nnothing to commit"});
    let (method, mut shown, pointer) = match hook.metadata.hook_type {
        HookType::PreInput => (
            Method::PreInput,
            match hook.metadata.input {
                InputScope::Body => body,
                InputScope::Prompt => json!({"prompt": "Fix the failing test in src/parser.rs."}),
                InputScope::Meta => json!({}),
            },
            "",
        ),
        HookType::PostOutput => (
            Method::PostOutput,
            json!({"status_code": 200, "headers": [["content-type", "text/event-stream"]],
                "body": null}),
            "",
        ),
        HookType::PreToolUse => (Method::PreToolUse, call, "/tool_args"),
        HookType::PostToolUse => (Method::PostToolUse, call, "/tool_output"),
        HookType::Stop => (Method::Stop, json!({"last_assistant_message": "Done."}), ""),
    };
    let before = shown.clone();
    let pool = PythonPool::new(pool);
    let reply = pool
        .call(
            hook,
            Call {
                method,
                request: Arc::new(RequestMeta {
                    method: "POST".to_owned(),
                    path: "/responses".to_owned(),
                    ..RequestMeta::default()
                }),
                state: Map::new(),
                payload: shown.to_string().into(),
                timeout: None,
            },
        )
        .await;
    pool.close();
    let reply = match reply {
        Ok(reply) => reply,
        Err(codex_plus_hooks::python::PythonError::Raised {
            message, traceback, ..
        }) => anyhow::bail!("{message}\n{}", traceback.trim_end()),
        Err(error) => return Err(error.into()),
    };
    let mut said = Value::Null;
    match &reply.outcome {
        Outcome::Unchanged => {}
        Outcome::Patch(edits) => {
            let part = shown
                .pointer_mut(pointer)
                .context("the sample has no such part")?;
            apply(part, edits)?;
        }
        Outcome::Value(value) => said = serde_json::from_slice(value)?,
    }
    if as_json {
        let logs: Vec<Value> = reply
            .logs
            .iter()
            .map(|l| json!({"level": l.level, "message": l.message}))
            .collect();
        output::json(
            &json!({"hook": hook.metadata.name, "changed": before != shown,
            "before": before, "after": shown, "said": said, "logs": logs,
            "took_us": u64::try_from(reply.took.as_micros()).unwrap_or(u64::MAX)}),
        );
        return Ok(Exit::Success);
    }
    let paint = Paint::for_stdout();
    output::line(format!(
        "{} ({:?}) took {:.2} ms",
        paint.bold(&hook.metadata.name),
        hook.metadata.hook_type,
        reply.took.as_secs_f64() * 1e3
    ));
    for log in &reply.logs {
        output::line(format!("  log {}: {}", log.level, log.message));
    }
    if !said.is_null() {
        output::line(format!("  said {said:#}"));
    }
    show_difference(&before, &shown);
    Ok(Exit::Success)
}

/// What is different, with a few lines around it.
fn show_difference(before: &Value, after: &Value) {
    let paint = Paint::for_stdout();
    if before == after {
        return output::line("  nothing changed");
    }
    let (before, after) = (format!("{before:#}"), format!("{after:#}"));
    let difference = TextDiff::from_lines(&before, &after);
    for group in difference.grouped_ops(3) {
        for change in group.iter().flat_map(|op| difference.iter_changes(op)) {
            let line = change.value().trim_end_matches('\n');
            output::line(match change.tag() {
                ChangeTag::Delete => paint.red(&format!("- {line}")),
                ChangeTag::Insert => paint.green(&format!("+ {line}")),
                ChangeTag::Equal => format!("  {line}"),
            });
        }
        output::line(paint.dim("  ..."));
    }
}

async fn run_script(
    file: &Path,
    event: HookEvent,
    config: &codex_plus_hooks::config::Config,
    env: &Environment,
    as_json: bool,
) -> anyhow::Result<Exit> {
    anyhow::ensure!(file.is_file(), "there is no file {}", file.display());
    let folders = Folders {
        project: Some(env.cwd.clone()),
        home: env.home(),
    };
    let quoted = format!("'{}'", file.to_string_lossy().replace('\'', r"'\''"));
    let interpreter = match file.extension().and_then(std::ffi::OsStr::to_str) {
        _ if crate::environment::is_executable(file) => "",
        Some("py") => "python3 ",
        _ => "sh ",
    };
    let input = sample::input(event, env);
    let told = input.to_json()?;
    let begun = std::time::Instant::now();
    let ran = command::run(CommandRun {
        command: &format!("{interpreter}{quoted}"),
        input: &told,
        event: event.name(),
        session: input.session_id.as_deref(),
        folders: &folders,
        timeout: event.default_timeout(config),
        output_limit: config.output.get(),
    })
    .await;
    let took = begun.elapsed();
    let (raw, outcome) = match ran {
        Ok(raw) => (Some(raw.clone()), HookOutcome::read(event, &raw)),
        Err(failure) => (None, failure.into()),
    };
    let text = |bytes: Option<&Vec<u8>>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
    let stdout = text(raw.as_ref().map(|raw| &raw.stdout)).unwrap_or_default();
    let stderr = text(raw.as_ref().map(|raw| &raw.stderr)).unwrap_or_default();
    let effects = effects(&outcome);
    if as_json {
        output::json(
            &json!({"event": event.name(), "input": serde_json::from_slice::<Value>(&told)?,
            "exit_code": raw.as_ref().and_then(|raw| raw.code), "stdout": stdout, "stderr": stderr,
            "effects": effects, "took_us": u64::try_from(took.as_micros()).unwrap_or(u64::MAX)}),
        );
    } else {
        let paint = Paint::for_stdout();
        let code = raw.as_ref().and_then(|raw| raw.code);
        let code = code.map_or_else(
            || "no exit code".to_owned(),
            |code| format!("exit code {code}"),
        );
        output::line(format!(
            "{} ({}) took {:.1} ms, {code}",
            paint.bold(&file.display().to_string()),
            event.name(),
            took.as_secs_f64() * 1e3
        ));
        for (name, text) in [("stdout", &stdout), ("stderr", &stderr)] {
            for line in text.lines() {
                output::line(format!("  {name}: {line}"));
            }
        }
        for effect in &effects {
            output::line(format!("  {effect}"));
        }
    }
    Ok(if outcome.failure.is_some() {
        Exit::Failure
    } else {
        Exit::Success
    })
}

/// What the outcome would bring about, in words.
fn effects(outcome: &HookOutcome) -> Vec<String> {
    let mut effects = Vec::new();
    let mut add = |given: Option<String>, what: &str| {
        effects.extend(given.map(|given| format!("{what}: {given}")));
    };
    add(
        outcome.failure.as_ref().map(ToString::to_string),
        "it failed",
    );
    add(outcome.block.clone(), "it blocks");
    add(outcome.stop.clone(), "it stops everything");
    let permission = outcome.permission.as_ref();
    add(
        permission
            .map(|(word, why)| format!("{word:?}, {}", why.as_deref().unwrap_or("no reason"))),
        "it decides about the call",
    );
    add(outcome.context.clone(), "it tells the model");
    add(
        outcome.updated_input.as_ref().map(Value::to_string),
        "new input",
    );
    add(
        outcome.updated_output.as_ref().map(Value::to_string),
        "new output",
    );
    add(outcome.system_message.clone(), "it tells the user");
    for note in &outcome.notes {
        add(Some((*note).to_owned()), "note");
    }
    if effects.is_empty() {
        effects.push("it lets everything go on as it is".to_owned());
    }
    effects
}
