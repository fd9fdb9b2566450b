//! One worker, as the pool holds it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::call::Call;
use super::config::PoolConfig;
use super::hook::PythonHook;
use super::link::{Answer, Link, Stage};
use super::lock;
use super::process;
use super::program::Program;
use super::watch::{Blocking, Watched, supervise};

/// One that gives no sign of life for so long, though it was asked, gets company: a fresh interpreter
/// takes longer to come up than the calls that may come meanwhile should wait.
pub(super) const SILENT_FOR: Duration = Duration::from_millis(10);

/// A worker. When the last holder drops it, its process is ended.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) link: Arc<Link>,
    pub(super) process: u32,
    taken: AtomicUsize,
    spare: AtomicBool,
    changed: Arc<Notify>,
    needed: Mutex<Option<oneshot::Sender<()>>>,
}

/// A call's place at a worker; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    worker: Arc<Worker>,
    seats: usize,
}

impl Seat {
    /// Takes so many of its seats; that there are so many is the pool's to see to.
    pub(super) fn take(worker: Arc<Worker>, seats: usize) -> Self {
        worker.taken.fetch_add(seats, Ordering::Relaxed);
        worker.set_spare(false);
        Self { worker, seats }
    }

    /// Where it is.
    pub(super) fn worker(&self) -> &Worker {
        &self.worker
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.worker.taken.fetch_sub(self.seats, Ordering::Relaxed);
        self.worker.changed.notify_waiters();
    }
}

impl Worker {
    /// Starts one; it takes calls at once and runs them when it is up.
    pub(super) fn start(
        program: &Program,
        config: &Arc<PoolConfig>,
        changed: &Arc<Notify>,
        blocking: Blocking,
    ) -> io::Result<Self> {
        let (process, ends) = process::spawn(program, config.project.as_deref())?;
        let link = Arc::new(Link::new(ends.frames, config.frame_limit));
        let (needed, no_longer) = oneshot::channel();
        let id = process.id;
        tokio::spawn(supervise(Watched {
            link: Arc::clone(&link),
            process,
            ends: ends.others,
            needed: no_longer,
            changed: Arc::clone(changed),
            config: Arc::clone(config),
            blocking,
            is_shim: program.is_shim,
        }));
        Ok(Self {
            link,
            process: id,
            taken: AtomicUsize::new(0),
            spare: AtomicBool::new(false),
            changed: Arc::clone(changed),
            needed: Mutex::new(Some(needed)),
        })
    }

    /// Ends the process without waiting for its calls.
    pub(super) fn stop(&self) {
        lock(&self.needed).take();
    }

    /// Whether it may be given new calls at all.
    pub(super) fn is_usable(&self) -> bool {
        !self.link.retired.load(Ordering::Relaxed)
            && matches!(*self.link.stage.borrow(), Stage::Starting | Stage::Ready)
    }

    /// Whether it has come up: a call given to it begins at once.
    pub(super) fn is_up(&self) -> bool {
        *self.link.stage.borrow() == Stage::Ready
    }

    /// Seats that calls have taken, those that still wait for it to come up too.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether its loop does not answer.
    pub(super) fn is_blocked(&self) -> bool {
        self.link.blocked.load(Ordering::Relaxed)
    }

    /// Whether it was asked for a sign of life and has given none for a while.
    pub(super) fn is_silent(&self) -> bool {
        let pinged = *lock(&self.link.pinged);
        pinged.is_some_and(|since| since.elapsed() >= SILENT_FOR)
    }

    /// Whether it is kept for calls that would have to wait.
    pub(super) fn is_spare(&self) -> bool {
        self.spare.load(Ordering::Relaxed)
    }

    /// Keeps it for calls that would have to wait; to be given one ends that.
    pub(super) fn set_spare(&self, is_spare: bool) {
        self.spare.store(is_spare, Ordering::Relaxed);
    }

    /// Waits until it is up, or was and has ended since; the error says why it never will be.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let mut stage = self.link.stage.subscribe();
        let seen = stage.wait_for(|stage| *stage != Stage::Starting).await;
        match seen.as_deref() {
            Ok(Stage::Failed(why)) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Runs a call. Dropping the future gives it up.
    pub(super) async fn exchange(&self, hook: &PythonHook, call: &Call) -> Answer {
        let (id, answered) = self.link.submit(hook, call);
        let _given_up = GivenUp {
            link: &self.link,
            id,
        };
        answered.await.unwrap_or_else(|_| Answer::Lost {
            why: "it was stopped".to_owned(),
            alone: false,
        })
    }
}

struct GivenUp<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.link.abandon(self.id);
    }
}
