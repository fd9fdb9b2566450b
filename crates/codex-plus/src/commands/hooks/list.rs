//! The hooks of a project, as the running proxy has them, or as it would.

use serde_json::Value;

use crate::cli::{HooksArgs, LineArgs};
use crate::daemon::StateDir;
use crate::environment::Environment;
use crate::hooks;
use crate::output::{self, Exit, Paint, visible};

pub(super) fn list(env: &Environment, args: &HooksArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let loaded = super::super::load_settings(env, &LineArgs::default())?;
    let cwd = args
        .cwd
        .as_ref()
        .map_or_else(|| env.cwd.clone(), |cwd| env.cwd.join(cwd));
    let path = format!("/codex-plus/hooks?cwd={}", encoded(&cwd.to_string_lossy()));
    let running = hooks::running(&state, &loaded).and_then(|probe| probe.get(&path));
    let is_running = running.is_some();
    let told = running.unwrap_or_else(|| {
        let engine = hooks::engine(&loaded.settings.hooks, env, &state);
        let book = engine.open(Some(&cwd));
        engine.describe(&book)
    });
    if args.json {
        output::json(&told);
    } else {
        tell(&told, is_running);
    }
    Ok(Exit::Success)
}

/// Percent-encoded, but for what every path has.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    path.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn tell(told: &Value, is_running: bool) {
    let paint = Paint::for_stdout();
    let project = told["project"].as_str().unwrap_or("no project");
    output::line(format!("Hooks of {}:", visible(project)));
    if told["enabled"] == false {
        output::line(paint.yellow("  hooks are switched off: hooks.enabled = false"));
    }
    let mut none = true;
    for hook in told["hooks"].as_array().into_iter().flatten() {
        none = false;
        let text = |name: &str| hook[name].as_str().unwrap_or_default();
        let what = format!(
            "{} ({}, priority {})",
            text("name"),
            text("type"),
            hook["priority"]
        );
        one(paint, hook, &what, text("path"));
    }
    for (event, hooks) in told["settings_hooks"].as_object().into_iter().flatten() {
        for hook in hooks.as_array().into_iter().flatten() {
            none = false;
            let text = |name: &str| hook[name].as_str().unwrap_or_default();
            let matcher = match text("matcher") {
                "" | "*" => String::new(),
                matcher => format!(" {matcher}"),
            };
            let what = format!("{event}{matcher}: {}{}", text("command"), text("url"));
            one(paint, hook, &what, text("name"));
        }
    }
    if none {
        output::line("  none; put one into .codexplus/hooks/ or .codexplus/settings.json");
    }
    for problem in told["problems"].as_array().into_iter().flatten() {
        output::warning(visible(problem.as_str().unwrap_or_default()));
    }
    if told["untrusted"].as_u64().unwrap_or(0) > 0 {
        output::line(
            "What is not trusted does not run; look at it with `codex-plus trust --show`.",
        );
    }
    if !is_running {
        output::line(paint.dim("The proxy is not running: no runs to tell of."));
    }
}

fn one(paint: Paint, hook: &Value, what: &str, place: &str) {
    let mark = if hook["active"] == true {
        paint.green("on ")
    } else {
        paint.yellow("off")
    };
    output::line(format!("  {mark} {}", visible(what)));
    output::line(format!("      {}", paint.dim(&visible(place))));
    if let Some(why) = hook["off"].as_str() {
        output::line(format!("      {}", visible(why)));
    }
    let stats = &hook["stats"];
    if stats.is_object() {
        let number = |name: &str| stats[name].as_u64().unwrap_or(0);
        output::line(format!(
            "      {} runs, {} failed, {} slow; p50 {}, p99 {}, longest {}",
            number("runs"),
            number("failures"),
            number("slow"),
            spell(number("p50_us")),
            spell(number("p99_us")),
            spell(number("max_us")),
        ));
        if let Some(error) = stats["last_error"].as_str() {
            output::line(format!("      last error: {}", paint.red(&visible(error))));
        }
    }
}

/// Microseconds, as people write them.
fn spell(micros: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = micros as f64;
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.1} ms", value / 1e3),
        _ => format!("{:.1} s", value / 1e6),
    }
}
