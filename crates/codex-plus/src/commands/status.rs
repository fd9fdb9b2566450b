//! `codex-plus status`.

use serde_json::{Value, json};

use crate::cli::{LineArgs, StatusArgs};
use crate::daemon::{Health, Instance, Probe, StateDir};
use crate::environment::Environment;
use crate::output::{self, Exit, Paint, visible};
use crate::settings;

pub(crate) fn status(env: &Environment, args: &StatusArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let instance = Instance::running(&state)?;
    let loaded = settings::load(env, super::flags(&LineArgs::default()));
    let token = loaded
        .as_ref()
        .ok()
        .and_then(|loaded| loaded.settings.proxy.guard.token.clone());
    let told = instance.as_ref().map(|instance| {
        match Probe::new(instance.listen, token.as_deref()).ask() {
            Health::CodexPlus(status) => status,
            Health::Free | Health::Other => Value::Null,
        }
    });
    let mut facts = json!({
        "running": instance.is_some(),
        "healthy": told.as_ref().is_some_and(Value::is_object),
        "state_dir": state.folder(),
        "log_file": state.log_file(),
        "pid_file": state.pid_file(),
    });
    if let (Some(instance), Value::Object(facts)) = (&instance, &mut facts) {
        facts.insert("pid".into(), instance.pid.into());
        facts.insert("url".into(), instance.url().into());
        facts.insert("listen".into(), instance.listen.to_string().into());
        facts.insert("upstream".into(), instance.upstream.clone().into());
        facts.insert("version".into(), instance.version.clone().into());
        facts.insert("started".into(), instance.started.clone().into());
        facts.insert("uptime_seconds".into(), uptime(instance).into());
        facts.insert("settings_files".into(), json!(instance.files));
        facts.insert("ignored".into(), json!(instance.ignored));
        facts.insert("flags".into(), json!(instance.flags));
        facts.insert("proxy".into(), told.unwrap_or(Value::Null));
    }
    if let (Err(error), Value::Object(facts)) = (&loaded, &mut facts) {
        facts.insert("settings_error".into(), error.to_string().into());
    }
    if args.json {
        output::json(&facts);
    } else {
        tell(instance.as_ref(), &facts, &state);
    }
    Ok(Exit::Success)
}

/// Seconds since the start; `null` when its time cannot be read.
fn uptime(instance: &Instance) -> Option<i64> {
    let started: jiff::Timestamp = instance.started.parse().ok()?;
    Some(jiff::Timestamp::now().as_second() - started.as_second())
}

fn tell(instance: Option<&Instance>, facts: &Value, state: &StateDir) {
    let paint = Paint::for_stdout();
    let row = |name: &str, value: &str| {
        output::line(format!(
            "  {} {}",
            paint.dim(&format!("{name:<9}")),
            visible(value)
        ));
    };
    if let Some(instance) = instance {
        let healthy = facts.get("healthy") == Some(&Value::Bool(true));
        let headline = if healthy {
            paint.green("codex-plus is running")
        } else {
            paint.red("codex-plus runs but does not answer; try `codex-plus restart`;")
        };
        output::line(format!("{headline} on {}", instance.url()));
        row("upstream", &instance.upstream);
        let up = uptime(instance).map(spell).unwrap_or_default();
        row(
            "pid",
            &format!("{} (version {}, up {up})", instance.pid, instance.version),
        );
        let number = |pointer: &str| facts.pointer(pointer).and_then(Value::as_u64);
        if let (Some(live), Some(total)) = (
            number("/proxy/exchanges/live"),
            number("/proxy/exchanges/total"),
        ) {
            row(
                "exchanges",
                &format!("{live} live, {total} since the start"),
            );
        }
    } else {
        output::line(format!(
            "{}; `codex-plus start` starts it.",
            paint.yellow("codex-plus is not running")
        ));
    }
    row("state", &state.folder().display().to_string());
    row("log", &state.log_file().display().to_string());
    if let Some(instance) = instance {
        for file in &instance.files {
            row("settings", &file.display().to_string());
        }
        for ignored in &instance.ignored {
            row("ignored", ignored);
        }
    }
    let of_hooks = |name: &str| {
        let list = facts.pointer(&format!("/proxy/hooks/{name}"));
        list.and_then(Value::as_array).into_iter().flatten()
    };
    for project in of_hooks("untrusted") {
        let count = project["hooks"].as_array().map_or(0, Vec::len);
        let folder = project["project"].as_str().unwrap_or_default();
        output::warning(format!(
            "{count} hooks of {} are not trusted and do not run; look at them there with \
             `codex-plus trust --show`",
            visible(folder)
        ));
    }
    for problem in of_hooks("problems") {
        output::warning(format!(
            "hooks: {}",
            visible(problem.as_str().unwrap_or_default())
        ));
    }
    if let Some(error) = facts.get("settings_error").and_then(Value::as_str) {
        output::warning(format!(
            "the settings cannot be used by the next start: {}",
            visible(error)
        ));
    }
}

/// `3d 4h`, `2h 05m`, `41s`
fn spell(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}
