//! Keeps books fresh, tells what does not run, and ends sessions and workers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::book::hook_folders;
use super::{Book, Engine, lock};

/// How often files are looked at where nothing watches them.
const POLL: Duration = Duration::from_secs(2);
/// How long a change is left to settle.
const SETTLE: Duration = Duration::from_millis(30);
/// How long hooks of ending sessions may take when the proxy stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// What shows that a project's hook files changed: their names, sizes and times.
type Stamp = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

impl Engine {
    /// Looks after books and sessions until the future is dropped.
    pub async fn keep(self: Arc<Self>) {
        tokio::join!(Arc::clone(&self).keep_fresh(), self.keep_looking());
    }

    /// Reads books anew soon after a watched file changed.
    async fn keep_fresh(self: Arc<Self>) {
        loop {
            self.dirty.told.notified().await;
            // An editor writes in several steps.
            tokio::time::sleep(SETTLE).await;
            let changed = std::mem::take(&mut *lock(&self.dirty.projects));
            let engine = Arc::clone(&self);
            let read = tokio::task::spawn_blocking(move || {
                for project in changed {
                    engine.refresh(Some(project.as_path()).filter(|p| *p != Path::new("")));
                }
            });
            if let Err(error) = read.await {
                tracing::error!(%error, "hooks could not be read anew");
            }
        }
    }

    /// Looks at all files now and then, and ends sessions that fell silent.
    async fn keep_looking(self: Arc<Self>) {
        let mut stamps = HashMap::new();
        loop {
            tokio::time::sleep(POLL).await;
            let engine = Arc::clone(&self);
            let before = std::mem::take(&mut stamps);
            let looked = tokio::task::spawn_blocking(move || engine.look(&before));
            stamps = looked.await.unwrap_or_default();
            let silent = self.sessions.end_idle(self.config.session_idle.get());
            self.end_sessions(silent, "other").await;
        }
    }

    /// Reads the books anew whose files changed since the last look. Blocking.
    fn look(&self, before: &HashMap<Option<PathBuf>, Stamp>) -> HashMap<Option<PathBuf>, Stamp> {
        let projects: Vec<Option<PathBuf>> = lock(&self.books).books.keys().cloned().collect();
        projects
            .into_iter()
            .map(|project| {
                let stamp = self.stamp(project.as_deref());
                if before.get(&project).is_some_and(|known| *known != stamp) {
                    self.refresh(project.as_deref());
                }
                (project, stamp)
            })
            .collect()
    }

    /// Reads a project's hooks anew, and puts them in the place of the old ones in one step.
    /// Blocking.
    pub fn refresh(&self, project: Option<&Path>) {
        let project = project.map(Path::to_owned);
        let Some(previous) = lock(&self.books)
            .books
            .get(&project)
            .map(|(book, _)| Arc::clone(book))
        else {
            return;
        };
        let book = self.read(project.as_deref(), Some(&previous));
        if let Some((kept, _)) = lock(&self.books).books.get_mut(&project) {
            *kept = book;
        }
        self.changes.send_modify(|count| *count += 1);
        tracing::debug!(?project, "hooks were read anew");
    }

    /// Reads all hooks anew. Blocking.
    pub fn refresh_all(&self) {
        let projects: Vec<Option<PathBuf>> = lock(&self.books).books.keys().cloned().collect();
        lock(&self.books).projects.clear();
        for project in projects {
            self.refresh(project.as_deref());
        }
    }

    fn stamp(&self, project: Option<&Path>) -> Stamp {
        let home = self.places.home.as_deref();
        let mut stamp = Vec::new();
        let mut add = |path: PathBuf| {
            let meta = std::fs::metadata(&path).ok();
            let told = meta.and_then(|meta| Some((meta.modified().ok()?, meta.len())));
            stamp.push((path, told));
        };
        for root in [project, home].into_iter().flatten() {
            for folder in codex_plus_project::settings::FOLDERS {
                for file in ["settings.local.json", "settings.json"] {
                    add(root.join(folder).join(file));
                }
            }
        }
        for (folder, _) in hook_folders(project, home) {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).take(512).collect();
            files.sort();
            add(folder);
            files.into_iter().for_each(&mut add);
        }
        add(self.places.state.join("trust.json"));
        stamp
    }

    /// Tells the log what cannot be used or does not run, each once.
    pub(super) fn tell(&self, book: &Book) {
        for problem in &book.problems {
            self.tell_once(problem.clone(), || tracing::warn!("hooks: {problem}"));
        }
        for (name, why) in book.withheld() {
            let project = book.project.as_deref().unwrap_or(Path::new(""));
            self.tell_once(format!("{}\n{name}\n{why}", project.display()), || {
                tracing::warn!(hook = name, project = %project.display(), "a hook does not run: {why}");
            });
        }
    }

    /// The proxy stops: sessions end, and so do all workers.
    pub async fn stop(self: &Arc<Self>) {
        let sessions = self.sessions.end_idle(Duration::ZERO);
        let ending = self.end_sessions(sessions, "prompt_input_exit");
        if tokio::time::timeout(GOODBYE, ending).await.is_err() {
            tracing::warn!(
                "some SessionEnd hooks were ended: they took longer than {} s",
                GOODBYE.as_secs()
            );
        }
        self.close();
    }
}
