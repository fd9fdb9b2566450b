//! One end of a plain connection that speaks HTTP/1.1 by hand.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::within;

/// Either end: a client of the proxy, or the upstream behind it.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(super) held: BytesMut,
}

/// The head of a request or an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    /// The request line or the status line.
    pub(crate) line: String,
    /// Names (lower case) and values, in order.
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.get("transfer-encoding") == Some("chunked")
    }
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            held: BytesMut::new(),
        }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(within(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends to a peer that may have left already.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(self.stream.write_all(bytes.as_ref())).await
    }

    pub(crate) async fn send_chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let head = format!("{:x}\r\n", bytes.len());
        self.send([head.as_bytes(), bytes, b"\r\n"].concat()).await;
    }

    /// Reads more; false at the end.
    pub(crate) async fn more(&mut self) -> io::Result<bool> {
        self.held.reserve(64 << 10);
        Ok(within(self.stream.read_buf(&mut self.held)).await? > 0)
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.held.windows(2).position(|two| two == b"\r\n") {
                let line = self.held.split_to(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next head, or none when the other side ends the connection before one.
    pub(crate) async fn try_head(&mut self) -> io::Result<Option<Head>> {
        while self.held.is_empty() {
            if !self.more().await? {
                return Ok(None);
            }
        }
        let line = self.line().await?;
        let fields = self.fields().await?;
        Ok(Some(Head { line, fields }))
    }

    pub(crate) async fn head(&mut self) -> Head {
        self.try_head().await.unwrap().expect("a head")
    }

    /// Header or trailer fields up to the empty line.
    pub(crate) async fn fields(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok(fields);
            };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    pub(crate) async fn exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.held.len() < len {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.held.split_to(len).to_vec())
    }

    /// The next chunk as it was cut; none at the last one, with trailers still to come.
    pub(crate) async fn try_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line().await?;
        let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(None);
        }
        let mut chunk = self.exactly(size + 2).await?;
        chunk.truncate(size);
        Ok(Some(chunk))
    }

    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        self.try_chunk().await.unwrap().expect("a chunk")
    }

    /// All chunks, to the clean end of the body.
    pub(crate) async fn chunks(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut chunks = Vec::new();
        while let Some(chunk) = self.try_chunk().await? {
            chunks.push(chunk);
        }
        self.fields().await?;
        Ok(chunks)
    }

    /// Everything until the other side ends the connection.
    pub(crate) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.more().await? {}
        Ok(self.held.split().to_vec())
    }

    /// Everything until the other side ends the connection, in whatever way.
    pub(crate) async fn rest_or_reset(&mut self) -> Vec<u8> {
        while matches!(self.more().await, Ok(true)) {}
        self.taken()
    }

    /// What was read so far.
    pub(crate) fn taken(&mut self) -> Vec<u8> {
        self.held.split().to_vec()
    }

    /// The body that belongs to a head.
    pub(crate) async fn try_body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if head.is_chunked() {
            return Ok(self.chunks().await?.concat());
        }
        match head.get("content-length") {
            Some(length) => self.exactly(length.parse().unwrap()).await,
            None if head.line.starts_with("HTTP/") => self.rest().await,
            None => Ok(Vec::new()),
        }
    }

    pub(crate) async fn body(&mut self, head: &Head) -> Vec<u8> {
        self.try_body(head).await.unwrap()
    }

    /// A request taken in whole: what an upstream does first.
    pub(crate) async fn request(&mut self) -> (Head, Vec<u8>) {
        let head = self.head().await;
        let body = self.body(&head).await;
        (head, body)
    }

    /// Sends a request and takes its answer in whole.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> (Head, Vec<u8>) {
        self.send(request).await;
        let head = self.head().await;
        let body = self.body(&head).await;
        (head, body)
    }
}

/// Sends one request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> (Head, Vec<u8>) {
    Peer::connect(address).await.ask(request).await
}

/// A GET with nothing but a Host.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (Head, Vec<u8>) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    ask(address, request).await
}

/// A POST of a whole body, ready to be sent.
pub(crate) fn post(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{fields}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
