//! An answer that is one JSON document, shown to filters as the event that would have ended the
//! stream, so that they cannot tell the difference.

use bytes::{Bytes, BytesMut};
use codex_plus_wire::event::EventKind;
use http::{HeaderValue, Response, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answers;
use crate::body::AnswerBody;
use crate::chain::{Event, EventVerdict, Listeners};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::line::Line;
use crate::observe::Outcome;
use crate::timing::Stage;

const BEFORE: &[u8] = br#"{"type":"response.completed","response":"#;

/// Reads the document, lets the filters decide, and answers with what is left of it.
pub(crate) async fn filter(
    line: &Line,
    response: Response<Incoming>,
    mut listeners: Listeners,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    let limit = line.config.limits.decoded.get();
    if !listeners.want(EventKind::Completed) || response.body().size_hint().lower() > limit as u64 {
        return answers::pass(response, exchange, line.config.timeouts.stream_idle.get());
    }
    let (mut head, body) = response.into_parts();
    let document = match read(line, body, limit, &mut exchange).await {
        Ok(document) => document,
        Err(error) => return answers::fail(exchange, &error),
    };
    exchange.enter(Stage::Own);
    let mut event = BytesMut::with_capacity(BEFORE.len() + document.len() + 1);
    event.extend_from_slice(BEFORE);
    event.extend_from_slice(&document);
    event.extend_from_slice(b"}");
    let event = Event {
        kind: EventKind::Completed,
        data: event.freeze(),
    };
    let document = match listeners.hear(event).await {
        EventVerdict::Pass => document,
        EventVerdict::Replace(events) => events.iter().find_map(unwrap).unwrap_or(document),
    };
    exchange.filtered(&mut listeners.spent);
    exchange.passed(document.len());
    head.headers = headers::response(&head.headers);
    answers::tell_timings(&mut head.headers, &mut exchange);
    exchange.end(Outcome::Completed, None);
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    Response::from_parts(head, AnswerBody::whole(document))
}

/// The document inside a `response.completed` event.
fn unwrap(event: &Bytes) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Completed<'a> {
        #[serde(borrow)]
        response: &'a RawValue,
    }
    let completed: Completed<'_> = serde_json::from_slice(event).ok()?;
    Some(event.slice_ref(completed.response.get().as_bytes()))
}

async fn read(
    line: &Line,
    mut body: Incoming,
    limit: usize,
    exchange: &mut Exchange,
) -> Result<Bytes, Error> {
    let broken = |reason: String| Error::Broken {
        upstream: "The upstream".to_owned(),
        reason,
    };
    let idle = line.config.timeouts.stream_idle.get();
    let mut document = BytesMut::new();
    exchange.passing();
    loop {
        match tokio::time::timeout(idle, body.frame()).await {
            Ok(None) => return Ok(document.freeze()),
            Ok(Some(Err(error))) => return Err(broken(error.to_string())),
            Err(_) => return Err(broken("it fell silent (timeouts.stream_idle)".to_owned())),
            Ok(Some(Ok(frame))) => {
                let Some(data) = frame.data_ref() else {
                    continue;
                };
                exchange.passed(0);
                if document.len() + data.len() > limit {
                    return Err(broken("its answer is over `limits.decoded`".to_owned()));
                }
                document.extend_from_slice(data);
            }
        }
    }
}
