//! HTTP hooks, against a real server on loopback.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use codex_plus_hooks::config::Config;
use codex_plus_project::quantity::ByteSize;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::{Place, prompt};
use tokio::net::TcpListener;

#[derive(Clone, Default)]
struct Seen {
    connections: Arc<Mutex<usize>>,
    requests: Arc<Mutex<Vec<(http::request::Parts, Bytes)>>>,
}

/// Answers each path with its own status and body.
async fn server() -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Seen::default();
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            *shared.connections.lock().unwrap() += 1;
            let shared = shared.clone();
            let service = service_fn(move |request| answer(request, shared.clone()));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (port, seen)
}

async fn answer(
    request: Request<Incoming>,
    seen: Seen,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = body.collect().await?.to_bytes();
    seen.requests.lock().unwrap().push((parts, body));
    let (status, text) = match path.as_str() {
        "/block" => (
            200,
            r#"{"decision": "block", "reason": "said the server"}"#.to_owned(),
        ),
        "/text" => (200, "plain".to_owned()),
        "/bad" => (200, "{".to_owned()),
        "/large" => (
            200,
            format!("{{\"systemMessage\": \"{}\"}}", "x".repeat(70_000)),
        ),
        "/moved" => (307, String::new()),
        "/refused" => (403, r#"{"decision": "block"}"#.to_owned()),
        "/slow" => std::future::pending().await,
        _ => (204, String::new()),
    };
    let answer = Response::builder()
        .status(status)
        .header("location", "/block");
    Ok(answer.body(Full::new(text.into())).unwrap())
}

fn hook(port: u16, path: &str) -> Value {
    json!({"type": "http", "url": format!("http://127.0.0.1:{port}{path}"), "timeout": 30})
}

#[tokio::test]
async fn answers_count_as_the_contract_says() {
    let (port, _) = server().await;
    let cases = [
        ("/empty", None, None),
        ("/block", Some("said the server"), None),
        ("/text", None, Some("not valid JSON")),
        ("/bad", None, Some("not valid JSON")),
        ("/large", None, Some("larger")),
        ("/moved", None, Some("307")),
        ("/refused", None, Some("403")),
    ];
    for (path, refusal, error) in cases {
        let place = Place::with(Config {
            output: ByteSize::kibibytes(64),
            ..Config::default()
        });
        support::settings(&place.home, "UserPromptSubmit", &json!([hook(port, path)]));
        let merged = place.dispatch(prompt()).await;
        assert_eq!(merged.refusal(), refusal, "{path}");
        let told = place.last_error().unwrap_or_default();
        assert_eq!(!told.is_empty(), error.is_some(), "{path}: {told}");
        assert!(told.contains(error.unwrap_or_default()), "{path}: {told}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_passed_over() {
    let (port, _) = server().await;
    let mut slow = hook(port, "/slow");
    slow["timeout"] = json!(0.2);
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut header = hook(port, "/block");
    header["headers"] = json!({"bad name": "x"});
    for (hook, error) in [
        (slow, "longer than 0.2 s"),
        (hook(closed, "/"), "no connection"),
        (
            json!({"type": "http", "url": "ftp://127.0.0.1/"}),
            "neither http nor https",
        ),
        (json!({"type": "http", "url": "http://"}), "url"),
        (header, "headers"),
        (
            json!({"type": "http", "url": format!("https://127.0.0.1:{port}/"), "timeout": 30}),
            "no connection",
        ),
    ] {
        let place = Place::new();
        support::settings(&place.home, "UserPromptSubmit", &json!([hook]));
        assert!(place.dispatch(prompt()).await.is_unchanged());
        let told = place.last_error().unwrap();
        assert!(told.contains(error), "{told}");
    }
}

#[tokio::test]
async fn requests_share_a_connection_and_only_allowed_variables() {
    let (port, seen) = server().await;
    let place = Place::new();
    let mut hook = hook(port, "/block");
    // Cargo sets both for its tests.
    hook["headers"] =
        json!({"x-allowed": "is $CARGO_PKG_NAME", "x-other": "is ${CARGO_MANIFEST_DIR}."});
    hook["allowedEnvVars"] = json!(["CARGO_PKG_NAME"]);
    support::settings(&place.home, "UserPromptSubmit", &json!([hook]));
    for _ in 0..3 {
        place.dispatch(prompt()).await;
    }
    assert_eq!(*seen.connections.lock().unwrap(), 1);
    let requests = seen.requests.lock().unwrap();
    assert_eq!(requests.len(), 3);
    let (parts, body) = &requests[0];
    assert_eq!(
        (parts.method.as_str(), &parts.headers["content-type"]),
        ("POST", &"application/json".parse().unwrap())
    );
    assert_eq!(parts.headers["x-allowed"], "is codex-plus-hooks");
    assert_eq!(parts.headers["x-other"], "is .");
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(
        (&body["hook_event_name"], &body["prompt"]),
        (&json!("UserPromptSubmit"), &json!("hello"))
    );
}
