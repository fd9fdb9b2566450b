//! Every project's hooks, found and kept fresh, and the one place that runs them.
//!
//! A [`Book`] is what one project's hooks are at one moment. The engine keeps the books of the
//! projects that were worked in last, makes them anew when a file changes, and runs hooks with
//! the bounds and the record that hold over all exchanges. It knows nothing of filters.

mod book;
mod python;
mod session;
mod sight;
mod upkeep;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codex_plus_project::project_of;
use codex_plus_project::settings::ProjectSettings;
use codex_plus_project::watch::Watcher;
use futures_util::future::join_all;
use tokio::sync::{Notify, watch};

pub use book::{Book, Found, Off};
pub use session::Session;

use crate::config::Config;
use crate::dispatcher::Dispatcher;
use crate::input::{EventInput, HookInput};
use crate::merge::Merged;
use crate::python::{PoolConfig, PythonHook, PythonPool};
use crate::trust::{Inventory, Pins, TrustError, TrustStore};
use book::{Sources, hook_folders};
use session::Sessions;

/// Projects whose hooks are kept; beyond it the one that was used longest ago goes.
const MOST_BOOKS: usize = 32;
/// Working directories whose project is remembered.
const MOST_FOLDERS: usize = 1_024;
/// Folders watched at once.
const MOST_WATCHED: usize = 512;
/// How long an exchange waits for a project's files to be read the first time: a dead network
/// mount must not hold it up.
const LOAD: Duration = Duration::from_secs(2);

/// Where an engine works.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The state folder: trust, and copies of trusted files. The user's own.
    pub state: PathBuf,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// The folder of clients that do not say where they work: that in which the user started the
    /// proxy.
    pub start: Option<PathBuf>,
}

/// Runs hooks. One for the whole process.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    places: Places,
    dispatcher: Dispatcher,
    store: TrustStore,
    books: Mutex<Books>,
    sessions: Sessions,
    /// The last version of each hook file that could be loaded.
    good: Mutex<HashMap<PathBuf, PythonHook>>,
    /// What the log has been told once.
    told: Mutex<HashSet<String>>,
    watcher: Option<Watcher>,
    dirty: Arc<Dirty>,
    /// Counts how often hooks were read anew.
    changes: watch::Sender<u64>,
}

/// The projects whose files changed since they were read; the home folder's are the empty path.
#[derive(Debug, Default)]
struct Dirty {
    projects: Mutex<HashSet<PathBuf>>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Books {
    projects: HashMap<PathBuf, Option<PathBuf>>,
    books: HashMap<Option<PathBuf>, (Arc<Book>, Instant)>,
}

impl Engine {
    /// An engine that has read nothing yet.
    pub fn new(config: Config, places: Places) -> Self {
        let dirty = Arc::<Dirty>::default();
        let marked = Arc::clone(&dirty);
        let watcher = config.enabled.then(|| {
            Watcher::new(MOST_WATCHED, move |project| {
                lock(&marked.projects).insert(project.to_owned());
                marked.told.notify_one();
            })
        });
        Self {
            watcher: watcher.flatten(),
            dirty,
            dispatcher: Dispatcher::new(config.clone()),
            store: TrustStore::new(&places.state),
            config,
            places,
            books: Mutex::default(),
            sessions: Sessions::default(),
            good: Mutex::default(),
            told: Mutex::default(),
            changes: watch::Sender::default(),
        }
    }

    /// Whether hooks run at all.
    pub fn is_enabled(&self) -> bool {
        self.config.enabled
    }

    /// The limits it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes whenever some project's hooks were read anew.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The record of all runs.
    pub fn stats(&self) -> &crate::stats::Stats {
        self.dispatcher.stats()
    }

    /// Trusts what the start folder would run now, as the user's own word to start there.
    /// Blocking; called once, at the start.
    ///
    /// # Errors
    /// [`TrustError`] when the word cannot be kept.
    pub fn trust_start(&self) -> Result<(), TrustError> {
        let Some(start) = &self.places.start else {
            return Ok(());
        };
        let home = self.places.home.as_deref();
        let project = project_of(start, home);
        let settings = ProjectSettings::load(Some(&project), home);
        let inventory = Inventory::take(&settings);
        if inventory.items.is_empty() {
            return Ok(());
        }
        self.store.trust(&inventory).map(|_| ())
    }

    /// The hooks for a working directory; without one, for the start folder. Read now when they
    /// were not yet, within a bound of time.
    pub async fn book(self: &Arc<Self>, cwd: Option<&Path>) -> Arc<Book> {
        if let Some(book) = self.peek(cwd) {
            return book;
        }
        let engine = Arc::clone(self);
        let cwd = cwd.or(self.places.start.as_deref()).map(Path::to_owned);
        let loading = tokio::task::spawn_blocking({
            let cwd = cwd.clone();
            move || engine.open(cwd.as_deref())
        });
        if let Ok(Ok(book)) = tokio::time::timeout(LOAD, loading).await {
            return book;
        }
        let folder = cwd.unwrap_or_default();
        self.tell_once(format!("{} slow", folder.display()), || {
            tracing::warn!(
                folder = %folder.display(),
                "its hooks could not be read in time and do not run"
            );
        });
        Arc::new(self.empty_book())
    }

