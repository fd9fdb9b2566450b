//! The little the stand-in reads of every Responses request.

use std::borrow::Cow;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A prompt or a continuation: takes the next scripted answer.
    Turn,
    /// `generate: false`, seen on WebSocket with Codex 0.169.0.
    Prewarm,
    /// A thread title, asked for by the Codex TUI beside the first turn.
    Title,
    /// A compaction: the last item is `compaction_trigger`, or the path says so.
    Compaction,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) stream: bool,
    pub(crate) model: String,
    /// Bytes of the plain body; token counts are estimated from it.
    pub(crate) len: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    stream: Option<bool>,
    generate: Option<bool>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    client_metadata: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientMetadata {
    #[serde(rename = "x-codex-turn-metadata")]
    turn: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TurnMetadata {
    request_kind: Option<String>,
    thread_source: Option<String>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
}

impl Request {
    /// Reads a plain body; one that is not a JSON object counts as a streamed turn.
    pub(crate) fn read(plain: &[u8], headers: &HeaderMap) -> Self {
        let body: Body<'_> = serde_json::from_slice(plain).unwrap_or_default();
        Self {
            kind: kind(&body, headers),
            stream: body.stream.unwrap_or(true),
            model: body
                .model
                .map_or_else(|| "stand-in".to_owned(), Cow::into_owned),
            len: plain.len(),
        }
    }
}

fn kind(body: &Body<'_>, headers: &HeaderMap) -> Kind {
    if body.generate == Some(false) {
        return Kind::Prewarm;
    }
    let turn = turn_metadata(body, headers);
    if turn.thread_source.as_deref() == Some("thread_title") {
        return Kind::Title;
    }
    match turn.request_kind.as_deref() {
        Some("prewarm") => Kind::Prewarm,
        _ if body.input.is_some_and(ends_with_trigger) => Kind::Compaction,
        _ => Kind::Turn,
    }
}

/// The body's copy wins: on WebSocket it is the only one that belongs to the message.
fn turn_metadata(body: &Body<'_>, headers: &HeaderMap) -> TurnMetadata {
    let in_body = body
        .client_metadata
        .and_then(|raw| serde_json::from_str::<ClientMetadata>(raw.get()).ok())
        .and_then(|metadata| metadata.turn);
    let text = in_body.or_else(|| {
        let value = headers.get("x-codex-turn-metadata")?;
        Some(value.to_str().ok()?.to_owned())
    });
    text.and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

fn ends_with_trigger(input: &RawValue) -> bool {
    // The trigger is a short item at the very end: most bodies are settled by this glance.
    let text = input.get();
    if !text.contains("compaction_trigger") {
        return false;
    }
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) else {
        return false;
    };
    let last = items
        .last()
        .and_then(|item| serde_json::from_str::<Item<'_>>(item.get()).ok());
    last.is_some_and(|item| item.kind == "compaction_trigger")
}
