//! Answers given in the upstream's place, in the words the client understands best.

use serde_json::{Value, json};

/// What a filter answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The request is refused; the user reads why.
    Block {
        /// The reason, shown as it is.
        message: String,
    },
    /// An assistant turn of ours.
    Text {
        /// What the assistant says.
        text: String,
    },
}

impl Reply {
    /// The id of the message in an answer of ours to this exchange.
    pub(crate) fn item_id(exchange: u64) -> String {
        format!("msg_codex_plus_{exchange}")
    }

    /// The id of such an answer.
    pub(crate) fn response_id(exchange: u64) -> String {
        format!("resp_codex_plus_{exchange}")
    }

    /// A turn of ours as one JSON document.
    pub(crate) fn document(id: u64, text: &str) -> Value {
        response(id, "completed", &json!([message_item(id, text)]))
    }

    /// The answer as response events, for SSE and WebSocket alike.
    ///
    /// A block is a `response.failed` with `invalid_prompt`: Codex shows its message verbatim and
    /// does not try again (seen with 0.169.0).
    pub(crate) fn events(&self, id: u64) -> Vec<Value> {
        let mut events = match self {
            Self::Block { message } => {
                let mut failed = response(id, "failed", &json!([]));
                failed["error"] = json!({"code": "invalid_prompt", "message": message});
                vec![
                    json!({"type": "response.created", "response": response(id, "in_progress", &json!([]))}),
                    json!({"type": "response.failed", "response": failed}),
                ]
            }
            Self::Text { text } => spoken(id, text),
        };
        for (number, event) in events.iter_mut().enumerate() {
            event["sequence_number"] = json!(number);
        }
        events
    }
}

/// The events of a turn in which the assistant says one thing.
fn spoken(id: u64, text: &str) -> Vec<Value> {
    let item = message_item(id, text);
    let item_id = item["id"].clone();
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    begun["content"] = json!([]);
    let place = |kind: &str, more: Value| {
        let mut event =
            json!({"type": kind, "item_id": item_id, "output_index": 0, "content_index": 0});
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        event
    };
    vec![
        json!({"type": "response.created", "response": response(id, "in_progress", &json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
        place("response.content_part.added", json!({"part": part("")})),
        place("response.output_text.delta", json!({"delta": text})),
        place("response.output_text.done", json!({"text": text})),
        place("response.content_part.done", json!({"part": part(text)})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response(id, "completed", &json!([item]))}),
    ]
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

fn message_item(id: u64, text: &str) -> Value {
    json!({
        "id": Reply::item_id(id),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part(text)],
    })
}

fn response(id: u64, status: &str, output: &Value) -> Value {
    json!({
        "id": Reply::response_id(id),
        "object": "response",
        "status": status,
        "output": output,
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
    })
}
