//! An answer that is one JSON document, shown to filters as the event that would have ended the
//! stream, so that they cannot tell the difference.

use bytes::{Bytes, BytesMut};
use codex_plus_wire::event::EventKind;
use codex_plus_wire::patch;
use http::{HeaderValue, Response, header};
use http_body::Body;

use crate::answers;
use crate::body::{AnswerBody, Arriving, AskAgain, Source};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::joint::{Joined, Joint};
use crate::line::Line;
use crate::listeners::{AnswerEnd, Event, EventVerdict, Listeners};
use crate::observe::Outcome;
use crate::timing::Stage;

const BEFORE: &[u8] = br#"{"type":"response.completed","response":"#;

/// Reads the document, lets the filters decide, and answers with what is left of it.
pub(crate) async fn filter(
    line: &Line,
    response: Response<Arriving>,
    mut listeners: Listeners,
    mut ask: Option<AskAgain>,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    let limit = line.config.limits.decoded.get();
    if response.body().size_hint().lower() > limit as u64 {
        return answers::pass(response, exchange, line.config.timeouts.stream_idle.get());
    }
    let (mut head, body) = response.into_parts();
    let mut source = Source::new(body, line.config.timeouts.stream_idle.get());
    let mut joint = Joint::default();
    let document = loop {
        let document = match read(&mut source, limit, &mut exchange).await {
            Ok(document) => document,
            Err(error) => {
                listeners.end(AnswerEnd::Cut);
                return answers::fail(exchange, &error);
            }
        };
        exchange.enter(Stage::Own);
        let mut event = wrap(&document);
        if let Joined::Changed(joined) = joint.join(&event) {
            event = joined;
        }
        let event = Event {
            kind: EventKind::Completed,
            data: event,
        };
        let data = event.data.clone();
        let verdict = if listeners.want(EventKind::Completed) {
            listeners.hear(event).await
        } else {
            EventVerdict::Pass
        };
        match (verdict, &mut ask) {
            (EventVerdict::Pass, _) if !joint.follows() => break document,
            (EventVerdict::Replace(events), _) => {
                break events.iter().find_map(unwrap).unwrap_or(document);
            }
            (EventVerdict::Again(again), Some(asks)) => {
                if let Some(further) = asks(&again).await {
                    joint.follow(&again, &data);
                    source = further;
                    continue;
                }
                break unwrap(&data).unwrap_or(document);
            }
            _ => break unwrap(&data).unwrap_or(document),
        }
    };
    let document = match listeners.head(&mut head, Some(document.clone())).await {
        Some(changed) => changed,
        None => document,
    };
    listeners.end(AnswerEnd::Completed);
    exchange.filtered(&mut listeners.spent);
    exchange.passed(document.len());
    head.headers = headers::response(head.headers);
    answers::tell_timings(&mut head.headers, &mut exchange);
    exchange.end(Outcome::Completed, None);
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    Response::from_parts(head, AnswerBody::whole(document))
}

/// The document as the event that would have ended a stream.
fn wrap(document: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(BEFORE.len() + document.len() + 1);
    event.extend_from_slice(BEFORE);
    event.extend_from_slice(document);
    event.extend_from_slice(b"}");
    event.freeze()
}

/// The document inside a `response.completed` event.
fn unwrap(event: &Bytes) -> Option<Bytes> {
    let span = patch::locate(event, &(0..event.len()), &["response".into()])?;
    Some(event.slice(span))
}

async fn read(source: &mut Source, limit: usize, exchange: &mut Exchange) -> Result<Bytes, Error> {
    let broken = |reason: String| Error::Broken {
        upstream: "The upstream".to_owned(),
        reason,
    };
    let mut document = BytesMut::new();
    exchange.passing();
    loop {
        match std::future::poll_fn(|cx| source.poll(cx)).await {
            None => return Ok(document.freeze()),
            Some(Err(error)) => return Err(broken(error.to_string())),
            Some(Ok(frame)) => {
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
