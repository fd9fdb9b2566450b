//! Sorts HTTP requests by path and answers them.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::answer::{Answer, Ending, Reply};
use crate::coding::{self, Encoder};
use crate::plan::{self, Plan};
use crate::received::Transport;
use crate::recorder::{Head, Note};
use crate::request::{Kind, Request};
use crate::shared::{Live, Shared};
use crate::socket::ResetSwitch;
use crate::stream::{AnswerBody, Pace, Paced, document};
use crate::{control, echo, suited, websocket};

pub(crate) async fn answer(
    request: http::Request<Incoming>,
    shared: Arc<Shared>,
    reset: ResetSwitch,
) -> Result<Response<AnswerBody>, Infallible> {
    let path = request.uri().path();
    if path.starts_with("/stand-in/") {
        return Ok(control::answer(request, &shared).await);
    }
    let last = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let compact = path.ends_with("/responses/compact");
    if last == "responses" && websocket::asked_for(&request) {
        return Ok(websocket::handshake(request, &shared, reset));
    }

    let (parts, body) = request.into_parts();
    let head = Arc::new(Head {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
    });
    let note = read_body(body, shared.config.body_limit).await;
    let body = note.body.clone();
    let broken = note.body_error.clone();
    let mut live = shared.record(&head, note);
    if let Some(error) = broken {
        live.finish();
        return Ok(document(
            StatusCode::BAD_REQUEST,
            &plan::error_body(400, "bad_body", &error),
        ));
    }

    let post = head.method == Method::POST;
    Ok(match last.as_str() {
        "responses" if post => respond(&shared, &head, &body, live, None, reset).await,
        "compact" if post && compact => {
            respond(&shared, &head, &body, live, Some(Kind::Compaction), reset).await
        }
        known => {
            live.finish();
            match known {
                "models" => document(StatusCode::OK, &models()),
                "echo" => document(StatusCode::OK, &echo::facts(&head, &body)),
                "echo-body" => echo::body(&head, body),
                _ => document(
                    StatusCode::NOT_FOUND,
                    &plan::error_body(404, "not_found", "The stand-in has nothing at this path."),
                ),
            }
        }
    })
}

async fn read_body(body: Incoming, limit: usize) -> Note {
    let mut note = Note {
        transport: Transport::Http,
        body: Bytes::new(),
        binary: false,
        trailers: None,
        body_error: None,
    };
    match Limited::new(body, limit).collect().await {
        Ok(collected) => {
            note.trailers = collected.trailers().cloned();
            note.body = collected.to_bytes();
        }
        Err(error) => note.body_error = Some(error.to_string()),
    }
    note
}

