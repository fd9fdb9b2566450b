//! What the machine offers: programs, limits, the state folder.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use crate::daemon::StateDir;
use crate::environment::Environment;

use super::Check;

/// Enough for 1,000 streams with some room.
const DESCRIPTORS: u64 = 4096;
/// A program that has not told its version by then is broken.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn variables(env: &Environment) -> Vec<Check> {
    let odd = |(name, near): (String, Option<&str>)| {
        let advice = near.map_or_else(
            || "unset it; `codex-plus --help` lists the known ones".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        Check::odd(
            "variable",
            format!("{name} means nothing to codex-plus"),
            advice,
        )
    };
    env.unknown().into_iter().map(odd).collect()
}

pub(super) fn python(env: &Environment) -> Check {
    let found = env.find_program("python3", |_| false);
    match found.as_deref().and_then(version) {
        Some(version) => Check::good("python", version),
        None => Check::odd(
            "python",
            "python3 was not found",
            "install Python 3 if you want hooks written in Python; the rest works without",
        ),
    }
}

pub(super) fn git(env: &Environment) -> Check {
    match env
        .find_program("git", |_| false)
        .as_deref()
        .and_then(version)
    {
        Some(version) => Check::good("git", version),
        None => Check::odd(
            "git",
            "git was not found",
            "install git; the status line needs it",
        ),
    }
}

pub(super) fn file_limit() -> Check {
    // `None` is no limit.
    let hard = getrlimit(Resource::Nofile).maximum;
    match hard {
        Some(hard) if hard < DESCRIPTORS => Check::odd(
            "files",
            format!(
                "at most {hard} open files: about {} streams at once",
                hard / 2
            ),
            format!("raise the hard limit (`ulimit -Hn {DESCRIPTORS}`, or LimitNOFILE in systemd)"),
        ),
        Some(hard) => Check::good("files", format!("up to {hard} open files")),
        None => Check::good("files", "no limit on open files"),
    }
}

pub(super) fn state_folder(state: &StateDir) -> Check {
    let folder = state.folder();
    let shown = folder.display();
    if let Err(error) = state.ensure() {
        return Check::broken(
            "state",
            format!("{error:#}"),
            "make it writable, or pass --state-dir",
        );
    }
    let trial = folder.join(format!(".doctor.{}", std::process::id()));
    if let Err(error) = std::fs::write(&trial, b"") {
        return Check::broken(
            "state",
            format!("{shown} cannot be written: {error}"),
            "check its owner and the free space, or pass --state-dir",
        );
    }
    let _ = std::fs::remove_file(&trial);
    let files = [
        state.log_file(),
        state.pid_file(),
        state.lock_file(),
        state.instance_file(),
    ];
    for file in files {
        let Ok(meta) = file.symlink_metadata() else {
            continue;
        };
        if !meta.is_file() || meta.permissions().mode() & 0o077 != 0 {
            return Check::odd(
                "state",
                format!("{} is not a private file", file.display()),
                format!("run `chmod 600 {}`, or remove it", file.display()),
            );
        }
    }
    Check::good(
        "state",
        format!("{shown} is writable, its files are private"),
    )
}

/// The first line of `program --version`.
pub(super) fn version(program: &Path) -> Option<String> {
    let mut child = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next()?.trim().to_owned();
    (output.status.success() && !first.is_empty()).then_some(first)
}
