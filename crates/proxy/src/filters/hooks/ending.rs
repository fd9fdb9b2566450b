//! What an answer came to: hooks may let it go on, or only watch.

use std::sync::Arc;

use bytes::Bytes;
use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::input::EventInput;
use codex_plus_hooks::python::{HookType, Method, Outcome};
use codex_plus_wire::event::OutputItem;
use codex_plus_wire::turn::TurnKind;
use serde_json::{Value, json};

use super::occasion::Occasion;
use crate::history::{Amendment, History, ItemKey};
use crate::listeners::Again;

/// How often one answer may be made to go on.
const MOST_AGAIN: u32 = 8;
/// No more of an answer's items is kept for going on, in bytes.
const LARGEST_OUTPUT: usize = 4 << 20;

/// Follows an answer to its end.
pub(super) struct Ending {
    occasion: Arc<Occasion>,
    history: Arc<History>,
    /// The items said so far, as JSON, and their size.
    output: Vec<Bytes>,
    size: usize,
    /// How many items were said in all, those of earlier answers included.
    items: usize,
    last_id: Option<String>,
    last_text: Option<String>,
    called: bool,
    again: u32,
    over: bool,
}

impl Ending {
    pub(super) fn new(occasion: Arc<Occasion>, history: Arc<History>) -> Self {
        Self {
            occasion,
            history,
            output: Vec::new(),
            size: 0,
            items: 0,
            last_id: None,
            last_text: None,
            called: false,
            again: 0,
            over: false,
        }
    }

    /// A tool was called: the turn goes on by itself.
    pub(super) fn called(&mut self) {
        self.called = true;
    }

    /// An item of the answer is complete.
    pub(super) fn said(&mut self, data: &Bytes, item: &OutputItem<'_>) {
        self.items += 1;
        self.size += item.span.len();
        if self.size <= LARGEST_OUTPUT {
            let raw = data.get(item.span.clone()).unwrap_or_default();
            self.output.push(Bytes::copy_from_slice(raw));
        }
        if item.item_type.as_deref() == Some("message") {
            self.last_id = item.id.as_deref().map(str::to_owned);
            self.last_text = Some(item.texts.iter().map(|part| part.text.as_ref()).collect());
        }
    }

    /// The last event holds an item at this place; it is news only when no event of its own told
    /// it. Of an answer that went on, the last event holds what was said before that, too.
    pub(super) fn said_at_last(&mut self, index: usize, data: &Bytes, item: &OutputItem<'_>) {
        if index >= self.items {
            self.said(data, item);
        }
    }

    /// The answer ends; with what it goes on if hooks do not let it.
    pub(super) async fn completed(&mut self, has_call: bool) -> Option<Again> {
        let goes_on = has_call || self.called;
        match self.occasion.kind {
            TurnKind::Compaction => {
                self.over = true;
                self.occasion.observe(EventInput::PostCompact {
                    trigger: "auto".to_owned(),
                });
                None
            }
            TurnKind::Subagent if !goes_on => {
                self.over = true;
                self.occasion.observe(EventInput::SubagentStop {
                    agent_id: self.occasion.thread.clone().unwrap_or_default(),
                    agent_type: self.occasion.agent.clone().unwrap_or_default(),
                    last_assistant_message: self.last_text.clone(),
                });
                None
            }
            _ if self.occasion.is_users() && !goes_on => self.stop().await,
            _ => None,
        }
    }

    async fn stop(&mut self) -> Option<Again> {
        let occasion = Arc::clone(&self.occasion);
        let mut reason = None;
        if occasion.book.is_for(HookEvent::Stop) {
            let event = EventInput::Stop {
                stop_hook_active: self.again > 0,
                last_assistant_message: self.last_text.clone(),
            };
            let merged = occasion.dispatch(event).await;
            // `continue: false` agrees with stopping, whatever others want.
            reason = merged.block.filter(|_| merged.stop.is_none());
        }
        for hook in occasion.book.python(HookType::Stop) {
            let told = json!({
                "session_id": occasion.session(),
                "stop_hook_active": self.again > 0,
                "last_assistant_message": self.last_text,
            });
            let reply = occasion.call(hook, Method::Stop, told.to_string()).await;
            if let Some(Outcome::Value(said)) = reply.map(|reply| reply.outcome) {
                reason = reason.or_else(|| blocked(&said));
            }
        }
        let reason = reason?;
        if self.again >= MOST_AGAIN || self.size > LARGEST_OUTPUT {
            tracing::warn!(target: "hook", times = self.again, "a Stop hook blocks again; the turn ends all the same");
            return None;
        }
        self.again += 1;
        Some(self.go_on(&reason))
    }

    /// The reason as what the user would say to the answer.
    fn go_on(&mut self, reason: &str) -> Again {
        // Codex writes what hooks say to the model in these marks, too (seen with 0.169.0).
        let text = format!("<hook_prompt>{reason}</hook_prompt>");
        let item: Bytes = json!({"type": "message", "role": "user",
            "content": [{"type": "input_text", "text": text}]})
        .to_string()
        .into();
        if let Some(id) = &self.last_id {
            let key = ItemKey::of_id(id);
            self.history.remember(key, Amendment::after(item.clone()));
        }
        Again {
            output: std::mem::take(&mut self.output),
            input: vec![item],
        }
    }

    /// The answer failed; told once.
    pub(super) fn failed(&mut self, error: &str, details: Option<String>) {
        if std::mem::replace(&mut self.over, true)
            || !self.occasion.book.is_for(HookEvent::StopFailure)
        {
            return;
        }
        self.occasion.observe(EventInput::StopFailure {
            error: error.to_owned(),
            error_details: details,
        });
    }
}

/// Why a Python hook does not let the turn end, if it does not.
fn blocked(said: &[u8]) -> Option<String> {
    let said: Value = serde_json::from_slice(said).ok()?;
    (said["decision"] == "block").then(|| {
        let reason = said["reason"].as_str().filter(|reason| !reason.is_empty());
        reason.unwrap_or("A hook asks to go on.").to_owned()
    })
}
