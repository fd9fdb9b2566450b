//! What a request is, and which item is the user's latest prompt.
//!
//! One prompt makes a dozen requests: a prewarm, the prompt itself, a continuation after each
//! tool call, retries, a compaction, a title. Only one of them is a *new prompt*. The rules were
//! measured with Codex 0.169.0; other clients are judged by position.

mod context;
mod metadata;
mod read;

use std::ops::Range;

pub use metadata::TurnMetadata;

use crate::request::{Item, RequestBody};

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TurnKind {
    /// A prompt of the user that was not sent before.
    Prompt,
    /// The same prompt again: a retry of a request that brought no answer.
    Resend,
    /// The turn goes on after tool output or an answer.
    Continuation,
    /// Warms caches, asks for nothing.
    Prewarm,
    /// Asks for a summary of the conversation.
    Compaction,
    /// Asks for a title of the thread; it quotes the prompt.
    Title,
    /// A request of a sub-agent.
    Subagent,
    /// None of these, or not known (yet).
    Other,
}

impl TurnKind {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Resend => "resend",
            Self::Continuation => "continuation",
            Self::Prewarm => "prewarm",
            Self::Compaction => "compaction",
            Self::Title => "title",
            Self::Subagent => "subagent",
            Self::Other => "other",
        }
    }
}

/// The newest prompt of the user in a body.
#[derive(Clone, PartialEq, Eq)]
pub struct PromptRef {
    /// Its place in [`RequestBody::items`].
    pub item: usize,
    /// The item's `id`, stable over requests; absent with clients that send none.
    pub id: Option<String>,
    /// Where the JSON string literal of its text stands in the body.
    pub text_span: Range<usize>,
    /// The text.
    pub text: String,
}

/// The text stays out, so that no log prints it by accident.
impl std::fmt::Debug for PromptRef {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PromptRef")
            .field("item", &self.item)
            .field("id", &self.id)
            .field("text_span", &self.text_span)
            .finish_non_exhaustive()
    }
}

/// The place of the first item that the model has not answered yet. Items before it are history:
/// a provider's prompt cache holds them, so they must not change any more.
pub fn frontier(items: &[Item]) -> usize {
    read::frontier(items)
}

/// The newest prompt among the items of a request that has one: edits may have moved it.
pub fn newest_prompt(items: &[Item]) -> Option<PromptRef> {
    read::newest_prompt(items)
}

/// Whether an item is the output of a tool.
pub fn is_tool_output(item: &Item) -> bool {
    context::standing(item) == context::Standing::Tool
}

/// What one request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What it is.
    pub kind: TurnKind,
    /// The newest prompt: new for [`TurnKind::Prompt`], history for [`TurnKind::Resend`] and
    /// [`TurnKind::Continuation`], absent for all other kinds.
    pub prompt: Option<PromptRef>,
    /// The working directory the newest environment context names. A WebSocket message with only
    /// new items may not name one.
    pub cwd: Option<String>,
    /// What the client says about the turn.
    pub metadata: TurnMetadata,
}

impl Turn {
    /// What the head alone can tell: `metadata` is the `x-codex-turn-metadata` header,
    /// `subagent_header` is `x-openai-subagent`. Whether a request of the user is a new prompt
    /// stands in the body, so it is [`TurnKind::Other`] here.
    pub fn from_head(metadata: Option<&str>, subagent_header: Option<&str>) -> Self {
        let metadata = metadata.and_then(TurnMetadata::parse).unwrap_or_default();
        let kind = read::kind_from_head(&metadata, subagent_header).unwrap_or(TurnKind::Other);
        Self {
            kind,
            prompt: None,
            cwd: None,
            metadata,
        }
    }

    /// Reads the body. `seen` says whether a prompt with this item id passed before.
    ///
    /// The body's own metadata goes before the head's: on WebSocket the head is that of the
    /// handshake, which may be hours old.
    pub fn read(
        body: &RequestBody,
        head_metadata: Option<&str>,
        subagent_header: Option<&str>,
        seen: &dyn Fn(&str) -> bool,
    ) -> Self {
        let metadata = body
            .metadata()
            .and_then(|json| TurnMetadata::parse(&json))
            .or_else(|| head_metadata.and_then(TurnMetadata::parse))
            .unwrap_or_default();
        let (kind, prompt) = read::classify(body, &metadata, subagent_header, seen);
        Self {
            kind,
            prompt,
            cwd: context::cwd(body.items()),
            metadata,
        }
    }
}
