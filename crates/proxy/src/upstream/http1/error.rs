//! What goes wrong between a request and the end of its answer.

use std::io;

use codex_plus_wire::framing::FramingError;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream) enum Broken {
    /// The upstream closed before its answer was whole.
    #[error("connection closed before message completed")]
    Closed,
    /// It spoke before it was asked.
    #[error("received unexpected message from connection")]
    Unasked,
    /// Neither reading nor writing goes on.
    #[error("connection error")]
    Io(#[source] io::Error),
    /// The request's body failed.
    #[error("error from user's Body stream")]
    Body(#[source] io::Error),
    /// The request's body was shorter than its head says.
    #[error("early end, expected {0} more bytes")]
    Short(u64),
    /// The answer's head is none.
    #[error(transparent)]
    Head(#[from] BadHead),
    /// The answer's body cannot be read on.
    #[error("error reading a body from connection")]
    Answer(#[source] AnswerFault),
}

/// What is wrong with an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::upstream) enum BadHead {
    #[error("invalid HTTP version parsed")]
    Version,
    #[error("invalid HTTP status-code parsed")]
    Status,
    #[error("invalid HTTP header parsed")]
    Field,
    #[error("message head is too large")]
    TooLarge,
    #[error("invalid content-length parsed")]
    Length,
    #[error("unexpected transfer-encoding parsed")]
    Coding,
}

/// What is wrong with an answer's body.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream) enum AnswerFault {
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error("invalid trailers")]
    Trailers,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<httparse::Error> for BadHead {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::Status => Self::Status,
            httparse::Error::TooManyHeaders => Self::TooLarge,
            httparse::Error::Version => Self::Version,
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::NewLine
            | httparse::Error::Token => Self::Field,
        }
    }
}
