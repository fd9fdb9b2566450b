//! One connection: requests in, answers out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::asked::{Asked, Wanted};
use crate::conductor::{Conductor, Framing, Stream, write_event};

/// What all connections share.
#[derive(Default)]
pub(crate) struct Stub {
    conductor: Arc<Conductor>,
    requests: AtomicU64,
    connections: AtomicU64,
    streams: AtomicU64,
}

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nx-request-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n";

/// A document of about 1 kB, as a short answer of the provider's is.
fn document() -> Vec<u8> {
    let text = "All went well, and this is what there is to say about it. ".repeat(7);
    let body = format!(
        r#"{{"id":"resp_1","object":"response","created_at":1767225600,"status":"completed","error":null,"model":"gpt-5.5","output":[{{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{text}","annotations":[]}}]}}],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"metadata":{{}},"usage":{{"input_tokens":328,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":52,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":380}}}}"#
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Counts something while it lives.
struct Count<'a>(&'a AtomicU64);

impl<'a> Count<'a> {
    fn one(of: &'a AtomicU64) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(of)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Peer<'a> {
    stub: &'a Stub,
    socket: Arc<TcpStream>,
    held: BytesMut,
}

/// Serves a connection to its end.
pub(crate) async fn connection(stub: &Stub, stream: TcpStream) -> io::Result<()> {
    let _count = Count::one(&stub.connections);
    let document = document();
    let mut peer = Peer {
        stub,
        socket: Arc::new(stream),
        held: BytesMut::with_capacity(8 << 10),
    };
    loop {
        let asked = loop {
            if let Some(asked) = Asked::parse(&peer.held)? {
                break asked;
            }
            peer.read().await?;
        };
        peer.held.advance(asked.head);
        if let Some(key) = &asked.upgrade {
            return peer.converse(key, &asked).await;
        }
        if asked.wanted == Wanted::Mirror {
            peer.mirror(&asked).await?;
            continue;
        }
        peer.skip_body(&asked).await?;
        stub.requests.fetch_add(1, Ordering::Relaxed);
        if asked.stream > 0 {
            peer.stream(&asked, Framing::ServerSent).await?;
            continue;
        }
        match asked.wanted {
            Wanted::Counts => peer.counts().await?,
            Wanted::Empty => {
                peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await?;
            }
            Wanted::Document | Wanted::Mirror => peer.write(&document).await?,
        }
    }
}

impl Peer<'_> {
    async fn read(&mut self) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            self.held.reserve(8 << 10);
            match self.socket.try_read_buf(&mut self.held) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.socket.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads the body and forgets it, in a buffer that large bodies are worth.
    async fn skip_body(&mut self, asked: &Asked) -> io::Result<()> {
        if asked.chunked {
            // The end of a chunked JSON body cannot be mistaken: JSON holds no bare line ends.
            loop {
                if self.held.ends_with(b"0\r\n\r\n") {
                    self.held.clear();
                    return Ok(());
                }
                let keep = self.held.len().saturating_sub(5);
                self.held.advance(keep);
                self.read().await?;
            }
        }
        let mut left = usize::try_from(asked.length).map_err(io::Error::other)?;
        loop {
            let here = left.min(self.held.len());
            self.held.advance(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.held.reserve(left.min(256 << 10));
            self.read().await?;
        }
    }

    /// Answers with the body it got, so that a run can be sure of what went on.
    async fn mirror(&mut self, asked: &Asked) -> io::Result<()> {
        if asked.chunked {
            while !self.held.ends_with(b"0\r\n\r\n") {
                self.read().await?;
            }
        } else {
            let length = usize::try_from(asked.length).map_err(io::Error::other)?;
            while self.held.len() < length {
                self.read().await?;
            }
        }
        let body = self.held.split();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
        );
        self.write(head.as_bytes()).await?;
        self.write(&body).await
    }

    async fn counts(&self) -> io::Result<()> {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let body = format!(
            r#"{{"requests":{},"connections":{},"streams":{}}}"#,
            of(&self.stub.requests),
            of(&self.stub.connections),
            of(&self.stub.streams)
        );
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        self.write(answer.as_bytes()).await
    }

    /// Streams the wanted events; an error when the client left before the last.
    async fn stream(&mut self, asked: &Asked, framing: Framing) -> io::Result<()> {
        let _count = Count::one(&self.stub.streams);
        let mut first = Vec::new();
        if framing == Framing::ServerSent {
            first.extend_from_slice(STREAM_HEAD);
        }
        write_event(framing, 0, false, &mut first);
        self.write(&first).await?;
        let (done, mut is_done) = oneshot::channel();
        self.stub.conductor.add(
            asked.every,
            Stream {
                socket: Arc::clone(&self.socket),
                framing,
                left: asked.stream - 1,
                sent: 1,
                waiting: Vec::new(),
                done,
            },
        );
        loop {
            tokio::select! {
                ended = &mut is_done => return ended.map_err(io::Error::other),
                // The client's end of the connection is noticed at once.
                read = self.read() => read?,
            }
        }
    }

    /// A WebSocket connection: every whole text message is answered with a stream.
    async fn converse(&mut self, key: &str, asked: &Asked) -> io::Result<()> {
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        );
        self.write(answer.as_bytes()).await?;
        loop {
            match self.frame().await? {
                1 | 2 => self.stream(asked, Framing::WebSocket).await?,
                8 => return Ok(()),
                _ => {}
            }
        }
    }

    /// Takes one frame off the connection and gives its opcode.
    async fn frame(&mut self) -> io::Result<u8> {
        loop {
            if let [first, second, ..] = self.held[..] {
                let (extra, length) = match second & 0x7f {
                    126 => (2, self.number(2..4)),
                    127 => (8, self.number(2..10)),
                    short => (0, Some(usize::from(short))),
                };
                let mask = if second & 0x80 == 0 { 0 } else { 4 };
                if let Some(length) = length
                    && self.held.len() >= 2 + extra + mask + length
                {
                    self.held.advance(2 + extra + mask + length);
                    return Ok(first & 0x0f);
                }
            }
            self.read().await?;
        }
    }

    fn number(&self, at: std::ops::Range<usize>) -> Option<usize> {
        let bytes = self.held.get(at)?;
        Some(bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }
}
