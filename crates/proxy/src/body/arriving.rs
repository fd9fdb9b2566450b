//! The upstream's answer as its connection delivers it.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::headers;

type BoxError = Box<dyn StdError + Send + Sync>;

/// An answer's body.
pub(crate) enum Arriving {
    /// There is none.
    Empty,
    /// Its connection moves while it is polled; dropping it before its end closes that.
    Moved(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
    /// Its connection is moved by others.
    Pooled(Incoming),
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Moved(body) => body.as_mut().poll_frame(cx),
            Self::Pooled(body) => Pin::new(body).poll_frame(cx).map_err(BoxError::from),
        };
        polled.map_ok(|frame| match frame.into_trailers() {
            // Held to the rules of the head.
            Ok(trailers) => Frame::trailers(headers::response(trailers)),
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Moved(body) => body.is_end_stream(),
            Self::Pooled(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Moved(body) => body.size_hint(),
            Self::Pooled(body) => body.size_hint(),
        }
    }
}
