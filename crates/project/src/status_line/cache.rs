//! The lines of the directories in use, kept fresh in the background.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::compose::{Composer, StatusLine};
use super::config::Config;
use super::entry::Entry;
use super::plan;
use crate::git::{Git, Place};
use crate::trust::Trust;
use crate::watch::Watcher;

/// Refreshes at once: each is a process of its own.
const AT_ONCE: usize = 2;
/// Threads that may read files at once.
const READERS: usize = 16;
/// Changes come in bursts; a burst makes one refresh.
const BURST: Duration = Duration::from_millis(100);

/// Status lines by directory. Clones share them.
#[derive(Clone)]
pub struct StatusLines(Arc<Shared>);

pub(super) struct Shared {
    composer: Arc<Composer>,
    watcher: Option<Watcher>,
    entries: Mutex<HashMap<PathBuf, Entry>>,
    turns: Semaphore,
    runtime: Handle,
}

impl StatusLines {
    /// A cache that works on `runtime`. `home` is the user's home folder; `trust` decides about
    /// what projects would have run.
    pub fn new(
        config: &Config,
        home: Option<PathBuf>,
        trust: Arc<dyn Trust>,
        runtime: Handle,
    ) -> Self {
        let composer = Arc::new(Composer {
            git: Git {
                timeout: config.timeout.get(),
                ..Git::default()
            },
            gh: "gh".into(),
            config: config.clone(),
            home,
            trust,
            readers: Arc::new(Semaphore::new(READERS)),
        });
        Self(Arc::new_cyclic(|shared: &Weak<Shared>| {
            let shared = shared.clone();
            let most = usize::try_from(config.watches).unwrap_or(usize::MAX);
            let watcher = (most > 0).then(|| {
                Watcher::new(most, move |directory| {
                    if let Some(shared) = shared.upgrade() {
                        shared.changed(directory);
                    }
                })
            });
            Shared {
                composer,
                watcher: watcher.flatten(),
                entries: Mutex::default(),
                turns: Semaphore::new(AT_ONCE),
                runtime,
            }
        }))
    }

    /// The line of a directory as it is known now, and at once; what is not known, or out of date,
    /// is asked for in the background.
    pub fn line_for(&self, directory: &Path) -> Option<Arc<StatusLine>> {
        let mut entries = self.0.entries();
        let entry = self.0.entry(&mut entries, directory)?;
        if entry.is_due() {
            self.0.start(directory, entry, Duration::ZERO);
        }
        entry.line.clone()
    }

    /// The line of a directory as it is now, if that can be told within `limit`; otherwise what is
    /// known of it.
    pub async fn fresh_line(&self, directory: &Path, limit: Duration) -> Option<Arc<StatusLine>> {
        let wait = {
            let mut entries = self.0.entries();
            let entry = self.0.entry(&mut entries, directory)?;
            if entry.is_fresh() {
                return entry.line.clone();
            }
            let wait = entry.ask_anew();
            if !entry.refreshing {
                self.0.start(directory, entry, Duration::ZERO);
            }
            wait
        };
        let (mut ended, wanted) = wait;
        let _ = tokio::time::timeout(limit, ended.wait_for(|done| *done >= wanted)).await;
        let entries = self.0.entries();
        entries.get(directory)?.line.clone()
    }

    /// What was set.
    pub fn config(&self) -> &Config {
        &self.0.composer.config
    }
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, HashMap<PathBuf, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of a directory, marked as used; the one not used for longest makes room for it.
    fn entry<'a>(
        self: &Arc<Self>,
        entries: &'a mut HashMap<PathBuf, Entry>,
        directory: &Path,
    ) -> Option<&'a mut Entry> {
        if !directory.is_absolute() {
            return None;
        }
        if !entries.contains_key(directory) {
            let most = self.composer.config.directories.get() as usize;
            while entries.len() >= most {
                let oldest = entries.iter().min_by_key(|(_, entry)| entry.used);
                let oldest = oldest.map(|(directory, _)| directory.clone())?;
                entries.remove(&oldest);
                let shared = Arc::clone(self);
                self.runtime.spawn_blocking(move || {
                    if let Some(watcher) = &shared.watcher {
                        watcher.forget(&oldest);
                    }
                });
            }
            entries.insert(directory.to_owned(), Entry::new());
        }
        let entry = entries.get_mut(directory)?;
        entry.used = Instant::now();
        Some(entry)
    }

    /// A watched folder changed.
    fn changed(self: &Arc<Self>, directory: &Path) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(directory) {
            entry.stale = true;
            if entry.is_in_use() && !entry.refreshing {
                let wait = BURST.max(entry.rest());
                self.start(directory, entry, wait);
            }
        }
    }

    fn start(self: &Arc<Self>, directory: &Path, entry: &mut Entry, wait: Duration) {
        if entry.refreshing {
            return;
        }
        entry.refreshing = true;
        let (shared, directory) = (Arc::clone(self), directory.to_owned());
        self.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            while let Some(wait) = shared.refresh(&directory).await {
                tokio::time::sleep(wait).await;
            }
        });
    }

    /// Takes a directory's line once; how long to wait before it must be taken again.
    async fn refresh(self: &Arc<Self>, directory: &Path) -> Option<Duration> {
        let began = Instant::now();
        let (generation, known) = self.with(directory, Entry::begin)?;
        let composed = {
            let _turn = self.turns.acquire().await.ok()?;
            let early = |line| {
                self.with(directory, |entry| entry.early(line));
            };
            self.composer
                .compose(directory, known.as_ref(), early)
                .await
        };
        if let Some(mut composed) = composed {
            if let Some(ask) = composed.ask.take() {
                self.with(directory, |entry| entry.early(composed.line.clone()))?;
                let told = self.composer.ask(ask, &mut composed.line).await;
                self.with(directory, |entry| entry.pull_request = Some(told))?;
            }
            let changed = self.with(directory, |entry| {
                entry.put(composed.line.clone(), generation, began.elapsed())
            })?;
            if changed {
                let line = composed.line.text.as_deref().unwrap_or_default();
                tracing::debug!(target: "status_line", line, "the status line changed");
            }
            self.watch(
                directory,
                &composed.place,
                &composed.project,
                composed.index,
            )
            .await?;
        } else {
            self.with(directory, |entry| entry.ended.send_replace(generation))?;
        }
        self.with(directory, Entry::end)?
    }

    /// Sees to it that changes of the directory are told.
    async fn watch(
        self: &Arc<Self>,
        directory: &Path,
        place: &Place,
        project: &Path,
        index: Option<std::time::SystemTime>,
    ) -> Option<()> {
        let Some(watcher) = &self.watcher else {
            return Some(());
        };
        if self.with(directory, |entry| entry.is_planned(index))? {
            return Some(());
        }
        let room = watcher.room(directory);
        let folders = plan::folders(&self.composer.git, directory, place, project, room).await;
        let (shared, path) = (Arc::clone(self), directory.to_owned());
        let set = move || match (&shared.watcher, folders) {
            (Some(watcher), Some(folders)) => watcher.set(&path, &folders),
            (Some(watcher), None) => {
                watcher.forget(&path);
                false
            }
            (None, _) => false,
        };
        let is_set = tokio::task::spawn_blocking(set).await.unwrap_or(false);
        self.with(directory, |entry| entry.planned(index, is_set))
    }

    /// Works on an entry; `None` when it was forgotten meanwhile.
    fn with<T>(&self, directory: &Path, work: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.entries().get_mut(directory).map(work)
    }
}

/// The receiver of ended refreshes, and the one to wait for.
pub(super) type Wait = (watch::Receiver<u64>, u64);
