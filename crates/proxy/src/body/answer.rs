//! The answer's body on its way to the client: the upstream's frames, one for one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::arriving::Arriving;
use super::filtered::FilteredBody;
use super::source::Source;
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
    pub(crate) fn carry(inner: Arriving, exchange: Exchange, idle: Duration) -> Self {
        let expected = inner.size_hint().exact();
        let source = Source::new(inner, idle);
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
        if !self.ended && (whole || self.source.is_ended()) {
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
            Self::Carried(body) => body.source.is_ended(),
            Self::Filtered(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Carried(body) => body.source.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
        }
    }
}
