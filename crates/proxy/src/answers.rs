//! Answers of our own making, and the upstream's as it came.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use codex_plus_wire::sse::SseFrame;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::body::{AnswerBody, Arriving};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::observe::Timings;
use crate::reply::Reply;

/// The body of an error answer, in the provider's own shape.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorDetail<'a>,
}

#[derive(Serialize)]
struct ErrorDetail<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    code: &'a str,
    message: &'a str,
}

/// The exchange ends with an error of ours: the answer for the client, and the record's last words.
pub(crate) fn fail(mut exchange: Exchange, error: &Error) -> Response<AnswerBody> {
    let mut response = error_response(
        error.status(),
        error.kind(),
        error.code(),
        &error.to_string(),
    );
    if matches!(error, Error::UsePost(_)) {
        // RFC 9110, 15.5.22: a 426 names the protocol that would be accepted.
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    tell_timings(response.headers_mut(), &mut exchange);
    exchange.end_with(response.status(), error.outcome(), Some(error.to_string()));
    response
}

/// An answer with `{"error":{"type","code","message"}}`.
pub(crate) fn error_response(
    status: StatusCode,
    kind: &str,
    code: &str,
    message: &str,
) -> Response<AnswerBody> {
    let body = ErrorBody {
        error: ErrorDetail {
            kind,
            code,
            message,
        },
    };
    json_response(status, serde_json::to_vec(&body).unwrap_or_default())
}

/// An answer with a JSON body.
pub(crate) fn json_response(status: StatusCode, body: impl Into<Bytes>) -> Response<AnswerBody> {
    typed(status, "application/json", body.into())
}

/// A filter's reply, streamed or whole as the client asked.
pub(crate) fn reply_response(reply: &Reply, id: u64, stream: bool) -> Response<AnswerBody> {
    if stream {
        let mut body = Vec::new();
        for event in reply.events(id) {
            let name = event["type"].as_str();
            body.extend_from_slice(&SseFrame::encode(name, event.to_string().as_bytes()));
        }
        return typed(StatusCode::OK, "text/event-stream", body.into());
    }
    match reply {
        Reply::Block { message } => error_response(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            "blocked",
            message,
        ),
        Reply::Text { text } => {
            json_response(StatusCode::OK, Reply::document(id, text).to_string())
        }
    }
}

/// The upstream's answer as it comes; the exchange ends with its body.
pub(crate) fn pass(
    response: Response<Arriving>,
    mut exchange: Exchange,
    idle: Duration,
) -> Response<AnswerBody> {
    let (mut head, body) = response.into_parts();
    head.headers = headers::response(head.headers);
    exchange.passing();
    tell_timings(&mut head.headers, &mut exchange);
    Response::from_parts(head, AnswerBody::carry(body, exchange, idle))
}

/// Adds `Server-Timing` for a client that wants it: what is known at the answer's head.
pub(crate) fn tell_timings(headers: &mut HeaderMap, exchange: &mut Exchange) {
    let told = exchange.told_timings().as_ref().map(server_timing);
    if let Some(Ok(value)) = told.map(HeaderValue::try_from) {
        headers.append("server-timing", value);
    }
}

/// Milliseconds by name, as W3C's Server Timing writes them. What did not happen is left out.
fn server_timing(timings: &Timings) -> String {
    let mut value = String::new();
    let mut add = |name: &str, took: Duration| {
        if !took.is_zero() {
            let ms = took.as_secs_f64() * 1e3;
            let _ = write!(value, "{name};dur={ms:.3}, ");
        }
    };
    for (name, took) in timings.parts().filter(|(name, _)| *name != "filters") {
        add(name, took);
    }
    for filter in &timings.filters {
        // Metric names are tokens (RFC 9110, 5.6.2); filters are free in theirs.
        let token = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = filter.name.chars().map(token).collect();
        add(&format!("filter-{name}"), filter.took);
    }
    let total = timings.total.as_secs_f64() * 1e3;
    let _ = write!(value, "total;dur={total:.3}");
    value
}

/// An answer of this media type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, body: Bytes) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
