//! The proxy's own endpoints: `/health` and everything under `/codex-plus/`. Never sent upstream.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use crate::answers::{error_response, json_response, typed};
use crate::body::AnswerBody;
use crate::line::Line;
use crate::metrics;
use crate::phase::Phase;

mod hooks;

const PREFIX: &str = "/codex-plus/";

/// Whether a request is for the proxy itself.
pub(crate) fn is_ours(head: &Parts) -> bool {
    let path = head.uri.path();
    path == "/health" || path.starts_with(PREFIX)
}

/// The answer to a request for the proxy itself.
pub(crate) async fn answer(line: &Line, parts: &Parts, body: Incoming) -> Response<AnswerBody> {
    if let Some(engine) = &line.hooks
        && let Some(answer) = hooks::answer(engine, parts, body).await
    {
        return answer;
    }
    let path = parts.uri.path();
    if let Some(page) = &line.page
        && path == "/codex-plus/status-line"
    {
        return page.answer(parts, hooks::query(parts, "cwd")).await;
    }
    match path {
        "/health" => health(&parts.method),
        "/codex-plus/status" => json_response(StatusCode::OK, status(line).to_string()),
        "/codex-plus/metrics" => metrics_response(line),
        "/codex-plus/version" => json_response(StatusCode::OK, version().to_string()),
        _ => error_response(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            "unknown_endpoint",
            "Codex-Plus has no such endpoint; see /codex-plus/status, /codex-plus/status-line, /codex-plus/hooks, /codex-plus/metrics and /codex-plus/version.",
        ),
    }
}

fn health(method: &Method) -> Response<AnswerBody> {
    if matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return json_response(StatusCode::OK, &br#"{"status":"healthy"}"#[..]);
    }
    error_response(
        StatusCode::METHOD_NOT_ALLOWED,
        "invalid_request_error",
        "method_not_allowed",
        "/health answers GET, HEAD and POST.",
    )
}

fn metrics_response(line: &Line) -> Response<AnswerBody> {
    let text = metrics::render(&line.metrics.families());
    typed(StatusCode::OK, metrics::MEDIA_TYPE, text.into())
}

fn version() -> Value {
    json!({"name": "codex-plus", "version": env!("CARGO_PKG_VERSION")})
}

fn status(line: &Line) -> Value {
    let own = json!({
        "name": "codex-plus",
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "listen": line.listen,
        "upstream": line.config.upstream,
        "passthrough": line.config.passthrough,
        "websocket": line.config.websocket,
        "uptime_seconds": line.started.elapsed().as_secs(),
        "stopping": line.phase() > Phase::Serving,
        "connections": line.open_connections(),
        "exchanges": {"total": line.ledger.opened(), "live": line.ledger.live()},
    });
    // Own fields win: a fact of the binary's may not hide what the line knows first-hand.
    let mut status: Map<String, Value> = line.facts.clone();
    if let Some(engine) = &line.hooks {
        status.insert("hooks".into(), engine.withheld());
    }
    if let Value::Object(own) = own {
        status.extend(own);
    }
    Value::Object(status)
}
