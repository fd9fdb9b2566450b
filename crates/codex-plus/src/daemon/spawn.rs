//! Starting ourselves in the background.
//!
//! The child is this same binary in the foreground with one hidden flag. It leaves our session
//! itself (`setsid`), and its standard error is a pipe to us until it has its place, so that the
//! reason of a failed start reaches the user. The pipe's end says that it has: the process before
//! it takes no more connections, and there is a door for the one after it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{Lock, Probe, StateDir, instance::Instance};

/// Marks the background child.
const DETACHED_FLAG: &str = "--detached";
/// Marks one that takes the place of the daemon that runs.
const SUCCEEDS_FLAG: &str = "--succeeds";

/// How the start went.
#[derive(Debug)]
pub(crate) enum Spawned {
    /// It answers on its port.
    Healthy(Instance),
    /// It ended, with this code, and this is what it said.
    Ended { code: Option<i32>, said: String },
}

/// How long a start may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts `codex-plus start --detached <flags>` in `cwd` and waits until it is healthy and has its
/// place. One that `succeeds` takes the place of the daemon that runs.
pub(crate) fn spawn(
    state: &StateDir,
    flags: &[String],
    cwd: &Path,
    token: Option<&str>,
    succeeds: bool,
) -> anyhow::Result<Spawned> {
    let program = std::env::current_exe().context("cannot find our own program file")?;
    let mut child = Command::new(&program)
        .args(["start", DETACHED_FLAG, "--state-dir"])
        .arg(state.folder())
        .args(succeeds.then_some(SUCCEEDS_FLAG))
        .args(flags)
        .current_dir(cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = child.stderr.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // Ends when the child lets go of its standard error, or dies.
            let _ = pipe.by_ref().take(64 * 1024).read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).trim_end().to_owned()
        })
    });
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            let said = said.and_then(|thread| thread.join().ok());
            return Ok(Spawned::Ended {
                code: status.code(),
                said: said.unwrap_or_default(),
            });
        }
        if said.as_ref().is_none_or(JoinHandle::is_finished)
            && let Some(instance) = healthy(&child, state, token)
        {
            return Ok(Spawned::Healthy(instance));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // A tracer may hold the pipe; a proxy that serves is not ended for it.
    if let Some(instance) = healthy(&child, state, token) {
        return Ok(Spawned::Healthy(instance));
    }
    let pid = child.id();
    let _ = child.kill();
    let _ = child.wait();
    anyhow::bail!(
        "the proxy (pid {pid}) was not healthy after {} s and was ended; read {}",
        PATIENCE.as_secs(),
        state.log_file().display()
    )
}

/// What this child wrote about itself, once it answers.
fn healthy(child: &Child, state: &StateDir, token: Option<&str>) -> Option<Instance> {
    written_by(child, state).filter(|instance| Probe::new(instance.listen, token).is_healthy())
}

/// What this child wrote about itself, once it has.
fn written_by(child: &Child, state: &StateDir) -> Option<Instance> {
    Instance::last(state).filter(|instance| {
        instance.pid == child.id()
            && instance.is_written(state)
            && Lock::is_held(state).unwrap_or(false)
    })
}

/// In the child: leave the session of whoever started us, so that closing their terminal or
/// pressing Ctrl-C there does not end us.
pub(crate) fn detach() -> anyhow::Result<()> {
    rustix::process::setsid().context("cannot leave the session")?;
    Ok(())
}

/// In the child, once it serves: nobody reads the pipe from now on.
pub(crate) fn let_go_of_stderr() -> std::io::Result<()> {
    let nowhere = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(())
}
