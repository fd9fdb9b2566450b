//! HTTP/1.1 towards a plain-http upstream: one request and its answer, over a connection that
//! moves only while its exchange is polled.

mod answer;
mod error;
mod fields;
mod head;
mod reading;
mod request;
mod sending;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use tokio::net::TcpStream;

use super::patient::is_break;
use answer::Answer;
pub(super) use error::Broken;
pub(super) use reading::unasked;
pub(super) use sending::Sending;
use sending::Stop;

/// A request and its answer, with the connection they go over. Dropping it closes that.
pub(super) struct Exchange {
    stream: TcpStream,
    /// What is still owed of the request.
    sending: Option<Box<Sending>>,
    /// Nobody speaks before they are asked.
    asked: bool,
    /// The upstream takes no more of the request. What it said before is worth more than the news
    /// that it did: reading tells of the break as well, but after what has arrived.
    refused: bool,
    answer: Answer,
    /// Whether much comes at once.
    much: bool,
}

/// What becomes of a connection after an answer.
pub(super) enum Rest {
    /// It may serve another exchange.
    Free(TcpStream),
    /// The answer came before the end of the request, the rest of which is still owed.
    Owed(Owed),
    Closed,
}

/// A request whose answer is over.
pub(super) struct Owed {
    stream: TcpStream,
    sending: Box<Sending>,
    keeps: bool,
}

impl Exchange {
    pub(super) fn new(stream: TcpStream, sending: Box<Sending>) -> Self {
        Self {
            stream,
            answer: Answer::new(sending.is_head()),
            sending: Some(sending),
            asked: false,
            refused: false,
            much: false,
        }
    }

    /// The request, if this connection failed before anything of it was written.
    pub(super) fn into_unsent(self, error: &Broken) -> Option<Box<Sending>> {
        // What is wrong with the request is wrong on every connection.
        let of_request = matches!(error, Broken::Body(_) | Broken::Short(_));
        self.sending
            .filter(|sending| sending.is_unsent() && !of_request)
    }

    /// Sends the request, and waits for the head of its answer.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Broken>> {
        let begins = !std::mem::replace(&mut self.asked, true);
        if begins {
            match unasked(&self.stream) {
                None => {}
                Some(Ok(0)) => return Poll::Ready(Err(Broken::Closed)),
                Some(Ok(_)) => return Poll::Ready(Err(Broken::Unasked)),
                Some(Err(error)) => return Poll::Ready(Err(Broken::Io(error))),
            }
            self.send(cx)?;
        }
        if let Poll::Ready(head) = self.read_head(cx) {
            return Poll::Ready(head);
        }
        if !begins {
            self.send(cx)?;
        }
        Poll::Pending
    }

    fn read_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Broken>> {
        loop {
            let answer = &mut self.answer;
            let read = reading::poll(&mut self.stream, &mut self.much, cx, |came| {
                answer.head(&came)
            });
            if let Some(head) = ready!(read).map_err(Broken::Io)?? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The next piece of the answer's body, as it came.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Some(next) = self.answer.next() {
                return Poll::Ready(Some(next));
            }
            if self.answer.is_over() {
                return Poll::Ready(None);
            }
            self.send(cx)?;
            let answer = &mut self.answer;
            let read = reading::poll(&mut self.stream, &mut self.much, cx, |came| {
                answer.body_of(came)
            });
            match ready!(read) {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) => {}
                Err(error) => self.answer.fail(error),
            }
        }
    }

    /// Whether all of the answer was handed on.
    pub(super) fn is_over(&self) -> bool {
        self.answer.is_over()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }

    /// What is left when the answer is over.
    pub(super) fn into_rest(self) -> Rest {
        let keeps = self.answer.keeps();
        match self.sending {
            Some(_) if self.refused => Rest::Closed,
            Some(sending) => Rest::Owed(Owed {
                stream: self.stream,
                sending,
                keeps,
            }),
            None if keeps => Rest::Free(self.stream),
            None => Rest::Closed,
        }
    }

    /// Sends on what is owed of the request; an answer may come before its end.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let Some(sending) = self.sending.as_mut().filter(|_| !self.refused) else {
            return Ok(());
        };
        match sending.poll(cx, &mut self.stream) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.sending = None,
            Poll::Ready(Err(Stop::Request(error))) => return Err(error),
            // Nobody answers what they heard nothing of.
            Poll::Ready(Err(Stop::Write(error)))
                if is_break(error.kind()) && !sending.is_unsent() =>
            {
                self.refused = true;
            }
            Poll::Ready(Err(Stop::Write(error))) => return Err(Broken::Io(error)),
        }
        Ok(())
    }
}

impl Owed {
    /// Sends the rest; the connection, if it may then serve another exchange.
    pub(super) async fn pay(mut self) -> Option<TcpStream> {
        poll_fn(|cx| {
            if let Poll::Ready(sent) = self.sending.poll(cx, &mut self.stream) {
                return Poll::Ready(sent.ok());
            }
            // Nothing is to come any more but the end.
            while ready!(self.stream.poll_read_ready(cx)).is_ok() {
                if unasked(&self.stream).is_some() {
                    break;
                }
            }
            Poll::Ready(None)
        })
        .await?;
        self.keeps.then_some(self.stream)
    }
}
