//! The request body on its way upstream.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::idle::Idle;
use super::tap::Tap;
use crate::exchange::Inflow;
use crate::headers;

/// A body for the upstream: the client's own, frame by frame, or one we hold.
pub(crate) enum OutBody {
    /// Nothing at all.
    Empty,
    /// The client's, as it arrives.
    Carried(Box<CarriedBody>),
    /// Held in memory, because a filter read it.
    Held {
        chunks: VecDeque<Bytes>,
        trailers: Option<HeaderMap>,
    },
}

/// The client's body, watched while it passes.
pub(crate) struct CarriedBody {
    /// Here until this is dropped.
    inner: Option<Incoming>,
    idle: Idle,
    left: usize,
    count: Arc<Inflow>,
    tap: Option<Tap>,
    fault: Arc<BodyFault>,
    /// Since when the client lets us wait.
    awaited: Option<Instant>,
}

/// What went wrong with a body after it was handed to the upstream's connection.
#[derive(Debug, Default)]
pub(crate) struct BodyFault {
    too_large: AtomicBool,
    broken: AtomicBool,
}

impl BodyFault {
    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

impl OutBody {
    /// Passes the client's body on, up to `limit` bytes.
    pub(crate) fn carry(
        inner: Incoming,
        limit: usize,
        idle: Duration,
        count: Arc<Inflow>,
        tap: Option<Tap>,
    ) -> (Self, Arc<BodyFault>) {
        let fault = Arc::new(BodyFault::default());
        let body = CarriedBody {
            inner: Some(inner),
            idle: Idle::new(idle),
            left: limit,
            count,
            tap,
            fault: Arc::clone(&fault),
            awaited: None,
        };
        (Self::Carried(Box::new(body)), fault)
    }

    /// Sends what we hold.
    pub(crate) fn held(
        chunks: impl IntoIterator<Item = Bytes>,
        trailers: Option<HeaderMap>,
    ) -> Self {
        let chunks = chunks
            .into_iter()
            .filter(|chunk| !chunk.is_empty())
            .collect();
        Self::Held { chunks, trailers }
    }
}

impl CarriedBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let frame = match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(since) = self.awaited.take() {
                    self.count.awaited(since.elapsed());
                }
                frame
            }
            Poll::Pending => {
                let since = *self.awaited.get_or_insert_with(Instant::now);
                ready!(self.idle.poll_quiet(cx));
                self.count.awaited(since.elapsed());
                let error = fail(&self.fault.broken, "the client's body stopped arriving");
                return Poll::Ready(Some(Err(error)));
            }
        };
        self.idle.heard();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.count.add(bytes);
                match self.left.checked_sub(bytes) {
                    Some(left) => {
                        self.left = left;
                        self.read_along(frame.data_ref());
                        Some(Ok(crossing(frame)))
                    }
                    None => Some(Err(fail(
                        &self.fault.too_large,
                        "the client's body is too large",
                    ))),
                }
            }
            Some(Err(_)) => Some(Err(fail(&self.fault.broken, "the client's body broke off"))),
            None => {
                self.read_along(None);
                None
            }
        })
    }

    /// A body of known length is not polled past its last byte.
    fn read_along(&mut self, piece: Option<&Bytes>) {
        let Some(tap) = &mut self.tap else { return };
        if let Some(piece) = piece {
            tap.hear(piece);
        }
        if piece.is_none() || self.inner.as_ref().is_none_or(Body::is_end_stream) {
            tap.end();
        }
    }
}

impl Drop for CarriedBody {
    /// The upstream may have answered before the end of the request, and takes no more of it. Most
    /// clients send first and read then; a connection closed on what they still send is reset, and
    /// the answer lost with it. So the rest is taken in, within the limits that it had anyway.
    fn drop(&mut self) {
        let owed = self.inner.take().filter(|inner| !inner.is_end_stream());
        let failed = self.fault.is_too_large() || self.fault.is_broken();
        if let (Some(mut inner), false, Ok(runtime)) = (owed, failed, Handle::try_current()) {
            let (mut left, idle) = (self.left, self.idle.limit());
            runtime.spawn(async move {
                while let Ok(Some(Ok(frame))) = timeout(idle, inner.frame()).await {
                    let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len))
                    else {
                        return;
                    };
                    left = rest;
                }
            });
        }
    }
}

/// Trailers are held to the rules of the head.
fn crossing(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(headers::request(trailers)),
        Err(frame) => frame,
    }
}

/// The upstream's connection gets an error; the exchange reads the mark to know which.
fn fail(mark: &AtomicBool, what: &'static str) -> io::Error {
    mark.store(true, Ordering::Relaxed);
    io::Error::other(what)
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Carried(body) => body.poll(cx),
            Self::Held { chunks, trailers } => {
                let next = chunks.pop_front().map(Frame::data);
                Poll::Ready(
                    next.or_else(|| trailers.take().map(Frame::trailers))
                        .map(Ok),
                )
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Carried(body) => body.inner.as_ref().is_none_or(Body::is_end_stream),
            Self::Held { chunks, trailers } => chunks.is_empty() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Carried(body) => match &body.inner {
                Some(inner) => inner.size_hint(),
                None => SizeHint::with_exact(0),
            },
            Self::Held { chunks, .. } => {
                SizeHint::with_exact(chunks.iter().map(|chunk| chunk.len() as u64).sum())
            }
        }
    }
}
