//! The decision what a request is.

use super::context::{self, Standing};
use super::{PromptRef, TurnKind, TurnMetadata};
use crate::request::{Item, RequestBody, TextPart};

/// What metadata and headers settle; `None` when the body must tell.
pub(super) fn kind_from_head(
    metadata: &TurnMetadata,
    subagent_header: Option<&str>,
) -> Option<TurnKind> {
    // The request's kind first: a sub-agent's compaction is a compaction.
    match metadata.request_kind.as_deref() {
        Some("prewarm") => return Some(TurnKind::Prewarm),
        Some("compaction") => return Some(TurnKind::Compaction),
        None | Some("turn") => {}
        Some(_) => return Some(TurnKind::Other),
    }
    match metadata.thread_source.as_deref() {
        Some("thread_title") => return Some(TurnKind::Title),
        Some("subagent") => return Some(TurnKind::Subagent),
        None | Some("user") => {}
        Some(_) => return Some(TurnKind::Other),
    }
    subagent_header
        .filter(|value| !value.trim().is_empty())
        .map(|_| TurnKind::Subagent)
}

/// The first item that the model has not answered yet: what stands before it is history.
pub(super) fn frontier(items: &[Item]) -> usize {
    items
        .iter()
        .rposition(|item| context::standing(item) == Standing::Model)
        .map_or(0, |last| last + 1)
}

/// The kind and, for requests of the user, the newest prompt.
pub(super) fn classify(
    body: &RequestBody,
    metadata: &TurnMetadata,
    subagent_header: Option<&str>,
    seen: &dyn Fn(&str) -> bool,
) -> (TurnKind, Option<PromptRef>) {
    if body.generate() == Some(false) {
        return (TurnKind::Prewarm, None);
    }
    let items = body.items();
    if items.last().is_some_and(context::is_compaction_trigger) {
        return (TurnKind::Compaction, None);
    }
    if let Some(kind) = kind_from_head(metadata, subagent_header) {
        return (kind, None);
    }
    // From the newest item back to the newest prompt, noting what stands behind it.
    let (mut model, mut tool) = (false, false);
    for (index, item) in items.iter().enumerate().rev() {
        let (standing, text) = context::judge(item);
        match standing {
            Standing::Context | Standing::CompactionTrigger => {}
            Standing::Model => model = true,
            Standing::Tool => tool = true,
            Standing::CompactionPrompt if model || tool => {}
            Standing::CompactionPrompt => return (TurnKind::Compaction, None),
            Standing::Prompt => {
                let kind = kind_of_prompt(item, model, tool, seen);
                return (kind, text.map(|text| prompt_ref(index, item, text)));
            }
        }
    }
    // On WebSocket only what is new is sent: tool output without the prompt before it.
    let goes_on = model || tool || body.previous_response_id().is_some();
    (
        if goes_on {
            TurnKind::Continuation
        } else {
            TurnKind::Other
        },
        None,
    )
}

/// The newest prompt of a request that has one.
pub(super) fn newest_prompt(items: &[Item]) -> Option<PromptRef> {
    let mut judged = items.iter().enumerate().rev().map(|(index, item)| {
        let (standing, text) = context::judge(item);
        (standing, text.map(|text| (index, item, text)))
    });
    let (_, found) = judged.find(|(standing, _)| *standing == Standing::Prompt)?;
    found.map(|(index, item, text)| prompt_ref(index, item, text))
}

/// Whether the newest prompt is new; `model` and `tool` say what stands behind it.
///
/// An unseen id that the model already answered is history too: the first request after a
/// restart of the proxy is not to run the user's hooks on an old prompt again. Tool output alone
/// may stand behind a new prompt, when the user typed while the tool ran.
fn kind_of_prompt(item: &Item, model: bool, tool: bool, seen: &dyn Fn(&str) -> bool) -> TurnKind {
    match item.id() {
        Some(id) => match (seen(&id), model, tool) {
            (false, false, _) => TurnKind::Prompt,
            (true, false, false) => TurnKind::Resend,
            _ => TurnKind::Continuation,
        },
        None if model || tool => TurnKind::Continuation,
        None => TurnKind::Prompt,
    }
}

fn prompt_ref(index: usize, item: &Item, text: TextPart<'_>) -> PromptRef {
    PromptRef {
        item: index,
        id: item.id().map(std::borrow::Cow::into_owned),
        text_span: text.span,
        text: text.text.into_owned(),
    }
}
