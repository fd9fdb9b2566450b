//! The upstream's body as it arrives, with a limit on silence.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::arriving::Arriving;
use super::idle::Idle;

/// The upstream's body with its idle limit.
pub(crate) struct Source {
    inner: Arriving,
    idle: Idle,
    failed: Option<io::Error>,
    /// Something may not be written yet that came before what comes next: the head at first.
    unwritten: bool,
}

impl Source {
    pub(crate) fn new(inner: Arriving, idle: Duration) -> Self {
        Self {
            inner,
            idle: Idle::new(idle),
            failed: None,
            unwritten: true,
        }
    }

    /// Whether the last byte was handed on.
    pub(crate) fn is_ended(&self) -> bool {
        self.failed.is_none() && self.inner.is_end_stream()
    }

    /// How much is to come, as far as that was announced.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }

    /// The next frame. An error comes one poll late: hyper drops what it has not yet written when
    /// a body fails, and the head and the events before the break belong to the client.
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
                self.unwritten = true;
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                io::Error::other(format!("the upstream broke off its answer: {error}"))
            }
            Poll::Pending => {
                let quiet = self.idle.poll_quiet(cx).is_ready();
                self.unwritten = false;
                if !quiet {
                    return Poll::Pending;
                }
                let seconds = self.idle.limit().as_secs_f32();
                io::Error::other(format!(
                    "the upstream sent nothing for {seconds} s (timeouts.stream_idle)"
                ))
            }
        };
        if !self.unwritten {
            return Poll::Ready(Some(Err(error)));
        }
        self.failed = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
