//! Watches one worker: reads and writes for it, finds it blocked, stuck or too large, ends it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use super::carried;
use super::config::PoolConfig;
use super::inbox::Inbox;
use super::link::{self, Link};
use super::lock;
use super::log::escape;
use super::process::{Others, Process};

/// Hooks known to block; with more all are forgotten.
const MOST_BLOCKING: usize = 256;

/// Hooks, by hash, that were seen to block their worker.
pub(super) type Blocking = Arc<Mutex<HashSet<[u8; 32]>>>;

/// How often a busy worker is looked at.
const TICK: Duration = Duration::from_millis(10);
/// How often its memory is looked at.
const WEIGH: Duration = Duration::from_millis(100);
/// Calls given up that a worker may still carry before it takes no more.
const MOST_ABANDONED: usize = 32;
/// A monitor thread that does not answer for so long has no turn: C code holds the interpreter.
const SILENCE: Duration = Duration::from_millis(250);
/// Where a worker is then.
const IN_C: &str = "C code that lets nothing else run";
/// What a line of raw output is cut to, in bytes.
const LONGEST_LINE: usize = 4096;

/// Everything a supervisor needs.
pub(super) struct Watched {
    pub(super) link: Arc<Link>,
    pub(super) process: Process,
    pub(super) ends: Others,
    /// Closes when nobody needs the worker any more.
    pub(super) needed: oneshot::Receiver<()>,
    /// Told when the pool may choose differently.
    pub(super) changed: Arc<Notify>,
    pub(super) config: Arc<PoolConfig>,
    /// Where hooks that block it are named.
    pub(super) blocking: Blocking,
    /// It was started by a script that looked for it, and is to say which one it is.
    pub(super) is_shim: bool,
}

/// Runs until the worker ends or is ended, and leaves nothing of it.
pub(super) async fn supervise(watched: Watched) {
    let Watched {
        link,
        process,
        ends,
        needed,
        changed,
        config,
        blocking,
        is_shim,
    } = watched;
    let Others {
        control,
        output,
        lifeline,
    } = ends;
    let settings = serde_json::json!({
        "frame_limit": config.frame_limit,
        "memory_limit": config.memory_limit,
        "log_level": config.log_level,
        "tell_program": is_shim,
    });
    link.out.send(carried::greeting(&settings), Bytes::new());
    Inbox::read_here(&link);
    let mut said = Vec::new();
    let (why, by_itself) = tokio::select! {
        why = link.inbox.ended() => (why, true),
        () = write(&link) => (String::new(), false),
        why = look(&link, control, &process, &changed, &config, &blocking) => (why, false),
        why = come_up(&link, config.start_timeout) => (why, false),
        _ = needed => ("it was stopped".to_owned(), false),
        () = listen(output, &mut said) => (String::new(), false),
    };
    drop(lifeline);
    let status = process.end().await.filter(|_| by_itself);
    let mut why = status.map_or_else(|| why.clone(), |status| format!("{why} ({status})"));
    if *link.stage.borrow() == link::Stage::Starting {
        let said = String::from_utf8_lossy(&said);
        if let Some(last) = said.trim().lines().last() {
            why = format!("{why}: {}", escape(last));
        }
    }
    tracing::debug!(target: "hook", "a Python worker ended: {why}");
    link.end(&why);
    changed.notify_waiters();
}

/// Writes what callers left over, for as long as the worker reads.
async fn write(link: &Link) {
    link.out.flush().await;
    // The reader sees the end too, and knows more about it.
    std::future::pending::<()>().await;
}

/// Returns when it has not come up in time, whether or not anybody waits for it.
async fn come_up(link: &Link, limit: Duration) -> String {
    let mut stage = link.stage.subscribe();
    let up = stage.wait_for(|stage| *stage != link::Stage::Starting);
    if timeout(limit, up).await.is_err() {
        return "it did not come up in time".to_owned();
    }
    std::future::pending().await
}

/// What the monitor thread says.
#[derive(Deserialize)]
struct Seen {
    /// Which question this answers.
    question: u64,
    /// The calls it gives back.
    revoked: Vec<u64>,
    /// Where the loop is.
    at: String,
    /// The hook files whose code it is in.
    hooks: Vec<PathBuf>,
}

