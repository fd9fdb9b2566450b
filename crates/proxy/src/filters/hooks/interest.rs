//! Which exchanges hooks have to see, told from the head alone.

use std::path::Path;

use codex_plus_hooks::engine::{Book, Engine};
use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::python::HookType;
use codex_plus_wire::event::{EventKind, EventKinds};
use codex_plus_wire::turn::TurnMetadata;
use http::request::Parts;
use http::{Method, header};

use super::memory::Memory;
use crate::chain::{Interest, Reads};
use crate::headers::{METADATA_HEADER, THREAD_HEADER};

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

pub(super) fn of(engine: &Engine, memory: &Memory, head: &Parts) -> Interest {
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
        // Another client than Codex: it works where its header says, or else in the start folder.
        return match head.headers.get("x-working-directory") {
            Some(cwd) => read(cwd.to_str().ok().map(Path::new)),
            None => read(None),
        };
    };
    let thread = head.headers.get(&THREAD_HEADER);
    let known = thread.and_then(|thread| memory.cwd(thread.to_str().ok()?));
    let Some(cwd) = known else {
        // Codex names the roots of repositories in the head, and where in them it works only in
        // the body: so the first request of a conversation is read.
        return everything;
    };
    let metadata = metadata.to_str().ok();
    let workspaces = metadata.map_or_else(Vec::new, TurnMetadata::workspaces_in);
    let folders = workspaces.iter().map(Path::new).chain([cwd.as_path()]);
    folders
        .map(|folder| read(Some(folder)))
        .fold(Interest::default(), |all, one| Interest {
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

#[cfg(test)]
mod tests {
    use codex_plus_hooks::config::Config;
    use codex_plus_hooks::engine::Places;
    use http::Request;

    use super::*;

    #[test]
    fn hooks_of_a_folder_within_a_repository_are_not_slipped_past() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let within = root.join("within");
        std::fs::create_dir_all(within.join(".codexplus/hooks")).unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        let hook = "---\nname: h\n---\nfrom codex_plus.hooks import Hook\nclass H(Hook): pass\n";
        std::fs::write(within.join(".codexplus/hooks/h.py"), hook).unwrap();
        let places = Places {
            state: folder.path().to_owned(),
            home: None,
            start: Some(within.clone()),
        };
        let engine = Engine::new(Config::default(), places);
        engine.trust_start().unwrap();
        assert!(engine.open(Some(&root)).is_empty());
        assert!(!engine.open(Some(&within)).is_empty());
        let memory = Memory::default();
        let asks = |thread: &str| {
            let metadata = serde_json::json!({"workspaces": {root.to_str().unwrap(): {}}});
            let request = Request::post("/v1/responses")
                .header("x-codex-turn-metadata", metadata.to_string())
                .header("thread-id", thread);
            let (head, ()) = request.body(()).unwrap().into_parts();
            of(&engine, &memory, &head).request
        };
        assert_eq!(asks("one"), Reads::Body, "not known yet");
        memory.works_in("one", &within);
        assert_eq!(asks("one"), Reads::Body);
        memory.works_in("two", &root);
        assert_eq!(asks("two"), Reads::Nothing);
    }
}
