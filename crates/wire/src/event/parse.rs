//! From an event's data to its typed view.

use super::fields::{Members, each};
use super::{
    Call, CallKind, Completion, EventError, EventKind, Failure, OutputItem, ResponseEvent,
    TextEvent, Usage,
};
use crate::json::{Cursor, Malformed, Span};

impl From<Malformed> for EventError {
    fn from(Malformed { offset }: Malformed) -> Self {
        Self { offset }
    }
}

pub(super) fn parse(data: &[u8]) -> Result<ResponseEvent<'_>, EventError> {
    if let Err(error) = std::str::from_utf8(data) {
        return Err(EventError {
            offset: error.valid_up_to(),
        });
    }
    let mut cursor = Cursor::new(data, 0);
    if cursor.peek()? != b'{' {
        return Err(EventError {
            offset: cursor.position(),
        });
    }
    let names = [
        "type",
        "response",
        "item",
        "output_index",
        "content_index",
        "item_id",
        "delta",
        "text",
        "arguments",
        "input",
        "error",
        "status",
        "code",
        "message",
    ];
    let event = Members::read(data, &mut cursor, names)?;
    cursor.end()?;
    let [
        kind,
        response,
        item,
        output_index,
        content_index,
        item_id,
        delta,
        text,
    ] = [0, 1, 2, 3, 4, 5, 6, 7];
    let [arguments, input, error, status, code, message] = [8, 9, 10, 11, 12, 13];

    let kind = event
        .text(kind)
        .map_or(EventKind::Other, |n| EventKind::from_type(n.as_bytes()));
    let piece = |field: usize| TextEvent {
        text: event.part(field),
        item_id: event.text(item_id),
        output_index: event.number(output_index),
        content_index: event.number(content_index),
    };
    let whole = |span| output_item(data, span, event.number(output_index));
    Ok(match kind {
        EventKind::Created => ResponseEvent::Created(completion(data, event.span(response))),
        EventKind::Completed => ResponseEvent::Completed(completion(data, event.span(response))),
        EventKind::Incomplete => ResponseEvent::Incomplete(completion(data, event.span(response))),
        EventKind::OutputItemAdded => ResponseEvent::ItemAdded(whole(event.span(item))),
        EventKind::OutputItemDone => ResponseEvent::ItemDone(whole(event.span(item))),
        EventKind::TextDelta
        | EventKind::ReasoningDelta
        | EventKind::FunctionArgumentsDelta
        | EventKind::CustomToolInputDelta => ResponseEvent::Delta(kind, piece(delta)),
        EventKind::TextDone => ResponseEvent::Done(kind, piece(text)),
        EventKind::FunctionArgumentsDone => ResponseEvent::Done(kind, piece(arguments)),
        EventKind::CustomToolInputDone => ResponseEvent::Done(kind, piece(input)),
        EventKind::Failed => ResponseEvent::Failed(failed(data, event.span(response))),
        EventKind::Error => {
            let mut failure = failure(data, event.span(error));
            // Over SSE code and message stand in the event itself.
            failure.code = failure.code.or_else(|| event.text(code));
            failure.message = failure.message.or_else(|| event.part(message));
            failure.status = event.number(status);
            ResponseEvent::Error(failure)
        }
        EventKind::ContentPartAdded | EventKind::ContentPartDone | EventKind::Other => {
            ResponseEvent::Other(kind)
        }
    })
}

pub(super) fn outputs(data: &[u8]) -> Vec<OutputItem<'_>> {
    let mut items = Vec::new();
    if std::str::from_utf8(data).is_err() {
        return items;
    }
    let mut cursor = Cursor::new(data, 0);
    let Ok(event) = Members::read(data, &mut cursor, ["response"]) else {
        return items;
    };
    let response = Members::at(data, event.span(0), ["output"]);
    each(data, response.span(0), |span| {
        items.push(output_item(data, Some(&span), None));
    });
    items
}

fn output_item<'a>(data: &'a [u8], span: Option<&Span>, index: Option<u64>) -> OutputItem<'a> {
    let names = [
        "type",
        "id",
        "name",
        "call_id",
        "arguments",
        "input",
        "action",
        "content",
    ];
    let item = Members::at(data, span, names);
    let item_type = item.text(0);
    let call = item_type.as_deref().and_then(call_kind).map(|kind| Call {
        kind,
        name: item.text(2),
        call_id: item.text(3),
        input: item.part_or_json(match kind {
            CallKind::Function => 4,
            CallKind::CustomTool => 5,
            CallKind::LocalShell => 6,
        }),
    });
    let mut texts = Vec::new();
    each(data, item.span(7), |part| {
        texts.extend(Members::at(data, Some(&part), ["text"]).part(0));
    });
    OutputItem {
        output_index: index,
        span: span.cloned().unwrap_or_default(),
        item_type,
        id: item.text(1),
        texts,
        call,
    }
}

fn call_kind(item_type: &str) -> Option<CallKind> {
    match item_type {
        "function_call" => Some(CallKind::Function),
        "custom_tool_call" => Some(CallKind::CustomTool),
        "local_shell_call" => Some(CallKind::LocalShell),
        _ => None,
    }
}

fn completion<'a>(data: &'a [u8], span: Option<&Span>) -> Completion<'a> {
    let names = ["id", "model", "usage", "output", "incomplete_details"];
    let response = Members::at(data, span, names);
    let mut has_call = false;
    each(data, response.span(3), |item| {
        let item_type = Members::at(data, Some(&item), ["type"]).text(0);
        has_call = has_call || item_type.as_deref().and_then(call_kind).is_some();
    });
    Completion {
        response_id: response.text(0),
        model: response.text(1),
        usage: usage(data, response.span(2)),
        has_call,
        incomplete_reason: Members::at(data, response.span(4), ["reason"]).text(0),
    }
}

fn failed<'a>(data: &'a [u8], span: Option<&Span>) -> Failure<'a> {
    let response = Members::at(data, span, ["id", "error", "usage"]);
    Failure {
        response_id: response.text(0),
        usage: usage(data, response.span(2)),
        ..failure(data, response.span(1))
    }
}

/// An `error` object.
fn failure<'a>(data: &'a [u8], span: Option<&Span>) -> Failure<'a> {
    let error = Members::at(data, span, ["code", "type", "message"]);
    Failure {
        code: error.text(0).or_else(|| error.text(1)),
        message: error.part(2),
        ..Failure::default()
    }
}

/// A `usage` object; `null` and other values are none.
fn usage(data: &[u8], span: Option<&Span>) -> Option<Usage> {
    if data.get(span?.clone())?.first() != Some(&b'{') {
        return None;
    }
    let names = [
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "input_tokens_details",
        "output_tokens_details",
    ];
    let usage = Members::at(data, span, names);
    let detail = |index, name| Members::at(data, usage.span(index), [name]).number(0);
    let (input, output) = (usage.number(0).unwrap_or(0), usage.number(1).unwrap_or(0));
    Some(Usage {
        input,
        cached: detail(3, "cached_tokens").unwrap_or(0),
        output,
        reasoning: detail(4, "reasoning_tokens").unwrap_or(0),
        total: usage
            .number(2)
            .unwrap_or_else(|| input.saturating_add(output)),
    })
}
