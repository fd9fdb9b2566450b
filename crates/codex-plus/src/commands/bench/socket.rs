//! A turn over WebSocket.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use codex_plus_wire::event::EventKind;
use codex_plus_wire::frame::{MessageAssembler, Opcode, encode_frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{NOT_ANSWERED, Took};
use super::turns::headers;

const LARGEST_MESSAGE: usize = 16 << 20;
const ROOM: usize = 64 << 10;
/// Any key does: nothing of it is secret, and this one is as long as it must be.
const KEY: &str = "Y29kZXgtcGx1cyBiZW5jaA==";

/// An open connection.
pub(super) struct Socket {
    stream: TcpStream,
    messages: MessageAssembler,
}

impl Socket {
    /// Asks for the upgrade.
    pub(super) async fn open(
        mut stream: TcpStream,
        address: SocketAddr,
        token: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut request = format!(
            "GET /v1/responses HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n"
        );
        let token = token.map(|token| ("x-codex-plus-token", token.to_owned()));
        for (name, value) in headers().into_iter().chain(token) {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut received = BytesMut::new();
        let end = loop {
            if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut received).await? == 0 || received.len() > ROOM {
                bail!("the handshake was not answered");
            }
        };
        let head = received.split_to(end).freeze();
        if !head.starts_with(b"HTTP/1.1 101 ") {
            let head = String::from_utf8_lossy(&head).into_owned();
            let line = head.lines().next().unwrap_or_default();
            bail!("WebSocket was refused: {line}");
        }
        let mut messages = MessageAssembler::new(LARGEST_MESSAGE);
        messages.push(received.freeze());
        Ok(Self { stream, messages })
    }

    /// Sends a request and reads events to the last.
    pub(super) async fn turn(&mut self, body: Bytes) -> anyhow::Result<Took> {
        let frame = encode_frame(Opcode::Text, &body, Some([0x5a, 0x17, 0xc3, 0x88]));
        let began = Instant::now();
        self.stream.write_all(&frame).await?;
        let mut first = None;
        loop {
            while let Some(message) = self.messages.next_message()? {
                if message.opcode != Opcode::Text {
                    continue;
                }
                first.get_or_insert_with(|| began.elapsed());
                match EventKind::peek(&message.payload) {
                    EventKind::Completed => {
                        let whole = began.elapsed();
                        let first = first.unwrap_or(whole);
                        return Ok(Took { first, whole });
                    }
                    kind if kind.is_terminal() => bail!("{NOT_ANSWERED}"),
                    _ => {}
                }
            }
            let mut piece = BytesMut::with_capacity(ROOM);
            let count = self.stream.read_buf(&mut piece).await;
            if count.context("the connection broke")? == 0 {
                bail!("the connection was closed in the middle of an answer");
            }
            self.messages.push(piece.freeze());
        }
    }
}
