//! The user's hooks on the line: the built binary between a client and the stand-in, over POST
//! with a stream, POST with a document, and WebSocket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "what a test asks is written where it is asked"
)]

#[path = "hooks/calls.rs"]
mod calls;
#[path = "hooks/chained.rs"]
mod chained;
#[path = "hooks/ends.rs"]
mod ends;
#[path = "hooks/events.rs"]
mod events;
#[path = "hooks/failures.rs"]
mod failures;
#[path = "hooks/http.rs"]
mod http;
#[path = "hooks/prompts.rs"]
mod prompts;
#[path = "hooks/python.rs"]
mod python;
#[path = "hooks/sight.rs"]
mod sight;
#[path = "hooks/stage.rs"]
mod stage;
#[path = "hooks/started.rs"]
mod started;
mod support;
#[path = "hooks/trust.rs"]
mod trust;
#[path = "hooks/workers.rs"]
mod workers;
