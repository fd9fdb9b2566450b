//! Runs a program for its output: within a time, keeping a bounded part, leaving nothing behind.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// How long output is still read after the program ended, when something it left in the
/// background holds its pipe open.
const LINGER: Duration = Duration::from_millis(250);

/// What a program may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long it may take.
    pub(crate) time: Duration,
    /// Bytes of its standard output that are kept.
    pub(crate) output: usize,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output, up to the bound.
    pub(crate) output: Vec<u8>,
    /// Whether it wrote more than that.
    pub(crate) cut: bool,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It could not be started.
    #[error("it cannot be started: {0}")]
    Start(io::Error),
    /// It was killed at the time limit.
    #[error("it took longer than {0:?}")]
    Timeout(Duration),
}

/// Runs a command to its end. Dropping the future kills its process group, as the timeout does.
///
/// The working directory should be told by an argument: a `current_dir` on a dead network mount
/// would hold up the thread that starts the program.
pub(crate) async fn run(
    mut command: Command,
    input: &[u8],
    bounds: Bounds,
) -> Result<Ended, RunError> {
    command
        .stdin(if input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let child = command.spawn().map_err(RunError::Start)?;
    let mut group = Group::of(child);
    let ended = tokio::time::timeout(bounds.time, converse(&mut group, input, bounds.output)).await;
    ended
        .map_err(|_| RunError::Timeout(bounds.time))?
        .map_err(RunError::Start)
}

async fn converse(group: &mut Group, input: &[u8], limit: usize) -> io::Result<Ended> {
    let (stdin, stdout) = (group.child.stdin.take(), group.child.stdout.take());
    let (mut output, mut cut) = (Vec::new(), false);
    let code = {
        let reading = fill(stdout, limit, &mut output, &mut cut);
        let writing = async {
            if let Some(mut stdin) = stdin {
                // A program need not read what it is told.
                let _ = stdin.write_all(input).await;
            }
        };
        tokio::pin!(reading, writing);
        let (mut read, mut written) = (false, false);
        let status = {
            let ending = group.child.wait();
            tokio::pin!(ending);
            loop {
                tokio::select! {
                    status = &mut ending => break status?,
                    () = &mut reading, if !read => read = true,
                    () = &mut writing, if !written => written = true,
                }
            }
        };
        group.leader = None;
        if !read {
            let _ = tokio::time::timeout(LINGER, reading).await;
        }
        status.code()
    };
    Ok(Ended { code, output, cut })
}

/// Reads to the end; what is beyond the limit is read and dropped, so that the writer goes on.
async fn fill(
    stream: Option<impl AsyncRead + Unpin>,
    limit: usize,
    kept: &mut Vec<u8>,
    cut: &mut bool,
) {
    let Some(mut stream) = stream else { return };
    let mut piece = vec![0; 32 << 10];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let room = limit.saturating_sub(kept.len());
        kept.extend_from_slice(piece.get(..length.min(room)).unwrap_or_default());
        *cut |= length > room;
    }
}

/// A child that leads a process group, killed as a whole when this is dropped before its end.
struct Group {
    child: Child,
    /// `None` once the leader was reaped: the number may then belong to a stranger.
    leader: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> Self {
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        let leader = number.and_then(Pid::from_raw);
        Self { child, leader }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // It may have ended by itself. The runtime reaps it; a process that hangs in the
            // kernel is not waited for.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
