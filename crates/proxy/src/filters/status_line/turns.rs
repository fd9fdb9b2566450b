//! Which conversations have a turn of the user whose line was not shown yet.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Conversations remembered; the oldest are forgotten first.
const MEMORY: usize = 4_096;

#[derive(Default)]
pub(super) struct Turns(Mutex<(HashMap<String, bool>, VecDeque<String>)>);

impl Turns {
    /// A turn begins, or is tried again: its line is due.
    pub(super) fn begin(&self, thread: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (due, order) = &mut *known;
        if due.insert(thread.clone(), true).is_none() {
            order.push_back(thread);
            if order.len() > MEMORY
                && let Some(oldest) = order.pop_front()
            {
                due.remove(&oldest);
            }
        }
    }

    /// An answer with the line arrived whole.
    pub(super) fn shown(&self, thread: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = known.0.get_mut(thread) {
            *due = false;
        }
    }

    pub(super) fn is_due(&self, thread: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.0.get(thread).copied().unwrap_or(false)
    }
}
