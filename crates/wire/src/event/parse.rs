//! From an event's data to its typed view.

use super::fields::{Members, each, elements, member};
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
    let whole = |span: Option<&Span>| {
        let mut item = span.map_or_else(OutputItem::default, |span| {
            output_item(data, &mut Cursor::new(data, span.start)).unwrap_or_default()
        });
        item.output_index = event.number(output_index);
        item
    };
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
    // Of duplicates the last one counts.
    let read = member(&mut Cursor::new(data, 0), "response", |cursor| {
        items.clear();
        member(cursor, "output", |cursor| {
            items.clear();
            elements(cursor, |cursor| {
                items.push(output_item(data, cursor)?);
                Ok(())
            })
        })
    });
    if read.is_err() {
        items.clear();
    }
    items
}

/// Reads the item that the cursor stands on.
fn output_item<'a>(data: &'a [u8], cursor: &mut Cursor<'a>) -> Result<OutputItem<'a>, Malformed> {
    let names = [
        "type",
        "id",
        "name",
        "call_id",
        "arguments",
        "input",
        "action",
        "content",
        "role",
    ];
    cursor.peek()?;
    let start = cursor.position();
    let item = Members::read(data, cursor, names)?;
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
    let (mut texts, mut begins_with_text, mut first) = (Vec::new(), false, true);
    each(data, item.span(7), |cursor| {
        let part = Members::read(data, cursor, ["text", "type"])?;
        let text = part.part(0);
        if std::mem::take(&mut first) {
            let is_text = part.text(1).as_deref() == Some("output_text");
            begins_with_text = is_text && text.is_some();
        }
        texts.extend(text);
        Ok(())
    });
    Ok(OutputItem {
        output_index: None,
        span: start..cursor.position(),
        item_type,
        id: item.text(1),
        role: item.text(8),
        texts,
        begins_with_text,
        call,
    })
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
    each(data, response.span(3), |cursor| {
        let item_type = Members::read(data, cursor, ["type"])?.text(0);
        has_call = has_call || item_type.as_deref().and_then(call_kind).is_some();
        Ok(())
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
