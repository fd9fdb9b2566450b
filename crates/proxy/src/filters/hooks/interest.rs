//! Which exchanges hooks have to see, told from the head alone.

use std::path::Path;

use codex_plus_hooks::engine::{Book, Engine};
use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::python::HookType;
use codex_plus_wire::event::{EventKind, EventKinds};
use codex_plus_wire::turn::Turn;
use http::request::Parts;
use http::{Method, header};

use crate::chain::{Interest, Reads};
use crate::headers::METADATA_HEADER;

/// The last words of the paths that carry conversations.
const CONVERSATIONS: [&str; 5] = [
    "responses",
    "compact",
    "completions",
    "messages",
    "complete",
];

/// The events of a tool call in the making.
const CALLS: EventKinds = EventKinds::EMPTY
    .with(EventKind::OutputItemAdded)
    .with(EventKind::FunctionArgumentsDelta)
    .with(EventKind::FunctionArgumentsDone)
    .with(EventKind::CustomToolInputDelta)
    .with(EventKind::CustomToolInputDone)
    .with(EventKind::OutputItemDone)
    .with(EventKind::Completed);
/// What an answer came to.
const ENDS: EventKinds = EventKinds::EMPTY
    .with(EventKind::OutputItemDone)
    .with(EventKind::Completed);
/// How an answer failed.
const FAILURES: EventKinds = EventKinds::EMPTY
    .with(EventKind::Failed)
    .with(EventKind::Error);

pub(super) fn of(engine: &Engine, head: &Parts) -> Interest {
    if !engine.is_enabled() || !is_conversation(head) {
        return Interest::default();
    }
    let everything = Interest {
        request: Reads::Body,
        events: CALLS.union(FAILURES),
    };
    let read = |cwd: Option<&Path>| match engine.peek(cwd) {
        None => everything,
        Some(book) if book.is_empty() => Interest::default(),
        Some(book) => Interest {
            request: Reads::Body,
            events: events(&book),
        },
    };
    let Some(metadata) = head.headers.get(&METADATA_HEADER) else {
        // Where the client works may stand in the body all the same, but clients that say so are
        // rare, and their folder is then the one they were seen with first.
        return match head.headers.get("x-working-directory") {
            Some(cwd) => read(cwd.to_str().ok().map(Path::new)),
            None => read(None),
        };
    };
    let metadata = metadata.to_str().ok();
    let workspaces = Turn::from_head(metadata, None).metadata.workspaces;
    if workspaces.is_empty() {
        // Codex names no folder outside of git, except in the body.
        return everything;
    }
    let interests = workspaces
        .iter()
        .map(|folder| read(Some(Path::new(folder))));
    interests.fold(Interest::default(), |all, one| Interest {
        request: all.request.max(one.request),
        events: all.events.union(one.events),
    })
}

/// The events of an answer that some hook of a book is for.
pub(super) fn events(book: &Book) -> EventKinds {
    let mut kinds = EventKinds::EMPTY;
    let mut add = |events: &[HookEvent], python: &[HookType], more: EventKinds| {
        let asked = events.iter().any(|event| book.is_for(*event))
            || python.iter().any(|kind| book.has_python(*kind));
        if asked {
            kinds = kinds.union(more);
        }
    };
    add(&[HookEvent::PreToolUse], &[HookType::PreToolUse], CALLS);
    add(
        &[
            HookEvent::Stop,
            HookEvent::SubagentStop,
            HookEvent::PostCompact,
            HookEvent::PostToolUse,
            HookEvent::PostToolUseFailure,
            HookEvent::PostToolBatch,
        ],
        &[HookType::Stop, HookType::PostToolUse],
        ENDS,
    );
    add(&[HookEvent::StopFailure], &[], FAILURES);
    // Listeners see the head of an answer only if they want any of its events.
    let completed = EventKinds::EMPTY.with(EventKind::Completed);
    add(&[], &[HookType::PostOutput], completed);
    kinds
}

/// Whether a request may carry a conversation: a POST to one of the usual paths, or the handshake
/// of a WebSocket connection.
fn is_conversation(head: &Parts) -> bool {
    let last = head.uri.path().trim_end_matches('/').rsplit('/').next();
    let known = last.is_some_and(|last| CONVERSATIONS.contains(&last));
    let upgrade = head.method == Method::GET && head.headers.contains_key(header::UPGRADE);
    known && (head.method == Method::POST || upgrade)
}
