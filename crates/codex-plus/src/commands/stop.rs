//! `codex-plus stop`.

use crate::cli::StateArgs;
use crate::daemon::{self, StateDir, Stopped};
use crate::environment::Environment;
use crate::log::human_time;
use crate::output::{self, Exit};

pub(crate) fn stop(env: &Environment, args: &StateArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state_dir.as_deref(), env)?;
    let stopped = end(&state)?;
    tell(&stopped);
    if let Stopped::Ended(instance) | Stopped::Killed(instance) = &stopped
        && instance.service
    {
        output::note(
            "The service starts it again at the next connection or login; `codex-plus service \
             uninstall` ends that.",
        );
    }
    Ok(Exit::Success)
}

/// Stops the daemon, saying what it waits for when that takes a while.
pub(crate) fn end(state: &StateDir) -> anyhow::Result<Stopped> {
    daemon::stop(state, |drain| {
        let limit = human_time(drain);
        output::note(format!("Live streams may finish, for up to {limit} ..."));
    })
}

/// Says how the stop went.
pub(crate) fn tell(stopped: &Stopped) {
    match stopped {
        Stopped::NotRunning { stale_pid: true } => output::line(
            "codex-plus is not running; a pid file left behind by an earlier run was removed.",
        ),
        Stopped::NotRunning { stale_pid: false } => output::line("codex-plus is not running."),
        Stopped::Ended(instance) => {
            output::line(format!("codex-plus stopped (pid {}).", instance.pid));
        }
        Stopped::Killed(instance) => output::warning(format!(
            "codex-plus (pid {}) did not end within its drain limit and was killed; open streams \
             were cut",
            instance.pid
        )),
    }
}
