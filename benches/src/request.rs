//! Requests as Codex sends them, in any size; each asks with a prompt of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use codex_plus_bench::conversation::{METADATA, PROMPT_DIGITS, PROMPT_ID, conversation};

/// How an answer's events travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    ServerSent,
    WebSocket,
}

pub(crate) const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The number of the next prompt: nobody asks with the same one twice.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A request that can be sent again and again, as a new prompt each time.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The bytes on the wire, with the newest id in them.
    bytes: Vec<u8>,
    /// Where the id's digits are: in the bytes, or in the body before compression.
    digits: usize,
    /// The body before compression, and the query it goes to.
    packed: Option<(Vec<u8>, String)>,
}

impl Ask {
    /// A POST of about `size` bytes whose newest prompt is `prompt`, by a client in `cwd`.
    pub(crate) fn post(size: usize, prompt: &str, cwd: &str) -> Self {
        Self::with_query("", size, prompt, cwd)
    }

    fn with_query(query: &str, size: usize, prompt: &str, cwd: &str) -> Self {
        let body = conversation(size, prompt, cwd);
        let mut bytes = head("POST", query, &described(body.len(), "")).into_bytes();
        let digits = bytes.len() + digits_in(&body);
        bytes.extend_from_slice(body.as_bytes());
        Self {
            bytes,
            digits,
            packed: None,
        }
    }

    /// The same to the upstream's mirror, which answers with what it got.
    pub(crate) fn mirrored(size: usize, prompt: &str, cwd: &str) -> Self {
        Self::with_query("?mirror=1", size, prompt, cwd)
    }

    /// The same, for an answer that is no stream.
    pub(crate) fn document(size: usize, prompt: &str, cwd: &str) -> Self {
        let mut ask = Self::post(size, prompt, cwd);
        let streams = br#""stream":true"#;
        if let Some(at) = memchr::memmem::find(&ask.bytes, streams) {
            // A value of the same length, so that nothing else moves.
            ask.bytes[at..at + streams.len()].copy_from_slice(br#""stream":null"#);
        }
        ask
    }

    /// The same, compressed as Codex does with a `ChatGPT` login.
    pub(crate) fn post_zstd(size: usize, prompt: &str, cwd: &str) -> Self {
        let body = conversation(size, prompt, cwd);
        Self {
            bytes: Vec::new(),
            digits: digits_in(&body),
            packed: Some((body.into_bytes(), String::new())),
        }
    }

    /// A request for a stream of so many events, so many milliseconds apart.
    pub(crate) fn stream(events: u64, every: u64, cwd: &str) -> Self {
        let query = format!("?stream={events}&every={every}");
        Self::with_query(&query, 1_000, "Stream.", cwd)
    }

    /// The request, with a prompt that nobody asked before.
    pub(crate) fn renewed(&mut self) -> std::io::Result<&[u8]> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{id:0PROMPT_DIGITS$}");
        let at = self.digits..self.digits + PROMPT_DIGITS;
        match &mut self.packed {
            None => self.bytes[at].copy_from_slice(id.as_bytes()),
            Some((body, query)) => {
                body[at].copy_from_slice(id.as_bytes());
                let packed = zstd::encode_all(&body[..], 3)?;
                let more = described(packed.len(), "content-encoding: zstd\r\n");
                self.bytes = head("POST", query, &more).into_bytes();
                self.bytes.extend_from_slice(&packed);
            }
        }
        Ok(&self.bytes)
    }
}

fn digits_in(body: &str) -> usize {
    body.find(PROMPT_ID)
        .map_or(0, |at| at + PROMPT_ID.len() - PROMPT_DIGITS)
}

fn described(length: usize, more: &str) -> String {
    format!("content-type: application/json\r\n{more}content-length: {length}\r\n")
}

fn head(method: &str, query: &str, more: &str) -> String {
    format!(
        "{method} /responses{query} HTTP/1.1\r\nauthorization: Bearer bench\r\noriginator: codex_exec\r\nuser-agent: codex_exec/0.169.0\r\nsession-id: 019b0000-0000-7000-8000-000000000001\r\nthread-id: 019b0000-0000-7000-8000-000000000001\r\nx-client-request-id: 019b0000-0000-7000-8000-000000000001\r\nx-codex-turn-metadata: {METADATA}\r\naccept: text/event-stream\r\n{more}host: localhost\r\n\r\n"
    )
}

/// The handshake of a WebSocket connection whose messages are answered with a stream.
pub(crate) fn handshake(events: u64, every: u64) -> Bytes {
    let query = format!("?stream={events}&every={every}");
    let more = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nopenai-beta: responses_websockets=2026-02-06\r\n";
    head("GET", &query, more).into()
}

/// A `response.create` in a masked text frame; a mask of zeros leaves the text as it is.
pub(crate) fn message(cwd: &str) -> Bytes {
    let body = conversation(1_000, "Stream.", cwd);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let own = format!("msg_prompt_{id:0PROMPT_DIGITS$}");
    let body = body.replace(PROMPT_ID, &own);
    let text = format!(r#"{{"type":"response.create",{}"#, &body[1..]);
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut frame = vec![0x81, 0xfe];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_asks_with_another_prompt() {
        for mut ask in [
            Ask::post(2_000, "Hi.", "/work"),
            Ask::post_zstd(2_000, "Hi.", "/work"),
        ] {
            let one = ask.renewed().unwrap().to_vec();
            let two = ask.renewed().unwrap();
            assert_ne!(one, two);
        }
    }
}
