//! The turns that are sent: as Codex 0.169.0 puts them, each a prompt of its own.

use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};

/// Stands where a turn's number goes.
const NUMBER: &str = "@NUMBER@";
const SESSION: &str = "019aa000-0000-7000-8000-00000000be9c";
/// Instructions and tools of a first request of Codex's, in bytes.
const INSTRUCTIONS: usize = 40_000;

/// How a turn travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A small request and one JSON document.
    Document,
    /// A first request of Codex's and server-sent events.
    Stream,
    /// The same over WebSocket.
    Socket,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Document, Self::Stream, Self::Socket];

    /// The name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Stream => "stream",
            Self::Socket => "websocket",
        }
    }

    /// What it is, for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Document => "1 kB request, JSON answer",
            Self::Stream => "Codex's first request (44 kB), 43 events over SSE",
            Self::Socket => "the same over WebSocket",
        }
    }
}

/// Makes turns.
pub(super) struct Turns {
    small: String,
    stream: String,
    socket: String,
    number: usize,
}

impl Turns {
    /// Turns of a user who works in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        let mut stream = body(folder, INSTRUCTIONS);
        stream["stream"] = json!(true);
        let mut socket = stream.clone();
        socket["type"] = json!("response.create");
        let mut small = body(folder, 100);
        small["stream"] = json!(false);
        Self {
            small: small.to_string(),
            stream: stream.to_string(),
            socket: socket.to_string(),
            number: 0,
        }
    }

    /// The next turn's body.
    pub(super) fn next(&mut self, kind: Kind) -> Bytes {
        self.number += 1;
        let template = match kind {
            Kind::Document => &self.small,
            Kind::Stream => &self.stream,
            Kind::Socket => &self.socket,
        };
        template.replace(NUMBER, &self.number.to_string()).into()
    }
}

/// The headers that say whose turn it is.
pub(super) fn headers() -> [(&'static str, String); 4] {
    [
        ("session-id", SESSION.to_owned()),
        ("thread-id", SESSION.to_owned()),
        ("originator", "codex_exec".to_owned()),
        ("x-codex-turn-metadata", metadata().to_string()),
    ]
}

fn metadata() -> Value {
    json!({
        "session_id": SESSION,
        "thread_id": SESSION,
        "turn_id": "019aa000-0000-7000-8000-0000000000be",
        "request_kind": "turn",
        "thread_source": "user",
    })
}

fn body(folder: &Path, instructions: usize) -> Value {
    let message = |id: &str, role: &str, text: &str| {
        json!({
            "type": "message",
            "id": id,
            "role": role,
            "content": [{"type": "input_text", "text": text}],
        })
    };
    let text = "You are a coding agent. \"Quote\", then go on.\n";
    let text = text.repeat(instructions / text.len() + 1);
    let context = format!(
        "<environment_context>\n  <cwd>{}</cwd>\n</environment_context>",
        folder.display()
    );
    let id = format!("msg_bench_{NUMBER}");
    json!({
        "model": "gpt-5.5",
        "input": [
            message("msg_1", "developer", &text),
            message("msg_2", "user", &context),
            message(&id, "user", &format!("Made-up prompt {NUMBER} of codex-plus bench.")),
        ],
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": true,
        "store": false,
        "prompt_cache_key": SESSION,
        "client_metadata": {"x-codex-turn-metadata": metadata().to_string()},
    })
}
