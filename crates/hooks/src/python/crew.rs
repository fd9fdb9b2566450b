//! The workers of a pool: which takes a call, when another is started.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::call::PythonError;
use super::config::PoolConfig;
use super::hook::PythonHook;
use super::lock;
use super::program::{Program, interpreter};
use super::watch::Blocking;
use super::worker::{Seat, Worker};

/// Calls that take long are spread over so many workers even where one could carry them all.
const SPREAD: usize = 4;

/// After an interpreter could not be started, calls fail at once for so long.
const START_PAUSE: Duration = Duration::from_secs(1);

/// What a call may share with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Shared,
    /// Its hook was seen to block: a worker that has nothing to do, where there is one.
    ApartIfAny,
    /// It was moved twice, from behind calls that blocked their workers: a worker for itself.
    Apart,
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
pub(super) struct Workers {
    pub(super) list: Vec<Arc<Worker>>,
    pub(super) started: u64,
    failed: Option<(Instant, String)>,
}

/// All workers of a pool.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) config: Arc<PoolConfig>,
    pub(super) workers: Mutex<Workers>,
    pub(super) changed: Arc<Notify>,
    pub(super) blocking: Blocking,
    pub(super) closed: AtomicBool,
    /// Calls answered so far.
    pub(super) answers: AtomicU64,
    /// How many it were when nothing was left to tend.
    pub(super) rested_at: AtomicU64,
    /// Whether a task sees to it that idle workers end.
    pub(super) is_tended: AtomicBool,
}

impl Crew {
    /// A pool's, without workers yet.
    pub(super) fn new(config: Arc<PoolConfig>) -> Self {
        Self {
            config,
            workers: Mutex::default(),
            changed: Arc::default(),
            blocking: Arc::default(),
            closed: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            rested_at: AtomicU64::new(0),
            is_tended: AtomicBool::new(false),
        }
    }

    /// Starts a worker beside one that is blocked, unless there is one to spare.
    pub(super) fn keep_company(self: &Arc<Self>, blocked: &Worker) {
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
    pub(super) fn status(&self) -> PoolStatus {
        let workers = lock(&self.workers);
        let live = || workers.list.iter().filter(|worker| worker.is_usable());
        PoolStatus {
            workers: live().map(|worker| worker.process).collect(),
            in_flight: live().map(|worker| worker.link.load().0).sum(),
            started: workers.started,
        }
    }

    /// Ends all workers, for good.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for worker in lock(&self.workers).list.drain(..) {
            worker.stop();
        }
        self.changed.notify_waiters();
    }

    /// What a call may share.
    pub(super) fn sharing(&self, hook: &PythonHook, moved: usize) -> Sharing {
        match moved {
            0 | 1 if lock(&self.blocking).contains(&hook.hash) => Sharing::ApartIfAny,
            0 | 1 => Sharing::Shared,
            _ => Sharing::Apart,
        }
    }

    /// The worker for the next call; waits while all are full and no more may be started.
    pub(super) async fn choose(self: &Arc<Self>, sharing: Sharing) -> Result<Seat, PythonError> {
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

    fn try_choose(self: &Arc<Self>, sharing: Sharing) -> Result<Option<Seat>, PythonError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(PythonError::Closed);
        }
        let all = self.config.max_in_flight.max(1);
        let mut workers = lock(&self.workers);
        workers.list.retain(|worker| worker.is_usable());
        let count = workers.list.len();
        let may_start = count < self.config.max_workers.max(1);
        let with_room = |seats: usize, may_wait: bool| {
            let open = workers.list.iter().filter(|worker| !worker.is_blocked());
            open.filter(move |worker| worker.taken() + seats <= all && (may_wait || worker.is_up()))
        };
        let least = |found: &mut dyn Iterator<Item = &Arc<Worker>>| {
            found.min_by_key(|worker| worker.taken()).map(Arc::clone)
        };
        let seats = if sharing == Sharing::Apart { all } else { 1 };
        let mut chosen = None;
        if count > 1 && sharing == Sharing::Shared {
            // The one to spare is for what would have to wait, so that all other calls find what
            // their hooks keep in `self`.
            let calm = |worker: &&Arc<Worker>| !worker.is_spare() && !worker.is_silent();
            chosen = least(&mut with_room(seats, false).filter(calm));
        }
        // To be moved costs less than to wait until an interpreter has come up.
        let chosen = chosen.or_else(|| least(&mut with_room(seats, false)));
        let chosen = chosen.or_else(|| least(&mut with_room(seats, true)));
        // Where no more may be started a call shares a worker that it should have had for itself.
        let shared = || least(&mut with_room(1, true));
        let chosen = chosen.or_else(|| if may_start { None } else { shared() });
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
        if is_long || is_crowded {
            // All are at work for long, or soon may be: one more, for the calls to come. This one
            // has its place.
            let spare = workers.list.iter().find(|worker| worker.is_spare());
            let all_up = || workers.list.iter().all(|worker| worker.is_up());
            if let Some(spare) = spare {
                spare.set_spare(false);
            } else if may_start && (count < SPREAD || is_crowded) && all_up() {
                let _ = self.start(&mut workers);
            }
        }
        Ok(Some(Seat::take(chosen, seats)))
    }

    fn start(self: &Arc<Self>, workers: &mut Workers) -> Result<Arc<Worker>, PythonError> {
        let found = workers.list.iter().find_map(|worker| worker.link.program());
        if let Some((when, why)) = &workers.failed
            && when.elapsed() < START_PAUSE
        {
            return Err(self.no_start(why.clone()));
        }
        match self.launch(found) {
            Ok(worker) => {
                workers.started += 1;
                workers.failed = None;
                let worker = Arc::new(worker);
                workers.list.push(Arc::clone(&worker));
                if workers.list.len() > 1 {
                    self.tend();
                }
                Ok(worker)
            }
            Err(why) => {
                workers.failed = Some((Instant::now(), why.to_string()));
                Err(self.no_start(why.to_string()))
            }
        }
    }

    /// Starts a worker's process; `found` is the interpreter that another one found itself to be.
    pub(super) fn launch(&self, found: Option<Program>) -> std::io::Result<Worker> {
        let config = &self.config;
        let python = interpreter(config.python.as_deref(), config.project.as_deref());
        // A version manager's shim takes longer to find the interpreter than that to start.
        let mut program = Program::of(&python);
        if let Some(found) = program.is_shim.then_some(found).flatten() {
            program = found;
        }
        Worker::start(&program, config, &self.changed, Arc::clone(&self.blocking))
    }

    /// A worker never came up.
    pub(super) fn failed(&self, why: String) -> PythonError {
        if self.closed.load(Ordering::Acquire) {
            return PythonError::Closed;
        }
        lock(&self.workers).failed = Some((Instant::now(), why.clone()));
        self.no_start(why)
    }

    fn no_start(&self, why: String) -> PythonError {
        let config = &self.config;
        let python = interpreter(config.python.as_deref(), config.project.as_deref());
        PythonError::Start {
            python: python.display().to_string(),
            why,
        }
    }
}
