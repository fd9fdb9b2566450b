//! The workers: started when a hook needs one, bounded, replaced when they fail.

use std::collections::HashSet;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::call::{Call, PythonError, Reply};
use super::crew::Crew;
use super::hook::PythonHook;
use super::link::Answer;
use super::lock;
use super::reply;
use super::worker::Worker;

/// Hooks known to block; with more all are forgotten.
pub(super) const MOST_BLOCKING: usize = 256;

/// Hooks, by hash, that were seen to block their worker.
pub(super) type Blocking = Arc<Mutex<HashSet<[u8; 32]>>>;

/// A call that takes so long has its worker asked for a sign of life...
const ASKED_AFTER: Duration = Duration::from_millis(5);
/// ...and one that gives none for so long gets company: a fresh interpreter takes longer to come up
/// than the calls that may come meanwhile should wait.
pub(super) const SILENT_FOR: Duration = Duration::from_millis(10);

/// How the workers are.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The interpreter; `None` looks for the project's `.venv` or `venv`, then takes `python3`.
    pub python: Option<PathBuf>,
    /// The workers' folder, and where a virtual environment is looked for. Its interpreter is the
    /// project's code too: give a folder only if the user trusts it.
    pub project: Option<PathBuf>,
    /// At most so many workers. One is kept, and another one to spare while the pool is used;
    /// others start when calls would have to wait behind hooks that block theirs.
    pub max_workers: usize,
    /// At most so many calls at once on each worker; more wait.
    pub max_in_flight: usize,
    /// A hook's time if its metadata gives none.
    pub timeout: Duration,
    /// The time a worker has to come up.
    pub start_timeout: Duration,
    /// A worker whose loop does not answer for so long gets no new calls, and those it has not
    /// begun go elsewhere.
    pub blocked_after: Duration,
    /// A worker beyond the first that has nothing to do for so long is ended.
    pub idle_after: Duration,
    /// A worker still blocked so long after a call timed out on it is killed.
    pub kill_grace: Duration,
    /// A worker's memory in bytes. Over it a hook gets a `MemoryError`; at 80 % of it the worker
    /// is replaced.
    pub memory_limit: Option<u64>,
    /// No frame is longer, in bytes.
    pub frame_limit: usize,
    /// The least level of Python's logging that is taken.
    pub log_level: &'static str,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            python: None,
            project: None,
            max_workers: 16,
            max_in_flight: 32,
            timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(10),
            blocked_after: Duration::from_millis(40),
            idle_after: Duration::from_mins(1),
            kill_grace: Duration::from_millis(500),
            memory_limit: Some(1024 * 1024 * 1024),
            frame_limit: 64 * 1024 * 1024,
            log_level: "INFO",
        }
    }
}

/// The pool's state, for the status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// The process ids of the workers.
    pub workers: Vec<u32>,
    /// Calls in flight.
    pub in_flight: usize,
    /// Workers started so far, replaced ones too.
    pub started: u64,
}

/// Runs Python hooks. Dropping it ends its workers.
#[derive(Debug)]
pub struct PythonPool {
    config: Arc<PoolConfig>,
    crew: Arc<Crew>,
    room: Semaphore,
}

impl PythonPool {
    /// A pool without workers yet.
    pub fn new(config: PoolConfig) -> Self {
        let room = config.max_workers.max(1) * config.max_in_flight.max(1);
        let config = Arc::new(config);
        Self {
            crew: Arc::new(Crew::new(Arc::clone(&config))),
            config,
            room: Semaphore::new(room.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// Calls a method of a hook. Runs on a Tokio runtime; dropping the future cancels the call.
    pub async fn call(&self, hook: &PythonHook, call: Call) -> Result<Reply, PythonError> {
        let name = || hook.metadata.name.clone();
        let length = call.payload.len().max(hook.source.len()) + 64 * 1024;
        let limit = self.config.frame_limit;
        if length > limit {
            return Err(PythonError::TooLarge {
                hook: name(),
                length,
                limit,
            });
        }
        let mut left = call
            .timeout
            .or(hook.metadata.timeout())
            .unwrap_or(self.config.timeout);
        let after = left;
        let late = |at_line| PythonError::Timeout {
            hook: name(),
            after,
            at_line,
        };
        let waited = Instant::now();
        let Ok(Ok(_room)) = timeout(left, self.room.acquire()).await else {
            return Err(late(None));
        };
        left = left.saturating_sub(waited.elapsed());
        let (mut retried, mut moved) = (false, 0);
        loop {
            let began = Instant::now();
            let choosing = self.crew.choose(self.crew.sharing(hook, moved));
            let Ok(seat) = timeout(left, choosing).await else {
                return Err(late(None));
            };
            let seat = seat?;
            let worker = seat.worker();
            left = left.saturating_sub(began.elapsed());
            // Coming up is not the hook's time.
            if let Err(why) = worker.ready().await {
                return Err(self.crew.failed(why));
            }
            let began = Instant::now();
            let answer = self.exchange(worker, hook, &call, left).await;
            let took = began.elapsed();
            left = left.saturating_sub(took);
            match answer {
                Err(_) => return Err(late(lock(&worker.link.stuck_at).clone())),
                Ok(Answer::Reply(kind, payload, logs)) => {
                    self.crew.answered();
                    if took < self.config.blocked_after / 2 {
                        lock(&self.crew.blocking).remove(&hook.hash);
                    }
                    return reply::read(hook, kind, payload, logs, took);
                }
                Ok(Answer::Moved) => moved += 1,
                Ok(Answer::Lost { why, alone }) => {
                    if alone || retried {
                        return Err(PythonError::WorkerLost { hook: name(), why });
                    }
                    retried = true;
                }
            }
        }
    }

    /// Runs a call on this worker; none when its time is over. One that blocks its worker has
    /// another one started, so that calls to come find it up.
    async fn exchange(
        &self,
        worker: &Worker,
        hook: &PythonHook,
        call: &Call,
        mut left: Duration,
    ) -> Result<Answer, Elapsed> {
        // The first call of a hook loads it, which says nothing of the later ones.
        let is_known = worker.link.has(hook);
        let mut exchange = pin!(worker.exchange(hook, call));
        if is_known && left > ASKED_AFTER + SILENT_FOR {
            if let Ok(answer) = timeout(ASKED_AFTER, exchange.as_mut()).await {
                return Ok(answer);
            }
            worker.link.ping_once();
            if let Ok(answer) = timeout(SILENT_FOR, exchange.as_mut()).await {
                return Ok(answer);
            }
            if worker.link.owes_pong() {
                self.crew.keep_company(worker);
            }
            left -= ASKED_AFTER + SILENT_FOR;
        }
        timeout(left, exchange).await
    }

    /// What there is now.
    pub fn status(&self) -> PoolStatus {
        self.crew.status()
    }

    /// Ends all workers; calls in flight fail, and so do later ones.
    pub fn close(&self) {
        self.crew.close();
    }
}

impl Drop for PythonPool {
    fn drop(&mut self) {
        self.close();
    }
}
