//! Building answers in code: `Answer::text("hi").deltas(3).event_delay(…)`.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::answer::{Answer, Encoding, Ending, Reply, Usage};

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            ..Self::default()
        }
    }
}

impl Answer {
    /// Whatever suits the request; the default.
    pub fn suited() -> Self {
        Self::default()
    }

    /// An assistant message in one delta; see [`Answer::deltas`].
    pub fn text(text: impl Into<String>) -> Self {
        Reply::Text {
            text: text.into(),
            deltas: 1,
        }
        .into()
    }

    /// A `function_call`; a string goes out as it is, another value as its JSON.
    pub fn function_call(name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        Reply::FunctionCall {
            name: name.into(),
            arguments: arguments.into(),
        }
        .into()
    }

    /// A `custom_tool_call`, for example code mode's `exec`.
    pub fn custom_tool_call(name: impl Into<String>, input: impl Into<String>) -> Self {
        Reply::CustomToolCall {
            name: name.into(),
            input: input.into(),
        }
        .into()
    }

    /// Exactly these events.
    pub fn events(events: Vec<Value>) -> Self {
        Reply::Events(events).into()
    }

    /// `events` deltas of `size` bytes each.
    pub fn filler(events: usize, size: usize) -> Self {
        Reply::Filler { events, size }.into()
    }

    /// `response.failed`.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Reply::Failed {
            code: code.into(),
            message: message.into(),
        }
        .into()
    }

    /// `response.incomplete`.
    pub fn incomplete(reason: impl Into<String>) -> Self {
        Reply::Incomplete {
            reason: reason.into(),
        }
        .into()
    }

    /// An HTTP status with the usual error body; see [`Answer::body`].
    pub fn status(status: u16) -> Self {
        Reply::Status {
            status,
            body: String::new(),
        }
        .into()
    }

    /// Exactly these chunks under `text/event-stream`.
    pub fn chunks(chunks: Vec<Bytes>) -> Self {
        Reply::Chunks(chunks).into()
    }

    /// Exactly these bytes as one chunk; set the content-type with [`Answer::header`].
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::chunks(vec![bytes.into()])
    }

    /// `len` bytes of noise.
    pub fn garbage(len: usize) -> Self {
        Reply::Garbage { len }.into()
    }

    /// A WebSocket close frame.
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        Reply::Close {
            code,
            reason: reason.into(),
        }
        .into()
    }

    /// A WebSocket error object.
    pub fn error(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Reply::Error {
            status,
            code: code.into(),
            message: message.into(),
        }
        .into()
    }

    /// Splits a text into `count` deltas (never more than it has characters).
    #[must_use]
    pub fn deltas(mut self, count: usize) -> Self {
        if let Reply::Text { deltas, .. } = &mut self.reply {
            *deltas = count;
        }
        self
    }

    /// The body of a status.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        if let Reply::Status { body, .. } = &mut self.reply {
            *body = text.into();
        }
        self
    }

    /// Adds or replaces a response header; an empty value takes it out.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a trailer.
    #[must_use]
    pub fn trailer(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }

    /// Encodes the body.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = Some(encoding);
        self
    }

    /// Waits before the head.
    #[must_use]
    pub fn head_delay(mut self, delay: Duration) -> Self {
        self.head_delay = delay;
        self
    }

    /// Waits between head and first event.
    #[must_use]
    pub fn first_event_delay(mut self, delay: Duration) -> Self {
        self.first_event_delay = delay;
        self
    }

    /// Waits before every event but the first.
    #[must_use]
    pub fn event_delay(mut self, delay: Duration) -> Self {
        self.event_delay = delay;
        self
    }

    /// Reports these token counts.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Resets the connection after `events` events.
    #[must_use]
    pub fn cut_after(self, events: usize) -> Self {
        self.ending(Ending::Reset { after: events })
    }

    /// Ends cleanly after `events` events, without `response.completed`.
    #[must_use]
    pub fn stop_after(self, events: usize) -> Self {
        self.ending(Ending::Stop { after: events })
    }

    /// Falls silent after `events` events until the client leaves.
    #[must_use]
    pub fn hang_after(self, events: usize) -> Self {
        self.ending(Ending::Hang { after: events })
    }

    /// Any [`Ending`].
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }
}
