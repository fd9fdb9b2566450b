//! The calls in flight on one worker, and the frames that carry them.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Notify, oneshot, watch};

use super::call::Call;
use super::frame::{self, Called, Kind};
use super::hook::PythonHook;
use super::inbox::Inbox;
use super::lock;
use super::log::LogRecord;
use super::outbox::Outbox;
use super::program::Program;

/// No more records of one call are kept; all are in the log.
const MOST_LOGS: usize = 256;

/// What becomes of a call on one worker.
#[derive(Debug)]
pub(super) enum Answer {
    /// A reply frame.
    Reply(Kind, Bytes, Vec<LogRecord>),
    /// The worker had not begun it and never will: try another.
    Moved,
    /// The worker ended; `alone` when no other call was in flight, which makes this one the cause.
    Lost { why: String, alone: bool },
}

#[derive(Debug)]
struct Pending {
    since: Instant,
    hash: [u8; 32],
    /// Whether it has begun, when the worker tells that.
    begun: Option<bool>,
    logs: Vec<LogRecord>,
    answer: oneshot::Sender<Answer>,
}

/// Where a worker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not heard of yet.
    Starting,
    /// It takes calls.
    Ready,
    /// It took calls and is gone.
    Ended,
    /// It never came up; why.
    Failed(String),
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    hooks: u32,
    loaded: HashMap<PathBuf, ([u8; 32], u32)>,
    pending: HashMap<u64, Pending>,
    /// Given up by us, not answered yet.
    abandoned: HashMap<u64, Instant>,
    ended: bool,
}

/// A worker's connection, shared by its callers and its supervisor.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
    pub(super) out: Outbox,
    pub(super) inbox: Inbox,
    /// Told when an idle worker gets a call.
    pub(super) begun: Notify,
    pub(super) stage: watch::Sender<Stage>,
    /// Its loop does not answer: no new calls.
    pub(super) blocked: AtomicBool,
    /// It takes no new calls and ends with its last one.
    pub(super) retired: AtomicBool,
    /// A ping is under way since then.
    pub(super) pinged: Mutex<Option<Instant>>,
    /// Where its loop was last seen stuck.
    pub(super) stuck_at: Mutex<Option<String>>,
    /// The interpreter that it found itself to be.
    program: OnceLock<Program>,
}

impl Link {
    /// A link over this socket, which does not block, with frames of up to `limit` bytes.
    pub(super) fn new(socket: UnixStream, limit: usize) -> Self {
        let socket = Arc::new(socket);
        Self {
            state: Mutex::default(),
            out: Outbox::new(Arc::clone(&socket)),
            inbox: Inbox::new(socket, limit),
            begun: Notify::new(),
            stage: watch::Sender::new(Stage::Starting),
            blocked: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            pinged: Mutex::new(None),
            stuck_at: Mutex::new(None),
            program: OnceLock::new(),
        }
    }

    /// Calls in flight, and since when the oldest is.
    pub(super) fn load(&self) -> (usize, Option<Instant>) {
        let state = lock(&self.state);
        (
            state.pending.len(),
            state.pending.values().map(|call| call.since).min(),
        )
    }

    /// Calls given up but not answered, and since when the oldest is.
    pub(super) fn abandoned(&self) -> (usize, Option<Instant>) {
        let state = lock(&self.state);
        (
            state.abandoned.len(),
            state.abandoned.values().min().copied(),
        )
    }

    /// Calls taken so far.
    pub(super) fn calls(&self) -> u64 {
        lock(&self.state).calls
    }

    /// The ids of the calls in flight.
    pub(super) fn in_flight(&self) -> Vec<u64> {
        lock(&self.state).pending.keys().copied().collect()
    }

    /// Sends a call, after the hook's file if the worker does not have it.
    pub(super) fn submit(
        self: &Arc<Self>,
        hook: &PythonHook,
        call: &Call,
    ) -> (u64, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let mut state = lock(&self.state);
        if state.ended {
            let _ = answer.send(Answer::Moved);
            return (0, answered);
        }
        let number = match state.loaded.get(&hook.path) {
            Some((hash, number)) if *hash == hook.hash => *number,
            _ => self.load_hook(&mut state, hook),
        };
        let is_alone = state.pending.is_empty() && state.abandoned.is_empty();
        if is_alone {
            Inbox::read_here(self);
        }
        let called = Called {
            hook: number,
            method: call.method.number(),
            shared: !is_alone,
        };
        // Strings and numbers under names that are strings can always be written.
        let request = call.seen_by(&hook.metadata);
        let request = serde_json::to_vec(&request).unwrap_or_default();
        state.calls += 1;
        let id = state.calls;
        let head = frame::encode_call(id, called, &request, call.payload.len());
        self.out.send(head.freeze(), call.payload.clone());
        if is_alone {
            self.begun.notify_one();
        }
        state.pending.insert(
            id,
            Pending {
                since: Instant::now(),
                hash: hook.hash,
                begun: (!is_alone).then_some(false),
                logs: Vec::new(),
                answer,
            },
        );
        (id, answered)
    }

    fn load_hook(&self, state: &mut State, hook: &PythonHook) -> u32 {
        state.hooks += 1;
        let number = state.hooks;
        let head = json!({
            "hook": number,
            "path": hook.path.to_string_lossy(),
            "name": hook.metadata.name,
            "config": hook.metadata,
        });
        let head = head.to_string();
        let head = frame::encode_split(Kind::Load, 0, head.as_bytes(), hook.source.len());
        self.out.send(head.freeze(), hook.source.clone());
        state.loaded.insert(hook.path.clone(), (hook.hash, number));
        number
    }

