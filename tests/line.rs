//! The line as its two ends see it: what goes in comes out, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "line/bodies.rs"]
mod bodies;
#[path = "line/heads.rs"]
mod heads;
#[path = "line/methods.rs"]
mod methods;
#[path = "line/own.rs"]
mod own;
#[path = "line/pieces.rs"]
mod pieces;
mod support;
#[path = "line/timings.rs"]
mod timings;
#[path = "line/tls.rs"]
mod tls;
