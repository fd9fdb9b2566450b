//! Command hooks: `sh -c` with the input on standard input.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::output::Kept;
use super::process::Group;
use crate::folders::Folders;
use crate::output::{HookFailure, RawOutput};

/// How long output is still read after a hook ended, when something it left in the background
/// holds its pipes open.
const LINGER: Duration = Duration::from_millis(250);
/// Never handed to a hook: it opens the proxy itself.
const GUARD_TOKEN: &str = "CODEX_PLUS_TOKEN";

/// Everything a command hook is run with.
#[derive(Debug, Clone, Copy)]
pub struct CommandRun<'a> {
    /// The text given to `sh -c`.
    pub command: &'a str,
    /// The JSON on its standard input.
    pub input: &'a [u8],
    /// The event's name.
    pub event: &'a str,
    /// The client's session.
    pub session: Option<&'a str>,
    /// The project, and the home folder that stands in for one that is gone.
    pub folders: &'a Folders,
    /// How long it may take.
    pub timeout: Duration,
    /// Bytes kept of each of its outputs.
    pub output_limit: usize,
}

/// Runs a command to its end. Dropping the future kills the process group, as the timeout does.
pub async fn run(run: CommandRun<'_>) -> Result<RawOutput, HookFailure> {
    let mut group =
        Group::spawn(&mut prepare(&run)).map_err(|error| HookFailure::Start(error.to_string()))?;
    let ended = tokio::time::timeout(run.timeout, converse(&mut group, &run)).await;
    if let Ok(output) = ended {
        return output;
    }
    group.kill().await;
    Err(HookFailure::Timeout(run.timeout))
}

fn prepare(run: &CommandRun<'_>) -> Command {
    let folder = run.folders.working();
    let project = run.folders.project.as_deref().unwrap_or(folder);
    // By its path: to look for it in every folder of PATH takes longer than it does to start.
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(run.command)
        .current_dir(folder)
        .env_remove(GUARD_TOKEN)
        .env("CLAUDE_PROJECT_DIR", project)
        .env("CODEX_PLUS_PROJECT_DIR", project)
        .env("CODEX_PLUS_EVENT", run.event)
        .env("CODEX_PLUS_SESSION_ID", run.session.unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

async fn converse(group: &mut Group, run: &CommandRun<'_>) -> Result<RawOutput, HookFailure> {
    let child = group.child();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Kept::default(), Kept::default());
    let status = {
        let limit = run.output_limit;
        let reading = async {
            tokio::join!(out.fill(stdout, limit), err.fill(stderr, limit));
        };
        let writing = async {
            if let Some(mut stdin) = stdin {
                // A hook need not read what it is told.
                let _ = stdin.write_all(run.input).await;
            }
        };
        tokio::pin!(reading, writing);
        let (mut read, mut written) = (false, false);
        let status = {
            let ending = group.wait();
            tokio::pin!(ending);
            loop {
                tokio::select! {
                    status = &mut ending => break status,
                    () = &mut reading, if !read => read = true,
                    () = &mut writing, if !written => written = true,
                }
            }
        };
        if !read {
            let _ = tokio::time::timeout(LINGER, reading).await;
        }
        status
    };
    let status = status.map_err(|error| HookFailure::Start(error.to_string()))?;
    Ok(RawOutput {
        code: status.code(),
        stdout: out.bytes,
        stderr: err.bytes,
        cut: out.cut,
    })
}
