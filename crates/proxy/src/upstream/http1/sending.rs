//! A request on its way: what is written and what is still owed.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Method, Request};
use http_body::Body as _;
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;

use super::error::Broken;
use super::fields;
use super::request::{self, Extent, Framing};
use crate::body::OutBody;

/// Bounds on what was taken out of a body and is not yet written: pieces, and bytes beyond which
/// no further piece is taken.
const PIECES: usize = 16;
const BYTES: usize = 400 << 10;
/// A piece may have a line before it and one behind it.
const SLICES: usize = PIECES + 2;

/// A request that is not yet sent to its end. It does not belong to a connection before its first
/// byte is written.
pub(in crate::upstream) struct Sending {
    /// Until its end was seen.
    body: Option<OutBody>,
    framing: Framing,
    queue: VecDeque<Bytes>,
    queued: usize,
    begun: bool,
    /// The answer to HEAD has no body.
    is_head: bool,
}

/// Why a request cannot be sent on.
pub(super) enum Stop {
    /// The connection takes no more.
    Write(io::Error),
    /// The request itself is broken.
    Request(Broken),
}

impl Sending {
    /// A request whose target is a whole URL.
    pub(in crate::upstream) fn new(request: Request<OutBody>) -> Self {
        let (parts, body) = request.into_parts();
        let extent = match body.size_hint().exact() {
            _ if body.is_end_stream() => Extent::None,
            Some(length) => Extent::Known(length),
            None => Extent::Unknown,
        };
        let (head, framing) = request::head(&parts, extent);
        let ended = framing == Framing::Length(0);
        let mut queue = VecDeque::with_capacity(2);
        let queued = head.len();
        queue.push_back(Bytes::from(head));
        Self {
            body: Some(body).filter(|_| !ended),
            framing,
            queue,
            queued,
            begun: false,
            is_head: parts.method == Method::HEAD,
        }
    }

    /// Whether nothing of it was written yet.
    pub(super) fn is_unsent(&self) -> bool {
        !self.begun
    }

    pub(super) fn is_head(&self) -> bool {
        self.is_head
    }

    /// Writes as much as there is and the connection takes; ready when that was all.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
    ) -> Poll<Result<(), Stop>> {
        loop {
            self.fill(cx).map_err(Stop::Request)?;
            if self.queue.is_empty() {
                return if self.body.is_none() {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            let written = ready!(self.write(cx, stream)).map_err(Stop::Write)?;
            self.begun = true;
            self.advance(written);
        }
    }

    /// Takes out of the body what it has and there is room for.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        while let Some(body) = &mut self.body {
            if self.queue.len() >= PIECES || self.queued >= BYTES {
                return Ok(());
            }
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                return Ok(());
            };
            let Some(frame) = frame.transpose().map_err(Broken::Body)? else {
                self.body = None;
                return self.end(None);
            };
            let last = body.is_end_stream();
            match frame.into_data() {
                Ok(data) => {
                    self.push_data(data);
                    if last || self.framing == Framing::Length(0) {
                        self.body = None;
                        return self.end(None);
                    }
                }
                Err(frame) => {
                    self.body = None;
                    return self.end(frame.into_trailers().ok().as_ref());
                }
            }
        }
        Ok(())
    }

    fn push_data(&mut self, mut data: Bytes) {
        if data.is_empty() {
            return;
        }
        match &mut self.framing {
            Framing::Length(left) => {
                // What is said too much would be read as another request.
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                self.push(data);
            }
            Framing::Chunked(_) => {
                let mut size = Vec::with_capacity(18);
                // Writing into memory cannot fail.
                let _ = write!(size, "{:X}\r\n", data.len());
                self.push(size.into());
                self.push(data);
                self.push(Bytes::from_static(b"\r\n"));
            }
        }
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), Broken> {
        match &self.framing {
            Framing::Length(0) => Ok(()),
            Framing::Length(left) => Err(Broken::Short(*left)),
            Framing::Chunked(announced) => {
                let mut end = b"0\r\n".to_vec();
                for (name, value) in trailers.into_iter().flatten() {
                    if announced.contains(name) && fields::may_trail(name) {
                        fields::write(&mut end, name, value);
                    }
                }
                end.extend_from_slice(b"\r\n");
                self.push(end.into());
                Ok(())
            }
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        self.queue.push_back(bytes);
    }

    fn write(&self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut number = 0;
        for (slice, bytes) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(bytes);
            number += 1;
        }
        match ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..number])) {
            Ok(0) => Poll::Ready(Err(ErrorKind::WriteZero.into())),
            written => Poll::Ready(written),
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.queued -= written;
        while let Some(front) = self.queue.front_mut() {
            if front.len() > written {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.queue.pop_front();
        }
    }
}
