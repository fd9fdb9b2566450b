//! Tool calls of the model: asked about before the client sees them.

use bytes::Bytes;
use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::input::{EventInput, ToolCall};
use codex_plus_hooks::python::{HookType, Method, Outcome, apply};
use codex_plus_wire::event::{Call, CallKind, EventKind};
use codex_plus_wire::patch::{self, Patch, PathPart};
use serde_json::{Value, json};

use super::memory::KnownCall;
use super::occasion::Occasion;
use crate::history::{Amendment, History, ItemKey};

/// The client's shell tools (Codex 0.169.0), which can be made to print a reason.
const SHELLS: [&str; 4] = ["exec_command", "shell", "shell_command", "local_shell"];
/// The tool that runs JavaScript in code mode (Codex 0.169.0).
const CODE_MODE: &str = "exec";
/// The name of a tool that no client has: calling it fails, and says so.
const NO_TOOL: &str = "blocked_by_hook";

/// What hooks decided about a call, when it does not go on as it is.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    /// The field that holds the input.
    field: &'static str,
    /// Its new value, as JSON.
    value: Bytes,
    /// The same as the deltas bring it.
    text: String,
    /// Another tool's name, for one that cannot be made to do nothing.
    name: Option<&'static str>,
    /// Why it was denied, if it was.
    denied: Option<String>,
}

/// Whether any hook may have a word on a call.
pub(super) fn concerns(occasion: &Occasion, call: &Call<'_>) -> bool {
    occasion
        .book
        .set
        .may_match(HookEvent::PreToolUse, tool_name(call))
        || occasion.book.has_python(HookType::PreToolUse)
}

/// Asks the hooks.
pub(super) async fn decide(occasion: &Occasion, call: &Call<'_>) -> Option<Decided> {
    if !concerns(occasion, call) {
        return None;
    }
    let asked = ToolCall {
        tool_name: tool_name(call).to_owned(),
        tool_input: input(call),
        tool_use_id: call.call_id.as_deref().unwrap_or_default().to_owned(),
        tool_response: Value::Null,
    };
    let mut merged = occasion
        .dispatch(EventInput::PreToolUse(asked.clone()))
        .await;
    if let Some(reason) = merged.refusal() {
        return Some(deny(call, &asked, reason));
    }
    for hook in occasion.book.python(HookType::PreToolUse) {
        let mut args = merged
            .updated_input
            .clone()
            .unwrap_or_else(|| asked.tool_input.clone());
        let payload = json!({"tool_name": asked.tool_name, "tool_args": args}).to_string();
        let reply = occasion.call(hook, Method::PreToolUse, payload).await;
        if let Some(Outcome::Patch(edits)) = reply.map(|reply| reply.outcome) {
            match apply(&mut args, &edits) {
                Ok(()) => merged.updated_input = Some(args),
                Err(error) => {
                    tracing::warn!(hook = hook.metadata.name, %error, "the call was left alone");
                }
            }
        }
    }
    let updated = merged
        .updated_input
        .filter(|input| *input != asked.tool_input)?;
    Some(with_input(call, &updated))
}

/// What is to be remembered of a call.
pub(super) fn known(call: &Call<'_>, decided: Option<&Decided>) -> KnownCall {
    KnownCall {
        name: tool_name(call).to_owned(),
        input: input(call),
        denied: decided.and_then(|decided| decided.denied.clone()),
    }
}

fn tool_name<'a>(call: &'a Call<'_>) -> &'a str {
    call.name.as_deref().unwrap_or("local_shell")
}

fn input(call: &Call<'_>) -> Value {
    let text = call.input.as_ref().map_or("", |input| input.text.as_ref());
    match call.kind {
        CallKind::CustomTool => Value::String(text.to_owned()),
        CallKind::Function | CallKind::LocalShell => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
    }
}

fn with_input(call: &Call<'_>, input: &Value) -> Decided {
    let text = match input {
        Value::String(text) if call.kind == CallKind::CustomTool => text.clone(),
        input => input.to_string(),
    };
    let (field, value) = match call.kind {
        CallKind::Function => ("arguments", Value::String(text.clone()).to_string()),
        CallKind::CustomTool => ("input", Value::String(text.clone()).to_string()),
        CallKind::LocalShell => ("action", input.to_string()),
    };
    Decided {
        field,
        value: value.into(),
        text,
        name: None,
        denied: None,
    }
}

