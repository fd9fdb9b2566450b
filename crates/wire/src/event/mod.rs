//! Typed views of response events: the JSON objects in `data:` lines and WebSocket messages.

mod fields;
mod kind;
mod parse;

use std::borrow::Cow;
use std::ops::Range;

pub use crate::json::TextPart;
pub use kind::{EventKind, EventKinds};

/// An event's data is not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response event is not a JSON object that can be read, at byte {offset}")]
pub struct EventError {
    /// Where reading stopped.
    pub offset: usize,
}

/// A response event. Spans are places in the data, so that an edit replaces only them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseEvent<'a> {
    /// `response.created`.
    Created(Completion<'a>),
    /// `response.output_item.added`: an item begins, mostly empty.
    ItemAdded(OutputItem<'a>),
    /// `response.output_item.done`: an item is complete.
    ItemDone(OutputItem<'a>),
    /// A piece of text: of an answer, of reasoning, of a call's arguments or input.
    Delta(EventKind, TextEvent<'a>),
    /// The whole text that the deltas brought.
    Done(EventKind, TextEvent<'a>),
    /// `response.completed`.
    Completed(Completion<'a>),
    /// `response.incomplete`.
    Incomplete(Completion<'a>),
    /// `response.failed`.
    Failed(Failure<'a>),
    /// `error`; on WebSocket it takes the place of an HTTP error status.
    Error(Failure<'a>),
    /// Any other event; its kind.
    Other(EventKind),
}

impl<'a> ResponseEvent<'a> {
    /// Reads the data of one event. Missing fields and fields of the wrong type are absent.
    ///
    /// # Errors
    /// [`EventError`] when the data is not one JSON object in UTF-8.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventError> {
        parse::parse(data)
    }

    /// What kind of event it is.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Created(_) => EventKind::Created,
            Self::ItemAdded(_) => EventKind::OutputItemAdded,
            Self::ItemDone(_) => EventKind::OutputItemDone,
            Self::Delta(kind, _) | Self::Done(kind, _) | Self::Other(kind) => *kind,
            Self::Completed(_) => EventKind::Completed,
            Self::Incomplete(_) => EventKind::Incomplete,
            Self::Failed(_) => EventKind::Failed,
            Self::Error(_) => EventKind::Error,
        }
    }
}

/// The items in the `output` of an event that ends a response.
pub fn outputs(data: &[u8]) -> Vec<OutputItem<'_>> {
    parse::outputs(data)
}

/// A piece of text and where it belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextEvent<'a> {
    /// The text (`delta`, `text`, `arguments` or `input`).
    pub text: Option<TextPart<'a>>,
    /// The item it belongs to.
    pub item_id: Option<Cow<'a, str>>,
    /// The item's place in the output.
    pub output_index: Option<u64>,
    /// The part's place in the item.
    pub content_index: Option<u64>,
}

/// An item of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputItem<'a> {
    /// The item's place in the output.
    pub output_index: Option<u64>,
    /// Where the item's object stands.
    pub span: Range<usize>,
    /// The item's `type`.
    pub item_type: Option<Cow<'a, str>>,
    /// The item's `id`.
    pub id: Option<Cow<'a, str>>,
    /// The item's `role`.
    pub role: Option<Cow<'a, str>>,
    /// The text parts of a message.
    pub texts: Vec<TextPart<'a>>,
    /// Whether the first of them is what the message begins with: its first part, an `output_text`.
    pub begins_with_text: bool,
    /// Set for calls of tools.
    pub call: Option<Call<'a>>,
}

/// How a tool is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// `function_call`: `arguments` is JSON in a string.
    Function,
    /// `custom_tool_call`: `input` is free text, JavaScript in code mode.
    CustomTool,
    /// `local_shell_call`: `action` is an object.
    LocalShell,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// How it is called.
    pub kind: CallKind,
    /// The tool; `None` for a local shell call.
    pub name: Option<Cow<'a, str>>,
    /// What its output will refer to.
    pub call_id: Option<Cow<'a, str>>,
    /// `arguments`, `input` or `action`: the text of a string, the JSON of an object.
    pub input: Option<TextPart<'a>>,
}

/// Tokens a response used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub input: u64,
    /// Tokens read from the prompt cache.
    pub cached: u64,
    /// Tokens written, reasoning included.
    pub output: u64,
    /// Tokens spent on reasoning.
    pub reasoning: u64,
    /// All tokens.
    pub total: u64,
}

/// How a response stands at its beginning or end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion<'a> {
    /// The response's id.
    pub response_id: Option<Cow<'a, str>>,
    /// The model that answers.
    pub model: Option<Cow<'a, str>>,
    /// Tokens used, when the event says so.
    pub usage: Option<Usage>,
    /// True when `output` has a call: the turn goes on.
    pub has_call: bool,
    /// `incomplete_details.reason`.
    pub incomplete_reason: Option<Cow<'a, str>>,
}

/// Why a response failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The response's id.
    pub response_id: Option<Cow<'a, str>>,
    /// `error.code`, or `error.type` without one.
    pub code: Option<Cow<'a, str>>,
    /// `error.message`.
    pub message: Option<TextPart<'a>>,
    /// The HTTP status of a WebSocket `error`.
    pub status: Option<u64>,
    /// Tokens used, when the event says so.
    pub usage: Option<Usage>,
}
