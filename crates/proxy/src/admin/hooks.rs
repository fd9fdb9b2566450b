//! `/codex-plus/hooks` and what is below it: what hooks there are, and the user's own word to them.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use codex_plus_hooks::engine::Engine;
use codex_plus_hooks::input::{EventInput, HookInput};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::answers::{error_response, json_response};
use crate::body::AnswerBody;

/// The longest body that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// The answer to a request below `/codex-plus/hooks`; none when there is no such endpoint.
pub(super) async fn answer(
    engine: &Arc<Engine>,
    head: &Parts,
    body: Incoming,
) -> Option<Response<AnswerBody>> {
    let below = head.uri.path().strip_prefix("/codex-plus/hooks")?;
    let cwd = query(head, "cwd").map(PathBuf::from);
    match (&head.method, below) {
        (&Method::GET | &Method::HEAD, "") => {
            let book = engine.book(cwd.as_deref()).await;
            let told = engine.describe(&book);
            Some(json_response(StatusCode::OK, told.to_string()))
        }
        (&Method::POST, "/reload") => {
            let engine = Arc::clone(engine);
            let read = tokio::task::spawn_blocking(move || engine.refresh_all()).await;
            Some(match read {
                Ok(()) => json_response(StatusCode::OK, &b"{\"reloaded\":true}"[..]),
                Err(_) => failed("hooks could not be read; see the log"),
            })
        }
        (&Method::POST, "/session-start" | "/session-end") => {
            let Some(told) = read(body).await else {
                return Some(error_response(
                    StatusCode::BAD_REQUEST,
                    "invalid_request_error",
                    "not_json",
                    "Send a JSON object, such as {\"source\":\"startup\"}.",
                ));
            };
            let text = |name: &str| told[name].as_str().map(str::to_owned);
            let event = if below == "/session-start" {
                EventInput::SessionStart {
                    source: text("source").unwrap_or_else(|| "startup".to_owned()),
                }
            } else {
                EventInput::SessionEnd {
                    reason: text("reason").unwrap_or_else(|| "other".to_owned()),
                }
            };
            let cwd = text("cwd").map(PathBuf::from).or(cwd);
            let book = engine.book(cwd.as_deref()).await;
            let input = HookInput {
                session_id: text("session_id"),
                cwd,
                event,
                ..HookInput::default()
            };
            let merged = engine.dispatch(&book, &input).await;
            let told = json!({
                "continue": merged.stop.is_none(),
                "stopReason": merged.stop,
                "additionalContext": merged.context,
                "systemMessage": merged.system_messages,
            });
            Some(json_response(StatusCode::OK, told.to_string()))
        }
        (_, "" | "/reload" | "/session-start" | "/session-end") => Some(error_response(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_request_error",
            "method_not_allowed",
            "/codex-plus/hooks answers GET; reload, session-start and session-end answer POST.",
        )),
        _ => None,
    }
}

fn failed(message: &str) -> Response<AnswerBody> {
    error_response(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "hooks",
        message,
    )
}

async fn read(body: Incoming) -> Option<Value> {
    let bytes: Bytes = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
    if bytes.is_empty() {
        return Some(json!({}));
    }
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// A parameter of the query, percent-decoded.
pub(super) fn query(head: &Parts, name: &str) -> Option<String> {
    let pairs = head.uri.query()?.split('&');
    let value = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)?
        .1;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, more @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = more;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}
