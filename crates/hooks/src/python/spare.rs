//! A worker to spare for a pool that is used, and the end of those with nothing to do.
//!
//! An interpreter takes a tenth of a second to come up, and a call that meets a blocked worker would
//! wait for it. So one is up before, which takes no call unless that would have to wait.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::crew::{Crew, Workers};
use super::lock;

/// A pool that answered so many calls is used: it will be asked again.
const SEVERAL: u64 = 4;
/// How long the exchange that made it so has the processors to itself.
const SETTLE: Duration = Duration::from_millis(100);

/// What was seen when the workers were last looked at.
#[derive(Default)]
struct Seen {
    answers: u64,
    /// Calls taken, by process.
    calls: HashMap<u32, u64>,
}

impl Crew {
    /// A call was answered.
    pub(super) fn answered(self: &Arc<Self>) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if self.is_used() && self.config.max_workers > 1 {
            self.tend();
        }
    }

    /// Has the workers beyond the first looked after, unless they are.
    pub(super) fn tend(self: &Arc<Self>) {
        if !self.is_tended.load(Ordering::Relaxed) && !self.is_tended.swap(true, Ordering::AcqRel) {
            tokio::spawn(tend(Arc::downgrade(self), self.config.idle_after));
        }
    }

    fn is_used(&self) -> bool {
        let (answers, rested_at) = (&self.answers, &self.rested_at);
        answers.load(Ordering::Relaxed) >= rested_at.load(Ordering::Relaxed) + SEVERAL
    }

    fn wants_spare(&self, workers: &Workers) -> bool {
        let mut usable = workers.list.iter().filter(|worker| worker.is_usable());
        let (first, second) = (usable.next(), usable.next());
        self.is_used()
            && self.config.max_workers > 1
            && first.is_some_and(|first| first.is_up())
            && second.is_none()
            && !self.closed.load(Ordering::Acquire)
    }

    /// Starts one to spare if there is a first one alone. Blocking, but not for those who choose.
    fn start_spare(&self) {
        let found = {
            let workers = lock(&self.workers);
            if !self.wants_spare(&workers) {
                return;
            }
            workers.list.iter().find_map(|worker| worker.link.program())
        };
        // What hinders it is told to the call that needs it.
        let Ok(worker) = self.launch(found) else {
            return;
        };
        worker.set_spare(true);
        let mut workers = lock(&self.workers);
        if self.wants_spare(&workers) {
            workers.started += 1;
            workers.list.push(Arc::new(worker));
        }
    }

    /// Ends the workers beyond the first that took no call since they were last looked at, but for
    /// one to spare while the pool is used. False when there is nothing left to look after.
    fn rest(&self, seen: &mut Seen) -> bool {
        let mut workers = lock(&self.workers);
        workers.list.retain(|worker| worker.is_usable());
        let before = std::mem::take(seen);
        seen.answers = self.answers.load(Ordering::Relaxed);
        let is_used = seen.answers != before.answers;
        let mut has_spare = false;
        for worker in workers.list.iter().skip(1) {
            let calls = worker.link.calls();
            seen.calls.insert(worker.process, calls);
            if !worker.is_up() || before.calls.get(&worker.process) != Some(&calls) {
                continue;
            }
            if is_used && !has_spare && worker.taken() == 0 {
                worker.set_spare(true);
                has_spare = true;
            } else if worker.link.end_if_idle() {
                worker.stop();
            }
        }
        workers.list.retain(|worker| worker.is_usable());
        if is_used || workers.list.len() > 1 {
            return true;
        }
        self.rested_at.store(seen.answers, Ordering::Relaxed);
        self.is_tended.store(false, Ordering::Release);
        false
    }
}

async fn tend(crew: Weak<Crew>, idle_after: Duration) {
    let mut seen = Seen::default();
    sleep(SETTLE).await;
    loop {
        let Some(held) = crew.upgrade() else { return };
        let started = tokio::task::spawn_blocking(move || held.start_spare());
        if started.await.is_err() {
            return;
        }
        sleep(idle_after).await;
        let Some(held) = crew.upgrade() else { return };
        if !held.rest(&mut seen) {
            return;
        }
    }
}