/// Answers a Responses request.
async fn respond(
    shared: &Arc<Shared>,
    head: &Head,
    body: &Bytes,
    mut live: Live,
    kind: Option<Kind>,
    reset: ResetSwitch,
) -> Response<AnswerBody> {
    let plain = coding::decode(body, head.headers.get(CONTENT_ENCODING)).unwrap_or_default();
    let mut ask = Request::read(&plain, &head.headers);
    if let Some(kind) = kind {
        // `responses/compact` answers with JSON, whatever `stream` says.
        ask.kind = kind;
        ask.stream = false;
    }
    let mut answer = match ask.kind {
        Kind::Turn => shared.next_answer(),
        _ => Answer::default(),
    };
    let mut reply = std::mem::take(&mut answer.reply);
    if reply == Reply::Suited {
        reply = suited::suit(ask.kind, &plain);
    }
    drop(plain);
    if !answer.head_delay.is_zero() {
        tokio::time::sleep(answer.head_delay).await;
    }
    let number = shared.next_id();
    match plan::render(reply, answer.usage, &ask, number) {
        Plan::Events(events) => {
            let frame = |event: crate::events::Event| {
                Bytes::from(format!("event: {}\ndata: {}\n\n", event.kind, event.json))
            };
            stream(
                head,
                answer,
                Box::new(events.map(frame)),
                live,
                reset,
                number,
            )
        }
        Plan::Chunks(chunks) => stream(
            head,
            answer,
            Box::new(chunks.into_iter()),
            live,
            reset,
            number,
        ),
        Plan::Document { status, body, text } => {
            let kind = if text {
                "text/plain; charset=utf-8"
            } else {
                "application/json"
            };
            let simple = answer.ending == Ending::Complete
                && answer.encoding.is_none()
                && answer.trailers.is_empty()
                && answer.first_event_delay.is_zero();
            let content_length = body.len();
            let scripted = std::mem::take(&mut answer.headers);
            let mut response = if simple {
                Response::new(AnswerBody::Whole {
                    bytes: Some(body),
                    live: Some(live),
                })
            } else {
                let whole_length = answer.encoding.is_none() && answer.trailers.is_empty();
                let pieces = Box::new(std::iter::once(body));
                let mut response = stream(head, answer, pieces, live, reset, number);
                if whole_length {
                    let length = HeaderValue::from(content_length);
                    response
                        .headers_mut()
                        .insert(http::header::CONTENT_LENGTH, length);
                }
                response
            };
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.remove(CACHE_CONTROL);
            set_headers(headers, request_id(number));
            set_headers(headers, scripted);
            response
        }
        Plan::Close { .. } => {
            // Nothing of HTTP fits a close frame: the connection ends without an answer.
            live.cut();
            reset.arm();
            let mut answer = Answer::default().cut_after(0);
            answer.headers.push(("connection".into(), "close".into()));
            stream(
                head,
                answer,
                Box::new(std::iter::empty()),
                live,
                reset,
                number,
            )
        }
    }
}

fn stream(
    head: &Head,
    mut answer: Answer,
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    live: Live,
    reset: ResetSwitch,
    number: usize,
) -> Response<AnswerBody> {
    let encoder = answer
        .encoding
        .and_then(|encoding| Encoder::new(encoding).ok());
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set_headers(&mut headers, request_id(number));
    if let (Some(encoding), Some(_)) = (answer.encoding, &encoder) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    }
    let mut trailers = HeaderMap::new();
    for (name, value) in std::mem::take(&mut answer.trailers) {
        if let Ok(name) = HeaderValue::from_str(&name) {
            headers.append(http::header::TRAILER, name);
        }
        set_headers(&mut trailers, [(name, value)]);
    }
    set_headers(&mut headers, std::mem::take(&mut answer.headers));
    let body = AnswerBody::Stream(Box::new(Paced {
        pieces,
        answer,
        encoder,
        trailers: (!trailers.is_empty()).then_some(trailers),
        live,
        reset: (head.version < Version::HTTP_2).then_some(reset),
        sent: 0,
        pace: Pace::Due,
    }));
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// Sets headers by name; the first of a name replaces, an empty value removes.
pub(crate) fn set_headers(
    headers: &mut HeaderMap,
    fields: impl IntoIterator<Item = (String, String)>,
) {
    let mut seen: Vec<HeaderName> = Vec::new();
    for (name, value) in fields {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value))
        else {
            tracing::warn!(%name, "a scripted header is not valid and was left out");
            continue;
        };
        if value.is_empty() {
            headers.remove(&name);
        } else if seen.contains(&name) {
            headers.append(name, value);
        } else {
            headers.insert(name.clone(), value);
            seen.push(name);
        }
    }
}

fn request_id(number: usize) -> [(String, String); 1] {
    [("x-request-id".into(), format!("req_standin{number:08}"))]
}

/// Codex 0.169.0 reads `models` and takes an empty list; SDKs read `data`.
fn models() -> Value {
    json!({"object": "list", "models": [],
        "data": [{"id": "stand-in", "object": "model", "created": 0, "owned_by": "stand-in"}]})
}
