//! `codex-plus start`: in the background, or in the foreground.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::cli::{LineArgs, StartArgs};
use crate::daemon::{self, Health, Instance, Probe, Spawned, StateDir};
use crate::environment::Environment;
use crate::output::{self, Exit, Paint};
use crate::serve::Launch;
use crate::settings::{self, Loaded};

use super::{flag_words, load_settings};

pub(crate) fn start(env: &Environment, args: &StartArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let loaded = load_settings(env, &args.line)?;
    if args.detached {
        daemon::detach()?;
        return crate::serve::serve(env, &state, loaded, launch(env, args));
    }
    if args.service {
        // Nobody looked at the hooks of its folder, and the port is held for it.
        return crate::serve::serve(env, &state, loaded, launch(env, args));
    }
    state.ensure()?;
    crate::hooks::trust_start(env, &state, &loaded);
    if let Some(found) = Found::look(&state, &loaded)? {
        return Ok(found.tell(&args.line));
    }
    if args.foreground {
        return crate::serve::serve(env, &state, loaded, launch(env, args));
    }
    in_background(env, &state, &loaded, &args.line, &flag_words(&args.line))
}

fn launch(env: &Environment, args: &StartArgs) -> Launch {
    let (env, line) = (env.clone(), args.line.clone());
    Launch {
        flags: flag_words(&line),
        detached: args.detached,
        succeeds: args.succeeds,
        service: args.service,
        load: Box::new(move || settings::load(&env, super::flags(&line))),
    }
}

/// Starts the daemon with `flags` and tells how it went.
pub(crate) fn in_background(
    env: &Environment,
    state: &StateDir,
    loaded: &Loaded,
    line: &LineArgs,
    flags: &[String],
) -> anyhow::Result<Exit> {
    let token = loaded.settings.proxy.guard.token.as_deref();
    match daemon::spawn(state, flags, &env.cwd, token, false)? {
        Spawned::Healthy(instance) => {
            tell_started(&instance, state);
            Ok(Exit::Success)
        }
        Spawned::Ended { code, said } => {
            // Someone may have been faster: then it is running all the same.
            if let Some(found) = Found::look(state, loaded)? {
                return Ok(found.tell(line));
            }
            output::note(if said.is_empty() {
                "error: the proxy ended without a word; look into the log with `codex-plus logs`"
            } else {
                &said
            });
            Ok(match code {
                Some(2) => Exit::Usage,
                _ => Exit::Failure,
            })
        }
    }
}

pub(crate) fn tell_started(instance: &Instance, state: &StateDir) {
    let paint = Paint::for_stdout();
    let url = instance.url();
    output::line(format!("{} on {url}", paint.green("codex-plus is running")));
    let rows = [
        ("upstream", instance.upstream.clone()),
        ("pid", instance.pid.to_string()),
        ("log", state.log_file().display().to_string()),
        ("Codex", codex_line(&url)),
    ];
    for (name, value) in rows {
        output::line(format!("  {} {value}", paint.dim(&format!("{name:<9}"))));
    }
}

/// The one line that starts Codex through the proxy.
pub(crate) fn codex_line(url: &str) -> String {
    format!("codex -c 'openai_base_url=\"{url}\"'")
}

/// What is there already, where we wanted to start.
#[derive(Debug)]
pub(crate) enum Found {
    /// Our own daemon.
    Ours(Instance),
    /// A codex-plus of another state folder, on the port we want.
    Another { listen: SocketAddr, pid: u64 },
    /// Another program on the port we want.
    Stranger { listen: SocketAddr },
}

impl Found {
    /// Looks for what stands in the way.
    pub(crate) fn look(state: &StateDir, loaded: &Loaded) -> anyhow::Result<Option<Self>> {
        let proxy = &loaded.settings.proxy;
        let token = proxy.guard.token.as_deref();
        if let Some(ours) = Self::ours(state, token)? {
            return Ok(Some(ours));
        }
        if proxy.listen.port() == 0 {
            return Ok(None);
        }
        let listen = proxy.listen;
        let holder = Probe::new(listen, token).ask();
        // Between the two looks our own may have been started by someone else.
        if !matches!(holder, Health::Free)
            && let Some(ours) = Self::ours(state, token)?
        {
            return Ok(Some(ours));
        }
        Ok(match holder {
            Health::Free => None,
            Health::CodexPlus(status) => {
                let pid = status.get("pid").and_then(serde_json::Value::as_u64);
                let pid = pid.unwrap_or_default();
                Some(Self::Another { listen, pid })
            }
            Health::Other => Some(Self::Stranger { listen }),
        })
    }

    /// The daemon of this state folder, which somebody else is starting.
    pub(crate) fn soon(state: &StateDir, loaded: &Loaded) -> anyhow::Result<Option<Self>> {
        let token = loaded.settings.proxy.guard.token.as_deref();
        for _ in 0..500 {
            if let Some(ours) = Self::ours(state, token)? {
                return Ok(Some(ours));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Ok(None)
    }

    /// The daemon of this state folder, once it answers.
    fn ours(state: &StateDir, token: Option<&str>) -> anyhow::Result<Option<Self>> {
        let Some(instance) = Instance::running(state)? else {
            return Ok(None);
        };
        wait_until_healthy(&instance, token)?;
        Ok(Some(Self::Ours(instance)))
    }

    /// Says what was found and what to do; the exit code is that of `start`.
    pub(crate) fn tell(&self, asked: &LineArgs) -> Exit {
        match self {
            Self::Ours(instance) => {
                let Instance { pid, upstream, .. } = instance;
                let url = instance.url();
                output::line(format!(
                    "codex-plus is already running on {url} (pid {pid}, upstream {upstream})."
                ));
                if !flag_words(asked).is_empty() && flag_words(asked) != instance.flags {
                    output::warning(
                        "it was started with other flags; `codex-plus restart` with the flags you \
                         want replaces it",
                    );
                }
                Exit::Success
            }
            Self::Another { listen, pid } => {
                output::line(format!(
                    "Another codex-plus (pid {pid}) already serves {listen}, with a state folder \
                     of its own; use it, or pass --listen for a second one."
                ));
                Exit::Success
            }
            Self::Stranger { listen } => {
                let holder = daemon::owner(*listen).map_or_else(
                    || "a program of another user".to_owned(),
                    |owner| owner.to_string(),
                );
                output::error(format!(
                    "port {} is held by {holder}; end that program, or choose another port with \
                     `codex-plus start --listen 127.0.0.1:PORT`",
                    listen.port()
                ));
                Exit::Failure
            }
        }
    }
}

/// A daemon that holds its lock may still be about to serve.
fn wait_until_healthy(instance: &Instance, token: Option<&str>) -> anyhow::Result<()> {
    let probe = Probe::new(instance.listen, token);
    for _ in 0..500 {
        if probe.is_healthy() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    None.with_context(|| {
        format!(
            "codex-plus (pid {}) runs but does not answer on {}; try `codex-plus restart`",
            instance.pid, instance.listen
        )
    })
}
