//! What was learnt of a conversation and is not said again: where its client works.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::Turn;
use http::request::Parts;

/// Conversations remembered; the oldest are forgotten first.
const MEMORY: usize = 4_096;
/// No path is longer, in bytes (`PATH_MAX` of Linux).
const LONGEST: usize = 4_096;

/// The header in which clients other than Codex may name their working directory.
const CWD_HEADER: &str = "x-working-directory";

/// The working directories of conversations.
#[derive(Default)]
pub(crate) struct Threads(Mutex<(HashMap<String, PathBuf>, VecDeque<String>)>);

impl Threads {
    /// Where the client of this request works: its header, the environment context in the body, or
    /// what either said earlier in the same conversation; else the first git root it names.
    pub(crate) fn cwd(
        &self,
        head: &Parts,
        turn: &Turn,
        body: Option<&RequestBody>,
    ) -> Option<PathBuf> {
        let header = head
            .headers
            .get(CWD_HEADER)
            .and_then(|value| value.to_str().ok());
        let told = header.or(turn.cwd.as_deref()).and_then(folder);
        let thread = thread_id(head, turn, body);
        match (told, thread) {
            (Some(cwd), Some(thread)) => {
                self.remember(thread, cwd.clone());
                Some(cwd)
            }
            (Some(cwd), None) => Some(cwd),
            (None, thread) => thread.and_then(|thread| self.recall(&thread)).or_else(|| {
                turn.metadata
                    .workspaces
                    .first()
                    .map(String::as_str)
                    .and_then(folder)
            }),
        }
    }

    fn recall(&self, thread: &str) -> Option<PathBuf> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.0.get(thread).cloned()
    }

    fn remember(&self, thread: String, cwd: PathBuf) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (folders, order) = &mut *known;
        if folders.insert(thread.clone(), cwd).is_none() {
            order.push_back(thread);
            if order.len() > MEMORY
                && let Some(oldest) = order.pop_front()
            {
                folders.remove(&oldest);
            }
        }
    }
}

/// The conversation a request belongs to: the body's word before the handshake's.
pub(crate) fn thread_id(head: &Parts, turn: &Turn, body: Option<&RequestBody>) -> Option<String> {
    let metadata = turn.metadata.thread_id.clone();
    let header = || {
        let value = head
            .headers
            .get(&crate::headers::THREAD_HEADER)?
            .to_str()
            .ok()?;
        Some(value.to_owned())
    };
    let key = || Some(body?.prompt_cache_key()?.into_owned());
    metadata
        .or_else(header)
        .or_else(key)
        .filter(|id| id.len() <= 128)
}

/// A path that can be one: absolute, without control characters.
fn folder(text: &str) -> Option<PathBuf> {
    let plain = !text.chars().any(char::is_control);
    (text.starts_with('/') && text.len() <= LONGEST && plain).then(|| PathBuf::from(text))
}
