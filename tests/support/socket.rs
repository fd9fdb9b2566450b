//! WebSocket by hand, on either end: frames as they are, so that nothing is tidied away.

use std::io;
use std::net::SocketAddr;

use codex_plus_wire::frame::{FrameHeader, Opcode, apply_mask};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::peer::{Head, Peer};

/// The example key of RFC 6455, 1.3.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as it came, with its payload unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    pub(crate) payload: Vec<u8>,
}

/// The request of a handshake, with further header lines.
pub(crate) fn offer(fields: &str) -> String {
    format!(
        "GET /v1/responses HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{fields}\r\n"
    )
}

/// Opens a connection as a client does.
pub(crate) async fn open(address: SocketAddr) -> Peer {
    let mut peer = Peer::connect(address).await;
    peer.send(offer("")).await;
    assert_eq!(peer.head().await.status(), 101);
    peer
}

/// Takes a handshake as an upstream does, with further header lines in the answer.
pub(crate) async fn accept(peer: &mut Peer, fields: &str) -> Head {
    let head = peer.head().await;
    peer.send(accepted(&head, fields)).await;
    head
}

/// The answer that takes a handshake.
pub(crate) fn accepted(head: &Head, fields: &str) -> String {
    let accept = derive_accept_key(head.get("sec-websocket-key").unwrap().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n{fields}\r\n"
    )
}

/// One whole frame, masked as clients do.
pub(crate) fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(FrameHeader::new(opcode, Some(MASK), 0), payload)
}

/// One whole frame, bare as servers send it.
pub(crate) fn bare(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(FrameHeader::new(opcode, None, 0), payload)
}

/// A frame with the bits of `header` and the length of `payload`.
pub(crate) fn frame(mut header: FrameHeader, payload: &[u8]) -> Vec<u8> {
    header.payload_len = payload.len() as u64;
    let mut bytes = Vec::with_capacity(payload.len() + FrameHeader::MAX_LEN);
    header.encode(&mut bytes);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    if let Some(key) = header.mask {
        apply_mask(&mut bytes[start..], key, 0);
    }
    bytes
}

impl Peer {
    /// The next frame; an error when the connection ends before it is whole.
    pub(crate) async fn try_frame(&mut self) -> io::Result<Frame> {
        loop {
            let parsed = FrameHeader::parse(&self.held).map_err(io::Error::other)?;
            if let Some((header, len)) = parsed {
                self.exactly(len).await?;
                let len = usize::try_from(header.payload_len).unwrap();
                let mut payload = self.exactly(len).await?;
                if let Some(key) = header.mask {
                    apply_mask(&mut payload, key, 0);
                }
                return Ok(Frame { header, payload });
            }
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        self.try_frame().await.unwrap()
    }

    /// The next frame of this kind; pings of the proxy's own may come at any time.
    pub(crate) async fn next(&mut self, opcode: Opcode) -> Vec<u8> {
        loop {
            let frame = self.frame().await;
            if frame.header.opcode == opcode {
                return frame.payload;
            }
            assert_eq!(frame.header.opcode, Opcode::Ping, "{frame:?}");
        }
    }
}
