//! `codex-plus restart`: a new process in the place of the old one, with the flags of the last run
//! or with new ones.

use clap::Parser as _;

use crate::cli::{Cli, Command, LineArgs, RestartArgs};
use crate::daemon::{self, Instance, Spawned, StateDir};
use crate::environment::Environment;
use crate::output::{self, Exit};
use crate::service::{Control, Kind};
use crate::settings::Loaded;

use super::start::{Found, in_background, tell_started};
use super::{flag_words, load_settings, stop};

pub(crate) fn restart(env: &Environment, args: &RestartArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    if let Some(running) = Instance::running(&state)?
        && running.service
    {
        return of_service(env, args, &state);
    }
    state.ensure()?;
    let here = env;
    let mut env = env.clone();
    let mut line = args.line.clone();
    if let Some(last) = Instance::last(&state) {
        if flag_words(&line).is_empty() {
            line = parse(&last.flags).unwrap_or_default();
        }
        // The project file of the folder it was started in stays the one that counts.
        if last.cwd.is_dir() {
            env.cwd = last.cwd;
        }
    }
    // Before anything is stopped: settings that cannot be used leave the old one running.
    let loaded = load_settings(&env, &line)?;
    crate::serve::check(&loaded)?;
    crate::hooks::trust_start(here, &state, &loaded);
    if let Some(running) = Instance::running(&state)?
        && state.control_socket().exists()
    {
        return succeed(&env, &state, &loaded, &running, &flag_words(&line));
    }
    stop::tell(&stop::end(&state)?);
    if let Some(found) = Found::look(&state, &loaded)? {
        return Ok(found.tell(&line));
    }
    in_background(&env, &state, &loaded, &line, &flag_words(&line))
}

/// A service manager would lose sight of a process that it did not start, so it starts this one.
/// Where it holds the socket, clients wait meanwhile.
fn of_service(env: &Environment, args: &RestartArgs, state: &StateDir) -> anyhow::Result<Exit> {
    if !flag_words(&args.line).is_empty() {
        anyhow::bail!(
            "the proxy is a service, whose flags are set by `codex-plus service install`; give \
             them there"
        );
    }
    let control = Control::new(Kind::of_system(), env);
    stop::tell(&stop::end(state)?);
    control.start()?;
    let loaded = load_settings(env, &args.line)?;
    if let Some(Found::Ours(instance)) = Found::soon(state, &loaded)? {
        tell_started(&instance, state);
        return Ok(Exit::Success);
    }
    anyhow::bail!("the service did not start; see `codex-plus logs`")
}

/// Starts a process that takes the place of the one that runs.
fn succeed(
    env: &Environment,
    state: &StateDir,
    loaded: &Loaded,
    running: &Instance,
    flags: &[String],
) -> anyhow::Result<Exit> {
    let token = loaded.settings.proxy.guard.token.as_deref();
    match daemon::spawn(state, flags, &env.cwd, token, true)? {
        Spawned::Healthy(instance) => {
            tell_started(&instance, state);
            output::note(format!(
                "The old process (pid {}) finishes the streams it has and ends.",
                running.pid
            ));
            Ok(Exit::Success)
        }
        Spawned::Ended { code, said } => {
            output::note(if said.is_empty() {
                "error: the new process ended without a word; see `codex-plus logs`"
            } else {
                &said
            });
            output::note(format!(
                "The proxy that runs (pid {}) was left as it is.",
                running.pid
            ));
            Ok(match code {
                Some(2) => Exit::Usage,
                _ => Exit::Failure,
            })
        }
    }
}

/// Reads remembered flags back; `None` when this version does not know them.
fn parse(flags: &[String]) -> Option<LineArgs> {
    let words = ["codex-plus", "start"].into_iter();
    let words = words.chain(flags.iter().map(String::as_str));
    match Cli::try_parse_from(words).ok()?.command {
        Command::Start(args) => Some(args.line),
        _ => None,
    }
}
