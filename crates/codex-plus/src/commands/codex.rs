//! `codex-plus codex [args...]`: the user's Codex, through the proxy.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::cli::LineArgs;
use crate::daemon::{self, Spawned, StateDir};
use crate::environment::{self, Environment, is_executable};
use crate::output::{self, Exit};
use crate::settings;

use super::start::Found;

pub(crate) fn codex(env: &Environment, args: Vec<OsString>) -> anyhow::Result<Exit> {
    let program = find(env)?;
    let url = running_proxy(env)?;
    // Codex ignores OPENAI_BASE_URL; `-c` works for exec and TUI alike (seen with 0.169.0). The
    // user's own arguments come later and so win.
    let error = std::process::Command::new(&program)
        .arg("-c")
        .arg(format!("openai_base_url=\"{url}\""))
        .args(args)
        .exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

/// The Codex program: `CODEX_PLUS_CODEX`, else the first `codex` on PATH that is not us.
pub(crate) fn find(env: &Environment) -> anyhow::Result<PathBuf> {
    if let Some(path) = env.path(environment::CODEX) {
        if !is_executable(&path) {
            bail!(
                "{} = {} is not a program; set it to Codex's file",
                environment::CODEX,
                path.display()
            );
        }
        return Ok(path);
    }
    let ourselves = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .ok();
    env.find_program("codex", |path| path.canonicalize().ok() == ourselves)
        .context(
            "no `codex` on PATH; install it with `npm install -g @openai/codex`, or set \
             CODEX_PLUS_CODEX to its file",
        )
}

/// The URL of a running proxy, started now if there is none. Says nothing when all is well: the
/// terminal is Codex's.
fn running_proxy(env: &Environment) -> anyhow::Result<String> {
    let state = StateDir::resolve(None, env)?;
    state.ensure()?;
    let loaded = settings::load(env, Vec::new())?;
    if loaded.settings.proxy.guard.token.is_some() {
        bail!(
            "guard.token is set, and Codex's built-in provider cannot send it; unset it (listening \
             on this machine only needs none), or give Codex a provider of its own with \
             `env_http_headers`"
        );
    }
    let mut said = String::new();
    for _ in 0..2 {
        match Found::look(&state, &loaded)? {
            Some(Found::Ours(instance)) => return Ok(instance.url()),
            Some(Found::Another { listen, .. }) => {
                return Ok(format!("http://{}", daemon::reachable(listen)));
            }
            Some(stranger @ Found::Stranger { .. }) => {
                stranger.tell(&LineArgs::default());
                bail!("Codex was not started, for the proxy cannot be");
            }
            None => match daemon::spawn(&state, &[], &env.cwd, None, false)? {
                Spawned::Healthy(instance) => return Ok(instance.url()),
                // Someone may have been faster; look again.
                Spawned::Ended { said: reason, .. } => said = reason,
            },
        }
    }
    output::note(said);
    bail!("Codex was not started, for the proxy could not be; see above")
}
