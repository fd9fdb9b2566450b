//! What hooks were told of already, in bounded memory.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Entries of each kind; the oldest are forgotten first.
const MOST: usize = 8_192;
/// No input of a call is remembered that is longer, in bytes of JSON.
const LONGEST_INPUT: usize = 256 << 10;

/// A tool call that passed.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownCall {
    /// The tool.
    pub(super) name: String,
    /// What it was asked.
    pub(super) input: Value,
    /// Why it was denied, if it was.
    pub(super) denied: Option<String>,
}

/// What every event is checked against.
#[derive(Default)]
pub(super) struct Memory {
    calls: Recent<KnownCall>,
    outputs: Recent<()>,
    subagents: Recent<()>,
    folders: Recent<PathBuf>,
}

impl Memory {
    /// A call passed to the client.
    pub(super) fn call(&self, call_id: &str, mut call: KnownCall) {
        if call.input.to_string().len() > LONGEST_INPUT {
            call.input = Value::Null;
        }
        self.calls.put(call_id, call);
    }

    /// A call that passed before.
    pub(super) fn known_call(&self, call_id: &str) -> Option<KnownCall> {
        self.calls.get(call_id)
    }

    /// A tool's output is on its way; true when it is the first time.
    pub(super) fn is_new_output(&self, call_id: &str) -> bool {
        self.outputs.put(call_id, ())
    }

    /// A conversation's client works there.
    pub(super) fn works_in(&self, thread: &str, cwd: &Path) {
        self.folders.put(thread, cwd.to_owned());
    }

    /// Where a conversation's client works, when it was read before.
    pub(super) fn cwd(&self, thread: &str) -> Option<PathBuf> {
        self.folders.get(thread)
    }

    /// A sub-agent's conversation was seen; true when it is the first time.
    pub(super) fn is_new_subagent(&self, thread: &str) -> bool {
        self.subagents.put(thread, ())
    }
}

/// Values by key, the newest of them.
struct Recent<V>(Mutex<(HashMap<String, V>, VecDeque<String>)>);

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone> Recent<V> {
    /// Keeps a value; true when the key was not there.
    fn put(&self, key: &str, value: V) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (values, order) = &mut *kept;
        if values.insert(key.to_owned(), value).is_some() {
            return false;
        }
        order.push_back(key.to_owned());
        if order.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            values.remove(&oldest);
        }
        true
    }

    fn get(&self, key: &str) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0.get(key).cloned()
    }
}
