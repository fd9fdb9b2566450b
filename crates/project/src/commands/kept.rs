//! The command files that were called last.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::file::CommandFile;
use crate::looks::Looks;

/// Files that are kept, and the largest of them in bytes; the oldest are forgotten first.
const MOST: usize = 128;
const LARGEST: usize = 32 << 10;

/// A command file, and for whom it was found.
pub(super) struct Found {
    pub(super) project: PathBuf,
    pub(super) file: CommandFile,
    /// Whether it may run shell lines and read the environment, if it wants to.
    pub(super) trusted: bool,
}

/// By the working directory and the command's name.
type Key = (PathBuf, String);

/// The files found last, with all that was looked at on the way to them.
#[derive(Default)]
pub(super) struct Kept(Mutex<Table>);

#[derive(Default)]
struct Table {
    files: HashMap<Key, Arc<Entry>>,
    by_age: VecDeque<Key>,
}

struct Entry {
    found: Arc<Found>,
    looks: Looks,
    /// When all of this was first seen as it is.
    since: Instant,
    /// It was read so long after that that its times would tell of any other content.
    sure: bool,
}

impl Kept {
    /// The file of a name, if a look-up now would find the very same. A few looks at a local disk.
    pub(super) fn get(&self, directory: &Path, name: &str) -> Option<Arc<Found>> {
        let key = (directory.to_owned(), name.to_owned());
        let entry = Arc::clone(self.lock().files.get(&key)?);
        (entry.sure && entry.looks.hold()).then(|| Arc::clone(&entry.found))
    }

    /// Keeps a file that was found by looks that began at `began`, unless a later look might have to
    /// wait. May wait itself. It is given out once it was found a second time, some while later:
    /// right after a change another one might not be told from it.
    pub(super) fn keep(&self, directory: &Path, found: &Arc<Found>, looks: Looks, began: Instant) {
        if found.file.content.len() > LARGEST || !looks.may_be_repeated() {
            return;
        }
        let key = (directory.to_owned(), found.file.name.clone());
        let known = self.lock().files.get(&key).cloned();
        let since = known.filter(|known| known.looks == looks);
        let since = since.map_or_else(Instant::now, |known| known.since);
        let entry = Arc::new(Entry {
            found: Arc::clone(found),
            sure: began.saturating_duration_since(since) > looks.step(),
            looks,
            since,
        });
        let mut table = self.lock();
        if table.files.insert(key.clone(), entry).is_none() {
            table.by_age.push_back(key);
            if table.by_age.len() > MOST
                && let Some(oldest) = table.by_age.pop_front()
            {
                table.files.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::settings::Owner;

    #[test]
    fn a_file_is_kept_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("say.md");
        std::fs::write(&path, "one").unwrap();
        let kept = Kept::default();
        let look_up = || {
            let began = Instant::now();
            let mut looks = Looks::default();
            let file = CommandFile::read(&mut looks, "say", &path, Owner::Home, 100);
            let found = Arc::new(Found {
                project: folder.path().to_owned(),
                file: file.unwrap().unwrap(),
                trusted: true,
            });
            kept.keep(folder.path(), &found, looks, began);
        };
        // At first another change might not be told from the last one.
        while kept.get(folder.path(), "say").is_none() {
            look_up();
        }
        let found = kept.get(folder.path(), "say").unwrap();
        assert_eq!(found.file.content, b"one");
        assert!(kept.get(folder.path(), "other").is_none());
        std::fs::write(&path, "two").unwrap();
        assert!(kept.get(folder.path(), "say").is_none());
    }
}
