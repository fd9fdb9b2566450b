//! A client on a bare socket: it asks, reads heads, and takes bodies apart. It does no more than
//! measuring needs, so that its own cost stays small beside what it measures.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a target.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    held: BytesMut,
    body: Body,
}

/// How much of the answer's body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Ended,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    LastLine,
    UntilClose,
}

/// An answer that was read whole.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Bytes of its body, without framing.
    pub bytes: u64,
}

impl Connection {
    /// Connects, without Nagle's delay.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            held: BytesMut::with_capacity(16 << 10),
            body: Body::Ended,
        })
    }

    /// Sends a request and reads its whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        let status = self.head().await?;
        let mut bytes = 0;
        while let Some(piece) = self.piece().await? {
            bytes += piece.len() as u64;
        }
        Ok(Answer { status, bytes })
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads an answer's head and gives its status.
    pub async fn head(&mut self) -> io::Result<u16> {
        loop {
            if let Some((status, length)) = self.parse_head()? {
                self.held.advance(length);
                return Ok(status);
            }
            self.read().await?;
        }
    }

    fn parse_head(&mut self) -> io::Result<Option<(u16, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(&self.held).map_err(io::Error::other)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = head.code.unwrap_or_default();
        self.body = if status == 101 {
            Body::UntilClose
        } else {
            framing(head.headers)?
        };
        Ok(Some((status, length)))
    }

    /// The next piece of the answer's body; none at its end.
    pub async fn piece(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            if let Some(piece) = self.decode()? {
                return Ok(Some(piece));
            }
            if self.body == Body::Ended {
                return Ok(None);
            }
            if self.body == Body::UntilClose && self.stream_ended().await? {
                self.body = Body::Ended;
                return Ok(None);
            }
            if self.body != Body::UntilClose {
                self.read().await?;
            }
        }
    }

    fn decode(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            match self.body {
                Body::Ended => return Ok(None),
                Body::Length(0) => self.body = Body::Ended,
                Body::Length(left) => {
                    let piece = self.take(left);
                    self.body = Body::Length(left - piece.len() as u64);
                    return Ok(Some(piece).filter(|piece| !piece.is_empty()));
                }
                Body::Chunk(0) => self.body = Body::ChunkEnd,
                Body::Chunk(left) => {
                    let piece = self.take(left);
                    self.body = Body::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece).filter(|piece| !piece.is_empty()));
                }
                Body::UntilClose => {
                    let piece = self.held.split();
                    return Ok(Some(piece).filter(|piece| !piece.is_empty()));
                }
                Body::ChunkSize => {
                    let Some(line) = self.line() else {
                        return Ok(None);
                    };
                    self.body = match chunk_size(&line)? {
                        0 => Body::LastLine,
                        size => Body::Chunk(size),
                    };
                }
                Body::ChunkEnd => {
                    if self.line().is_none() {
                        return Ok(None);
                    }
                    self.body = Body::ChunkSize;
                }
                Body::LastLine => match self.line() {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => self.body = Body::Ended,
                    Some(_) => {}
                },
            }
        }
    }

    fn take(&mut self, most: u64) -> BytesMut {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.held.split_to(most.min(self.held.len()))
    }

    fn line(&mut self) -> Option<BytesMut> {
        let end = memchr::memchr(b'\n', &self.held)?;
        let mut line = self.held.split_to(end + 1);
        line.truncate(end.saturating_sub(1));
        Some(line)
    }

    async fn read(&mut self) -> io::Result<()> {
        if self.stream_ended().await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn stream_ended(&mut self) -> io::Result<bool> {
        self.held.reserve(8 << 10);
        Ok(self.stream.read_buf(&mut self.held).await? == 0)
    }
}

fn framing(headers: &[httparse::Header<'_>]) -> io::Result<Body> {
    let mut body = Body::UntilClose;
    for header in headers {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Body::ChunkSize);
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value).map_err(io::Error::other)?;
            body = Body::Length(length.trim().parse().map_err(io::Error::other)?);
        }
    }
    Ok(body)
}

fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).map_err(io::Error::other)?;
    u64::from_str_radix(digits.trim(), 16).map_err(io::Error::other)
}
