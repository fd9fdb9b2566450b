//! `codex-plus doctor`: looks at everything a working setup needs, changes nothing.

mod codex;
mod line;
mod machine;

use serde_json::{Value, json};

use crate::cli::{DoctorArgs, LineArgs};
use crate::daemon::{Instance, StateDir};
use crate::environment::Environment;
use crate::output::{self, Exit, Paint};
use crate::settings;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Good,
    /// Works, but look at it.
    Odd,
    /// Will not work.
    Broken,
}

/// One line of the report.
#[derive(Debug, Clone)]
struct Check {
    mark: Mark,
    name: &'static str,
    found: String,
    /// What to do next, when there is something to do.
    advice: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            mark: Mark::Good,
            name,
            found: found.into(),
            advice: None,
        }
    }

    fn odd(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            mark: Mark::Odd,
            advice: Some(advice.into()),
            ..Self::good(name, found)
        }
    }

    fn broken(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            mark: Mark::Broken,
            ..Self::odd(name, found, advice)
        }
    }
}

pub(crate) fn doctor(env: &Environment, args: &DoctorArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let instance = Instance::running(&state)?;
    let mut checks = Vec::new();
    match settings::load(env, super::flags(&LineArgs::default())) {
        Ok(loaded) => {
            checks.extend(line::settings(&loaded));
            checks.push(line::port(&loaded, instance.as_ref()));
            if args.online {
                checks.extend(line::upstream(&loaded, instance.as_ref()));
            }
            let listen = instance.as_ref().map(|instance| instance.listen);
            checks.extend(codex::codex(
                env,
                listen.unwrap_or(loaded.settings.proxy.listen),
            ));
        }
        Err(error) => checks.push(Check::broken(
            "settings",
            error.to_string(),
            "correct that place; `codex-plus config show` then shows what is in force",
        )),
    }
    checks.extend(machine::variables(env));
    checks.push(machine::python(env));
    checks.push(machine::git(env));
    checks.push(machine::file_limit());
    checks.push(machine::state_folder(&state));
    if args.json {
        as_json(&checks);
    } else {
        as_text(&checks);
    }
    Ok(if checks.iter().any(|check| check.mark == Mark::Broken) {
        Exit::Failure
    } else {
        Exit::Success
    })
}

fn as_json(checks: &[Check]) {
    let rows = checks.iter().map(|check| {
        let mark = match check.mark {
            Mark::Good => "ok",
            Mark::Odd => "warning",
            Mark::Broken => "broken",
        };
        let Check {
            name,
            found,
            advice,
            ..
        } = check;
        json!({ "check": name, "result": mark, "found": found, "advice": advice })
    });
    output::json(&Value::Array(rows.collect()));
}

fn as_text(checks: &[Check]) {
    let paint = Paint::for_stdout();
    for check in checks {
        let mark = match check.mark {
            Mark::Good => paint.green("✓"),
            Mark::Odd => paint.yellow("!"),
            Mark::Broken => paint.red("✗"),
        };
        output::line(format!("{mark} {:<10} {}", check.name, check.found));
        if let Some(advice) = &check.advice {
            output::line(format!("  {:<10} {} {advice}", "", paint.dim("→")));
        }
    }
}
