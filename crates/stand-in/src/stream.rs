//! The body of an HTTP answer: paced, encoded, and broken off when so scripted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;
use tokio::time::Sleep;

use crate::answer::{Answer, Ending};
use crate::coding::Encoder;
use crate::shared::Live;
use crate::socket::ResetSwitch;

/// Time given to the bytes before a scripted break, so that they leave first.
const BEFORE_BREAK: Duration = Duration::from_millis(25);

/// Why a body ends in the middle: the script says so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the script breaks the answer off here")]
    Scripted,
    #[error("the answer could not be encoded: {0}")]
    Encoding(#[from] std::io::Error),
}

/// The body of every answer.
pub(crate) enum AnswerBody {
    /// One piece, with a content-length; the answer counts as finished once taken.
    Whole {
        bytes: Option<Bytes>,
        live: Option<Live>,
    },
    /// Piece by piece.
    Stream(Box<Paced>),
}

pub(crate) struct Paced {
    pub(crate) pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    pub(crate) answer: Answer,
    pub(crate) encoder: Option<Encoder>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) live: Live,
    /// Armed for a reset; absent on HTTP/2, where only the stream is reset.
    pub(crate) reset: Option<ResetSwitch>,
    pub(crate) sent: usize,
    pub(crate) pace: Pace,
}

/// Where the stream stands between two pieces.
pub(crate) enum Pace {
    /// Before the wait for the next piece.
    Due,
    Waiting(Pin<Box<Sleep>>),
    /// The wait is over.
    Ready,
    /// All pieces are out; trailers may remain.
    Trailers,
    Over,
}

impl AnswerBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole {
            bytes: Some(bytes.into()),
            live: None,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole { bytes, live } => {
                let bytes = bytes.take();
                if let Some(mut live) = live.take() {
                    live.finish();
                }
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Stream(paced) => paced.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { bytes, .. } => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(paced) => matches!(paced.pace, Pace::Over),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, .. } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

impl Paced {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match &mut self.pace {
                Pace::Due => {
                    let Some(delay) = self.delay() else {
                        return Poll::Pending;
                    };
                    self.pace = match delay {
                        Duration::ZERO => Pace::Ready,
                        delay => Pace::Waiting(Box::pin(tokio::time::sleep(delay))),
                    };
                }
                Pace::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.pace = Pace::Ready;
                }
                Pace::Ready => return Poll::Ready(self.next_piece()),
                Pace::Trailers => {
                    self.pace = Pace::Over;
                    self.live.finish();
                    if let Some(trailers) = self.trailers.take() {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
                Pace::Over => return Poll::Ready(None),
            }
        }
    }

    /// The wait before the next step; `None` is for ever.
    fn delay(&self) -> Option<Duration> {
        match self.answer.ending {
            Ending::Hang { after } if after == self.sent => None,
            Ending::Reset { after } | Ending::Eof { after } if after == self.sent => {
                Some(BEFORE_BREAK)
            }
            _ if self.sent == 0 => Some(self.answer.first_event_delay),
            _ => Some(self.answer.event_delay),
        }
    }

    fn next_piece(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        match self.answer.ending {
            Ending::Reset { after } if after == self.sent => {
                if let Some(reset) = &self.reset {
                    reset.arm();
                }
                return Some(self.broken());
            }
            Ending::Eof { after } if after == self.sent => return Some(self.broken()),
            Ending::Stop { after } if after == self.sent => return self.last_piece(),
            _ => {}
        }
        let Some(piece) = self.pieces.next() else {
            return self.last_piece();
        };
        self.sent += 1;
        self.pace = Pace::Due;
        let encoded = match &mut self.encoder {
            Some(encoder) => encoder.piece(&piece),
            None => Ok(piece),
        };
        Some(encoded.map(Frame::data).map_err(Broken::from))
    }

    fn broken(&mut self) -> Result<Frame<Bytes>, Broken> {
        self.pace = Pace::Over;
        self.live.cut();
        Err(Broken::Scripted)
    }

    /// What the encoder still holds, then the trailers.
    fn last_piece(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        self.pace = Pace::Trailers;
        if let Some(encoder) = self.encoder.take() {
            return Some(encoder.end().map(Frame::data).map_err(Broken::from));
        }
        self.pace = Pace::Over;
        self.live.finish();
        self.trailers
            .take()
            .map(|trailers| Ok(Frame::trailers(trailers)))
    }
}

/// A JSON answer.
pub(crate) fn document(status: StatusCode, body: &Value) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
