//! The reading half of the line: a request is held, decoded, classified, shown to filters, and
//! goes on as it came unless one of them changed it.

use bytes::{Bytes, BytesMut};
use codex_plus_wire::encoding::ContentEncoding;
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::{Turn, TurnKind};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::body::{BodyFault, OutBody};
use crate::chain::Plan;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::history::{ItemKey, Slot, replay};
use crate::inspection::Inspection;
use crate::line::Line;
use crate::listeners::Listeners;
use crate::reply::Reply;
use crate::timing::Stage;
use crate::turn::TurnHead;

/// What the filters made of a request.
pub(crate) enum Reviewed {
    /// It goes upstream.
    Forward {
        /// The new body in pieces, when a filter edited it.
        edited: Option<Vec<Bytes>>,
        /// The body as it goes out, decoded, when the upstream may be asked once more.
        kept: Option<Bytes>,
        /// Who listens to the answer.
        listeners: Option<Listeners>,
    },
    /// A filter answers; `stream` as the client asked for it.
    Reply { reply: Reply, stream: bool },
}

/// What to do with a request over HTTP.
pub(crate) enum Inspected {
    Forward {
        body: OutBody,
        fault: Option<std::sync::Arc<BodyFault>>,
        listeners: Option<Listeners>,
        kept: Option<Bytes>,
    },
    Reply {
        reply: Reply,
        stream: bool,
    },
}

/// Shows one decoded request to the filters. The transports meet here.
pub(crate) async fn review(
    line: &Line,
    plan: &Plan,
    head: &Parts,
    decoded: Option<Bytes>,
    exchange: &mut Exchange,
) -> Reviewed {
    exchange.enter(Stage::Decode);
    let original = decoded.clone().unwrap_or_default();
    let mut body = decoded.and_then(|bytes| match RequestBody::parse(bytes) {
        Ok(body) => Some(body),
        Err(error) => {
            tracing::info!(exchange = exchange.id(), %error, "the body was not shown to filters");
            None
        }
    });
    let turn = match &body {
        Some(body) => line.seen.read(&TurnHead::of(head), body),
        None => TurnHead::of(head).alone(),
    };
    exchange.classified(turn.kind.as_str());
    exchange.enter(Stage::Own);
    if let Some((reason, stream)) = body.as_ref().and_then(|body| blocked(line, &turn, body)) {
        let reply = Reply::Block { message: reason };
        return Reviewed::Reply { reply, stream };
    }
    let cwd = line.threads.cwd(head, &turn, body.as_ref());
    let slots = body.as_mut().map(|body| repeat(line, &turn, body));
    let mut request = Inspection {
        head,
        turn,
        body,
        cwd,
        exchange: exchange.id(),
        notes: http::Extensions::new(),
        history: &line.history,
        slots: slots.unwrap_or_default(),
    };
    if is_changed(&request, &original) {
        // What was repeated may have moved the prompt.
        request.find_prompt();
    }
    if let Some(reply) = plan.review(&mut request, exchange).await {
        // The provider streams only when asked to; Codex always asks.
        let stream = request
            .body
            .as_ref()
            .and_then(RequestBody::stream)
            .unwrap_or(false);
        return Reviewed::Reply { reply, stream };
    }
    request.settle();
    let listeners = plan.listen(&request);
    let asks = listeners.as_ref().is_some_and(Listeners::may_ask_again);
    let kept = request.body.as_ref().filter(|_| asks);
    let kept = kept.map(|body| body.bytes().clone());
    let edited = is_changed(&request, &original);
    let edited = request
        .body
        .filter(|_| edited)
        .map(RequestBody::into_chunks);
    Reviewed::Forward {
        edited,
        kept,
        listeners,
    }
}

/// Whether the body is another one than the client sent.
fn is_changed(request: &Inspection<'_>, original: &Bytes) -> bool {
    let body = request.body.as_ref();
    body.is_some_and(|body| !body.is(original))
}

/// Does again what was done to earlier items. A body that would not survive it goes on as it is.
fn repeat(line: &Line, turn: &Turn, body: &mut RequestBody) -> Vec<Slot> {
    let before = body.bytes().clone();
    match replay(&line.history, body, turn.kind) {
        Ok(slots) => slots,
        Err(error) => {
            tracing::warn!(%error, "what was changed earlier could not be repeated");
            if let Ok(unedited) = RequestBody::parse(before) {
                *body = unedited;
            }
            Vec::new()
        }
    }
}

