//! From an answer to the pieces that go out: the same for both transports.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::{Reply, Usage};
use crate::events::{Event, Writer};
use crate::request::{Kind, Request};

/// The pieces of an answer, made one at a time as they are sent.
pub(crate) enum Plan {
    /// Responses events, framed by the transport.
    Events(Box<dyn Iterator<Item = Event> + Send>),
    /// One JSON document with a status.
    Document {
        status: u16,
        body: Bytes,
        text: bool,
    },
    /// Bytes sent as they are.
    Chunks(Vec<Bytes>),
    /// The end of the connection.
    Close { code: u16, reason: String },
}

/// Renders a reply for this request; `number` makes the ids unique.
pub(crate) fn render(reply: Reply, usage: Option<Usage>, ask: &Request, number: usize) -> Plan {
    let usage = usage.unwrap_or_else(|| estimate(&reply, ask));
    let mut writer = Writer::new(number, &ask.model, usage);
    match reply {
        Reply::Status { status, body } if body.is_empty() => document(
            status,
            &error_body(status, status_code(status), "scripted by the stand-in"),
        ),
        Reply::Status { status, body } => {
            let text = serde_json::from_str::<&serde_json::value::RawValue>(&body).is_err();
            Plan::Document {
                status,
                body: body.into(),
                text,
            }
        }
        Reply::Error {
            status,
            code,
            message,
        } => document(status, &error_body(status, &code, &message)),
        Reply::Chunks(chunks) => Plan::Chunks(chunks),
        Reply::Garbage { len } => Plan::Chunks(vec![garbage(len)]),
        Reply::Close { code, reason } => Plan::Close { code, reason },
        reply if ask.stream => Plan::Events(stream(reply, writer, ask.kind)),
        reply => {
            let done = last_response(reply, &mut writer, ask.kind);
            document(200, &done)
        }
    }
}

fn stream(reply: Reply, mut writer: Writer, kind: Kind) -> Box<dyn Iterator<Item = Event> + Send> {
    if let Reply::Filler { events, size } = reply {
        let pad = "x".repeat(size);
        let mut head = vec![writer.created()];
        head.extend(writer.message_start());
        // 0..events are deltas, then the end comes in one go.
        let rest = (0..=events).flat_map(move |at| {
            if at < events {
                return vec![writer.delta(&pad)];
            }
            let mut tail = Vec::from(writer.message_end("filler"));
            tail.push(writer.completed());
            tail
        });
        return Box::new(head.into_iter().chain(rest));
    }
    Box::new(events(reply, &mut writer, kind).into_iter())
}

fn events(reply: Reply, writer: &mut Writer, kind: Kind) -> Vec<Event> {
    if let Reply::Events(values) = &reply {
        return values.iter().map(Event::exact).collect();
    }
    let mut all = vec![writer.created()];
    match kind {
        Kind::Prewarm => {}
        Kind::Compaction => all.push(writer.compaction()),
        Kind::Turn | Kind::Title => match reply {
            Reply::FunctionCall { name, arguments } => {
                all.extend(writer.function_call(&name, &as_text(&arguments)));
            }
            Reply::CustomToolCall { name, input } => {
                all.extend(writer.custom_tool_call(&name, &input));
            }
            Reply::Failed { code, message } => {
                all.push(writer.failed(&code, &message));
                return all;
            }
            Reply::Incomplete { reason } => {
                message(&mut all, writer, "cut short", 1);
                all.push(writer.incomplete(&reason));
                return all;
            }
            Reply::Text { text, deltas } => message(&mut all, writer, &text, deltas),
            _ => message(&mut all, writer, "stand-in", 1),
        },
    }
    all.push(writer.completed());
    all
}

fn message(all: &mut Vec<Event>, writer: &mut Writer, text: &str, deltas: usize) {
    all.extend(writer.message_start());
    all.extend(
        split(text, deltas)
            .into_iter()
            .map(|piece| writer.delta(piece)),
    );
    all.extend(writer.message_end(text));
}

/// The response object of the last event, for `"stream": false`.
fn last_response(reply: Reply, writer: &mut Writer, kind: Kind) -> Value {
    let last = match reply {
        Reply::Events(values) => values
            .into_iter()
            .rfind(|event| event["response"].is_object()),
        reply => stream_last(reply, writer, kind),
    };
    last.map_or(Value::Null, |mut event| event["response"].take())
}

fn stream_last(reply: Reply, writer: &mut Writer, kind: Kind) -> Option<Value> {
    let reply = match reply {
        Reply::Filler { events, size } => Reply::Text {
            text: "x".repeat(events.saturating_mul(size)),
            deltas: 1,
        },
        reply => reply,
    };
    let last = events(reply, writer, kind).pop()?;
    serde_json::from_str(&last.json).ok()
}

/// Cuts a text into at most `count` pieces of about the same length.
fn split(text: &str, count: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    for left in (1..=count).rev() {
        if rest.is_empty() {
            break;
        }
        let mut at = rest.len().div_ceil(left);
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn as_text(arguments: &Value) -> String {
    arguments
        .as_str()
        .map_or_else(|| arguments.to_string(), ToOwned::to_owned)
}

/// About four bytes a token.
fn estimate(reply: &Reply, ask: &Request) -> Usage {
    let output = match reply {
        Reply::Text { text, .. } => text.len(),
        Reply::Filler { events, size } => events.saturating_mul(*size),
        _ => 64,
    };
    Usage {
        input: (ask.len / 4) as u64,
        cached: 0,
        output: output.div_ceil(4) as u64,
    }
}

fn document(status: u16, body: &Value) -> Plan {
    Plan::Document {
        status,
        body: body.to_string().into(),
        text: false,
    }
}

/// The provider's error shape.
pub(crate) fn error_body(status: u16, code: &str, message: &str) -> Value {
    let kind = if status == 429 {
        code
    } else {
        "invalid_request_error"
    };
    let kind = if status >= 500 { "server_error" } else { kind };
    json!({"error": {"type": kind, "code": code, "message": message, "param": null}})
}

fn status_code(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        404 => "not_found",
        429 => "rate_limit_exceeded",
        500.. => "server_error",
        _ => "invalid_request",
    }
}

/// Noise that is the same each time, with no two line ends in a row.
fn garbage(len: usize) -> Bytes {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8 | 0x80
    };
    (0..len).map(byte).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    proptest! {
        #[test]
        fn deltas_make_up_the_text(text in ".{0,200}", count in 1_usize..50) {
            let pieces = split(&text, count);
            prop_assert!(pieces.len() <= count);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}
