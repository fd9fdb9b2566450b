//! The reading half of the line: a request is held, decoded, classified, shown to filters, and
//! goes on as it came unless one of them changed it.

use bytes::{Bytes, BytesMut};
use codex_plus_wire::encoding::ContentEncoding;
use codex_plus_wire::request::RequestBody;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::body::{BodyFault, OutBody};
use crate::chain::{Inspection, Listeners, Plan, Reads};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::line::Line;
use crate::reply::Reply;
use crate::timing::Stage;
use crate::turn::TurnHead;

/// What the filters made of a request.
pub(crate) enum Reviewed {
    /// It goes upstream.
    Forward {
        /// The new body in pieces, when a filter edited it.
        edited: Option<Vec<Bytes>>,
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
    let body = decoded.and_then(|bytes| match RequestBody::parse(bytes) {
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
    let mut request = Inspection { head, turn, body };
    if let Some(reply) = plan.review(&mut request, exchange).await {
        // The provider streams only when asked to; Codex always asks.
        let stream = request
            .body
            .as_ref()
            .and_then(RequestBody::stream)
            .unwrap_or(false);
        return Reviewed::Reply { reply, stream };
    }
    let listeners = plan.listen(&request);
    // Edits that a later filter has read already stand in a buffer of their own.
    let edited = request
        .body
        .filter(|body| body.is_edited() || body.bytes().as_ptr() != original.as_ptr())
        .map(RequestBody::into_chunks);
    Reviewed::Forward { edited, listeners }
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
    if plan.reads < Reads::Body {
        let (body, fault) = line.carry_body(body, exchange, None);
        return Ok(match review(line, plan, head, None, exchange).await {
            Reviewed::Reply { reply, stream } => Inspected::Reply { reply, stream },
            Reviewed::Forward { listeners, .. } => Inspected::Forward {
                body,
                fault,
                listeners,
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
            listeners,
        } => Ok(Inspected::Forward {
            body: OutBody::held([raw], trailers),
            fault: None,
            listeners,
        }),
        Reviewed::Forward {
            edited: Some(chunks),
            listeners,
        } => {
            let chunks = encode(encoding.ok(), chunks, headers);
            let length: usize = chunks.iter().map(Bytes::len).sum();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            Ok(Inspected::Forward {
                body: OutBody::held(chunks, trailers),
                fault: None,
                listeners,
            })
        }
    }
}

/// Brings an edited body back into the encoding the client chose, or sends it plain.
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
    let mut held = BytesMut::with_capacity(believed);
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
            Ok(data) => held.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((held.freeze(), trailers))
}
