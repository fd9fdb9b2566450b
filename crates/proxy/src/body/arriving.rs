//! The upstream's answer as its connection delivers it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::headers;

/// A connection that only moves while its exchange is polled.
pub(crate) trait Carrier: Send {
    /// Moves bytes both ways; false when the connection is over.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool;

    /// The answer was read to its end: the connection may serve another exchange.
    fn release(self: Box<Self>);
}

/// An answer's body, with the connection it comes over when nobody else moves that.
pub(crate) struct Arriving {
    body: Incoming,
    carrier: Option<Box<dyn Carrier>>,
    ended: bool,
}

impl Arriving {
    /// Dropping it before its end closes the carrier's connection.
    pub(crate) fn new(body: Incoming, carrier: Option<Box<dyn Carrier>>) -> Self {
        Self {
            body,
            carrier,
            ended: false,
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if self.is_end_stream()
            && let Some(carrier) = self.carrier.take()
        {
            carrier.release();
        }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let mut polled = Pin::new(&mut this.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(carrier) = &mut this.carrier
        {
            if !carrier.advance(cx) {
                this.carrier = None;
            }
            polled = Pin::new(&mut this.body).poll_frame(cx);
        }
        this.ended |= matches!(polled, Poll::Ready(None));
        polled.map_ok(|frame| match frame.into_trailers() {
            // Held to the rules of the head.
            Ok(trailers) => Frame::trailers(headers::response(trailers)),
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
