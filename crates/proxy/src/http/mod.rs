//! Exchanges over HTTP: the body out, the answer back.

mod again;
mod along;
mod document;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::body::Incoming;

use crate::answers;
use crate::body::{AnswerBody, Arriving, AskAgain, FilteredBody, Source};
use crate::chain::Plan;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::inspect::{Inspected, inspect};
use crate::line::Line;
use crate::listeners::{AnswerEnd, Listeners};
use crate::observe::Outcome;

/// Carries one request to the upstream and its answer back.
pub(crate) async fn carry(
    line: &Arc<Line>,
    plan: &Plan,
    head: Parts,
    body: Incoming,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    match send(line, plan, head, body, &mut exchange).await {
        Ok(Sent::Answered {
            response,
            listeners: None,
            ..
        }) => answers::pass(response, exchange, line.config.timeouts.stream_idle.get()),
        Ok(Sent::Answered {
            response,
            listeners: Some(listeners),
            ask,
        }) => Box::pin(filter(line, response, listeners, ask, exchange)).await,
        Ok(Sent::Replied(mut response)) => {
            answers::tell_timings(response.headers_mut(), &mut exchange);
            exchange.end_with(response.status(), Outcome::Answered, None);
            response
        }
        Err(error) => answers::fail(exchange, &error),
    }
}

enum Sent {
    Answered {
        response: Response<Arriving>,
        listeners: Option<Listeners>,
        /// How to ask the upstream once more, when a listener may want to.
        ask: Option<AskAgain>,
    },
    Replied(Response<AnswerBody>),
}

async fn send(
    line: &Arc<Line>,
    plan: &Plan,
    mut head: Parts,
    body: Incoming,
    exchange: &mut Exchange,
) -> Result<Sent, Error> {
    let limit = line.config.limits.body.get();
    let too_large = || Error::TooLarge {
        limit,
        setting: "limits.body",
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let target = line.upstream.target(&head)?;
    let mut headers;
    let (body, fault, mut listeners, kept) = if plan.is_empty() {
        let tap = along::tap(line, &head, exchange);
        // Nobody reads them any more: moved, not copied.
        headers = headers::request(std::mem::take(&mut head.headers));
        let (body, fault) = line.carry_body(body, exchange, tap);
        (body, fault, None, None)
    } else {
        headers = headers::request(head.headers.clone());
        // In a box: carried exchanges have no use for the room it takes.
        let inspected = Box::pin(inspect(line, plan, &head, &mut headers, body, exchange));
        match inspected.await? {
            Inspected::Forward {
                body,
                fault,
                listeners,
                kept,
            } => (body, fault, listeners, kept),
            Inspected::Reply { reply, stream } => {
                return Ok(Sent::Replied(answers::reply_response(
                    &reply,
                    exchange.id(),
                    stream,
                )));
            }
        }
    };
    if matches!(head.method, Method::GET | Method::HEAD) && body.size_hint().exact().is_none() {
        // Otherwise the client stack takes these methods to have no body, and drops it.
        let chunked = HeaderValue::from_static("chunked");
        headers.insert(header::TRANSFER_ENCODING, chunked);
    }
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    let ask = kept.map(|kept| again::ask(line, &request, kept, exchange));
    exchange.sending();
    let sent = line.upstream.send(request, &exchange.inflow()).await;
    if let (Err(_), Some(listeners)) = (&sent, &mut listeners) {
        listeners.end(AnswerEnd::Cut);
    }
    let mut response = sent.map_err(|error| match fault {
        // The upstream's connection only knows that the body ended badly.
        Some(fault) if fault.is_too_large() => too_large(),
        Some(fault) if fault.is_broken() => Error::Body("the client stopped sending".to_owned()),
        _ => error,
    })?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::Broken {
            upstream: "The upstream".to_owned(),
            reason: "it switched to a protocol nobody asked for".to_owned(),
        });
    }
    exchange.answered(response.status());
    // An answer to HEAD describes a body that does not come.
    let listeners = listeners.filter(|_| head.method != Method::HEAD);
    // The version is the connection's: an HTTP/1.0 upstream would make our answer one as well,
    // whose body has no end that could be told from a break.
    *response.version_mut() = Version::default();
    Ok(Sent::Answered {
        response,
        listeners,
        ask,
    })
}

/// The answer shown to filters, when it is of a kind they read.
async fn filter(
    line: &Line,
    response: Response<Arriving>,
    mut listeners: Listeners,
    ask: Option<AskAgain>,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    match readable(&response) {
        Some(Readable::Events) => {
            let (mut head, body) = response.into_parts();
            head.headers = headers::response(head.headers);
            // A stream that filters may change has no length to announce.
            headers::without(&mut head.headers, &header::CONTENT_LENGTH);
            let source = Source::new(body, line.config.timeouts.stream_idle.get());
            let longest = line.config.limits.event.get();
            let waiting = line.config.timeouts.waiting.get();
            listeners.head(&mut head, None).await;
            exchange.filtered(&mut listeners.spent);
            exchange.passing();
            answers::tell_timings(&mut head.headers, &mut exchange);
            let body = FilteredBody::new(source, exchange, listeners, longest, ask, waiting);
            Response::from_parts(head, AnswerBody::filter(body))
        }
        Some(Readable::Document) => {
            document::filter(line, response, listeners, ask, exchange).await
        }
        None => {
            if !response.status().is_success() {
                listeners.end(AnswerEnd::Refused(response.status()));
            }
            answers::pass(response, exchange, line.config.timeouts.stream_idle.get())
        }
    }
}

pub(super) enum Readable {
    Events,
    Document,
}

/// Only plain, successful answers are read; errors are the client's to show.
pub(super) fn readable(response: &Response<Arriving>) -> Option<Readable> {
    let headers = response.headers();
    if !response.status().is_success() || headers.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind
        .split(|b| *b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if kind.eq_ignore_ascii_case(b"text/event-stream") {
        Some(Readable::Events)
    } else if kind.eq_ignore_ascii_case(b"application/json") {
        Some(Readable::Document)
    } else {
        None
    }
}
