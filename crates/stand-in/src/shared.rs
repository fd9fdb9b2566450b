//! What all connections of one stand-in share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::answer::Answer;
use crate::config::Config;
use crate::received::Outcome;
use crate::recorder::{Head, Note, Progress, Recorder};

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) recorder: Recorder,
    pub(crate) open_connections: AtomicUsize,
    pub(crate) live_streams: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    pub(crate) answered: AtomicUsize,
    pub(crate) pings: AtomicUsize,
    /// Codes of the close frames clients sent, newest last.
    closes: Mutex<VecDeque<u16>>,
    script: Mutex<VecDeque<Answer>>,
    next_id: AtomicUsize,
    started: Instant,
    /// True once the stand-in stops; every task holds a receiver while it lives.
    pub(crate) stopping: watch::Sender<bool>,
}

/// Close codes remembered.
const CLOSES: usize = 1024;

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            recorder: Recorder::new(&config),
            script: Mutex::new(config.script.iter().cloned().collect()),
            open_connections: AtomicUsize::default(),
            live_streams: AtomicUsize::default(),
            cancelled: AtomicUsize::default(),
            answered: AtomicUsize::default(),
            pings: AtomicUsize::default(),
            closes: Mutex::default(),
            next_id: AtomicUsize::default(),
            started: Instant::now(),
            stopping: watch::Sender::new(false),
            config,
        }
    }

    pub(crate) fn push(&self, answer: Answer) {
        lock(&self.script).push_back(answer);
    }

    /// The next scripted answer, or the default one.
    pub(crate) fn next_answer(&self) -> Answer {
        let scripted = lock(&self.script).pop_front();
        scripted.unwrap_or_else(|| self.config.default_answer.clone())
    }

    pub(crate) fn script_len(&self) -> usize {
        lock(&self.script).len()
    }

    /// A number no other response of this stand-in has.
    pub(crate) fn next_id(&self) -> usize {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn closed_with(&self, code: u16) {
        let mut closes = lock(&self.closes);
        if closes.len() == CLOSES {
            closes.pop_front();
        }
        closes.push_back(code);
    }

    pub(crate) fn closes(&self) -> Vec<u16> {
        lock(&self.closes).iter().copied().collect()
    }

    /// Records a request and opens its answer.
    pub(crate) fn record(self: &Arc<Self>, head: &Arc<Head>, note: Note) -> Live {
        let progress = self
            .recorder
            .add(Arc::clone(head), note, self.started.elapsed());
        self.live_streams.fetch_add(1, Ordering::Relaxed);
        Live {
            shared: Arc::clone(self),
            progress,
            outcome: Outcome::Cancelled,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer under way. Dropped before its end, it counts as cancelled by the client.
pub(crate) struct Live {
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    outcome: Outcome,
}

impl Live {
    pub(crate) fn finish(&mut self) {
        self.outcome = Outcome::Finished;
    }

    pub(crate) fn cut(&mut self) {
        self.outcome = Outcome::Cut;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.progress.set(self.outcome);
        self.shared.live_streams.fetch_sub(1, Ordering::Relaxed);
        let counter = match self.outcome {
            Outcome::Cancelled => &self.shared.cancelled,
            _ => &self.shared.answered,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
