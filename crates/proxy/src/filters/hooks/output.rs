//! Tools' outputs on their way to the model.

use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::input::{EventInput, ToolCall};
use codex_plus_hooks::merge::Merged;
use codex_plus_hooks::python::{HookType, Method, Outcome, apply};
use codex_plus_wire::patch::Patch;
use codex_plus_wire::request::Item;
use serde_json::{Value, json};

use super::memory::{KnownCall, Memory};
use super::occasion::Occasion;
use crate::history::{Amendment, ItemKey};
use crate::inspection::Inspection;

/// Runs the hooks of every output that is on its way for the first time.
pub(super) async fn review(occasion: &Occasion, memory: &Memory, request: &mut Inspection<'_>) {
    let mut batch = Vec::new();
    for index in request.fresh_outputs() {
        // Whether it is new first: to read it, and to look for its call, takes time with its length
        // and that of the conversation.
        let item = request
            .items()
            .get(index)
            .filter(|item| is_new(item, memory));
        let Some(output) = item.and_then(Output::of) else {
            continue;
        };
        let known = called(request, &output.call_id)
            .or_else(|| memory.known_call(&output.call_id))
            .unwrap_or_default();
        let denied = memory
            .known_call(&output.call_id)
            .and_then(|call| call.denied);
        if let Some(reason) = denied {
            replace(request, &output, &Value::String(reason));
            continue;
        }
        let call = ToolCall {
            tool_name: known.name,
            tool_input: known.input,
            tool_use_id: output.call_id.clone(),
            tool_response: output.value.clone(),
        };
        let merged = run(occasion, &output, call.clone()).await;
        if let Some(updated) = merged.updated_output {
            replace(request, &output, &updated);
        }
        for text in merged.context {
            tell(request, &output, &text);
        }
        batch.push((output, call));
    }
    if batch.is_empty() || !occasion.book.is_for(HookEvent::PostToolBatch) {
        return;
    }
    let (outputs, tool_calls): (Vec<Output>, Vec<ToolCall>) = batch.into_iter().unzip();
    let merged = occasion
        .dispatch(EventInput::PostToolBatch { tool_calls })
        .await;
    if let Some(last) = outputs.last() {
        for text in merged.context {
            tell(request, last, &text);
        }
    }
}

fn is_new(item: &Item, memory: &Memory) -> bool {
    item.output().is_some()
        && item
            .call_id()
            .is_some_and(|call_id| memory.is_new_output(&call_id))
}

async fn run(occasion: &Occasion, output: &Output, call: ToolCall) -> Merged {
    let tool_name = call.tool_name.clone();
    let tool_args = call.tool_input.clone();
    let event = match &output.failure {
        Some(error) => EventInput::PostToolUseFailure {
            call,
            error: error.clone(),
        },
        None => EventInput::PostToolUse(call),
    };
    let mut merged = occasion.dispatch(event).await;
    for hook in occasion.book.python(HookType::PostToolUse) {
        let mut tool_output = merged
            .updated_output
            .clone()
            .unwrap_or_else(|| output.value.clone());
        let payload = json!({
            "tool_name": tool_name, "tool_args": tool_args, "tool_output": tool_output,
        });
        let reply = occasion
            .call(hook, Method::PostToolUse, payload.to_string())
            .await;
        if let Some(Outcome::Patch(edits)) = reply.map(|reply| reply.outcome) {
            match apply(&mut tool_output, &edits) {
                Ok(()) => merged.updated_output = Some(tool_output),
                Err(error) => {
                    tracing::warn!(hook = hook.metadata.name, %error, "its output was left alone");
                }
            }
        }
    }
    merged
}

/// One output item.
struct Output {
    call_id: String,
    /// A text, or what else the client says the tool gave.
    value: Value,
    /// Whether the client writes it as a list of parts.
    is_list: bool,
    /// How the tool failed, as far as its output tells.
    failure: Option<String>,
}

impl Output {
    fn of(item: &Item) -> Option<Self> {
        let span = item.output()?;
        let start = item.span().start;
        let raw = item.raw().get(span.start - start..span.end - start)?;
        let value: Value = serde_json::from_slice(raw).ok()?;
        let texts = item.output_parts();
        let text: String = texts.iter().map(|part| part.text.as_ref()).collect();
        Some(Self {
            call_id: item.call_id()?.into_owned(),
            is_list: value.is_array(),
            failure: failure(&text),
            value,
        })
    }
}

/// What an output says of a failure: shells tell an exit code (wordings of Codex 0.169.0 and
/// before), as text or as metadata.
fn failure(text: &str) -> Option<String> {
    let code = ["Exit code: ", "Process exited with code "]
        .iter()
        .find_map(|before| {
            let (_, rest) = text.split_once(before)?;
            let digits: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '-')
                .collect();
            digits.parse::<i64>().ok()
        })
        .or_else(|| {
            let told: Value = serde_json::from_str(text).ok()?;
            told.pointer("/metadata/exit_code")?.as_i64()
        })?;
    (code != 0).then(|| format!("exit code {code}"))
}

/// The call that an output belongs to, when the request still has it.
fn called(request: &Inspection<'_>, call_id: &str) -> Option<KnownCall> {
    let call = request
        .items()
        .iter()
        .find(|item| item.output().is_none() && item.call_id().is_some_and(|id| *id == *call_id))?;
    let start = call.span().start;
    let text = |span: std::ops::Range<usize>| {
        serde_json::from_slice::<Value>(call.raw().get(span.start - start..span.end - start)?).ok()
    };
    let input = match (call.arguments(), call.input()) {
        (Some(span), _) => match text(span)? {
            // Arguments are JSON in a string.
            Value::String(json) => serde_json::from_str(&json).unwrap_or(Value::String(json)),
            other => other,
        },
        (None, Some(span)) => text(span)?,
        (None, None) => Value::Null,
    };
    Some(KnownCall {
        name: call
            .name()
            .map_or_else(|| "local_shell".to_owned(), std::borrow::Cow::into_owned),
        input,
        denied: None,
    })
}

/// Gives an output other words, in the form the client uses.
fn replace(request: &mut Inspection<'_>, output: &Output, value: &Value) {
    let value = match value {
        Value::String(text) if output.is_list => json!([{"type": "input_text", "text": text}]),
        Value::String(_) => value.clone(),
        Value::Array(_) if output.is_list => value.clone(),
        other => Value::String(other.to_string()),
    };
    let edit = Patch::set(vec!["output".into()], value.to_string());
    let Some(index) = request.find(ItemKey::of_output(&output.call_id)) else {
        return;
    };
    if let Err(error) = request.amend(index, Amendment::edits(vec![edit])) {
        tracing::debug!(%error, "a tool's output could not be replaced");
    }
}

fn tell(request: &mut Inspection<'_>, output: &Output, text: &str) {
    let Some(index) = request.find(ItemKey::of_output(&output.call_id)) else {
        return;
    };
    if let Err(error) = request.add_context_behind(index, text) {
        tracing::debug!(%error, "context of hooks could not be added");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_off_the_exit_code() {
        assert_eq!(failure("Exit code: 0\nWall time: 1 s"), None);
        assert_eq!(
            failure("Exit code: 127\nOutput: x").as_deref(),
            Some("exit code 127")
        );
        assert_eq!(
            failure("Chunk ID: a\nProcess exited with code 1\nOutput:").as_deref(),
            Some("exit code 1")
        );
        assert_eq!(
            failure(r#"{"output":"x","metadata":{"exit_code":2}}"#).as_deref(),
            Some("exit code 2")
        );
        assert_eq!(failure("all is well"), None);
    }
}
