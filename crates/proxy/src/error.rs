//! Everything that can go wrong with an exchange before its answer begins, and what the client
//! is told. Errors keep whose fault it was; here they get a status, a code and a label.

use std::time::Duration;

use http::StatusCode;

use crate::descriptors;
use crate::guard::Refusal;
use crate::observe::Outcome;

/// Why an exchange has no answer from the upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The guard kept the request out.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The head is over the limit: the buffer it is read through is only about as large.
    #[error(
        "The request's head is larger than {limit} bytes; raise `limits.head` in Codex-Plus's configuration to allow it."
    )]
    HeadTooLarge { limit: usize },
    /// The request body is over a limit of ours.
    #[error(
        "The request body is larger than {limit} bytes; raise `{setting}` in Codex-Plus's configuration to allow it."
    )]
    TooLarge { limit: usize, setting: &'static str },
    /// The client broke off, or fell silent, in the middle of its body.
    #[error("The request body did not arrive whole: {0}.")]
    Body(String),
    /// No connection to the upstream could be made.
    #[error(
        "Codex-Plus cannot reach {upstream}: {reason}. Check the network, or the `upstream` setting."
    )]
    Unreachable { upstream: String, reason: String },
    /// The upstream broke the exchange before its answer's head.
    #[error("{upstream} closed the connection without an answer: {reason}. Try again.")]
    Broken { upstream: String, reason: String },
    /// The upstream could not be reached, or did not begin to answer, in time.
    #[error("{upstream} {what} within {} s; `{setting}` sets how long Codex-Plus waits.", .limit.as_secs_f32())]
    Timeout {
        upstream: String,
        what: &'static str,
        setting: &'static str,
        limit: Duration,
    },
    /// The system gives this process no descriptor for a connection to the upstream.
    #[error(
        "Codex-Plus has no descriptors left to reach {upstream}: {}.",
        descriptors::ADVICE
    )]
    OutOfDescriptors { upstream: String },
    /// A WebSocket upgrade that is answered by "use POST".
    #[error("WebSocket is not available here ({0}); use POST.")]
    UsePost(String),
}

impl Error {
    /// The status of the answer.
    ///
    /// How Codex 0.169.0 takes them: 400 ends the turn and shows the body, 403 and 413 are
    /// retried and then shown, 502, 503 and 504 are retried, 426 switches from WebSocket to POST.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Unreachable { .. } | Self::Broken { .. } => StatusCode::BAD_GATEWAY,
            Self::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::OutOfDescriptors { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::UsePost(_) => StatusCode::UPGRADE_REQUIRED,
        }
    }

    /// A stable name for scripts and metric labels.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::TooLarge { .. } => "body_too_large",
            Self::Body(_) => "body_incomplete",
            Self::Unreachable { .. } => "upstream_unreachable",
            Self::Broken { .. } => "upstream_broken",
            Self::Timeout { .. } => "upstream_timeout",
            Self::OutOfDescriptors { .. } => "out_of_descriptors",
            Self::UsePost(_) => "websocket_unavailable",
        }
    }

    /// Whose doing it was, for the log.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_)
            | Self::HeadTooLarge { .. }
            | Self::TooLarge { .. }
            | Self::UsePost(_) => Outcome::Refused,
            Self::Body(_) => Outcome::ClientLeft,
            Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::OutOfDescriptors { .. } => Outcome::UpstreamFailed,
        }
    }

    /// The `type` of the error's body, in the provider's terms.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Timeout { .. } => {
                "upstream_error"
            }
            Self::OutOfDescriptors { .. } => "server_error",
            _ => "invalid_request_error",
        }
    }
}
