//! One turn as Codex sends it (headers and body as seen with Codex 0.169.0, shortened).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use codex_plus_wire::event::{EventKind, ResponseEvent};
use codex_plus_wire::sse::SseFramer;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::output;

/// What the user asks.
pub(super) const PROMPT: &str = "What happened to my request just now?";
const THREAD: &str = "019aa000-0000-7000-8000-000000000001";
const LARGEST_EVENT: usize = 1 << 20;

/// What the client saw of its answer.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) events: usize,
    pub(super) first_delta: Option<Duration>,
    pub(super) total: Duration,
}

/// Sends the turn and prints the answer's text as it arrives.
pub(super) async fn send(proxy: SocketAddr) -> anyhow::Result<Seen> {
    let stream = TcpStream::connect(proxy)
        .await
        .context("the proxy does not listen")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let began = Instant::now();
    let answer = sender.send_request(request(proxy)?).await?;
    if !answer.status().is_success() {
        bail!(
            "the proxy answered {}; please tell us, this is a fault",
            answer.status()
        );
    }
    let mut seen = Seen::default();
    let mut framer = SseFramer::new(LARGEST_EVENT);
    let mut body = answer.into_body();
    let mut completed = false;
    while let Some(piece) = body.frame().await {
        let Ok(data) = piece.context("the stream was cut")?.into_data() else {
            continue;
        };
        framer.push(data);
        while let Some(frame) = framer.next_frame() {
            let Some(data) = frame.data() else {
                continue;
            };
            seen.events += 1;
            match ResponseEvent::parse(&data) {
                Ok(ResponseEvent::Delta(EventKind::TextDelta, event)) => {
                    seen.first_delta.get_or_insert_with(|| began.elapsed());
                    let text = event.text.map(|part| part.text).unwrap_or_default();
                    output::raw(text.as_bytes());
                }
                Ok(ResponseEvent::Completed(_)) => completed = true,
                _ => {}
            }
        }
    }
    if !completed {
        bail!("the answer ended without response.completed; please tell us, this is a fault");
    }
    seen.total = began.elapsed();
    Ok(seen)
}

fn request(proxy: SocketAddr) -> anyhow::Result<Request<Full<Bytes>>> {
    let request = Request::post("/responses")
        .header("host", proxy.to_string())
        .header("authorization", "Bearer made-up-key")
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .header("originator", "codex_exec")
        .header("user-agent", "codex_exec/0.169.0 (codex-plus demo)")
        .header("session-id", THREAD)
        .header("thread-id", THREAD)
        .header("x-client-request-id", THREAD)
        .header("x-codex-turn-metadata", metadata().to_string());
    Ok(request.body(Full::new(Bytes::from(body().to_string())))?)
}

fn metadata() -> Value {
    json!({
        "session_id": THREAD,
        "thread_id": THREAD,
        "turn_id": "019aa000-0000-7000-8000-000000000002",
        "request_kind": "turn",
        "thread_source": "user",
    })
}

fn body() -> Value {
    let message = |id: &str, role: &str, text: &str| {
        json!({
            "type": "message",
            "id": id,
            "role": role,
            "content": [{"type": "input_text", "text": text}],
        })
    };
    json!({
        "model": "gpt-5.5",
        "input": [
            message("msg_1", "developer", "You are a coding agent."),
            message("msg_2", "user", "<environment_context><cwd>/home/you/project</cwd></environment_context>"),
            message("msg_3", "user", PROMPT),
        ],
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": true,
        "store": false,
        "stream": true,
        "prompt_cache_key": THREAD,
        "client_metadata": {"x-codex-turn-metadata": metadata().to_string()},
    })
}
