//! Watches folders, each by itself, and tells whom their changes concern.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Which directories each watched folder belongs to.
type Routes = HashMap<PathBuf, HashSet<PathBuf>>;

/// A bounded number of watched folders.
#[derive(Debug)]
pub struct Watcher {
    /// Held while folders come and go, and never together with the routes: the thread that
    /// delivers events takes those, and answers for the watcher.
    notify: Mutex<RecommendedWatcher>,
    routes: Arc<Mutex<Routes>>,
    limit: usize,
}

impl Watcher {
    /// A watcher of at most `limit` folders; `changed` is called with the directory whose facts may
    /// be out of date. `None` when the system has no way to watch.
    pub fn new(limit: usize, changed: impl Fn(&Path) + Send + 'static) -> Option<Self> {
        let routes = Arc::new(Mutex::new(Routes::new()));
        let known = Arc::clone(&routes);
        let notify = notify::recommended_watcher(move |event: notify::Result<Event>| {
            for directory in concerned(&lock(&known), event) {
                changed(&directory);
            }
        });
        match notify {
            Ok(notify) => Some(Self {
                notify: Mutex::new(notify),
                routes,
                limit,
            }),
            Err(error) => {
                tracing::warn!(%error, "folders cannot be watched; changes are seen later");
                None
            }
        }
    }

    /// How many more folders may be watched for this directory.
    pub fn room(&self, directory: &Path) -> usize {
        let routes = lock(&self.routes);
        let others = routes
            .values()
            .filter(|directories| directories.iter().any(|other| other != directory));
        self.limit.saturating_sub(others.count())
    }

    /// Watches exactly these folders for a directory; false when not all of them can be. Folders
    /// that are not there are passed over: the one they would be in is watched. May block.
    pub fn set(&self, directory: &Path, folders: &[PathBuf]) -> bool {
        let mut notify = lock(&self.notify);
        let wanted: HashSet<&PathBuf> = folders.iter().collect();
        let (gone, new) = {
            let mut routes = lock(&self.routes);
            let gone = leave(&mut routes, directory, &wanted);
            let mut new = Vec::new();
            for folder in &wanted {
                let entry = routes.entry((*folder).clone()).or_default();
                if entry.is_empty() {
                    new.push((*folder).clone());
                }
                entry.insert(directory.to_owned());
            }
            (gone, new)
        };
        for folder in gone {
            // It may be deleted, and its watch with it.
            let _ = notify.unwatch(&folder);
        }
        let mut failed = false;
        for folder in &new {
            if let Err(error) = notify.watch(folder, RecursiveMode::NonRecursive) {
                lock(&self.routes).remove(folder);
                let absent = matches!(&error.kind, notify::ErrorKind::PathNotFound)
                    || matches!(&error.kind, notify::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::NotFound);
                if !absent {
                    tracing::debug!(%error, "a folder cannot be watched");
                    failed = true;
                    break;
                }
            }
        }
        drop(notify);
        if failed {
            self.forget(directory);
        }
        !failed
    }

    /// Watches nothing for a directory any more. May block.
    pub fn forget(&self, directory: &Path) {
        let mut notify = lock(&self.notify);
        let gone = leave(&mut lock(&self.routes), directory, &HashSet::new());
        for folder in gone {
            let _ = notify.unwatch(&folder);
        }
    }
}

/// Takes a directory off every folder but `keep`; the folders nobody wants any more.
fn leave(routes: &mut Routes, directory: &Path, keep: &HashSet<&PathBuf>) -> Vec<PathBuf> {
    let mut gone = Vec::new();
    routes.retain(|folder, directories| {
        if !keep.contains(folder) {
            directories.remove(directory);
        }
        if directories.is_empty() {
            gone.push(folder.clone());
        }
        !directories.is_empty()
    });
    gone
}

/// The directories an event is about.
fn concerned(routes: &Routes, event: notify::Result<Event>) -> HashSet<PathBuf> {
    let Ok(event) = event else {
        return routes.values().flatten().cloned().collect();
    };
    if event.need_rescan() {
        return routes.values().flatten().cloned().collect();
    }
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    if matches!(event.kind, EventKind::Access(_)) && event.kind != written {
        return HashSet::new();
    }
    let paths = event.paths.iter();
    // git's lock files come and go with every write; what they become is told by itself.
    let paths = paths.filter(|path| path.extension().is_none_or(|ending| ending != "lock"));
    paths
        .flat_map(|path| [Some(path.as_path()), path.parent()])
        .flatten()
        .filter_map(|path| routes.get(path))
        .flatten()
        .cloned()
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
