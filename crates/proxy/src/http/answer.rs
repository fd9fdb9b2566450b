//! The answer's body on its way to the client: the upstream's frames, one for one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::filtered::FilteredBody;
use super::idle::Idle;
use crate::exchange::Exchange;
use crate::observe::Outcome;

/// A body for the client.
pub(crate) enum AnswerBody {
    /// Ours, whole.
    Whole(Option<Bytes>),
    /// The upstream's, as it arrives.
    Carried(Box<CarriedAnswer>),
    /// The upstream's events, shown to filters.
    Filtered(Box<FilteredBody>),
}

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Passes the upstream's body on; the exchange ends with it.
    pub(crate) fn carry(inner: Incoming, exchange: Exchange, idle: Duration) -> Self {
        let expected = inner.size_hint().exact();
        let source = Source {
            inner,
            idle: Idle::new(idle),
            failed: None,
            yielded: false,
        };
        Self::Carried(Box::new(CarriedAnswer {
            source,
            exchange,
            expected,
            ended: false,
        }))
    }

    /// Shows the upstream's events to filters on their way.
    pub(crate) fn filter(body: FilteredBody) -> Self {
        Self::Filtered(Box::new(body))
    }
}

/// The upstream's body with its idle limit.
pub(crate) struct Source {
    inner: Incoming,
    idle: Idle,
    failed: Option<io::Error>,
    yielded: bool,
}

impl Source {
    pub(crate) fn new(inner: Incoming, idle: Duration) -> Self {
        Self {
            inner,
            idle: Idle::new(idle),
            failed: None,
            yielded: false,
        }
    }

    /// The next frame. An error comes one poll late: hyper drops what it has not yet written when
    /// a body fails, and the events before the break belong to the client.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let error = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.idle.heard();
                self.yielded = true;
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                io::Error::other(format!("the upstream broke off its answer: {error}"))
            }
            Poll::Pending => {
                let quiet = self.idle.poll_quiet(cx).is_ready();
                self.yielded = false;
                if !quiet {
                    return Poll::Pending;
                }
                let seconds = self.idle.limit().as_secs_f32();
                io::Error::other(format!(
                    "the upstream sent nothing for {seconds} s (timeouts.stream_idle)"
                ))
            }
        };
        if !self.yielded {
            return Poll::Ready(Some(Err(error)));
        }
        self.failed = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The upstream's body and the exchange it belongs to.
pub(crate) struct CarriedAnswer {
    source: Source,
    exchange: Exchange,
    expected: Option<u64>,
    ended: bool,
}

impl CarriedAnswer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = self.source.poll(cx);
        if let Poll::Ready(frame) = &polled {
            match frame {
                Some(Ok(frame)) => self.exchange.passed(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(error)) => {
                    self.ended = true;
                    self.exchange
                        .conclude(Outcome::UpstreamCut, Some(error.to_string()));
                }
                None => {
                    self.ended = true;
                    self.exchange.conclude(Outcome::Completed, None);
                }
            }
        }
        polled
    }
}

impl Drop for CarriedAnswer {
    fn drop(&mut self) {
        // A body of known length is not polled past its last byte.
        let whole = self.expected == Some(self.exchange.bytes_out());
        if !self.ended && (whole || self.source.inner.is_end_stream()) {
            self.exchange.conclude(Outcome::Completed, None);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Carried(body) => body.poll(cx),
            Self::Filtered(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Carried(body) => {
                body.source.failed.is_none() && body.source.inner.is_end_stream()
            }
            Self::Filtered(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Carried(body) => body.source.inner.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
        }
    }
}
