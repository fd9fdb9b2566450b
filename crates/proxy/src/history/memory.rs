//! The amendments of all conversations, in bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::amendment::Amendment;
use super::journal::{self, Journal};
use super::key::ItemKey;

/// What was done to which items. The ones that nobody sent for longest are forgotten first.
#[derive(Debug)]
pub struct History {
    limit: usize,
    state: Mutex<State>,
    journal: Option<Journal>,
}

#[derive(Debug, Default)]
struct State {
    amendments: HashMap<ItemKey, (u64, Amendment)>,
    by_age: BTreeMap<u64, ItemKey>,
    clock: u64,
    weight: usize,
    forgotten: u64,
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
    fn all(&self) -> Vec<(ItemKey, Option<Amendment>)> {
        let state = self.lock();
        let keys = state.by_age.values();
        keys.filter_map(|key| Some((*key, Some(state.amendments.get(key)?.1.clone()))))
            .collect()
    }

    /// Adds to what was done to an item.
    pub fn remember(&self, key: ItemKey, amendment: Amendment) {
        if let Some(journal) = &self.journal {
            journal.add(key, Some(amendment.clone()));
        }
        self.put(key, amendment);
    }

    fn put(&self, key: ItemKey, amendment: Amendment) {
        let mut state = self.lock();
        state.put(key, amendment);
        while state.weight > self.limit && state.amendments.len() > 1 {
            let Some((_, oldest)) = state.by_age.pop_first() else {
                break;
            };
            if let Some((_, gone)) = state.amendments.remove(&oldest) {
                state.weight = state.weight.saturating_sub(gone.weight());
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

    /// What was done to an item; counts as a use.
    pub fn recall(&self, key: ItemKey) -> Option<Amendment> {
        let mut state = self.lock();
        if state.amendments.is_empty() {
            return None;
        }
        state.clock += 1;
        let now = state.clock;
        let (age, amendment) = state.amendments.get_mut(&key)?;
        let before = std::mem::replace(age, now);
        let amendment = amendment.clone();
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
    fn put(&mut self, key: ItemKey, amendment: Amendment) {
        let mut whole = self.take(key).unwrap_or_default();
        whole.extend(amendment);
        self.clock += 1;
        self.weight += whole.weight();
        self.by_age.insert(self.clock, key);
        self.amendments.insert(key, (self.clock, whole));
    }

    fn take(&mut self, key: ItemKey) -> Option<Amendment> {
        let (age, amendment) = self.amendments.remove(&key)?;
        self.by_age.remove(&age);
        self.weight = self.weight.saturating_sub(amendment.weight());
        Some(amendment)
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
