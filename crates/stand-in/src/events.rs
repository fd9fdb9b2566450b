//! Responses events in the shapes Codex 0.169.0 and the `OpenAI` SDKs read.

use serde_json::{Value, json};

use crate::answer::Usage;

/// One event, ready to be framed for either transport.
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) json: String,
}

impl Event {
    /// An event given as it is, with its own sequence number or none.
    pub(crate) fn exact(value: &Value) -> Self {
        let kind = value["type"].as_str().unwrap_or("message").to_owned();
        Self {
            kind,
            json: value.to_string(),
        }
    }
}

/// Writes the events of one response, numbering them.
pub(crate) struct Writer {
    id: String,
    item_id: String,
    model: String,
    created_at: u64,
    usage: Value,
    sequence: u64,
    /// Finished output items, repeated in the last event.
    output: Vec<Value>,
}

impl Writer {
    pub(crate) fn new(number: usize, model: &str, usage: Usage) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            id: format!("resp_standin{number:08}"),
            item_id: format!("item_standin{number:08}"),
            model: model.to_owned(),
            created_at: now.map_or(0, |since| since.as_secs()),
            usage: json!({
                "input_tokens": usage.input,
                "input_tokens_details": {"cached_tokens": usage.cached},
                "output_tokens": usage.output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage.input + usage.output,
            }),
            sequence: 0,
            output: Vec::new(),
        }
    }

    /// `response.created`.
    pub(crate) fn created(&mut self) -> Event {
        let response = self.response("in_progress");
        self.event("response.created", &json!({"response": response}))
    }

    /// `response.completed` with the usage and all output items.
    pub(crate) fn completed(&mut self) -> Event {
        let response = self.finished("completed");
        self.event("response.completed", &json!({"response": response}))
    }

    pub(crate) fn incomplete(&mut self, reason: &str) -> Event {
        let mut response = self.finished("incomplete");
        response["incomplete_details"] = json!({"reason": reason});
        self.event("response.incomplete", &json!({"response": response}))
    }

    pub(crate) fn failed(&mut self, code: &str, message: &str) -> Event {
        let mut response = self.response("failed");
        response["error"] = json!({"code": code, "message": message});
        self.event("response.failed", &json!({"response": response}))
    }

    /// The finished response as an object: the answer to `"stream": false`.
    pub(crate) fn finished(&mut self, status: &str) -> Value {
        let mut response = self.response(status);
        response["output"] = Value::Array(std::mem::take(&mut self.output));
        response["usage"] = self.usage.take();
        response
    }

    /// What comes before the deltas of a message.
    pub(crate) fn message_start(&mut self) -> [Event; 2] {
        let item = self.message("in_progress", None);
        let part = json!({"type": "output_text", "text": "", "annotations": []});
        [
            self.event(
                "response.output_item.added",
                &json!({"output_index": 0, "item": item}),
            ),
            self.text_event("response.content_part.added", "part", &part),
        ]
    }

    pub(crate) fn delta(&mut self, text: &str) -> Event {
        self.text_event("response.output_text.delta", "delta", &Value::from(text))
    }

    /// What comes after the deltas of a message.
    pub(crate) fn message_end(&mut self, text: &str) -> [Event; 3] {
        let part = json!({"type": "output_text", "text": text, "annotations": []});
        let item = self.message("completed", Some(text));
        [
            self.text_event("response.output_text.done", "text", &Value::from(text)),
            self.text_event("response.content_part.done", "part", &part),
            self.item_done(&item),
        ]
    }

    pub(crate) fn function_call(&mut self, name: &str, arguments: &str) -> Vec<Event> {
        let item = |status: &str, arguments: &str, id: &str| {
            json!({"type": "function_call", "id": id, "call_id": format!("call_{id}"),
                "name": name, "arguments": arguments, "status": status})
        };
        let id = self.item_id.clone();
        let added = json!({"output_index": 0, "item": item("in_progress", "", &id)});
        let place = |key: &str| json!({"item_id": id, "output_index": 0, key: arguments});
        vec![
            self.event("response.output_item.added", &added),
            self.event("response.function_call_arguments.delta", &place("delta")),
            self.event("response.function_call_arguments.done", &place("arguments")),
            self.item_done(&item("completed", arguments, &id)),
        ]
    }

    pub(crate) fn custom_tool_call(&mut self, name: &str, input: &str) -> Vec<Event> {
        let item = |status: &str, input: &str, id: &str| {
            json!({"type": "custom_tool_call", "id": id, "call_id": format!("call_{id}"),
                "name": name, "input": input, "status": status})
        };
        let id = self.item_id.clone();
        let added = json!({"output_index": 0, "item": item("in_progress", "", &id)});
        let place = |key: &str| json!({"item_id": id, "output_index": 0, key: input});
        vec![
            self.event("response.output_item.added", &added),
            self.event("response.custom_tool_call_input.delta", &place("delta")),
            self.event("response.custom_tool_call_input.done", &place("input")),
            self.item_done(&item("completed", input, &id)),
        ]
    }

    /// The one item a compaction answers with.
    pub(crate) fn compaction(&mut self) -> Event {
        let item = json!({"type": "compaction", "id": self.item_id,
            "encrypted_content": "stand-in compaction"});
        self.item_done(&item)
    }

    fn item_done(&mut self, item: &Value) -> Event {
        self.output.push(item.clone());
        self.event(
            "response.output_item.done",
            &json!({"output_index": 0, "item": item}),
        )
    }

    fn text_event(&mut self, kind: &str, key: &str, value: &Value) -> Event {
        let fields =
            json!({"item_id": self.item_id, "output_index": 0, "content_index": 0, key: value});
        self.event(kind, &fields)
    }

    fn event(&mut self, kind: &str, fields: &Value) -> Event {
        // The provider puts these two first; `Value` would sort them among the rest.
        let (kind, sequence, fields) = (kind.to_owned(), self.sequence, fields.to_string());
        self.sequence += 1;
        let fields = fields.trim_start_matches('{');
        let json = format!(r#"{{"type":"{kind}","sequence_number":{sequence},{fields}"#);
        Event { kind, json }
    }

    fn message(&self, status: &str, text: Option<&str>) -> Value {
        let content: Vec<Value> = text
            .map(|text| json!({"type": "output_text", "text": text, "annotations": []}))
            .into_iter()
            .collect();
        json!({"type": "message", "id": self.item_id, "role": "assistant",
            "status": status, "content": content})
    }

    fn response(&self, status: &str) -> Value {
        json!({"id": self.id, "object": "response", "created_at": self.created_at,
            "status": status, "model": self.model, "output": [], "usage": null,
            "error": null, "incomplete_details": null})
    }
}
