//! `codex-plus restart`: stop, then start with the flags of the last run or with new ones.

use clap::Parser as _;

use crate::cli::{Cli, Command, LineArgs, RestartArgs};
use crate::daemon::{Instance, StateDir};
use crate::environment::Environment;
use crate::output::Exit;

use super::start::{Found, in_background};
use super::{flag_words, load_settings, stop};

pub(crate) fn restart(env: &Environment, args: &RestartArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
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
    stop::tell(&stop::end(&state)?);
    if let Some(found) = Found::look(&state, &loaded)? {
        return Ok(found.tell(&line));
    }
    in_background(&env, &state, &loaded, &line, &flag_words(&line))
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
