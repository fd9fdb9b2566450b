use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One scripted answer: what is said ([`Reply`]), at which pace, and how it ends.
///
/// In a JSON script a missing field has its default, so `{}` is the suited
/// answer and `{"reply":{"text":{"text":"hello"}}}` a short text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// What is said.
    pub reply: Reply,
    /// Wait before the response head (milliseconds in JSON, here and below).
    #[serde(rename = "head_delay_ms", with = "millis")]
    pub head_delay: Duration,
    /// Further wait between the head and the first event.
    #[serde(rename = "first_event_delay_ms", with = "millis")]
    pub first_event_delay: Duration,
    /// Wait before every event but the first.
    #[serde(rename = "event_delay_ms", with = "millis")]
    pub event_delay: Duration,
    /// How the answer ends.
    pub ending: Ending,
    /// Response headers added to (or replacing) the usual ones.
    pub headers: Vec<(String, String)>,
    /// Trailers after the body. HTTP/1.1 sends only those a `trailer` header
    /// announces, which is added, and only to a client that sent `te: trailers`.
    pub trailers: Vec<(String, String)>,
    /// Content-encoding of the body, flushed after every event.
    pub encoding: Option<Encoding>,
    /// Token counts to report; estimated from the sizes when absent.
    pub usage: Option<Usage>,
}

/// What an [`Answer`] says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// Whatever suits the request: a tool call for a prompt `run: <command>`, a
    /// remark on a tool's output, else a short text.
    #[default]
    Suited,
    /// An assistant message, streamed in `deltas` pieces.
    Text {
        /// The whole text.
        text: String,
        /// How many `response.output_text.delta` events carry it.
        #[serde(default = "one")]
        deltas: usize,
    },
    /// A `function_call` item.
    FunctionCall {
        /// Tool name.
        name: String,
        /// The arguments; a JSON string goes out as it is, another value as its text.
        arguments: Value,
    },
    /// A `custom_tool_call` item.
    CustomToolCall {
        /// Tool name.
        name: String,
        /// Free-form input.
        input: String,
    },
    /// Exactly these events; each needs a `type`.
    Events(Vec<Value>),
    /// A text of `events` deltas of `size` bytes each, for load.
    Filler {
        /// Number of delta events.
        events: usize,
        /// Bytes of text in each.
        size: usize,
    },
    /// `response.failed` with this error.
    Failed {
        /// For example `invalid_prompt` or `rate_limit_exceeded`.
        code: String,
        /// Text for the user.
        message: String,
    },
    /// A short text, then `response.incomplete`.
    Incomplete {
        /// For example `max_output_tokens`.
        reason: String,
    },
    /// An HTTP status and body; over WebSocket the matching error object.
    Status {
        /// HTTP status code.
        status: u16,
        /// Sent as it is; empty gives the usual `{"error":{…}}`.
        #[serde(default)]
        body: String,
    },
    /// A 200 `text/event-stream` of exactly these chunks; over WebSocket one
    /// message each, text when it is UTF-8, else binary.
    Chunks(#[serde(with = "text_chunks")] Vec<Bytes>),
    /// That many bytes that are neither text nor SSE, under a 200 event stream.
    Garbage {
        /// Number of bytes.
        len: usize,
    },
    /// WebSocket close frame; over HTTP the connection ends without an answer.
    Close {
        /// Close code.
        code: u16,
        /// Close reason, at most 123 bytes.
        #[serde(default)]
        reason: String,
    },
    /// WebSocket error object `{"type":"error","status":…,"error":{…}}`; over
    /// HTTP the same as a status.
    Error {
        /// HTTP-like status.
        status: u16,
        /// Error code.
        code: String,
        /// Text for the user.
        message: String,
    },
}

/// How an answer ends. `after` counts events (or chunks) sent before the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ending {
    /// In full.
    #[default]
    Complete,
    /// A clean end of the body (WebSocket: close 1000) before the rest is sent.
    #[allow(missing_docs)]
    Stop { after: usize },
    /// A connection reset (HTTP/2: a stream reset).
    #[allow(missing_docs)]
    Reset { after: usize },
    /// The connection is closed without the end of the body.
    #[allow(missing_docs)]
    Eof { after: usize },
    /// Nothing more comes, until the client leaves.
    #[allow(missing_docs)]
    Hang { after: usize },
}

/// Content-encodings the stand-in can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Encoding {
    Gzip,
    Zstd,
}

/// Token counts of `response.completed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Prompt tokens served from the provider's cache.
    pub cached: u64,
    /// Tokens produced.
    pub output: u64,
}

fn one() -> usize {
    1
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// JSON scripts hold chunks as text; bytes that are not UTF-8 exist only in code.
mod text_chunks {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(chunks: &[Bytes], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(chunks.iter().map(|chunk| String::from_utf8_lossy(chunk)))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<Bytes>, D::Error> {
        let chunks = Vec::<String>::deserialize(from)?;
        Ok(chunks.into_iter().map(Bytes::from).collect())
    }
}
