//! The workers: started when a hook needs one, bounded, replaced when they fail.

use std::collections::HashSet;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::call::{Call, PythonError, Reply};
use super::hook::PythonHook;
use super::link::Answer;
use super::lock;
use super::program::{Program, interpreter};
use super::reply;
use super::worker::{Seat, Worker};

/// Calls that take long are spread over so many workers even where one could carry them all.
const SPREAD: usize = 4;
/// Hooks known to block; with more all are forgotten.
pub(super) const MOST_BLOCKING: usize = 256;

/// Hooks, by hash, that were seen to block their worker.
pub(super) type Blocking = Arc<Mutex<HashSet<[u8; 32]>>>;

/// What a call may share with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Shared,
    /// Its hook was seen to block: a worker that has nothing to do, where there is one.
    ApartIfAny,
    /// It was moved twice, from behind calls that blocked their workers: a worker for itself.
    Apart,
}

/// A call that takes so long has its worker asked for a sign of life...
const ASKED_AFTER: Duration = Duration::from_millis(5);
/// ...and one that gives none for so long gets company: a fresh interpreter takes longer to come up
/// than the calls that may come meanwhile should wait.
const SILENT_FOR: Duration = Duration::from_millis(10);

/// After an interpreter could not be started, calls fail at once for so long.
const START_PAUSE: Duration = Duration::from_secs(1);

/// How the workers are.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The interpreter; `None` looks for the project's `.venv` or `venv`, then takes `python3`.
    pub python: Option<PathBuf>,
    /// The workers' folder, and where a virtual environment is looked for. Its interpreter is the
    /// project's code too: give a folder only if the user trusts it.
    pub project: Option<PathBuf>,
    /// At most so many workers. One is kept; others start when calls would have to wait behind
    /// hooks that block theirs.
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

#[derive(Debug, Default)]
struct Workers {
    list: Vec<Arc<Worker>>,
    started: u64,
    failed: Option<(Instant, String)>,
}

/// Runs Python hooks. Dropping it ends its workers.
#[derive(Debug)]
pub struct PythonPool {
    config: Arc<PoolConfig>,
    workers: Mutex<Workers>,
    room: Semaphore,
    changed: Arc<Notify>,
    blocking: Blocking,
    closed: AtomicBool,
}

impl PythonPool {
    /// A pool without workers yet.
    pub fn new(config: PoolConfig) -> Self {
        let room = config.max_workers.max(1) * config.max_in_flight.max(1);
        Self {
            config: Arc::new(config),
            workers: Mutex::default(),
            room: Semaphore::new(room.min(Semaphore::MAX_PERMITS)),
            changed: Arc::default(),
            blocking: Arc::default(),
            closed: AtomicBool::new(false),
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
            let choosing = self.choose(self.sharing(hook, moved));
            let Ok(seat) = timeout(left, choosing).await else {
                return Err(late(None));
            };
            let seat = seat?;
            let worker = seat.worker();
            left = left.saturating_sub(began.elapsed());
            // Coming up is not the hook's time.
            if let Err(why) = worker.ready().await {
                return Err(self.failed(why));
            }
            let began = Instant::now();
            let answer = self.exchange(worker, hook, &call, left).await;
            let took = began.elapsed();
            left = left.saturating_sub(took);
            match answer {
                Err(_) => return Err(late(lock(&worker.link.stuck_at).clone())),
                Ok(Answer::Reply(kind, payload, logs)) => {
                    if took < self.config.blocked_after / 2 {
                        lock(&self.blocking).remove(&hook.hash);
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
                self.keep_company(worker);
            }
            left -= ASKED_AFTER + SILENT_FOR;
        }
        timeout(left, exchange).await
    }

    /// Starts a worker beside one that is blocked, unless there is one to spare.
    fn keep_company(&self, blocked: &Worker) {
        let mut workers = lock(&self.workers);
        workers.list.retain(|worker| worker.is_usable());
        let others = || {
            let list = workers.list.iter();
            list.filter(|worker| !std::ptr::eq(worker.as_ref(), blocked))
        };
        let is_spare = others().any(|worker| worker.taken() == 0 || !worker.is_up());
        let most = SPREAD.min(self.config.max_workers.max(1));
        if !is_spare && workers.list.len() < most && !self.closed.load(Ordering::Acquire) {
            // What hinders it is told to the call that needs it.
            let _ = self.start(&mut workers);
        }
    }

    /// What there is now.
    pub fn status(&self) -> PoolStatus {
        let workers = lock(&self.workers);
        let live = || workers.list.iter().filter(|worker| worker.is_usable());
        PoolStatus {
            workers: live().map(|worker| worker.process).collect(),
            in_flight: live().map(|worker| worker.link.load().0).sum(),
            started: workers.started,
        }
    }

    /// Ends all workers; calls in flight fail, and so do later ones.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for worker in lock(&self.workers).list.drain(..) {
            worker.stop();
        }
        self.changed.notify_waiters();
    }

