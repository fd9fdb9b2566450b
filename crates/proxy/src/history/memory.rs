//! The amendments of all conversations, in bounded memory.

use std::collections::hash_map::Entry::Occupied;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::amendment::Amendment;
use super::journal::{self, Journal};
use super::key::{ItemKey, Tag};
use super::writer::Entry;

/// What was done to which items. The ones that nobody sent for longest are forgotten first.
#[derive(Debug)]
pub struct History {
    limit: usize,
    state: Mutex<State>,
    journal: Option<Journal>,
}

#[derive(Debug, Default)]
struct State {
    amendments: HashMap<ItemKey, Kept>,
    by_age: BTreeMap<u64, ItemKey>,
    /// How many of the keys have which tag.
    tags: HashMap<Tag, usize>,
    clock: u64,
    weight: usize,
    forgotten: u64,
}

/// What was done to an item, and when that was asked for last.
#[derive(Debug)]
struct Kept {
    age: u64,
    tag: Tag,
    amendment: Arc<Amendment>,
}

impl History {
    /// A memory of about `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            journal: None,
        }
    }

    /// A memory that is kept in a file of a folder, and begins with what the file holds. Without
    /// the file it is a memory all the same. Blocking file I/O.
    pub fn kept_in(folder: &Path, limit: usize) -> Self {
        let mut history = Self::new(limit);
        let path = journal::file_in(folder);
        let opened = Journal::open(&path, limit, |entries| {
            for (key, amendment) in entries {
                match amendment {
                    Some(amendment) => history.put(key, amendment),
                    None => {
                        history.lock().take(key);
                    }
                }
            }
            history.all()
        });
        match opened {
            Ok(journal) => history.journal = Some(journal),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "edits are not kept over a restart");
            }
        }
        history
    }

    /// Everything, oldest first.
    fn all(&self) -> Vec<Entry> {
        let state = self.lock();
        let keys = state.by_age.values();
        let entry = |key: &ItemKey| {
            let amendment = &state.amendments.get(key)?.amendment;
            Some((*key, Some(Arc::clone(amendment))))
        };
        keys.filter_map(entry).collect()
    }

    /// Adds to what was done to an item.
    pub fn remember(&self, key: ItemKey, amendment: Amendment) {
        let amendment = Arc::new(amendment);
        if let Some(journal) = &self.journal {
            journal.add(key, Some(Arc::clone(&amendment)));
        }
        self.put(key, amendment);
    }

    fn put(&self, key: ItemKey, amendment: Arc<Amendment>) {
        let mut state = self.lock();
        state.put(key, amendment);
        while state.weight > self.limit && state.amendments.len() > 1 {
            let Some(oldest) = state.by_age.first_key_value().map(|(_, key)| *key) else {
                break;
            };
            if state.take(oldest).is_some() {
                state.forgotten += 1;
                // The first time, then ever more rarely.
                if state.forgotten.is_power_of_two() {
                    tracing::warn!(
                        forgotten = state.forgotten,
                        setting = "limits.history",
                        "edits of old conversations were forgotten, and will not be repeated in them"
                    );
                }
            }
        }
    }

    /// Waits, for a bounded time, until all of it is in the file that keeps it.
    pub(crate) fn flush(&self) {
        if let Some(journal) = &self.journal {
            journal.flush();
        }
    }

    /// Whether something may have been done to the items with these tags.
    pub(super) fn may_know(&self, tags: &[Option<Tag>]) -> Vec<bool> {
        let state = self.lock();
        // Keys that were written without a tag may be anybody's.
        let any = state.tags.contains_key(&Tag::UNKNOWN);
        let known = |tag: &Tag| any || state.tags.contains_key(tag);
        let tags = tags.iter().map(Option::as_ref);
        tags.map(|tag| tag.is_some_and(known)).collect()
    }

    /// What was done to an item; counts as a use.
    pub fn recall(&self, key: ItemKey) -> Option<Arc<Amendment>> {
        let mut state = self.lock();
        if state.amendments.is_empty() {
            return None;
        }
        state.clock += 1;
        let now = state.clock;
        let kept = state.amendments.get_mut(&key)?;
        let before = std::mem::replace(&mut kept.age, now);
        let amendment = Arc::clone(&kept.amendment);
        state.by_age.remove(&before);
        state.by_age.insert(now, key);
        Some(amendment)
    }

    /// Forgets what was done to an item.
    pub(crate) fn forget(&self, key: ItemKey) {
        let known = self.lock().take(key).is_some();
        if let Some(journal) = self.journal.as_ref().filter(|_| known) {
            journal.add(key, None);
        }
    }

    /// Whether nothing was ever done, so that no body need be read for it.
    pub fn is_empty(&self) -> bool {
        self.lock().amendments.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, key: ItemKey, amendment: Arc<Amendment>) {
        let amendment = match self.take(key) {
            None => amendment,
            Some(earlier) => {
                let mut whole = Arc::unwrap_or_clone(earlier);
                whole.extend(Arc::unwrap_or_clone(amendment));
                Arc::new(whole)
            }
        };
        self.clock += 1;
        self.weight += amendment.weight();
        self.by_age.insert(self.clock, key);
        *self.tags.entry(key.tag()).or_default() += 1;
        let kept = Kept {
            age: self.clock,
            tag: key.tag(),
            amendment,
        };
        self.amendments.insert(key, kept);
    }

    fn take(&mut self, key: ItemKey) -> Option<Arc<Amendment>> {
        let kept = self.amendments.remove(&key)?;
        self.by_age.remove(&kept.age);
        self.weight = self.weight.saturating_sub(kept.amendment.weight());
        if let Occupied(mut count) = self.tags.entry(kept.tag) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(kept.amendment)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten_first() {
        let history = History::new(4_000);
        let keys: Vec<_> = (0..8).map(|n| ItemKey::of_id(&n.to_string())).collect();
        for key in &keys {
            history.remember(*key, Amendment::after(Bytes::from(vec![b'x'; 400])));
            // The first one stays in use.
            assert!(history.recall(keys[0]).is_some());
        }
        let kept: Vec<bool> = keys
            .iter()
            .map(|key| history.recall(*key).is_some())
            .collect();
        assert_eq!(kept, [true, false, true, true, true, true, true, true]);
    }

    #[test]
    fn later_amendments_are_added() {
        let history = History::new(1 << 20);
        let key = ItemKey::of_id("a");
        history.remember(key, Amendment::after(Bytes::from_static(b"1")));
        history.remember(key, Amendment::after(Bytes::from_static(b"2")));
        let found = history.recall(key).unwrap();
        assert_eq!(
            found.after,
            [Bytes::from_static(b"1"), Bytes::from_static(b"2")]
        );
        history.forget(key);
        assert!(history.is_empty());
    }
}
