//! The upstream's answer as its connection delivers it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::bell::Bell;
use crate::headers;

/// A connection that only moves while its exchange is polled.
pub(crate) trait Carrier: Send {
    /// Moves bytes both ways; false when the connection is over.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool;

    /// What keeps the connection from waking the exchange that moves it.
    fn bell(&self) -> Arc<Bell>;

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

    /// Polls a body whose connection nobody else moves. Only that brings more of it, so the body
    /// itself need wake nobody.
    fn poll_with(
        &mut self,
        mut carrier: Box<dyn Carrier>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut nobody = Context::from_waker(Waker::noop());
        let body = &mut self.body;
        let polled = Pin::new(&mut *body).poll_frame(&mut nobody);
        if polled.is_ready() {
            self.carrier = Some(carrier);
            return polled;
        }
        let bell = carrier.bell();
        let work = |cx: &mut Context<'_>| {
            let open = carrier.advance(cx);
            (open, Pin::new(&mut *body).poll_frame(&mut nobody))
        };
        let (open, polled) = bell.during(cx.waker(), work, |(_, polled)| polled.is_ready());
        if open {
            self.carrier = Some(carrier);
            return polled;
        }
        drop(carrier);
        if polled.is_pending() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        polled
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
        let polled = match this.carrier.take() {
            Some(carrier) => this.poll_with(carrier, cx),
            None => Pin::new(&mut this.body).poll_frame(cx),
        };
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
