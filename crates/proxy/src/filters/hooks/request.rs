//! Prompts, tool outputs and compactions on their way to the model.

use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::input::EventInput;
use codex_plus_hooks::merge::Merged;
use codex_plus_wire::turn::{TurnKind, frontier};

use super::memory::Memory;
use super::occasion::Occasion;
use super::{body, output};
use crate::chain::Verdict;
use crate::inspection::Inspection;
use crate::reply::Reply;

/// Runs what a request brings, in the order in which it happened: outputs of the last answer's
/// tools, then the prompt, then edits of the whole.
pub(super) async fn review(
    occasion: &mut Occasion,
    memory: &Memory,
    request: &mut Inspection<'_>,
) -> Verdict {
    match occasion.kind {
        TurnKind::Prewarm | TurnKind::Title => return Verdict::Continue,
        TurnKind::Compaction => return compaction(occasion).await,
        TurnKind::Subagent => subagent(occasion, memory).await,
        TurnKind::Prompt | TurnKind::Resend | TurnKind::Continuation | TurnKind::Other => {}
    }
    let mut context = Vec::new();
    if occasion.is_users() && occasion.meets_session() {
        context = session(occasion, request).await;
    }
    output::review(occasion, memory, request).await;
    if occasion.kind == TurnKind::Prompt
        && let Some(blocked) = prompt(occasion, request, &mut context).await
    {
        return blocked;
    }
    for text in context {
        if let Err(error) = request.add_context(&text) {
            tracing::debug!(%error, "context of hooks could not be added");
        }
    }
    body::review(occasion, request).await;
    Verdict::Continue
}

async fn session(occasion: &Occasion, request: &Inspection<'_>) -> Vec<String> {
    // Whether the conversation was going on before.
    let resumes = request
        .body
        .as_ref()
        .is_some_and(|body| frontier(body.items()) > 0 || body.previous_response_id().is_some());
    let source = if resumes { "resume" } else { "startup" };
    let event = EventInput::SessionStart {
        source: source.to_owned(),
    };
    occasion.dispatch(event).await.context
}

/// The answer when the prompt is blocked; else its context is added to what is there.
async fn prompt(
    occasion: &Occasion,
    request: &Inspection<'_>,
    context: &mut Vec<String>,
) -> Option<Verdict> {
    if !occasion.book.is_for(HookEvent::UserPromptSubmit) {
        return None;
    }
    let prompt = request.turn.prompt.as_ref()?.text.clone();
    let merged = occasion
        .dispatch(EventInput::UserPromptSubmit { prompt })
        .await;
    if let Some(reason) = merged.refusal() {
        request.block_prompt(reason);
        return Some(block(reason));
    }
    context.extend(merged.context);
    None
}

async fn compaction(occasion: &Occasion) -> Verdict {
    let merged: Merged = occasion
        .dispatch(EventInput::PreCompact {
            // The wire does not tell who asked for it.
            trigger: "auto".to_owned(),
        })
        .await;
    merged.refusal().map_or(Verdict::Continue, block)
}

async fn subagent(occasion: &Occasion, memory: &Memory) {
    let Some(thread) = &occasion.thread else {
        return;
    };
    if memory.is_new_subagent(thread) {
        occasion
            .dispatch(EventInput::SubagentStart {
                agent_id: thread.clone(),
                agent_type: occasion.agent.clone().unwrap_or_default(),
            })
            .await;
    }
}

fn block(reason: &str) -> Verdict {
    Verdict::Reply(Reply::Block {
        message: reason.to_owned(),
    })
}
