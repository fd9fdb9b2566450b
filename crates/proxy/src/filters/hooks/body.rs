//! Edits of whole bodies by Python hooks.

use codex_plus_hooks::python::{
    Edit, EditOp, HookType, InputScope, Method, Outcome, PathPart, PythonHook,
};
use codex_plus_wire::patch::Patch;
use codex_plus_wire::request::{Dialect, RequestBody};
use codex_plus_wire::turn::TurnKind;
use serde_json::json;

use super::occasion::Occasion;
use crate::history::Amendment;
use crate::inspection::{AmendError, Inspection};

/// Calls every `pre-input` hook in order; each sees what the ones before made of the body.
pub(super) async fn review(occasion: &Occasion, request: &mut Inspection<'_>) {
    let dialect = request.body.as_ref().map(RequestBody::dialect);
    if dialect.is_none_or(|dialect| dialect == Dialect::Unknown) {
        return;
    }
    for hook in occasion.book.python(HookType::PreInput) {
        let Some(payload) = payload(occasion.kind, hook, request) else {
            continue;
        };
        let reply = occasion.call(hook, Method::PreInput, payload).await;
        let Some(Outcome::Patch(edits)) = reply.map(|reply| reply.outcome) else {
            continue;
        };
        let mut left = 0;
        for edit in &edits {
            if let Err(error) = make(hook, request, edit) {
                left += 1;
                tracing::debug!(hook = hook.metadata.name, %error, "an edit was left out");
            }
        }
        if left > 0 {
            tracing::debug!(
                hook = hook.metadata.name,
                left,
                "edits of what the model has read already were left out"
            );
        }
    }
}

/// What a hook is handed; none when this request has nothing for it.
fn payload(kind: TurnKind, hook: &PythonHook, request: &Inspection<'_>) -> Option<bytes::Bytes> {
    match hook.metadata.input {
        InputScope::Body => Some(request.body.as_ref()?.bytes().clone()),
        InputScope::Prompt if kind != TurnKind::Prompt => None,
        InputScope::Prompt => {
            let prompt = request.turn.prompt.as_ref()?;
            Some(json!({"prompt": prompt.text}).to_string().into())
        }
        InputScope::Meta => Some(bytes::Bytes::from_static(b"{}")),
    }
}

fn make(hook: &PythonHook, request: &mut Inspection<'_>, edit: &Edit) -> Result<(), AmendError> {
    match hook.metadata.input {
        InputScope::Body => whole(request, edit),
        InputScope::Prompt => match (edit.op, edit.path.as_slice(), edit.value.as_str()) {
            (EditOp::Set, [PathPart::Key(key)], Some(text)) if key == "prompt" => {
                request.rewrite_prompt(text)
            }
            _ => Err(AmendError::Missing),
        },
        InputScope::Meta => Err(AmendError::Missing),
    }
}

/// An edit of the body: one of an item is remembered with the item, any other is made each time.
fn whole(request: &mut Inspection<'_>, edit: &Edit) -> Result<(), AmendError> {
    let patch = edit.to_patch();
    let is_list = |key: &str| matches!(key, "input" | "messages");
    match patch.path.as_slice() {
        [PathPart::Key(key)] if is_list(key) && patch.op == EditOp::Append => {
            let last = request.items().len().checked_sub(1);
            behind(request, last.ok_or(AmendError::Missing)?, patch)
        }
        [PathPart::Key(key)] if is_list(key) && is_plain(request) => request.amend(
            0,
            Amendment::edits(vec![Patch::set(Vec::new(), patch.value)]),
        ),
        [PathPart::Key(key), PathPart::Index(index), rest @ ..] if is_list(key) => {
            let (index, rest) = (*index, rest.to_vec());
            item(request, index, rest, patch)
        }
        _ => request.set_field(&patch),
    }
}

fn is_plain(request: &Inspection<'_>) -> bool {
    matches!(request.items(), [only] if only.is_plain())
}

fn item(
    request: &mut Inspection<'_>,
    index: usize,
    rest: Vec<PathPart>,
    patch: Patch,
) -> Result<(), AmendError> {
    match (patch.op, rest.is_empty()) {
        (EditOp::Remove, true) => request.amend(index, Amendment::removed("")),
        (EditOp::Insert, true) => match index.checked_sub(1) {
            Some(before) => behind(request, before, patch),
            None => request.amend(
                0,
                Amendment {
                    before: vec![patch.value],
                    ..Amendment::default()
                },
            ),
        },
        _ => {
            let edit = Patch {
                path: rest,
                ..patch
            };
            request.amend(index, Amendment::edits(vec![edit]))
        }
    }
}

/// Puts a new item behind one of the client's own.
fn behind(request: &mut Inspection<'_>, index: usize, patch: Patch) -> Result<(), AmendError> {
    let anchor = request.own_before(index).ok_or(AmendError::Missing)?;
    request.amend(anchor, Amendment::after(patch.value))
}