/// Looks at a busy worker again and again; returns why it must be ended.
async fn look(
    link: &Link,
    control: UnixStream,
    process: &Process,
    changed: &Notify,
    config: &PoolConfig,
    blocking: &Blocking,
) -> String {
    let mut weighed: Option<Instant> = None;
    let mut monitor = Monitor::new(control);
    loop {
        let (calls, oldest) = link.load();
        let (given_up, given_up_since) = link.abandoned();
        // One that owes an answer to a ping is looked at until it has given it: it takes no calls,
        // so nothing else would tell that it never will.
        if calls == 0 && given_up == 0 && lock(&link.pinged).is_none() {
            link.begun.notified().await;
        }
        sleep(TICK).await;
        let pinged = *lock(&link.pinged);
        let old = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|since| since.elapsed() >= limit)
        };
        if pinged.is_none() {
            let half = config.blocked_after / 2;
            if old(oldest, half) || old(given_up_since, half) {
                link.ping();
            }
        } else if old(pinged, config.blocked_after) && *link.stage.borrow() == link::Stage::Ready {
            if !link.blocked.swap(true, Ordering::Relaxed) {
                // Stopped by a signal, it would neither run nor give a call back. Harmless else.
                process.resume();
            }
            let hooks = monitor.free(link).await;
            let mut blocking = lock(blocking);
            if blocking.len() + hooks.len() > MOST_BLOCKING {
                blocking.clear();
            }
            blocking.extend(hooks);
            drop(blocking);
            // It may have answered meanwhile.
            let pinged = *lock(&link.pinged);
            let (nobody_waits, owes) = (link.load().0 == 0, link.abandoned().0 > 0);
            if old(pinged, config.kill_grace)
                && (old(given_up_since, config.kill_grace) || nobody_waits && !owes)
            {
                return match &*lock(&link.stuck_at) {
                    Some(at) => format!("it was stuck at {at}"),
                    None => "it no longer answered".to_owned(),
                };
            }
        }
        if weighed.is_some_and(|then| then.elapsed() < WEIGH) {
            continue;
        }
        weighed = Some(Instant::now());
        let too_large = config
            .memory_limit
            .is_some_and(|limit| resident(process.id).is_some_and(|bytes| bytes > limit / 10 * 8));
        if too_large || given_up > MOST_ABANDONED {
            link.retired.store(true, Ordering::Relaxed);
            changed.notify_waiters();
        }
    }
}

/// The worker's monitor thread, as it is asked.
struct Monitor {
    control: BufReader<UnixStream>,
    /// What of an answer has been read.
    line: Vec<u8>,
    questions: u64,
    /// The newest call that it was asked about.
    newest: u64,
}

impl Monitor {
    fn new(control: UnixStream) -> Self {
        Self {
            control: BufReader::new(control),
            line: Vec::new(),
            questions: 0,
            newest: 0,
        }
    }

    /// Lets calls that wait behind a blocked one go elsewhere, and finds out where the worker is;
    /// returns the hooks that block it, as far as they are news.
    async fn free(&mut self, link: &Link) -> Vec<[u8; 32]> {
        let mut calls = link.in_flight();
        calls.retain(|id| *id > self.newest);
        if calls.is_empty() && lock(&link.stuck_at).is_some() {
            return Vec::new();
        }
        self.newest = calls.iter().copied().fold(self.newest, u64::max);
        let (at, hooks) = if let Some(seen) = self.ask(link, &calls).await {
            (escape(&seen.at), link.hashes(&seen.hooks))
        } else {
            let hooks = link.moved_unasked(&calls).into_iter().collect();
            (IN_C.to_owned(), hooks)
        };
        *lock(&link.stuck_at) = Some(at);
        hooks
    }

    /// Asks for calls back that have not begun, and lets those it gives back go elsewhere.
    async fn ask(&mut self, link: &Link, calls: &[u64]) -> Option<Seen> {
        self.questions += 1;
        let number = self.questions;
        let question = format!("{{\"question\":{number},\"revoke\":{calls:?}}}\n");
        let answer = async {
            let control = self.control.get_mut();
            control.write_all(question.as_bytes()).await.ok()?;
            loop {
                // Kept over questions: an answer that came too late is read with the next one.
                self.control.read_until(b'\n', &mut self.line).await.ok()?;
                let seen: Option<Seen> = serde_json::from_slice(&self.line).ok();
                self.line.clear();
                let seen = seen?;
                link.moved(&seen.revoked);
                if seen.question == number {
                    return Some(seen);
                }
            }
        };
        timeout(SILENCE, answer).await.ok().flatten()
    }
}

/// A process's memory in bytes; Linux only.
fn resident(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Logs what is written to the worker's descriptors 1 and 2, by the line; keeps the end in `said`.
async fn listen(mut output: pipe::Receiver, said: &mut Vec<u8>) {
    let mut piece = [0; 4096];
    let mut line = Vec::new();
    while let Ok(count @ 1..) = output.read(&mut piece).await {
        for byte in &piece[..count] {
            if *byte == b'\n' || line.len() >= LONGEST_LINE {
                let text = String::from_utf8_lossy(&line);
                tracing::info!(target: "hook", "written by a hook: {}", escape(&text));
                said.clone_from(&line);
                line.clear();
            } else {
                line.push(*byte);
            }
        }
    }
    // A hook may close its descriptors; the worker goes on.
    std::future::pending::<()>().await;
}
