//! What a request is, for the line: the pure reading, with the memory it needs.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::{Turn, TurnKind};
use http::request::Parts;

use crate::headers::{METADATA_HEADER, SUBAGENT_HEADER};

/// Prompts remembered; the oldest are forgotten first. Eight bytes each, twice.
const MEMORY: usize = 65_536;

/// Reads the turn out of a body and the head's own description.
pub(crate) fn read(head: &Parts, body: &RequestBody, seen: &dyn Fn(&str) -> bool) -> Turn {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    Turn::read(body, text(METADATA_HEADER), text(SUBAGENT_HEADER), seen)
}

/// What the head alone tells.
pub(crate) fn from_head(head: &Parts) -> Turn {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    Turn::from_head(text(METADATA_HEADER), text(SUBAGENT_HEADER))
}

/// The prompts already met, by their item's id: ids are stable over resends and resumed sessions
/// (seen with Codex 0.169.0), where neither position nor bytes are.
#[derive(Default)]
pub(crate) struct SeenPrompts {
    hasher: RandomState,
    ids: Mutex<(HashSet<u64>, VecDeque<u64>)>,
}

impl SeenPrompts {
    /// Reads the turn, and remembers its prompt when it is a new one.
    pub(crate) fn read(&self, head: &Parts, body: &RequestBody) -> Turn {
        let turn = read(head, body, &|id| self.has(id));
        if turn.kind == TurnKind::Prompt
            && let Some(id) = turn.prompt.as_ref().and_then(|prompt| prompt.id.as_deref())
        {
            self.remember(id);
        }
        turn
    }

    fn has(&self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .contains(&hash)
    }

    fn remember(&self, id: &str) {
        let hash = self.hasher.hash_one(id);
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, order) = &mut *ids;
        if set.insert(hash) {
            order.push_back(hash);
            if order.len() > MEMORY
                && let Some(oldest) = order.pop_front()
            {
                set.remove(&oldest);
            }
        }
    }
}
