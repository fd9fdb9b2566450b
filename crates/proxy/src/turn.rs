//! What a request is, for the line: the pure reading, with the memory it needs.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::{Turn, TurnKind};
use http::HeaderValue;
use http::request::Parts;

use crate::headers::{METADATA_HEADER, SUBAGENT_HEADER};

/// Prompts remembered; the oldest are forgotten first. More than a developer writes in days, and
/// little enough that the memory of a proxy does not seem to grow while they fill up.
const MEMORY: usize = 8_192;

/// What a request's head says about the turn.
#[derive(Default)]
pub(crate) struct TurnHead {
    metadata: Option<HeaderValue>,
    subagent: Option<HeaderValue>,
}

impl TurnHead {
    pub(crate) fn of(head: &Parts) -> Self {
        Self {
            metadata: head.headers.get(&METADATA_HEADER).cloned(),
            subagent: head.headers.get(&SUBAGENT_HEADER).cloned(),
        }
    }

    /// Lets go of the buffer that the client's connection read the head into: while an answer
    /// streams it would be held for these few bytes.
    pub(crate) fn detach(&mut self) {
        for value in [&mut self.metadata, &mut self.subagent] {
            *value = value
                .as_ref()
                .and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        }
    }

    /// The turn as far as the head alone can tell.
    pub(crate) fn alone(&self) -> Turn {
        Turn::from_head(text(self.metadata.as_ref()), text(self.subagent.as_ref()))
    }

    /// Whether there is anything to tell a turn by.
    pub(crate) fn is_silent(&self) -> bool {
        self.metadata.is_none() && self.subagent.is_none()
    }

    /// The turn, read out of the body.
    pub(crate) fn with(&self, body: &RequestBody, seen: &dyn Fn(&str) -> bool) -> Turn {
        let metadata = text(self.metadata.as_ref());
        Turn::read(body, metadata, text(self.subagent.as_ref()), seen)
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
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
    pub(crate) fn read(&self, head: &TurnHead, body: &RequestBody) -> Turn {
        let turn = head.with(body, &|id| self.has(id));
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