    /// Gives a call up. Nothing happens when it was answered.
    pub(super) fn abandon(&self, id: u64) {
        let mut state = lock(&self.state);
        if state.pending.remove(&id).is_some() {
            state.abandoned.insert(id, Instant::now());
            self.out
                .send(frame::encode(Kind::Cancel, id, b""), Bytes::new());
        }
    }

    /// The interpreter that it found itself to be, if it said so.
    pub(super) fn program(&self) -> Option<Program> {
        self.program.get().cloned()
    }

    /// Whether it was sent this hook's file.
    pub(super) fn has(&self, hook: &PythonHook) -> bool {
        let state = lock(&self.state);
        state
            .loaded
            .get(&hook.path)
            .is_some_and(|(hash, _)| *hash == hook.hash)
    }

    /// Asks the loop for a sign of life, unless it owes one.
    pub(super) fn ping_once(&self) {
        if !self.owes_pong() {
            self.ping();
        }
    }

    /// Whether the loop was asked for a sign of life and has given none.
    pub(super) fn owes_pong(&self) -> bool {
        lock(&self.pinged).is_some()
    }

    /// Asks the loop for a sign of life.
    pub(super) fn ping(&self) {
        *lock(&self.pinged) = Some(Instant::now());
        self.out
            .send(frame::encode(Kind::Ping, 0, b""), Bytes::new());
    }

    /// Lets calls the worker gave back go elsewhere.
    pub(super) fn moved(&self, calls: &[u64]) {
        let mut state = lock(&self.state);
        for id in calls {
            if let Some(call) = state.pending.remove(id) {
                let _ = call.answer.send(Answer::Moved);
            }
        }
    }

    /// Lets those of the calls go elsewhere that have not begun, although the worker does not answer:
    /// it looks for what it was asked before it begins any of them. Hooks that it may be stuck in
    /// are told.
    pub(super) fn moved_unasked(&self, calls: &[u64]) -> Option<[u8; 32]> {
        let waits = |call: &Pending| call.begun == Some(false);
        let (waiting, stuck) = {
            let state = lock(&self.state);
            let pending = || state.pending.iter();
            let waiting: Vec<u64> = pending()
                .filter(|(id, call)| waits(call) && calls.contains(id))
                .map(|(id, _)| *id)
                .collect();
            let begun = pending().filter(|(_, call)| !waits(call));
            (
                waiting,
                begun.max_by_key(|(id, _)| **id).map(|(_, call)| call.hash),
            )
        };
        self.moved(&waiting);
        stuck
    }

    /// Takes no more calls if there is none now; whether that is so.
    pub(super) fn end_if_idle(&self) -> bool {
        let mut state = lock(&self.state);
        let is_idle = state.pending.is_empty() && state.abandoned.is_empty();
        if is_idle {
            self.retired.store(true, Ordering::Relaxed);
            state.ended = true;
        }
        is_idle
    }

    /// The hashes of the hooks that these files are.
    pub(super) fn hashes(&self, paths: &[PathBuf]) -> Vec<[u8; 32]> {
        let state = lock(&self.state);
        let known = paths.iter().filter_map(|path| state.loaded.get(path));
        known.map(|(hash, _)| *hash).collect()
    }

    /// The worker is gone: every call in flight is lost.
    pub(super) fn end(&self, why: &str) {
        // First, so that a call that finds it ended does not choose it again.
        self.retired.store(true, Ordering::Relaxed);
        let mut state = lock(&self.state);
        state.ended = true;
        let alone = state.pending.len() + state.abandoned.len() == 1;
        state.abandoned.clear();
        for (_, call) in state.pending.drain() {
            let why = why.to_owned();
            let _ = call.answer.send(match call.begun {
                Some(false) => Answer::Moved,
                _ => Answer::Lost { why, alone },
            });
        }
        drop(state);
        self.out.close();
        self.inbox.close();
        self.stage.send_modify(|stage| {
            *stage = match stage {
                Stage::Starting => Stage::Failed(why.to_owned()),
                _ => Stage::Ended,
            }
        });
    }

    /// Acts on what the worker says; the error is what is wrong with it.
    pub(super) fn receive(&self, frame: frame::Frame) -> Result<(), String> {
        match frame.kind {
            Kind::Hello => {
                // One that does not say which it is is started as the first one was.
                if let Ok(program) = serde_json::from_slice(&frame.payload) {
                    let _ = self.program.set(program);
                }
                self.stage.send_replace(Stage::Ready);
            }
            Kind::Pong => {
                if let Some(call) = lock(&self.state).pending.get_mut(&frame.call) {
                    call.begun = Some(true);
                }
                *lock(&self.pinged) = None;
                self.blocked.store(false, Ordering::Relaxed);
                *lock(&self.stuck_at) = None;
            }
            Kind::Log => {
                let record: LogRecord = serde_json::from_slice(&frame.payload)
                    .map_err(|error| format!("sent a log record that is none: {error}"))?;
                record.tell();
                if let Some(call) = lock(&self.state).pending.get_mut(&frame.call)
                    && call.logs.len() < MOST_LOGS
                {
                    call.logs.push(record);
                }
            }
            Kind::Unchanged | Kind::Patch | Kind::Value | Kind::Error => {
                let mut state = lock(&self.state);
                state.abandoned.remove(&frame.call);
                if let Some(call) = state.pending.remove(&frame.call) {
                    let answer = Answer::Reply(frame.kind, frame.payload, call.logs);
                    let _ = call.answer.send(answer);
                }
            }
            Kind::Load | Kind::Call | Kind::Cancel | Kind::Ping => {
                return Err("sent a frame only the proxy sends".to_owned());
            }
        }
        Ok(())
    }
}