/// A call that does nothing but show the reason.
fn deny(call: &Call<'_>, asked: &ToolCall, reason: &str) -> Decided {
    let said = format!("Blocked by a hook: {reason}");
    let print = format!(
        "printf '%s\\n' '{}' >&2; exit 1",
        said.replace('\'', r"'\''")
    );
    let name = asked.tool_name.as_str();
    let quoted = || Value::String(said.clone()).to_string();
    let (input, name) = match call.kind {
        CallKind::CustomTool if name == CODE_MODE => {
            // The user is shown commands, and not what the script itself comes to.
            let command = Value::String(print.clone());
            let script = format!(
                "await tools.exec_command({{cmd: {command}}});\nthrow new Error({});",
                quoted()
            );
            (Value::String(script), None)
        }
        CallKind::Function | CallKind::LocalShell if SHELLS.contains(&name) => {
            (shell_input(&asked.tool_input, &print), None)
        }
        CallKind::CustomTool => (Value::String(said.clone()), Some(NO_TOOL)),
        CallKind::Function | CallKind::LocalShell => (json!({"reason": said}), Some(NO_TOOL)),
    };
    Decided {
        name,
        denied: Some(said),
        ..with_input(call, &input)
    }
}

/// A shell tool's input with another command in it, written the way the tool takes it.
fn shell_input(input: &Value, script: &str) -> Value {
    let mut input = input.clone();
    let list = json!(["sh", "-c", script]);
    match input.as_object_mut() {
        Some(fields) if fields.contains_key("cmd") => {
            fields.insert("cmd".to_owned(), json!(script));
        }
        Some(fields) => {
            let is_text = fields.get("command").is_some_and(Value::is_string);
            let command = if is_text { json!(script) } else { list };
            fields.insert("command".to_owned(), command);
        }
        None => input = json!({"command": list}),
    }
    input
}

impl Decided {
    /// The edits of a call item at `within`.
    pub(super) fn edits(&self, within: &[PathPart]) -> Vec<Patch> {
        let at = |field: &str| [within, &[field.into()]].concat();
        let mut edits = vec![Patch::set(at(self.field), self.value.clone())];
        if let Some(name) = self.name {
            edits.push(Patch::set_text(at("name"), name));
        }
        edits
    }

    /// The events of a call, its `output_item.done` last, saying what was decided. None when they
    /// cannot be made to.
    pub(super) fn rewrite(&self, events: &[Bytes], within: &[PathPart]) -> Option<Vec<Bytes>> {
        let mut rewritten = Vec::with_capacity(events.len());
        let mut said = false;
        for data in events {
            let edits = match EventKind::peek(data) {
                EventKind::OutputItemDone => self.edits(within),
                EventKind::OutputItemAdded => match self.name {
                    Some(name) => vec![Patch::set_text(vec!["item".into(), "name".into()], name)],
                    None => Vec::new(),
                },
                // The whole input comes as one piece.
                EventKind::FunctionArgumentsDelta | EventKind::CustomToolInputDelta => {
                    if std::mem::replace(&mut said, true) {
                        continue;
                    }
                    vec![Patch::set_text(vec!["delta".into()], &self.text)]
                }
                EventKind::FunctionArgumentsDone => {
                    vec![Patch::set_text(vec!["arguments".into()], &self.text)]
                }
                EventKind::CustomToolInputDone => {
                    vec![Patch::set_text(vec!["input".into()], &self.text)]
                }
                _ => Vec::new(),
            };
            match patch::apply(data, &edits) {
                Ok(data) => rewritten.push(data),
                Err(error) => {
                    tracing::warn!(%error, "a call could not be changed as its hooks decided");
                    return None;
                }
            }
        }
        Some(rewritten)
    }

    /// Lets the model read its own call when the client sends it back.
    pub(super) fn remember_original(&self, history: &History, data: &Bytes, call: &Call<'_>) {
        let (Some(id), Some(input)) = (call.call_id.as_deref(), call.input.as_ref()) else {
            return;
        };
        let original = data.slice(input.span.clone());
        let mut edits = vec![Patch::set(
            vec![self.field.into()],
            Bytes::copy_from_slice(&original),
        )];
        if let (Some(_), Some(name)) = (self.name, call.name.as_deref()) {
            edits.push(Patch::set_text(vec!["name".into()], name));
        }
        history.remember(ItemKey::of_call(id), Amendment::edits(edits));
    }
}
