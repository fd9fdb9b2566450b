//! A provider that answers by what the request asks for in its `x-soak` header, as fast as it can.

use std::net::SocketAddr;

use codex_plus_wire::frame::Opcode;

use crate::support::peer::{Head, Peer};
use crate::support::socket::{accepted, bare};
use crate::support::upstream::upstream;

/// What the command hook adds to a prompt, and the Python hook.
pub(crate) const CONTEXT: &str = "context-from-a-hook";
pub(crate) const TAG: &str = " tagged-by-a-hook";
pub(crate) const SMALL: &str = "{\"object\":\"list\",\"data\":[]}";
/// Events of a stream before the last one.
pub(crate) const EVENTS: usize = 20;
pub(crate) const LAST: &str =
    "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[]}}\n\n";

pub(crate) fn event(number: usize) -> String {
    format!("data: {{\"type\":\"response.output_text.delta\",\"delta\":\"word {number}\"}}\n\n")
}

/// A document with `len` letters in its text.
pub(crate) fn document(len: usize) -> String {
    format!(
        "{{\"id\":\"r\",\"status\":\"completed\",\"output\":[],\"text\":\"{}\"}}",
        "a".repeat(len)
    )
}

pub(crate) async fn start() -> SocketAddr {
    upstream(|mut peer| async move {
        // Whoever leaves is told of by the client's side.
        while answer(&mut peer).await.unwrap_or(false) {}
    })
    .await
}

async fn answer(peer: &mut Peer) -> std::io::Result<bool> {
    let Some(head) = peer.try_head().await? else {
        return Ok(false);
    };
    if head.get("sec-websocket-key").is_some() {
        return socket(peer, &head).await.map(|()| false);
    }
    let body = peer.try_body(&head).await?;
    let has = |words: &str| {
        body.windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    match head.get("x-soak") {
        Some("stream") => stream(peer).await?,
        Some("hooks") if has(CONTEXT) && has(TAG) => stream(peer).await?,
        Some("hooks") => json(peer, "500 Hooks Missing", SMALL).await?,
        Some("echo") => {
            let letters = String::from_utf8_lossy(&body).matches('B').count();
            json(peer, "200 OK", &document(letters)).await?;
        }
        _ => json(peer, "200 OK", SMALL).await?,
    }
    Ok(true)
}

/// A WebSocket connection: every message is answered like a stream, to the client's close.
async fn socket(peer: &mut Peer, head: &Head) -> std::io::Result<()> {
    peer.try_send(accepted(head, "")).await?;
    loop {
        let frame = peer.try_frame().await?;
        match frame.header.opcode {
            Opcode::Text => {
                for number in 0..EVENTS {
                    peer.try_send(bare(Opcode::Text, data(&event(number)).as_bytes()))
                        .await?;
                }
                peer.try_send(bare(Opcode::Text, data(LAST).as_bytes()))
                    .await?;
            }
            Opcode::Close => return peer.try_send(bare(Opcode::Close, &frame.payload)).await,
            _ => {}
        }
    }
}

/// What an event says.
pub(crate) fn data(event: &str) -> &str {
    event.trim_start_matches("data: ").trim_end()
}

async fn stream(peer: &mut Peer) -> std::io::Result<()> {
    peer.try_send(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )
    .await?;
    for number in 0..EVENTS {
        let event = event(number);
        peer.try_send(format!("{:x}\r\n{event}\r\n", event.len()))
            .await?;
    }
    peer.try_send(format!("{:x}\r\n{LAST}\r\n0\r\n\r\n", LAST.len()))
        .await
}

async fn json(peer: &mut Peer, status: &str, text: &str) -> std::io::Result<()> {
    let length = text.len();
    peer.try_send(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{text}"
    ))
    .await
}
