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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Notify};

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

/// Hands each connection, with its number, to one who plays the server.
async fn played<F>(play: impl Fn(usize, TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for number in 1.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(play(number, stream));
        }
    });
    port
}

/// Reads a request; false when the connection ended first.
async fn heard(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

/// Blocks, and says over which connection.
async fn say(number: usize, stream: &mut TcpStream) {
    let body = format!("{{\"decision\": \"block\", \"reason\": \"connection {number}\"}}");
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// A place with one hook that asks this port.
fn asking(port: u16) -> Place {
    let place = Place::new();
    support::settings(&place.home, "UserPromptSubmit", &json!([hook(port, "/")]));
    place
}

async fn refusal(place: &Place) -> Option<String> {
    let merged = place.dispatch(prompt()).await;
    merged.refusal().map(str::to_owned)
}

#[tokio::test]
async fn a_kept_connection_that_its_server_closed_costs_no_answer() {
    let closed = Arc::new(Notify::new());
    let told = Arc::clone(&closed);
    let port = played(move |number, mut stream| {
        let told = Arc::clone(&told);
        async move {
            heard(&mut stream).await;
            say(number, &mut stream).await;
            drop(stream);
            told.notify_one();
        }
    })
    .await;
    let place = asking(port);
    for number in 1..=3 {
        let wanted = format!("connection {number}");
        assert_eq!(refusal(&place).await, Some(wanted));
        closed.notified().await;
        // Its end arrives.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(place.last_error(), None);
}

#[tokio::test]
async fn ten_at_once_have_a_connection_each_and_keep_eight() {
    let together = Arc::new(Barrier::new(10));
    let port = played(move |number, mut stream| {
        let together = Arc::clone(&together);
        async move {
            while heard(&mut stream).await {
                together.wait().await;
                say(number, &mut stream).await;
            }
        }
    })
    .await;
    let place = asking(port);
    let mut last = Vec::new();
    for _ in 0..2 {
        let all = (0..10).map(|_| refusal(&place));
        last = futures_util::future::join_all(all).await;
        last.sort();
        last.dedup();
        assert_eq!(last.len(), 10, "{last:?}");
    }
    let fresh = ["connection 11", "connection 12"].map(|said| Some(said.to_owned()));
    assert!(fresh.iter().all(|said| last.contains(said)), "{last:?}");
    assert!(!last.contains(&Some("connection 13".to_owned())));
}

#[tokio::test]
async fn who_stops_waiting_leaves_no_connection_behind() {
    let left = Arc::new(Notify::new());
    let told = Arc::clone(&left);
    let port = played(move |number, mut stream| {
        let told = Arc::clone(&told);
        async move {
            while heard(&mut stream).await {
                if number == 1 {
                    // Says nothing, and waits for the end.
                    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
                    told.notify_one();
                    return;
                }
                say(number, &mut stream).await;
            }
        }
    })
    .await;
    let place = asking(port);
    let span = std::time::Duration::from_millis(100);
    let asked = tokio::time::timeout(span, refusal(&place)).await;
    assert!(asked.is_err());
    left.notified().await;
    for _ in 0..2 {
        let said = refusal(&place).await;
        assert_eq!(said.as_deref(), Some("connection 2"));
    }
}

#[tokio::test]
async fn a_server_need_not_read_to_the_end() {
    let port = played(|_, mut stream| async move {
        let early = b"HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(early).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let place = asking(port);
    let long = codex_plus_hooks::input::EventInput::UserPromptSubmit {
        prompt: "x".repeat(16 << 20),
    };
    assert!(place.dispatch(long).await.is_unchanged());
    let told = place.last_error().unwrap();
    assert!(told.contains("413"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_runtime_keeps_its_own_connection() {
    let port = played(|number, mut stream| async move {
        while heard(&mut stream).await {
            say(number, &mut stream).await;
        }
    })
    .await;
    let turns = tokio::task::spawn_blocking(move || {
        let place = asking(port);
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap()
        };
        let mut runtimes = [runtime(), runtime()];
        let mut turns = Vec::new();
        for _ in 0..3 {
            for runtime in &runtimes {
                turns.extend(runtime.block_on(refusal(&place)));
            }
        }
        // One that ended takes its connection along.
        runtimes[0] = runtime();
        turns.extend(runtimes[0].block_on(refusal(&place)));
        assert_eq!(place.last_error(), None);
        turns
    });
    let wanted = [1, 2, 1, 2, 1, 2, 3].map(|number| format!("connection {number}"));
    assert_eq!(turns.await.unwrap(), wanted);
}