    /// What a call may share.
    fn sharing(&self, hook: &PythonHook, moved: usize) -> Sharing {
        match moved {
            0 | 1 if lock(&self.blocking).contains(&hook.hash) => Sharing::ApartIfAny,
            0 | 1 => Sharing::Shared,
            _ => Sharing::Apart,
        }
    }

    /// The worker for the next call; waits while all are full and no more may be started.
    async fn choose(&self, sharing: Sharing) -> Result<Seat, PythonError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(seat) = self.try_choose(sharing)? {
                return Ok(seat);
            }
            // A pong frees a worker without a word to us, so look again soon as well.
            let _ = timeout(Duration::from_millis(20), changed).await;
        }
    }

    fn try_choose(&self, sharing: Sharing) -> Result<Option<Seat>, PythonError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(PythonError::Closed);
        }
        let all = self.config.max_in_flight.max(1);
        let mut workers = lock(&self.workers);
        workers.list.retain(|worker| worker.is_usable());
        let may_start = workers.list.len() < self.config.max_workers.max(1);
        let with_room = |seats: usize, may_wait: bool| {
            let open = workers.list.iter().filter(|worker| !worker.is_blocked());
            let fits =
                open.filter(|worker| worker.taken() + seats <= all && (may_wait || worker.is_up()));
            fits.min_by_key(|worker| worker.taken()).map(Arc::clone)
        };
        let seats = if sharing == Sharing::Apart { all } else { 1 };
        // To be moved costs less than to wait until an interpreter has come up.
        let chosen = with_room(seats, false).or_else(|| with_room(seats, true));
        // Where no more may be started a call shares a worker that it should have had for itself.
        let chosen = chosen.or_else(|| if may_start { None } else { with_room(1, true) });
        let Some(chosen) = chosen else {
            if !may_start {
                return Ok(None);
            }
            let fresh = self.start(&mut workers)?;
            return Ok(Some(Seat::take(fresh, seats)));
        };
        let oldest = chosen.link.load().1;
        let is_long = oldest.is_some_and(|since| since.elapsed() >= self.config.blocked_after);
        let is_crowded = sharing == Sharing::ApartIfAny && chosen.taken() > 0;
        if may_start
            && ((is_long && workers.list.len() < SPREAD) || is_crowded)
            && workers.list.iter().all(|worker| worker.is_up())
        {
            // All are at work for long, or soon may be: one more, for the calls to come. This one
            // has its place.
            let _ = self.start(&mut workers);
        }
        Ok(Some(Seat::take(chosen, seats)))
    }

    fn start(&self, workers: &mut Workers) -> Result<Arc<Worker>, PythonError> {
        let config = &self.config;
        let python = interpreter(config.python.as_deref(), config.project.as_deref());
        // A version manager's shim takes longer to find the interpreter than that to start.
        let mut program = Program::of(&python);
        let found = || workers.list.iter().find_map(|worker| worker.link.program());
        if let Some(found) = program.is_shim.then(found).flatten() {
            program = found;
        }
        let error = |why| PythonError::Start {
            python: python.display().to_string(),
            why,
        };
        if let Some((when, why)) = &workers.failed
            && when.elapsed() < START_PAUSE
        {
            return Err(error(why.clone()));
        }
        let is_extra = !workers.list.is_empty();
        let blocking = Arc::clone(&self.blocking);
        match Worker::start(&program, config, &self.changed, blocking, is_extra) {
            Ok(worker) => {
                workers.started += 1;
                workers.failed = None;
                let worker = Arc::new(worker);
                workers.list.push(Arc::clone(&worker));
                Ok(worker)
            }
            Err(why) => {
                workers.failed = Some((Instant::now(), why.to_string()));
                Err(error(why.to_string()))
            }
        }
    }

    fn failed(&self, why: String) -> PythonError {
        if self.closed.load(Ordering::Acquire) {
            return PythonError::Closed;
        }
        lock(&self.workers).failed = Some((Instant::now(), why.clone()));
        let config = &self.config;
        let python = interpreter(config.python.as_deref(), config.project.as_deref());
        PythonError::Start {
            python: python.display().to_string(),
            why,
        }
    }
}

impl Drop for PythonPool {
    fn drop(&mut self) {
        self.close();
    }
}
