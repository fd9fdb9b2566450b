//! What a call of a hook's method is made of, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::edit::Edit;
use super::log::LogRecord;
use super::metadata::Metadata;

/// A method of the Python `Hook` class, and the payload it takes and edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Payload: the body, `{"prompt": "..."}` or `{}`, as the hook's `input` says. Edits are of it.
    PreInput,
    /// Payload: `{"status_code", "headers": [[name, value], ...], "body"}`. Edits are of it.
    PostOutput,
    /// Payload: `{"tool_name", "tool_args"}`. Edits are of `tool_args`.
    PreToolUse,
    /// Payload: `{"tool_name", "tool_args", "tool_output"}`. Edits are of `tool_output`.
    PostToolUse,
    /// Payload: any JSON. The outcome is the returned value.
    Stop,
}

impl Method {
    /// The number that frames name it by, as in `METHODS` of `src/codex_plus/worker/frames.py`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::PreInput => 0,
            Self::PostOutput => 1,
            Self::PreToolUse => 2,
            Self::PostToolUse => 3,
            Self::Stop => 4,
        }
    }
}

/// The request a hook is shown.
#[derive(Clone, Debug, Default)]
pub struct RequestMeta {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header fields. Secret ones are masked before they reach the worker, unless
    /// the hook's metadata asks for them.
    pub headers: HeaderMap,
    /// What the proxy knows: `session_id`, `turn_id`, `cwd`, `model`, ...
    pub meta: Map<String, Value>,
}

/// What a masked header's value is.
const MASK: &str = "***";

impl Call {
    /// The request as this hook may see it.
    pub(super) fn seen_by<'a>(&'a self, metadata: &'a Metadata) -> Seen<'a> {
        let request = &*self.request;
        Seen {
            method: &request.method,
            path: &request.path,
            headers: SeenHeaders(&request.headers, metadata),
            state: &self.state,
            meta: &request.meta,
        }
    }
}

/// A request as a hook may see it. Written as it is, for every call has one.
#[derive(Serialize)]
pub(super) struct Seen<'a> {
    method: &'a str,
    path: &'a str,
    headers: SeenHeaders<'a>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    state: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    meta: &'a Map<String, Value>,
}

struct SeenHeaders<'a>(&'a HeaderMap, &'a Metadata);

impl Serialize for SeenHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(headers, metadata) = self;
        serializer.collect_seq(headers.iter().map(|(name, value)| {
            let name = name.as_str();
            let hidden = is_secret(name) && !metadata.asks_for_header(name);
            let value = String::from_utf8_lossy(value.as_bytes());
            (name, if hidden { MASK.into() } else { value })
        }))
    }
}

/// Whether a header, its name in small letters, carries a secret: the usual names, and those that
/// say so themselves.
fn is_secret(name: &str) -> bool {
    matches!(name, "cookie" | "set-cookie" | "chatgpt-account-id")
        || [
            "authorization",
            "api-key",
            "apikey",
            "token",
            "secret",
            "password",
        ]
        .iter()
        .any(|part| name.contains(part))
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which method.
    pub method: Method,
    /// The request it is about.
    pub request: Arc<RequestMeta>,
    /// What hooks of this exchange left for each other; hand [`Reply::state`] to the next call.
    pub state: Map<String, Value>,
    /// JSON, as the method takes it.
    pub payload: Bytes,
    /// How long the hook may take; `None` is the hook's own limit, or else the pool's.
    pub timeout: Option<Duration>,
}

/// What a call came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing is different.
    Unchanged,
    /// What is different, as the smallest edits; apply them in order.
    Patch(Vec<Edit>),
    /// The returned value as JSON (of [`Method::Stop`]).
    Value(Bytes),
}

/// A call's outcome and what else it left.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What it came to.
    pub outcome: Outcome,
    /// `request.state` when the hook changed it.
    pub state: Option<Map<String, Value>>,
    /// What it logged and printed; these are in the proxy's log already.
    pub logs: Vec<LogRecord>,
    /// From the call to its reply, starting a worker left out.
    pub took: Duration,
}

/// Why a call failed. The exchange goes on without it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PythonError {
    /// No worker could be started.
    #[error("cannot run Python hooks with {python}: {why}")]
    Start {
        /// The interpreter.
        python: String,
        /// What went wrong.
        why: String,
    },
    /// The hook raised, cannot be loaded, or returned what is no JSON.
    #[error("hook {hook}: {message}")]
    Raised {
        /// The hook's name.
        hook: String,
        /// The exception in one line.
        message: String,
        /// From the hook's code on; empty when none was raised.
        traceback: String,
        /// The line of the hook file, if one was on the stack.
        line: Option<u64>,
        /// The file itself cannot be used: no call of it can succeed.
        unusable: bool,
    },
    /// The hook took too long.
    #[error("hook {hook} did not answer within {} ms{}", after.as_millis(), at(at_line.as_deref()))]
    Timeout {
        /// The hook's name.
        hook: String,
        /// The limit.
        after: Duration,
        /// Where the worker's loop was, when it was stuck.
        at_line: Option<String>,
    },
    /// The worker ended while the hook ran in it.
    #[error("hook {hook}: its worker process ended: {why}")]
    WorkerLost {
        /// The hook's name.
        hook: String,
        /// What was seen.
        why: String,
    },
    /// What was to be handed over is larger than the limit.
    #[error("hook {hook}: {length} bytes are over the frame limit of {limit}")]
    TooLarge {
        /// The hook's name.
        hook: String,
        /// In bytes.
        length: usize,
        /// In bytes.
        limit: usize,
    },
    /// The pool was closed.
    #[error("the Python workers were stopped")]
    Closed,
}

fn at(line: Option<&str>) -> String {
    line.map_or_else(String::new, |line| format!("; it was at {line}"))
}
