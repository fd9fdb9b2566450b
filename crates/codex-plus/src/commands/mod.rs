//! One file a command; each says how it ended.

mod bench;
mod codex;
mod completions;
mod config;
mod demo;
mod doctor;
mod hooks;
mod logs;
mod restart;
mod service;
mod shell_init;
mod slash;
mod stand_in;
mod start;
mod status;
mod status_line;
mod stop;
mod trust;
mod uninstall;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command, LineArgs};
use crate::environment::Environment;
use crate::output::{self, Exit};
use crate::settings::{self, Assignment, Loaded, Origin, SettingsError};

/// Reads the command line, runs the command, tells its error.
pub(crate) fn run() -> ExitCode {
    let env = Environment::of_process();
    let mut words = std::env::args_os().skip(1);
    // Codex's arguments are Codex's: clap would take a `--` or a flag of ours out of them.
    let result = if words.next().is_some_and(|word| word == "codex") {
        codex::codex(&env, words.collect())
    } else {
        dispatch(Cli::parse().command, &env)
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::error(format!("{error:#}"));
            if error.downcast_ref::<SettingsError>().is_some() {
                return Exit::Usage.into();
            }
            Exit::Failure.into()
        }
    }
}

fn dispatch(command: Command, env: &Environment) -> anyhow::Result<Exit> {
    match command {
        Command::Start(args) => start::start(env, &args),
        Command::Stop(args) => stop::stop(env, &args),
        Command::Restart(args) => restart::restart(env, &args),
        Command::Status(args) => status::status(env, &args),
        Command::Trust(args) => trust::trust(env, &args),
        Command::Hooks(args) => hooks::hooks(env, &args),
        Command::StatusLine(args) => status_line::status_line(env, &args),
        Command::Commands(args) => slash::slash(env, &args),
        Command::Service(command) => service::service(env, &command),
        Command::Uninstall(args) => uninstall::uninstall(env, &args),
        Command::Logs(args) => logs::logs(env, &args),
        Command::Doctor(args) => doctor::doctor(env, &args),
        Command::Config(command) => config::config(env, &command),
        Command::Completions { shell } => Ok(completions::completions(shell)),
        Command::Codex { args } => codex::codex(env, args),
        Command::ShellInit { shell } => shell_init::shell_init(shell),
        Command::StandIn(args) => stand_in::stand_in(&args),
        Command::Demo => demo::demo(),
        Command::Bench(args) => bench::bench(env, &args),
    }
}

/// Flags as the strongest layer of settings.
fn flags(line: &LineArgs) -> Vec<Assignment> {
    let flag = |key: &str, name, value| Assignment {
        key: key.to_owned(),
        value,
        origin: Origin::Flag(name),
    };
    let listen = line.listen.as_deref().map(settings::listen_value);
    let upstream = line.upstream.clone().map(toml::Value::String);
    let passthrough = line.passthrough.then_some(toml::Value::Boolean(true));
    [
        listen.map(|value| flag("listen", "--listen", value)),
        upstream.map(|value| flag("upstream", "--upstream", value)),
        passthrough.map(|value| flag("passthrough", "--passthrough", value)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The same flags as words, to start the background child with.
fn flag_words(line: &LineArgs) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(listen) = &line.listen {
        words.extend(["--listen".to_owned(), listen.clone()]);
    }
    if let Some(upstream) = &line.upstream {
        words.extend(["--upstream".to_owned(), upstream.clone()]);
    }
    if line.passthrough {
        words.push("--passthrough".to_owned());
    }
    words
}

/// Reads the settings, and warns of what was misspelt or not believed.
fn load_settings(env: &Environment, line: &LineArgs) -> anyhow::Result<Loaded> {
    let loaded = settings::load(env, flags(line))?;
    for (name, near) in env.unknown() {
        let near = near.map(|near| format!("; did you mean {near}?"));
        output::warning(format!(
            "the variable {name} means nothing to codex-plus{}",
            near.unwrap_or_default()
        ));
    }
    for ignored in &loaded.ignored {
        output::warning(ignored.to_string());
    }
    Ok(loaded)
}
