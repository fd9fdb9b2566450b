//! Ending the daemon: asked first, killed only when it does not listen.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{Instance, Lock, StateDir, instance::remove_pid_file};

/// What `stop` found and did.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// None was running; a stale pid file was removed if there was one.
    NotRunning { stale_pid: bool },
    /// It ended by itself.
    Ended(Instance),
    /// It did not, and was killed.
    Killed(Instance),
}

/// Added to the drain limit before a daemon counts as stuck.
const GRACE: Duration = Duration::from_secs(5);

/// A stop that takes longer than this is explained.
const UNEXPLAINED: Duration = Duration::from_secs(1);

/// Ends the daemon of this state folder and waits until it is gone. `explain` is called when that
/// takes a while.
pub(crate) fn stop(state: &StateDir, explain: impl FnOnce(Duration)) -> anyhow::Result<Stopped> {
    let Some(instance) = Instance::running(state)? else {
        let stale_pid = state.pid_file().exists();
        remove_pid_file(state);
        return Ok(Stopped::NotRunning { stale_pid });
    };
    let drain = Duration::from_millis(instance.drain_ms);
    signal(&instance, Signal::TERM)?;
    if gone_within(state, instance.pid, UNEXPLAINED)? {
        return Ok(Stopped::Ended(instance));
    }
    explain(drain);
    if gone_within(state, instance.pid, drain.saturating_add(GRACE))? {
        return Ok(Stopped::Ended(instance));
    }
    signal(&instance, Signal::KILL)?;
    gone_within(state, instance.pid, GRACE)?;
    remove_pid_file(state);
    Ok(Stopped::Killed(instance))
}

fn process_id(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn signal(instance: &Instance, signal: Signal) -> anyhow::Result<()> {
    let pid = process_id(instance.pid)
        .with_context(|| format!("proxy.json names no process: {}", instance.pid))?;
    match kill_process(pid, signal) {
        // Gone already: what we wanted.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot signal pid {}; was it started by another user?",
                instance.pid
            )
        }),
    }
}

/// Whether the daemon's lock was released in time.
fn gone_within(state: &StateDir, pid: u32, limit: Duration) -> anyhow::Result<bool> {
    let deadline = Instant::now().checked_add(limit);
    loop {
        if !Lock::is_held(state)? {
            wait_for_exit(pid);
            return Ok(true);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The lock goes a moment before the process does, and the port with it: whoever starts anew
/// must not meet it. A process its parent has not collected yet (state Z) holds nothing.
fn wait_for_exit(pid: u32) {
    for _ in 0..200 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let zombie = stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'));
        let gone = process_id(pid).is_none_or(|pid| test_kill_process(pid).is_err());
        if gone || zombie {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
