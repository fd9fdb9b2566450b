//! One worker, as the pool holds it.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use super::call::Call;
use super::hook::PythonHook;
use super::link::{Answer, Link, Stage};
use super::lock;
use super::pool::PoolConfig;
use super::process;
use super::watch::{Watched, supervise};

/// A worker. When the last holder drops it, its process is ended.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) link: Arc<Link>,
    pub(super) process: u32,
    needed: Mutex<Option<oneshot::Sender<()>>>,
}

impl Worker {
    /// Starts one; it takes calls at once and runs them when it is up.
    pub(super) fn start(
        python: &Path,
        config: &Arc<PoolConfig>,
        changed: &Arc<Notify>,
    ) -> io::Result<Self> {
        let (process, ends) = process::spawn(python, config.project.as_deref())?;
        let (from, to) = ends.frames.into_split();
        let link = Arc::new(Link::new(to));
        let (needed, no_longer) = oneshot::channel();
        let id = process.id;
        tokio::spawn(supervise(Watched {
            link: Arc::clone(&link),
            process,
            from,
            ends: ends.others,
            needed: no_longer,
            changed: Arc::clone(changed),
            config: Arc::clone(config),
        }));
        Ok(Self {
            link,
            process: id,
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
            && !matches!(*self.link.stage.borrow(), Stage::Ended(_))
    }

    /// Whether its loop does not answer.
    pub(super) fn is_blocked(&self) -> bool {
        self.link.blocked.load(Ordering::Relaxed)
    }

    /// Waits until it is up; the error says why it never will be.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let mut stage = self.link.stage.subscribe();
        let seen = stage.wait_for(|stage| *stage != Stage::Starting).await;
        match seen.as_deref() {
            Ok(Stage::Ended(why)) => Err(why.clone()),
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