/// Whether the newest prompt was blocked when it was sent first: it stays so; and whether the
/// client wants the answer streamed.
fn blocked(line: &Line, turn: &Turn, body: &RequestBody) -> Option<(String, bool)> {
    if turn.kind != TurnKind::Resend {
        return None;
    }
    let id = turn.prompt.as_ref()?.id.as_deref()?;
    let done = line.history.recall(ItemKey::of_id(id))?;
    let reason = done.removed.as_ref().filter(|reason| !reason.is_empty())?;
    Some((reason.clone(), body.stream().unwrap_or(false)))
}

/// Takes an HTTP request through the plan. Adjusts `headers` (the ones that go upstream) to what
/// became of the body.
pub(crate) async fn inspect(
    line: &Line,
    plan: &Plan,
    head: &Parts,
    headers: &mut HeaderMap,
    body: Incoming,
    exchange: &mut Exchange,
) -> Result<Inspected, Error> {
    if !plan.events.is_empty() {
        // Event filters read plain text; a client that offers compression can also do without.
        headers::without(headers, &header::ACCEPT_ENCODING);
    }
    if !plan.reads_body() {
        let (body, fault) = line.carry_body(body, exchange, None);
        return Ok(match review(line, plan, head, None, exchange).await {
            Reviewed::Reply { reply, stream } => Inspected::Reply { reply, stream },
            Reviewed::Forward { listeners, .. } => Inspected::Forward {
                body,
                fault,
                listeners,
                kept: None,
            },
        });
    }
    exchange.enter(Stage::Read);
    let (raw, trailers) = hold(line, body, exchange).await?;
    exchange.body_read();
    let encoding = ContentEncoding::parse(
        head.headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .map(HeaderValue::as_bytes),
    );
    let decoded = encoding
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|encoding| encoding.decode(&raw, line.config.limits.decoded.get()));
    if let Err(error) = &decoded {
        tracing::warn!(exchange = exchange.id(), %error, setting = "limits.decoded", "the body was not shown to filters");
    }
    match review(line, plan, head, decoded.ok(), exchange).await {
        Reviewed::Reply { reply, stream } => Ok(Inspected::Reply { reply, stream }),
        Reviewed::Forward {
            edited: None,
            kept,
            listeners,
        } => Ok(Inspected::Forward {
            body: OutBody::held([raw], trailers),
            fault: None,
            listeners,
            kept,
        }),
        Reviewed::Forward {
            edited: Some(chunks),
            kept,
            listeners,
        } => {
            let chunks = encode(encoding.ok(), chunks, headers);
            let length: usize = chunks.iter().map(Bytes::len).sum();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            Ok(Inspected::Forward {
                body: OutBody::held(chunks, trailers),
                fault: None,
                listeners,
                kept,
            })
        }
    }
}

/// Brings an edited body back into the encoding the client chose, or sends it kept.
fn encode(
    encoding: Option<ContentEncoding>,
    chunks: Vec<Bytes>,
    headers: &mut HeaderMap,
) -> Vec<Bytes> {
    let Some(encoding) = encoding.filter(|encoding| !encoding.is_identity()) else {
        return chunks;
    };
    let flat = chunks.concat();
    match encoding.encode(&flat) {
        Ok(encoded) => vec![encoded.into()],
        Err(error) => {
            tracing::debug!(%error, "an edited body is sent without compression");
            headers::without(headers, &header::CONTENT_ENCODING);
            vec![flat.into()]
        }
    }
}

/// Takes in the whole body, within the limits of size and time.
async fn hold(
    line: &Line,
    body: Incoming,
    exchange: &mut Exchange,
) -> Result<(Bytes, Option<HeaderMap>), Error> {
    let expected = http_body::Body::size_hint(&body).exact().unwrap_or(0);
    let limit = line.config.limits.body.get();
    let (mut body, fault) = line.carry_body(body, exchange, None);
    // Announced sizes are believed up to a point only: the rest is allocated as it arrives.
    let believed = usize::try_from(expected)
        .unwrap_or(limit)
        .min(limit)
        .min(32 << 20);
    // A body that came in one piece stays that piece.
    let mut first = Bytes::new();
    let mut held = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match &fault {
            Some(fault) if fault.is_too_large() => Error::TooLarge {
                limit,
                setting: "limits.body",
            },
            _ => Error::Body(error.to_string()),
        })?;
        match frame.into_data() {
            Ok(data) if first.is_empty() && held.is_empty() => first = data,
            Ok(data) => {
                if held.is_empty() {
                    held.reserve(believed.max(first.len() + data.len()));
                    held.extend_from_slice(&std::mem::take(&mut first));
                }
                held.extend_from_slice(&data);
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let whole = if held.is_empty() {
        first
    } else {
        held.freeze()
    };
    Ok((whole, trailers))
}
