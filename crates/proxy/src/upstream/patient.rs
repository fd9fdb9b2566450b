//! A connection whose writing end may break without a word: what the other side said before it
//! stopped reading is worth more than the news that it did.
//!
//! A provider that refuses a large request answers at once and closes on bytes it has not read,
//! which resets the connection. The answer has arrived by then, or is about to; a client stack that
//! hears of the failed write first gives it up. Reading tells of the break as well, but after what
//! has arrived.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream that does not tell when it takes no more.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: TcpStream,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It tells all the same: what goes both ways for good has no answer to wait for.
    Plain,
    Whole,
    /// It takes no more.
    Broken,
}

impl Patient {
    /// A stream that waits for an answer if there is to be one.
    pub(crate) fn new(stream: TcpStream, for_answer: bool) -> Self {
        let state = if for_answer {
            State::Whole
        } else {
            State::Plain
        };
        Self { stream, state }
    }

    /// The stream itself, for whoever is patient with it.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// What a write comes to; a broken one waits, for the reading end will say so.
    fn write<T>(
        &mut self,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.state == State::Broken {
            return Poll::Pending;
        }
        match write(Pin::new(&mut self.stream)) {
            Poll::Ready(Err(error)) if self.state == State::Whole && is_break(error.kind()) => {
                self.state = State::Broken;
                Poll::Pending
            }
            written => written,
        }
    }
}

/// Whether a write failed because the other side reads no more.
pub(super) fn is_break(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
    )
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connection for Patient {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}
