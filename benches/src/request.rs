//! Requests as Codex sends them, in any size.

use std::fmt::Write as _;

use bytes::Bytes;

/// How an answer's events travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    ServerSent,
    WebSocket,
}

pub(crate) const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Codex's own description of a request (seen with 0.169.0), with invented ids.
const METADATA: &str = r#"{"session_id":"019b0000-0000-7000-8000-000000000001","thread_id":"019b0000-0000-7000-8000-000000000001","turn_id":"019b0000-0000-7000-8000-000000000002","request_kind":"turn","thread_source":"user","model":"gpt-5.5","sandbox":"workspace-write"}"#;

fn head(method: &str, query: &str, more: &str) -> String {
    format!(
        "{method} /responses{query} HTTP/1.1\r\nauthorization: Bearer bench\r\noriginator: codex_exec\r\nuser-agent: codex_exec/0.169.0\r\nsession-id: 019b0000-0000-7000-8000-000000000001\r\nthread-id: 019b0000-0000-7000-8000-000000000001\r\nx-client-request-id: 019b0000-0000-7000-8000-000000000001\r\nx-codex-turn-metadata: {METADATA}\r\naccept: text/event-stream\r\n{more}host: localhost\r\n\r\n"
    )
}

/// A POST of about `size` bytes whose newest prompt is `prompt`.
pub(crate) fn post(size: usize, prompt: &str) -> Bytes {
    let body = body(size, prompt);
    let mut request = head(
        "POST",
        "",
        &format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        ),
    )
    .into_bytes();
    request.extend_from_slice(body.as_bytes());
    request.into()
}

/// The same, compressed as Codex does with a `ChatGPT` login.
pub(crate) fn post_zstd(size: usize, prompt: &str) -> anyhow::Result<Bytes> {
    let body = zstd::encode_all(body(size, prompt).as_bytes(), 3)?;
    let more = format!(
        "content-type: application/json\r\ncontent-encoding: zstd\r\ncontent-length: {}\r\n",
        body.len()
    );
    let mut request = head("POST", "", &more).into_bytes();
    request.extend_from_slice(&body);
    Ok(request.into())
}

/// A request for a stream of events.
pub(crate) fn stream(framing: Framing, events: u64, every: u64) -> Bytes {
    let query = format!("?stream={events}&every={every}");
    match framing {
        Framing::ServerSent => {
            let body = body(1_000, "Stream.");
            let more = format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
            (head("POST", &query, &more) + &body).into()
        }
        Framing::WebSocket => {
            let more = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nopenai-beta: responses_websockets=2026-02-06\r\n";
            head("GET", &query, more).into()
        }
    }
}

/// A `response.create` in a masked text frame; a mask of zeros leaves the text as it is.
pub(crate) fn message() -> Bytes {
    let text = format!(
        r#"{{"type":"response.create",{}"#,
        &body(1_000, "Stream.")[1..]
    );
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut frame = vec![0x81, 0xfe];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame.into()
}

/// A conversation that grew to `size` bytes: instructions, then tool calls and their outputs, and
/// the newest prompt last.
fn body(size: usize, prompt: &str) -> String {
    const OUTPUT: &str = r#"running 12 tests\ntest line::carries_bytes ... ok\ntest line::keeps_order ... ok\n\u001b[32mall good\u001b[0m \"quoted\" and 100 % plain text beside it, as it is found in logs and sources.\n"#;
    let mut body = String::from(
        r#"{"model":"gpt-5.5","stream":true,"store":false,"tool_choice":"auto","parallel_tool_calls":true,"prompt_cache_key":"019b0000-0000-7000-8000-000000000001","input":["#,
    );
    body.push_str(r#"{"type":"message","role":"developer","id":"msg_0","content":[{"type":"input_text","text":"You are a coding agent."}]},"#);
    let last = format!(
        r#"{{"type":"message","role":"user","id":"msg_prompt","content":[{{"type":"input_text","text":"{prompt}"}}]}}],"client_metadata":{{"x-codex-turn-metadata":{metadata}}}}}"#,
        metadata = serde_json::Value::from(METADATA),
    );
    let mut call = 0;
    // Writing to a String cannot fail.
    while body.len() + last.len() + 400 < size {
        let room = size - body.len() - last.len() - 300;
        let times = (room / OUTPUT.len()).clamp(1, 20);
        let output = OUTPUT.repeat(times);
        let _ = write!(
            body,
            r#"{{"type":"function_call","id":"fc_{call}","call_id":"call_{call}","name":"shell","arguments":"{{\"command\":[\"cargo\",\"test\"]}}"}},{{"type":"function_call_output","call_id":"call_{call}","output":"{output}"}},"#
        );
        call += 1;
    }
    body + &last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_size_asked_for() {
        for size in [1_000_usize, 100_000, 1_000_000] {
            let body = body(size, "Say hello.");
            serde_json::from_str::<serde_json::Value>(&body).unwrap();
            assert!(
                body.len().abs_diff(size) < size / 2,
                "{} for {size}",
                body.len()
            );
        }
    }
}
