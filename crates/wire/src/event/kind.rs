//! Which kind of event this is, told at a glance, and sets of kinds.

use crate::json::{self, Cursor, Malformed};

/// The kinds of response events that matter on the way; all others are `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// `response.created`
    Created,
    /// `response.output_item.added`
    OutputItemAdded,
    /// `response.output_item.done`
    OutputItemDone,
    /// `response.output_text.delta`
    TextDelta,
    /// `response.output_text.done`
    TextDone,
    /// `response.content_part.added`
    ContentPartAdded,
    /// `response.content_part.done`
    ContentPartDone,
    /// `response.reasoning_text.delta`, `response.reasoning_summary_text.delta`
    ReasoningDelta,
    /// `response.function_call_arguments.delta`
    FunctionArgumentsDelta,
    /// `response.function_call_arguments.done`
    FunctionArgumentsDone,
    /// `response.custom_tool_call_input.delta`
    CustomToolInputDelta,
    /// `response.custom_tool_call_input.done`
    CustomToolInputDone,
    /// `response.completed`
    Completed,
    /// `response.failed`
    Failed,
    /// `response.incomplete`
    Incomplete,
    /// `error`
    Error,
    /// Any other type, or data that is not an event.
    Other,
}

impl EventKind {
    /// The kind for the value of `type`.
    pub fn from_type(name: &[u8]) -> Self {
        let Some(name) = name.strip_prefix(b"response.") else {
            return if name == b"error" {
                Self::Error
            } else {
                Self::Other
            };
        };
        match name {
            b"created" => Self::Created,
            b"output_item.added" => Self::OutputItemAdded,
            b"output_item.done" => Self::OutputItemDone,
            b"output_text.delta" => Self::TextDelta,
            b"output_text.done" => Self::TextDone,
            b"content_part.added" => Self::ContentPartAdded,
            b"content_part.done" => Self::ContentPartDone,
            b"reasoning_text.delta" | b"reasoning_summary_text.delta" => Self::ReasoningDelta,
            b"function_call_arguments.delta" => Self::FunctionArgumentsDelta,
            b"function_call_arguments.done" => Self::FunctionArgumentsDone,
            b"custom_tool_call_input.delta" => Self::CustomToolInputDelta,
            b"custom_tool_call_input.done" => Self::CustomToolInputDone,
            b"completed" => Self::Completed,
            b"failed" => Self::Failed,
            b"incomplete" => Self::Incomplete,
            _ => Self::Other,
        }
    }

    /// The kind of an event from its data. When `type` comes first, which it does from every
    /// known provider, nothing behind it is read.
    pub fn peek(data: &[u8]) -> Self {
        match type_first(data) {
            Some(name) => Self::from_type(name),
            None => type_anywhere(data).unwrap_or(Self::Other),
        }
    }

    /// True for the events that end a response.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Incomplete | Self::Error
        )
    }

    fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// The value of `type` when it is the first field and has no escapes.
fn type_first(data: &[u8]) -> Option<&[u8]> {
    let rest = data
        .trim_ascii_start()
        .strip_prefix(b"{")?
        .trim_ascii_start();
    let rest = rest.strip_prefix(b"\"type\"")?.trim_ascii_start();
    let rest = rest
        .strip_prefix(b":")?
        .trim_ascii_start()
        .strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    (rest.get(end) == Some(&b'"')).then(|| rest.get(..end))?
}

fn type_anywhere(data: &[u8]) -> Option<EventKind> {
    let mut cursor = Cursor::new(data, 0);
    let mut found = None;
    cursor
        .object(|cursor, key| {
            let value = cursor.skip()?;
            if key == b"type" {
                found = data.get(value).and_then(json::unescape);
            }
            Ok::<(), Malformed>(())
        })
        .ok()?;
    found.map(|name| EventKind::from_type(name.as_bytes()))
}

/// A set of event kinds: what a filter wants to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EventKinds(u32);

impl EventKinds {
    /// No kind.
    pub const EMPTY: Self = Self(0);
    /// Every kind, `Other` included.
    pub const ALL: Self = Self((1 << (EventKind::Other as u8 + 1)) - 1);

    /// The set with `kind` added.
    #[must_use]
    pub const fn with(self, kind: EventKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True when `kind` is in the set.
    pub fn contains(self, kind: EventKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// True when no kind is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