    /// The hooks for a working directory, when they were read already.
    pub fn peek(&self, cwd: Option<&Path>) -> Option<Arc<Book>> {
        let cwd = cwd.or(self.places.start.as_deref());
        let mut books = lock(&self.books);
        let project = match cwd {
            None => None,
            Some(cwd) => books.projects.get(cwd)?.clone(),
        };
        let (book, used) = books.books.get_mut(&project)?;
        *used = Instant::now();
        Some(Arc::clone(book))
    }

    /// Reads the hooks of a working directory. Blocking.
    pub fn open(&self, cwd: Option<&Path>) -> Arc<Book> {
        let home = self.places.home.as_deref();
        let project = cwd.map(|cwd| project_of(cwd, home));
        let book = {
            let known = lock(&self.books)
                .books
                .get(&project)
                .map(|(book, _)| Arc::clone(book));
            known.unwrap_or_else(|| self.read(project.as_deref(), None))
        };
        let mut books = lock(&self.books);
        if let Some(cwd) = cwd {
            if books.projects.len() >= MOST_FOLDERS {
                books.projects.clear();
            }
            books.projects.insert(cwd.to_owned(), project.clone());
        }
        let entry = books.books.entry(project);
        let book = Arc::clone(&entry.or_insert((book, Instant::now())).0);
        if books.books.len() > MOST_BOOKS {
            let oldest = books.books.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(project, _)| project.clone()) {
                books.books.remove(&oldest);
                if let Some(watcher) = &self.watcher {
                    watcher.forget(oldest.as_deref().unwrap_or(Path::new("")));
                }
            }
        }
        book
    }

    /// Reads a project's hooks anew; `previous` is what they were before. Blocking.
    fn read(&self, project: Option<&Path>, previous: Option<&Book>) -> Arc<Book> {
        let pins = |inventory: &Inventory| self.pins(inventory);
        let sources = Sources {
            project,
            home: self.places.home.as_deref(),
            state: &self.places.state,
            pins: &pins,
            previous,
        };
        let book = Book::load(&sources, |is_trusted| match previous {
            Some(previous) if previous.is_trusted == is_trusted => Arc::clone(&previous.pool),
            _ => Arc::new(self.pool(project.filter(|_| is_trusted))),
        });
        self.tell(&book);
        self.watch(project);
        Arc::new(book)
    }

    /// Watches the folders that a project's hooks may be in.
    fn watch(&self, project: Option<&Path>) {
        let Some(watcher) = &self.watcher else { return };
        let home = self.places.home.as_deref();
        let mut folders: Vec<PathBuf> = hook_folders(project, home)
            .into_iter()
            .flat_map(|(hooks, _)| {
                let settings = hooks.parent().map(Path::to_owned);
                settings.into_iter().chain([hooks])
            })
            .filter(|folder| folder.is_dir())
            .collect();
        folders.dedup();
        if !watcher.set(project.unwrap_or(Path::new("")), &folders) {
            tracing::debug!(
                ?project,
                "its hooks are looked at every other second instead"
            );
        }
    }

    fn pins(&self, inventory: &Inventory) -> Pins {
        self.store.pins(inventory).unwrap_or_else(|error| {
            self.tell_once(error.to_string(), || tracing::error!("{error}"));
            Pins::default()
        })
    }

    fn pool(&self, project: Option<&Path>) -> PythonPool {
        let python = Some(self.config.python.as_str()).filter(|path| !path.is_empty());
        PythonPool::new(PoolConfig {
            python: python.map(PathBuf::from),
            project: project
                .filter(|project| project.is_dir())
                .map(Path::to_owned),
            max_workers: self.config.workers,
            timeout: self.config.python_timeout.get(),
            memory_limit: Some(self.config.worker_memory.get() as u64),
            ..PoolConfig::default()
        })
    }

    fn empty_book(&self) -> Book {
        Book {
            project: None,
            settings: Arc::default(),
            set: crate::set::HookSet::default(),
            python: Vec::new(),
            problems: Vec::new(),
            is_trusted: false,
            pool: Arc::new(self.pool(None)),
        }
    }

    /// Runs the command and HTTP hooks of an event.
    pub async fn dispatch(&self, book: &Book, input: &HookInput) -> Merged {
        if !book.is_for(input.event()) {
            return Merged::default();
        }
        self.dispatcher.dispatch(&book.set, input).await
    }

    /// A session was seen; true when it is the first time.
    pub fn meet(self: &Arc<Self>, session: Session) -> bool {
        let (is_new, gone) = self.sessions.meet(session);
        if let Some(gone) = gone {
            let engine = Arc::clone(self);
            tokio::spawn(async move { engine.end_session(gone, "other").await });
        }
        is_new
    }

    /// Runs the `SessionEnd` hooks of sessions, of all at once.
    async fn end_sessions(self: &Arc<Self>, sessions: Vec<Session>, reason: &str) {
        let ends = sessions
            .into_iter()
            .map(|session| self.end_session(session, reason));
        join_all(ends).await;
    }

    /// Runs the `SessionEnd` hooks of a session.
    async fn end_session(self: &Arc<Self>, session: Session, reason: &str) -> Merged {
        let book = self.book(session.cwd.as_deref()).await;
        let input = HookInput {
            session_id: Some(session.id),
            cwd: session.cwd,
            model: session.model,
            event: EventInput::SessionEnd {
                reason: reason.to_owned(),
            },
            ..HookInput::default()
        };
        self.dispatch(&book, &input).await
    }

    fn tell_once(&self, key: String, tell: impl FnOnce()) {
        let mut told = lock(&self.told);
        if told.len() > MOST_FOLDERS {
            told.clear();
        }
        if told.insert(key) {
            tell();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
