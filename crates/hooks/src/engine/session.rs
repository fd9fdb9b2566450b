//! The sessions that hooks were told of.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sessions remembered; beyond it the one that was silent for longest ends.
const MOST: usize = 4_096;

/// A session that began and has not ended.
#[derive(Debug, Clone)]
pub struct Session {
    /// The client's id of it.
    pub id: String,
    /// Where the client works.
    pub cwd: Option<PathBuf>,
    /// The model it asked for last.
    pub model: Option<String>,
    /// When it was seen last.
    pub seen: Instant,
}

/// All sessions, by id.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: Mutex<HashMap<String, Session>>,
    last: Mutex<Option<String>>,
}

impl Sessions {
    /// A session was seen; true when it is the first time, and one that had to make room for it.
    pub(super) fn meet(&self, session: Session) -> (bool, Option<Session>) {
        *lock(&self.last) = Some(session.id.clone());
        let mut known = lock(&self.known);
        let is_new = known.insert(session.id.clone(), session).is_none();
        let mut gone = None;
        if known.len() > MOST {
            let oldest = known.values().min_by_key(|session| session.seen);
            let oldest = oldest.map(|session| session.id.clone());
            gone = oldest.and_then(|id| known.remove(&id));
        }
        (is_new, gone)
    }

    /// Takes out the sessions that were silent for so long.
    pub(super) fn end_idle(&self, silent: Duration) -> Vec<Session> {
        let mut known = lock(&self.known);
        let mut ended = Vec::new();
        known.retain(|_, session| {
            let stays = session.seen.elapsed() < silent;
            if !stays {
                ended.push(session.clone());
            }
            stays
        });
        ended
    }

    /// The id of the session that was seen last.
    pub(super) fn last(&self) -> Option<String> {
        lock(&self.last).clone()
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        lock(&self.known).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
