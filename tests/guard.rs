//! What must not enter does not, and the upstream never hears of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "guard/framing.rs"]
mod framing;
#[path = "guard/limits.rs"]
mod limits;
#[path = "guard/pages.rs"]
mod pages;
mod support;
#[path = "guard/targets.rs"]
mod targets;
#[path = "guard/token.rs"]
mod token;
